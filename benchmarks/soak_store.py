"""In-memory clusters in another process than the worker, so that their contents don't count as its memory."""

from __future__ import annotations

import pickle
import selectors
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from soak_company import PATTERN, index_of
from streams import DAY

from ipi_es.cluster.port import BulkOutcome, Document, Drop, Json, Put, ServerInfo
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.testing.memory_parts import MemoryLifecycles


class DailyCluster(MemoryCluster):
    """Searches only the event indices of the requested days, as servers do; searching all would take hours."""

    def search(self, index: str | Sequence[str], body: Mapping[str, Any], **how: Any) -> Json:
        """See the port."""
        if tuple(index) == (PATTERN,) and (asked := _range(body.get("query"))) is not None:
            begin, end = (milliseconds // 1_000 for milliseconds in asked)
            days = [index_of(day * DAY) for day in range(begin // DAY, -(-end // DAY))]
            index = [name for name in self.indices(PATTERN) if name in days] or index
        return super().search(index, body, **how)


def _range(query: Any) -> tuple[int, int] | None:
    """Return [start, end) of the first time range in a query, epoch milliseconds; None without one."""
    if isinstance(query, list):
        return next((found for each in query if (found := _range(each)) is not None), None)
    if not isinstance(query, dict):
        return None
    if "range" in query:
        (asked,) = query["range"].values()
        return (int(asked["gte"]), int(asked["lt"])) if {"gte", "lt"} <= asked.keys() else None
    return _range(list(query.values()))


class Elsewhere:
    """A :class:`ipi_es.cluster.port.Cluster` behind a pipe; operations without a method here are passed on."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._lock = pipe, threading.Lock()
        self.lifecycles = MemoryLifecycles(self.indices)  # there are none

    @property
    def info(self) -> ServerInfo:
        """That of a MemoryCluster."""
        return MemoryCluster().info

    def indices(self, pattern: str) -> list[str]:
        """See the port."""
        found: list[str] = self._ask("indices", pattern)
        return found

    def scan(self, *args: Any, **how: Any) -> Iterator[Document]:
        """See the port."""
        return iter(self._ask("scan", *args, **how))

    def bulk(self, actions: Iterable[Put | Drop], **how: Any) -> BulkOutcome:
        """See the port."""
        outcome: BulkOutcome = self._ask("bulk", list(actions), **how)
        return outcome

    def close(self) -> None:
        """Do nothing; the process's end closes the pipe."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return partial(self._ask, name)

    def _ask(self, name: str, *args: Any, **how: Any) -> Any:
        with self._lock:
            self._pipe.send((name, args, how))
            done, value = self._pipe.recv()
        if not done:
            raise value
        return value


def serve(clusters: Sequence[MemoryCluster], pipes: Sequence[Connection]) -> threading.Thread:
    """Answer the requests of the pipes in a background thread until all are closed."""
    thread = threading.Thread(target=_answer, args=(clusters, pipes), name="soak-store", daemon=True)
    thread.start()
    return thread


def _answer(clusters: Sequence[MemoryCluster], pipes: Sequence[Connection]) -> None:
    with selectors.DefaultSelector() as waiting:
        for pipe, cluster in zip(pipes, clusters, strict=True):
            waiting.register(pipe, selectors.EVENT_READ, cluster)
        while waiting.get_map():
            for key, _ in waiting.select():
                try:
                    _answer_one(key.fileobj, key.data)
                except (EOFError, OSError):
                    waiting.unregister(key.fileobj)


def _answer_one(pipe: Any, cluster: MemoryCluster) -> None:
    name, args, how = pipe.recv()
    pipe.send(_done(cluster, name, args, how))


def _done(cluster: MemoryCluster, name: str, args: Any, how: Any) -> tuple[bool, Any]:
    try:
        value = getattr(cluster, name)(*args, **how)
        return True, list(value) if name == "scan" else value
    except Exception as error:  # noqa: BLE001  (sent to the caller)
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # noqa: BLE001  (some errors can't be sent)
            return False, RuntimeError(repr(error))
        return False, error
