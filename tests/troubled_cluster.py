"""A cluster in memory that refuses, loses answers, or does half of what it is told, as a seeded chance wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import worker_parts as parts

from ipi_es.cluster.port import BulkOutcome, Drop, Put
from ipi_es.errors import (
    AuthenticationFailed,
    BulkFailed,
    ClusterBusy,
    ClusterReadOnly,
    ClusterTimeout,
    ClusterUnreachable,
    Conflict,
    TlsError,
)
from ipi_es.testing.memory_cluster import MemoryCluster

WRITES = ("put", "bulk", "delete", "create_index", "put_mapping")
READS = ("search", "scan", "count", "get")


@dataclass(frozen=True)
class Trouble:
    """What goes wrong, with which of the operations; ``done``: what was asked for is done all the same."""

    error: Callable[[], Exception]
    operations: tuple[str, ...] = (*WRITES, *READS)
    done: bool = False
    half: bool = False
    """Of a bulk, half is done."""


TROUBLES = {
    "429": Trouble(lambda: ClusterBusy("the queue is full", status=429)),
    "503": Trouble(lambda: ClusterBusy("not ready", status=503)),
    "nobody listens": Trouble(lambda: ClusterUnreachable("nothing listens")),
    "no answer in time": Trouble(lambda: ClusterTimeout("no answer in time")),
    "answers that are lost": Trouble(lambda: ClusterTimeout("no answer in time"), WRITES, done=True),
    "half-failed bulks": Trouble(
        lambda: BulkFailed("half of it was refused", failures=[("x", 429, "full")]), ("bulk",), half=True
    ),
    "read-only indices": Trouble(lambda: ClusterReadOnly("blocks writing"), WRITES),
    "conflicts of the state": Trouble(lambda: Conflict("version conflict", status=409), ("put",)),
    "a key that is revoked": Trouble(lambda: AuthenticationFailed("refused the credentials", status=401)),
    "a certificate that isn't trusted": Trouble(lambda: TlsError("the certificate isn't trusted")),
    "a host name that isn't known": Trouble(lambda: ClusterUnreachable("the host name is not known here")),
    "bulks that are cut in the middle": Trouble(lambda: ClusterUnreachable("closed"), ("bulk",), half=True),
}


class TroubledCluster(MemoryCluster):
    """``chance`` of an operation to fail by one of ``troubles``, until ``quiet``; ``failed`` counts."""

    def __init__(self, like: MemoryCluster, troubles: list[Trouble], chance: float, seed: int) -> None:
        super().__init__()
        parts.copy_into(self, like)
        self._troubles, self._chance, self._rng = troubles, chance, np.random.default_rng(seed)
        self.failed, self.quiet = 0, False

    def _now(self, operation: str) -> Trouble | None:
        found = [each for each in self._troubles if operation in each.operations]
        if self.quiet or not found or self._rng.random() >= self._chance:
            return None
        self.failed += 1
        return found[int(self._rng.integers(len(found)))]

    def _tried(self, name: str, *args: Any, **how: Any) -> Any:
        with self._lock:
            trouble = self._now(name)
            if trouble is not None and not trouble.done:
                raise trouble.error()
            answer = getattr(super(), name)(*args, **how)
            if trouble is not None:
                raise trouble.error()
            return answer

    def put(self, *args: Any, **how: Any) -> Any:
        return self._tried("put", *args, **how)

    def delete(self, *args: Any, **how: Any) -> Any:
        return self._tried("delete", *args, **how)

    def create_index(self, *args: Any, **how: Any) -> Any:
        return self._tried("create_index", *args, **how)

    def put_mapping(self, *args: Any, **how: Any) -> Any:
        return self._tried("put_mapping", *args, **how)

    def search(self, *args: Any, **how: Any) -> Any:
        return self._tried("search", *args, **how)

    def scan(self, *args: Any, **how: Any) -> Any:
        return self._tried("scan", *args, **how)

    def count(self, *args: Any, **how: Any) -> Any:
        return self._tried("count", *args, **how)

    def get(self, *args: Any, **how: Any) -> Any:
        return self._tried("get", *args, **how)

    def bulk(self, actions: Iterable[Put | Drop], **how: Any) -> BulkOutcome:
        with self._lock:
            batch = list(actions)
            trouble = self._now("bulk")
            if trouble is None:
                return super().bulk(batch, **how)
            if trouble.half:  # items fail here and there, not only at the end
                super().bulk([each for each in batch if self._rng.random() < 0.5], **how)
            elif trouble.done:
                super().bulk(batch, **how)
            raise trouble.error()
