"""Failures to connect are logged once a minute and kind, not once a request; and so is their end."""

from __future__ import annotations

import logging

import pytest

from ipi_es.errors import AuthenticationFailed, ClusterError, ClusterTimeout, ClusterUnreachable
from ipi_es.serve.callers.callers import Callers
from ipi_es.serve.callers.connecting import AGAIN_AFTER, ConnectionLog
from ipi_es.testing.memory_cluster import MemoryCluster

NOW = 1_000_000
LOGGER = "ipi_es.serve.callers.connecting"


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    caplog.clear()
    return found


def test_a_failure_is_logged_at_once_and_then_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    kept, gone = ConnectionLog(), ClusterUnreachable("nothing listens at es:9200")
    for second in range(AGAIN_AFTER):
        kept.failed(gone, NOW + second)
    assert lines(caplog) == ["a request can't be answered: nothing listens at es:9200"]
    kept.failed(gone, NOW + AGAIN_AFTER)
    assert lines(caplog) == ["a request can't be answered: nothing listens at es:9200 (59 more since the last line)"]
    kept.failed(ClusterTimeout("no answer in 30 s"), NOW + AGAIN_AFTER)
    assert lines(caplog) == ["a request can't be answered: no answer in 30 s"], "another kind is news"


def test_the_end_of_failures_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, LOGGER)
    kept = ConnectionLog()
    kept.connected()
    assert lines(caplog) == []
    for _ in range(3):
        kept.failed(ClusterUnreachable("nothing listens"), NOW)
    kept.connected()
    kept.connected()
    assert lines(caplog) == [
        "a request can't be answered: nothing listens",
        "the cluster can be used again; 2 more requests had failed",
    ]
    kept.failed(ClusterUnreachable("nothing listens"), NOW + 1)
    assert lines(caplog) == ["a request can't be answered: nothing listens"], "a new failure is said at once"


def test_callers_of_a_cluster_that_dies_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    state: dict[str, ClusterError | None] = {"error": ClusterUnreachable("nothing listens at es:9200")}

    def bind(_: str | None) -> MemoryCluster:
        if state["error"] is not None:
            raise state["error"]
        return MemoryCluster()

    callers = Callers(bind, lambda: NOW, local=True)
    for _ in range(20):
        with pytest.raises(ClusterUnreachable, match="the cluster can't be reached"):
            callers.under("Basic eDp5")
    assert lines(caplog) == ["a request can't be answered: nothing listens at es:9200"]
    state["error"] = None
    callers.under("Basic eDp5")
    assert lines(caplog) == ["the cluster can be used again; 19 more requests had failed"]


def test_refused_credentials_show_that_the_cluster_is_back(caplog: pytest.LogCaptureFixture) -> None:
    class Refusing(MemoryCluster):
        def user_name(self) -> None:
            raise AuthenticationFailed("refused", status=401)

    gone = [ClusterUnreachable("nothing listens")]

    def bind(_: str | None) -> MemoryCluster:
        if gone:
            raise gone.pop()
        return Refusing()

    callers = Callers(bind, lambda: NOW, local=True)
    with pytest.raises(ClusterUnreachable):
        callers.under("Basic eDp5")
    with pytest.raises(AuthenticationFailed):
        callers.under("Basic eDp5")
    assert lines(caplog)[-1] == "the cluster can be used again"
