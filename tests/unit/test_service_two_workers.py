"""Two workers on one job: one works, the other takes over; one that was stopped can't write when it comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import live_parts as live
import pytest
import worker_parts as parts
from live_parts import Stopwatch, Worker
from worker_company import DAY, HOUR, SCORED_FROM
from worker_parts import Killed

from ipi_es.service.health.job_report import JobActivity
from ipi_es.service.live_job import LOOK_ON
from ipi_es.service.tick_outcome import TickResult
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.lease_wait import LEASE
from ipi_es.worker.open_session import open_session

JOB = live.live_job(datafeed_config={"frequency": "3h"})
SPAN = 3 * HOUR
START, END = SCORED_FROM, SCORED_FROM + 2 * DAY


@pytest.fixture(scope="module")
def trained() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        yield parts.trained_cluster(JOB, patch)


@pytest.fixture(scope="module")
def backfilled(trained: MemoryCluster) -> MemoryCluster:
    cluster = parts.copy_of(trained)
    parts.backfill(cluster, JOB, START, END)
    return cluster


@pytest.fixture
def cluster(trained: MemoryCluster) -> MemoryCluster:
    return parts.copy_of(trained)


def pair(cluster: Any) -> tuple[Worker, Worker]:
    stopwatch = Stopwatch()
    return Worker(cluster, JOB, stopwatch=stopwatch), Worker(cluster, JOB, owner="two:2:2", stopwatch=stopwatch)


def test_the_worker_that_did_the_last_work_goes_first(cluster: MemoryCluster) -> None:
    one, two = pair(cluster)
    assert one.tick(START + SPAN).did is TickResult.WORKED
    for end in range(START + 2 * SPAN, START + 5 * SPAN, SPAN):
        outcome = two.tick(end)
        assert (outcome.did, outcome.again_in) == (TickResult.STOOD_BY, LOOK_ON)
        assert "one:1:1" in outcome.text
        assert one.tick(end).did is TickResult.WORKED
        assert two.tick(end).did is TickResult.NOTHING
    assert one.state.details.last_worker == "one:1:1"
    assert two.health.report(END).doing is JobActivity.STANDING_BY
    assert two.health.reasons(END + DAY) == []


def test_the_other_takes_over_when_the_first_does_not_come_to_it(
    cluster: MemoryCluster, backfilled: MemoryCluster
) -> None:
    one, two = pair(cluster)
    one.tick(START + SPAN)
    waited = 0.0
    while two.tick(END).did is TickResult.STOOD_BY:
        two.stopwatch.time += LOOK_ON
        waited += LOOK_ON
    assert waited <= 30
    assert live.everything(cluster, JOB, stamped=False) == live.everything(backfilled, JOB, stamped=False)


def test_worker_that_is_surely_dead_is_not_waited_for(cluster: MemoryCluster) -> None:
    one, two = pair(cluster)
    one.tick(START + SPAN)
    two.dead.add("one:1:1")
    assert two.tick(END).did is TickResult.WORKED


def test_lease_of_one_that_died_elsewhere_is_taken_over_within_30_s(
    trained: MemoryCluster, backfilled: MemoryCluster
) -> None:
    cluster = parts.fragile(trained)
    cluster.dies_at, cluster.share = 4, 0.5
    with pytest.raises(Killed):
        Worker(cluster, JOB).tick(END)
    cluster = parts.revived(cluster)
    two = Worker(cluster, JOB, owner="two:2:2")
    two.clock.time = int(live.state_of(cluster, JOB).lease_expires or 0) - LEASE
    while two.live.tick(END + live.DELAY).did is TickResult.STOOD_BY:
        two.clock.time += int(LOOK_ON)
        two.stopwatch.time += LOOK_ON
    assert 0 < two.stopwatch.time <= 30
    assert live.everything(cluster, JOB, stamped=False) == live.everything(backfilled, JOB, stamped=False)


def test_lease_that_a_wrong_clock_gave_does_not_last_forever(trained: MemoryCluster) -> None:
    cluster = parts.fragile(trained)
    cluster.dies_at = 3
    one = Worker(cluster, JOB)
    one.clock.time += DAY  # its clock is a day ahead, and so is its lease's end
    with pytest.raises(Killed):
        one.live.tick(END + live.DELAY)
    two = Worker(parts.revived(cluster), JOB, owner="two:2:2")
    outcome = two.live.tick(END + live.DELAY)
    assert outcome.did is TickResult.STOOD_BY
    two.stopwatch.time += LEASE
    assert two.live.tick(END + live.DELAY).did is TickResult.WORKED


def test_worker_that_works_long_is_not_robbed(cluster: MemoryCluster) -> None:
    one, two = pair(cluster)
    looks: list[TickResult] = []
    with open_session(one.resources) as session:
        for _ in range(20):
            session.lease.renew(one.clock.now(), LEASE)
            looks.append(two.tick(END).did)
            one.stopwatch.time += LEASE / 3
    assert set(looks) == {TickResult.STOOD_BY}
    assert two.tick(END).did is TickResult.WORKED


class Frozen(MemoryCluster):
    """Freezes its worker (SIGSTOP) before a chosen write and lets another work meanwhile."""

    meanwhile: Any = None
    at = 0
    writes = 0

    def bulk(self, actions: Any, **how: Any) -> Any:
        self._maybe()
        return super().bulk(actions, **how)

    def put(self, *args: Any, **how: Any) -> Any:
        self._maybe()
        return super().put(*args, **how)

    def _maybe(self) -> None:
        if self.meanwhile is None:
            return
        self.writes += 1
        if self.writes == self.at:
            other, self.meanwhile = self.meanwhile, None
            other()


@pytest.mark.parametrize("at", range(1, 13))
def test_stopped_worker_that_comes_back_writes_nothing_that_lasts(
    trained: MemoryCluster, backfilled: MemoryCluster, at: int
) -> None:
    cluster = Frozen()
    parts.copy_into(cluster, trained)
    one = Worker(cluster, JOB)
    results: list[Any] = []

    def freeze() -> None:
        two = Worker(cluster, JOB, owner="two:2:2", dead={"one:1:1"})
        two.tick(END)
        results.append((live.everything(cluster, JOB), parts.results(cluster, JOB, volatile=True)))

    cluster.meanwhile, cluster.at = freeze, at
    outcome = one.tick(END)
    if not results:  # it had done everything by then
        assert outcome.did is TickResult.WORKED
        return
    assert outcome.did in (TickResult.STOOD_BY, TickResult.NOTHING) or at == 1
    assert live.everything(cluster, JOB, stamped=False) == live.everything(backfilled, JOB, stamped=False)
    assert parts.results(cluster, JOB, volatile=True) == results[0][1]


def test_stopped_worker_looks_before_it_writes(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one hasn't written yet: no version keeps the first from writing, so it must look."""
    watch, written, robbed = Stopwatch(), [], []
    live.leases_measured_by(monkeypatch, watch)
    one = Worker(cluster, JOB)
    bulk = cluster.bulk

    def frozen(each: Any) -> None:
        if not robbed and each.bucket.start == START + DAY:
            live.let_writes_end()
            robbed.append(
                one.resources.stores.states.acquire_lease(JOB.job_id, "two:2:2", 1, LEASE, alive=lambda _: False)
            )
            watch.time += 60.0

    def watched(actions: Any, **how: Any) -> Any:
        batch = list(actions)
        if robbed:
            written.extend(each.id for each in batch)
        return bulk(batch, **how)

    one.on_scored = frozen
    cluster.bulk = watched  # type: ignore[method-assign]
    assert one.tick(END).did is TickResult.STOOD_BY
    assert robbed
    assert written == []
