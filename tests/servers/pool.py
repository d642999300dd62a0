"""Which servers the tests run against, and those that were started: one a kind, for the whole session."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from servers import containers
from servers.elasticsearch import VERSIONS, LocalElasticsearch, NoJdk
from servers.opensearch import KIND as OPENSEARCH
from servers.opensearch import start_opensearch
from servers.plain_http import call, kind_of

URL_VARIABLE = "IPI_ES_TEST_URL"
"""URLs of existing clusters, separated by commas; the tests write indices there and remove them."""


class Stoppable(Protocol):
    url: str

    def stop(self) -> None: ...


@dataclass(frozen=True)
class Server:
    """A server that answers. ``kind`` is ``opensearch-3.8.0``, ``elasticsearch-9.5.3``, …"""

    url: str
    kind: str

    @property
    def is_opensearch(self) -> bool:
        return self.kind.startswith("opensearch")

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send one plain request; returns (status, decoded answer)."""
        return call(self.url, method, path, body)


class _Existing:
    """A server that somebody else started and will stop."""

    def __init__(self, url: str) -> None:
        self.url = url

    def stop(self) -> None:
        """Leave it as it is."""


@dataclass
class Pool:
    """Starts a server when it is first asked for, keeps it, and stops all at the end."""

    source: str
    starters: dict[str, Callable[[], Stoppable]]
    _started: dict[str, Stoppable] = field(default_factory=dict)
    _missing: dict[str, str] = field(default_factory=dict)
    _seconds: dict[str, float] = field(default_factory=dict)

    def get(self, kind: str) -> Server:
        """Return the server of ``kind``.

        Raises:
            NoJdk: it needs a JDK that the machine lacks (at every call, tried once).
        """
        if kind in self._missing:
            raise NoJdk(self._missing[kind])
        if kind not in self._started:
            begin = time.monotonic()
            try:
                self._started[kind] = self.starters[kind]()
            except NoJdk as reason:
                self._missing[kind] = str(reason)
                raise
            self._seconds[kind] = time.monotonic() - begin
        return Server(self._started[kind].url, kind)

    @property
    def opensearch_kind(self) -> str | None:
        """The kind that is an OpenSearch, if there is one."""
        return next((kind for kind in self.starters if kind.startswith("opensearch")), None)

    def close(self) -> None:
        """Stop what was started."""
        while self._started:
            self._started.popitem()[1].stop()

    def summary(self) -> list[str]:
        """Return a line for each server that was started, and for each that could not be."""
        lines = [f"{kind}: {self.source}, ready after {seconds:.1f} s" for kind, seconds in self._seconds.items()]
        return lines + [f"{kind}: NOT TESTED: {reason}" for kind, reason in self._missing.items()]


def choose(
    kind_of: Callable[[str], str] = kind_of, engine_answers: Callable[[], bool] = containers.engine_answers
) -> Pool:
    """Decide where servers come from: given URLs, a container engine, or published packages."""
    urls = [url.strip().rstrip("/") for url in os.environ.get(URL_VARIABLE, "").split(",") if url.strip()]
    if urls:
        return Pool(f"existing ({URL_VARIABLE})", {kind_of(url): _starter(_Existing, url) for url in urls})
    if engine_answers():
        return Pool("container", {kind: _starter(containers.Container, kind) for kind in containers.IMAGES})
    starters: dict[str, Callable[[], Stoppable]] = {OPENSEARCH: start_opensearch}
    for version in VERSIONS:
        starters[f"elasticsearch-{version}"] = _starter(LocalElasticsearch.start, version)
    return Pool("local, from published packages", starters)


def _starter(make: Callable[[str], Stoppable], argument: str) -> Callable[[], Stoppable]:
    return lambda: make(argument)
