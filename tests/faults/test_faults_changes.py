"""A job that is renamed, changed, paused, reset or deleted while a worker is at it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import live_parts as live
import pytest
import worker_company as company
import worker_parts as parts
import write_stages as stages
from fault_parts import Dump, counted_once, dump, same
from live_parts import Stopwatch, Worker
from worker_company import HOUR, SCORED_FROM
from write_stages import JOB, TRAINING

from ipi_es.errors import JobBusy
from ipi_es.service.tick_outcome import TickResult
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.upkeep.removal import Removal

pytestmark = pytest.mark.faults

MIDDLE, END = SCORED_FROM + 27 * HOUR, SCORED_FROM + 51 * HOUR


@pytest.fixture(scope="module")
def undisturbed(trained: MemoryCluster) -> Dump:
    cluster = stages.own_events(trained)
    Worker(cluster, JOB).tick(MIDDLE)
    Worker(cluster, JOB).tick(END)
    return dump(cluster, JOB)


def amid(worker: Worker, what: Callable[[], Any], at: int = MIDDLE) -> None:
    """Let something happen while the worker scores the bucket at ``at``."""
    done = list[bool]()

    def told(each: Any) -> None:
        if not done and each.bucket.start >= at:
            done.append(True)
            live.let_writes_end()
            what()

    worker.on_scored = told


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    """By which leases are measured: a worker that is stopped for a minute knows that its own may be over."""
    made = Stopwatch()
    live.leases_measured_by(monkeypatch, made)
    return made


def test_job_that_is_renamed_is_another_job_and_the_old_one_stays(trained: MemoryCluster) -> None:
    cluster = stages.own_events(trained)
    Worker(cluster, JOB).tick(MIDDLE)
    before = dump(cluster, JOB)
    renamed = stages.job(job_id="sign-ins", results_index_name="signins", training={**TRAINING, "min_history": "7d"})
    worker = Worker(cluster, renamed)
    worker.tick(MIDDLE)
    worker.tick(END)
    begin = MIDDLE // company.DAY * company.DAY  # what lies before was learned
    counted_once(cluster, renamed, company.events(), begin, END)
    same(dump(cluster, JOB), before)


def test_results_that_go_elsewhere_from_now_on_are_each_in_one_place(trained: MemoryCluster, undisturbed: Dump) -> None:
    cluster = stages.own_events(trained)
    Worker(cluster, JOB).tick(MIDDLE)
    Worker(cluster, stages.job(results_index_name="elsewhere")).tick(END)
    found = dump(cluster, JOB)
    assert any("elsewhere" in index for index, _ in found)
    assert len({place for _, place in found}) == len(found)
    same(
        {("", place): each for (_, place), each in found.items()},
        {("", place): each for (_, place), each in undisturbed.items()},
    )


@pytest.mark.parametrize(("before", "after"), [("3h", "1h"), ("30m", "3h"), ("1h", "2h")])
def test_other_bucket_span_counts_no_event_twice(made_training: pytest.MonkeyPatch, before: str, after: str) -> None:
    first = stages.job(analysis_config={"bucket_span": before}, datafeed_config={"frequency": before})
    second = stages.job(analysis_config={"bucket_span": after}, datafeed_config={"frequency": after})
    cluster = stages.bare()
    with open_session(JobResources(cluster, first, clock=parts.TestClock(parts.NOW - 3_600))) as session:
        session.train(company.LEARN_FROM, SCORED_FROM)
    middle = SCORED_FROM + 35 * HOUR - 35 * HOUR % first.bucket_span  # no bucket of the second one ends there
    Worker(cluster, first).tick(middle)
    Worker(cluster, second).tick(END)
    found = [
        (each["timestamp"] // 1_000, each["timestamp"] // 1_000 + each["bucket_span"], each["event_count"])
        for each in parts.of_kind(parts.results(cluster, second), "bucket")
        if not each["is_interim"]
    ]
    times = [each[0] for each in company.events()]
    for (start, end, count), (following, *_) in zip(found, [*found[1:], (found[-1][1],)], strict=True):
        assert end == following, "buckets without gaps, and none over another"
        assert count == sum(start <= time < end for time in times)


def test_other_fields_are_refused_until_they_are_learned_and_nothing_is_lost(
    trained: MemoryCluster, undisturbed: Dump
) -> None:
    cluster = stages.own_events(trained)
    Worker(cluster, JOB).tick(MIDDLE)
    detector = {"function": "rare", "partition_field_name": "user.name", "by_field_name": "client.ip"}
    config = {"bucket_span": "3h", "detectors": [detector]}
    other = stages.job(analysis_config=config)
    outcome = Worker(cluster, other).tick(END)
    assert outcome.did is TickResult.FAILED, outcome
    assert live.state_of(cluster, JOB).checkpoint == MIDDLE
    Worker(cluster, JOB).tick(END)
    same(dump(cluster, JOB), undisturbed)


def test_settings_of_the_schedule_decide_no_result(trained: MemoryCluster, undisturbed: Dump) -> None:
    cluster = stages.own_events(trained)
    Worker(cluster, JOB).tick(MIDDLE)
    Worker(cluster, stages.job(late_window="2d", datafeed_config={"frequency": "3h"}, max_lag=9)).tick(END)
    same(dump(cluster, JOB), undisturbed)


def test_job_that_is_paused_amid_the_work_goes_on_where_it_was(trained: MemoryCluster, undisturbed: Dump) -> None:
    cluster = stages.own_events(trained)
    Worker(cluster, JOB).tick(MIDDLE)
    worker, states = Worker(cluster, JOB), StateStore(cluster)
    amid(worker, lambda: states.pause(JOB.job_id, True, parts.NOW), MIDDLE + 6 * HOUR)
    assert worker.tick(END).did is TickResult.STOOD_BY
    assert worker.tick(END).did is TickResult.PAUSED
    states.pause(JOB.job_id, False, parts.NOW)
    Worker(cluster, JOB, dead={"one:1:1"}).tick(END)
    same(dump(cluster, JOB), undisturbed)


DAYS = 2 * company.DAY


def removal(cluster: MemoryCluster, later: int = DAYS) -> Removal:
    """By somebody else, when all leases are over."""
    return Removal(cluster, JOB.job_id, parts.TestClock(parts.NOW + later), patience=0)


def test_job_that_a_worker_is_amid_is_not_deleted_before_it_lets_go(trained: MemoryCluster) -> None:
    cluster = stages.own_events(trained)
    worker, states = Worker(cluster, JOB), StateStore(cluster)
    told: list[str] = []

    def delete() -> None:
        with pytest.raises(JobBusy) as caught:
            removal(cluster, 0).delete()
        told.append(str(caught.value.hint))
        states.pause(JOB.job_id, True, parts.NOW)

    amid(worker, delete)
    assert worker.tick(END).did is TickResult.STOOD_BY
    assert "job pause" in told[0]
    removal(cluster).delete()
    assert dump(cluster, JOB) == {}
    assert worker.tick(END).did is TickResult.WAITED
    assert dump(cluster, JOB) == {}


@pytest.mark.parametrize("at", [0, 6, 24, 40])
def test_job_whose_lease_ran_out_and_that_was_deleted_amid_the_work_leaves_nothing(
    trained: MemoryCluster, watch: Stopwatch, at: int
) -> None:
    cluster = stages.own_events(trained)
    worker = Worker(cluster, JOB)

    def delete() -> None:
        removal(cluster).delete()
        watch.time += 60.0
        assert dump(cluster, JOB) == {}

    amid(worker, delete, SCORED_FROM + at * HOUR)
    assert worker.tick(END).did in (TickResult.STOOD_BY, TickResult.FAILED)
    assert dump(cluster, JOB) == {}


@pytest.mark.parametrize("at", [6, 24])
def test_job_that_is_reset_amid_the_work_begins_anew(trained: MemoryCluster, watch: Stopwatch, at: int) -> None:
    again = stages.job(training={**TRAINING, "min_history": "7d"})
    cluster = stages.own_events(trained)
    worker = Worker(cluster, again)

    def reset() -> None:
        removal(cluster).reset()
        watch.time += 60.0

    amid(worker, reset, SCORED_FROM + at * HOUR)
    assert worker.tick(END).did in (TickResult.STOOD_BY, TickResult.FAILED)
    assert Worker(cluster, again, dead={"one:1:1"}).tick(END).did is TickResult.WORKED
    fresh = stages.own_events(trained)
    removal(fresh).reset()
    Worker(fresh, again).tick(END)
    same(dump(cluster, again), dump(fresh, again))
