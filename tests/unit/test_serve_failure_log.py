"""A failure that each request repeats has a line once, then one a minute with the count, and one when it is over."""

from __future__ import annotations

import logging
from unittest.mock import Mock

import pytest

from ipi_es.errors import AuthenticationFailed, ClusterUnreachable, SnapshotError
from ipi_es.serve.callers.callers import Callers
from ipi_es.serve.endpoint.live_scorer import LiveScorer
from ipi_es.serve.failure_log import EVERY, FailureLog
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.pairs.pair_scorer import PairScorer

NAME = "ipi_es.test"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


@pytest.fixture
def failures() -> FailureLog:
    return FailureLog(logging.getLogger(NAME), "it works again")


def test_a_repeated_failure_is_logged_once_a_minute_with_the_count(
    failures: FailureLog, lines: pytest.LogCaptureFixture
) -> None:
    for second in range(121):
        failures.failed("away", f"away at {second}", 1_000.0 + second)
    more = f" ({int(EVERY) - 1} more since the last such line)"
    assert lines.messages == ["away at 0", f"away at 60{more}", f"away at 120{more}"]


def test_each_kind_has_its_own_line(failures: FailureLog, lines: pytest.LogCaptureFixture) -> None:
    for kind in ("away", "slow", "away", "slow"):
        failures.failed(kind, kind, 0.0)
    assert lines.messages == ["away", "slow"]


def test_that_it_works_again_is_logged_once(failures: FailureLog, lines: pytest.LogCaptureFixture) -> None:
    failures.worked()
    assert lines.messages == []
    for _ in range(3):
        failures.failed("away", "away", 0.0)
    failures.worked()
    failures.worked()
    assert lines.messages == ["away", "it works again (2 failures were not logged)"]


def test_one_that_fails_every_other_time_has_two_lines_a_minute(
    failures: FailureLog, lines: pytest.LogCaptureFixture
) -> None:
    for second in range(60):
        failures.failed("away", "away", float(second))
        failures.worked()
    assert lines.messages == ["away", "it works again"]
    failures.failed("away", "away", EVERY)
    assert len(lines.messages) == 3


def test_a_clock_that_was_set_back_hides_nothing(failures: FailureLog, lines: pytest.LogCaptureFixture) -> None:
    failures.failed("away", "away", 1_000.0)
    failures.failed("away", "away", 10.0)
    assert lines.messages == ["away", "away"]


class Away:
    """A cluster that can be away, and the callers of it."""

    def __init__(self) -> None:
        self.now, self.error = 1_000, ClusterUnreachable("nothing listens at db.example:9200")
        self.is_away, self.made = True, MemoryCluster()
        self.callers = Callers(self._bind, lambda: self.now, local=True)

    def _bind(self, _: str | None) -> MemoryCluster:
        if self.is_away:
            raise self.error
        return self.made

    def ask(self, number: int) -> None:
        self.callers.under(f"Basic {number}")


def test_connections_that_fail_at_each_request_have_one_line_a_minute(lines: pytest.LogCaptureFixture) -> None:
    cluster = Away()
    for number in range(50):
        with pytest.raises(ClusterUnreachable):
            cluster.ask(number)
    assert lines.messages == ["a request can't be answered: nothing listens at db.example:9200"]
    cluster.now += int(EVERY)
    with pytest.raises(ClusterUnreachable):
        cluster.ask(50)
    assert lines.messages[1].endswith("db.example:9200 (49 more since the last such line)")
    cluster.is_away = False
    cluster.ask(51)
    cluster.ask(52)
    assert lines.messages[2:] == ["the cluster answers requests again"]


def test_an_answer_that_asks_for_credentials_is_an_answer(lines: pytest.LogCaptureFixture) -> None:
    cluster = Away()
    with pytest.raises(ClusterUnreachable):
        cluster.ask(0)

    def refuse() -> str:
        raise AuthenticationFailed("refused", status=401)

    cluster.made.user_name = refuse  # type: ignore[method-assign,assignment]
    cluster.is_away = False
    with pytest.raises(AuthenticationFailed):
        cluster.ask(1)
    assert lines.messages[-1] == "the cluster answers requests again"


def test_a_snapshot_that_fails_with_changing_texts_has_one_line_a_minute(lines: pytest.LogCaptureFixture) -> None:
    live, scorer = LiveScorer("logins"), Mock(spec=PairScorer)
    live.newest("first", lambda: scorer)
    for number in range(30):
        live.kept(SnapshotError(f"block {number} is missing"))
        assert live.trouble == f"the newest snapshot is not in use: block {number} is missing"
    live.newest("first", lambda: scorer)
    assert live.trouble == ""
    assert [each.split(";")[0] for each in lines.messages] == [
        "job logins: the newest snapshot is not in use: block 0 is missing",
        "job logins: the newest snapshot is in use again (29 failures were not logged)",
    ]
