"""A live job in memory: what it does at a tick, and that nothing but time tells it from a backfill."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import live_parts as live
import numpy as np
import pytest
import worker_company as company
import worker_parts as parts
from live_parts import Worker
from verdict_parts import said
from worker_company import DAY, HOUR, SCORED_FROM
from worker_parts import Killed

from ipi_es.errors import ClusterUnreachable, FieldMissing
from ipi_es.service.health.job_report import JobActivity, NotReadyReason
from ipi_es.service.live_job import GAP, LOOK_ON
from ipi_es.service.tick_outcome import TickResult
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster

JOB = live.live_job(hold_probability=0.03, datafeed_config={"frequency": "3h"})
SPAN = 3 * HOUR
START = SCORED_FROM
END = SCORED_FROM + 51 * HOUR
"""Seventeen buckets over two ends of days and one of a month, with the spraying, the takeover and empty buckets."""


@pytest.fixture(scope="module")
def trained() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        parts.critical_from(patch, 15.0)
        yield parts.trained_cluster(JOB, patch)


@pytest.fixture(scope="module")
def backfilled(trained: MemoryCluster) -> MemoryCluster:
    cluster = parts.copy_of(trained)
    parts.backfill(cluster, JOB, START, END)
    return cluster


@pytest.fixture
def cluster(trained: MemoryCluster) -> MemoryCluster:
    return parts.copy_of(trained)


def test_catching_up_gives_what_a_backfill_gives(cluster: MemoryCluster, backfilled: MemoryCluster) -> None:
    outcome = Worker(cluster, JOB).tick(END)
    assert (outcome.did, outcome.buckets) == (TickResult.WORKED, 17)
    assert live.everything(cluster, JOB) == live.everything(backfilled, JOB)


def test_tick_after_tick_gives_what_a_backfill_gives(cluster: MemoryCluster, backfilled: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    for end in range(START, END + 1, SPAN):
        worker.tick(end)
    assert live.everything(cluster, JOB, stamped=False) == {
        **live.everything(backfilled, JOB, stamped=False),
        "state": live.everything(cluster, JOB)["state"],
    }


def test_a_process_for_each_tick_gives_what_a_backfill_gives(cluster: MemoryCluster, backfilled: MemoryCluster) -> None:
    for end in range(START, END + 1, 2 * SPAN):
        Worker(cluster, JOB).tick(end)
    Worker(cluster, JOB).tick(END)
    assert live.everything(cluster, JOB, stamped=False) == live.everything(backfilled, JOB, stamped=False)


def test_what_the_last_tick_left_is_gone_on_with(cluster: MemoryCluster) -> None:
    scored: list[int] = []
    worker = Worker(cluster, JOB, on_scored=lambda one: scored.append(one.bucket.start))

    def loads() -> int:
        return worker.health.report(END).steps["load"][0]

    for end in range(START + SPAN, START + 5 * SPAN, SPAN):
        worker.tick(end)
    assert (loads(), scored[0]) == (1, START)
    parts.backfill(cluster, JOB, START, START + 5 * SPAN)  # somebody else was at work
    worker.tick(START + 6 * SPAN)
    assert (loads(), scored[-1]) == (2, START + 5 * SPAN)


def test_verdict_takes_effect_with_the_next_tick(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    worker.tick(START + 16 * SPAN)
    loaded = worker.resources.cache.loaded
    assert loaded is not None
    worker.resources.stores.verdicts.add_verdict(said("person01", "192.0.2.1", time=START))
    worker.tick(START + 17 * SPAN)
    after = worker.resources.cache.loaded
    assert after is not None
    assert after is not loaded
    assert after.pipeline.keeper.holds.verdicts.safe == {("person01", "192.0.2.0/24")}


def test_bucket_is_scored_when_its_delay_is_over_and_not_before(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    assert worker.tick(START + SPAN - 1).did is TickResult.NOTHING
    assert worker.tick(START + SPAN).did is TickResult.WORKED
    assert worker.state.checkpoint == START + SPAN


def test_clock_that_steps_back_scores_nothing_twice(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    worker.tick(START + 4 * SPAN)
    before = live.everything(cluster, JOB)
    assert worker.tick(START + 3 * SPAN).did is TickResult.NOTHING
    assert live.everything(cluster, JOB) == before
    assert worker.tick(START + 5 * SPAN).buckets == 1


def test_killed_at_any_write_of_a_tick_and_run_again_gives_what_an_undisturbed_one_gives(
    trained: MemoryCluster, backfilled: MemoryCluster
) -> None:
    cluster = parts.fragile(trained)
    Worker(cluster, JOB).tick(START + 6 * SPAN)
    cluster = parts.revived(cluster)
    cluster.moments = []
    Worker(cluster, JOB).tick(START + 9 * SPAN)  # over the end of a day
    assert len(cluster.moments) > 8
    for name, moment in cluster.moments:
        worker = Worker(moment, JOB, owner="two:2:2", dead={"one:1:1"})
        assert worker.tick(END).did is TickResult.WORKED
        assert live.everything(moment, JOB, stamped=False) == live.everything(backfilled, JOB, stamped=False), name


def test_clock_that_is_ahead_of_the_clusters_scores_nothing_whose_events_are_still_to_come(
    cluster: MemoryCluster,
) -> None:
    worker = Worker(cluster, JOB)
    worker.resources.stores.states.cluster_time = lambda: START + 2 * SPAN + live.DELAY  # type: ignore[method-assign]
    assert worker.tick(START + 4 * SPAN).buckets == 2
    assert worker.state.checkpoint == START + 2 * SPAN
    worker.resources.stores.states.cluster_time = lambda: START + 4 * SPAN + live.DELAY - 40  # type: ignore[method-assign]
    assert worker.tick(START + 4 * SPAN).buckets == 2, "a little apart is what query_delay is for"


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again_gives_what_an_undisturbed_one_gives(
    trained: MemoryCluster, backfilled: MemoryCluster, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    cluster, kills, now = parts.fragile(trained), 0, START
    while now < END:
        now = min(now + int(rng.integers(1, 4)) * SPAN, END)
        cluster.dies_at, cluster.share = int(rng.integers(1, 12)), float(rng.choice([0.0, 0.3, 0.7, 1.0]))
        try:
            Worker(cluster, JOB, owner=f"one:{kills}:1", dead={f"one:{each}:1" for each in range(kills)}).tick(now)
        except Killed:
            kills += 1
            now -= SPAN
        cluster = parts.revived(cluster)
    Worker(cluster, JOB, owner="two:2:2", dead={f"one:{each}:1" for each in range(kills + 1)}).tick(END)
    assert kills > 2
    assert live.everything(cluster, JOB, stamped=False) == live.everything(backfilled, JOB, stamped=False)


def test_stopping_ends_after_the_batch_in_hand_and_the_next_tick_goes_on(
    cluster: MemoryCluster, backfilled: MemoryCluster
) -> None:
    stop = {"now": False}
    worker = Worker(cluster, JOB)

    def stopped_soon(one: Any) -> None:
        stop["now"] = one.bucket.start > START + DAY

    worker.on_scored = stopped_soon
    assert worker.tick(END, stopping=lambda: stop["now"]).did is TickResult.STOPPED
    assert START + DAY < int(worker.state.checkpoint or 0) < END
    assert worker.state.lease_owner is None
    Worker(cluster, JOB).tick(END)
    assert live.everything(cluster, JOB) == live.everything(backfilled, JOB)


def test_long_outage_is_made_good_in_slices_so_that_others_get_their_turn(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)

    def slow(one: Any) -> None:
        worker.stopwatch.time += 10.0

    worker.on_scored = slow
    outcomes = [worker.tick(END)]
    while outcomes[-1].again_in == GAP:
        outcomes.append(worker.tick(END))
    assert len(outcomes) > 2
    assert sum(each.buckets for each in outcomes) == 17


def test_failure_is_told_kept_in_the_state_and_over_with_the_next_tick(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    away = ClusterUnreachable("nothing listens", hint="start it")

    def broken(operation: str, index: str) -> None:
        if operation == "search" and index == company.EVENTS:
            raise away

    cluster.before = broken
    outcome = worker.tick(END)
    assert (outcome.did, outcome.again_in) == (TickResult.FAILED, 60.0)
    assert worker.state.lease_owner is None
    kept = worker.state.details.last_error
    assert kept is not None
    assert (kept.kind, kept.text) == ("ClusterUnreachable", "nothing listens")
    assert worker.health.reasons(END)[0].trouble is NotReadyReason.CLUSTER_AWAY
    cluster.before = lambda _operation, _index: None
    assert worker.tick(END).did is TickResult.WORKED
    assert worker.state.details.last_error is None
    assert worker.health.reasons(END + live.DELAY) == []


def test_a_bug_in_one_job_ends_nothing(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB, on_scored=lambda _: 1 / 0)
    assert worker.tick(END).did is TickResult.FAILED
    kept = worker.state.details.last_error
    assert kept is not None
    assert kept.kind == "ZeroDivisionError"
    assert worker.state.lease_owner is None


def test_unusable_fields_are_found_before_the_first_work(cluster: MemoryCluster) -> None:
    def unusable() -> None:
        raise FieldMissing("no field source.ip")

    worker = Worker(cluster, JOB, usable=unusable)
    assert worker.tick(END).did is TickResult.FAILED
    assert worker.state.checkpoint == START


def test_paused_job_is_left_alone_until_it_goes_on(cluster: MemoryCluster) -> None:
    worker, states = Worker(cluster, JOB), StateStore(cluster)
    states.pause(JOB.job_id, True, parts.NOW)
    assert worker.tick(END).did is TickResult.PAUSED
    assert worker.health.report(END).doing is JobActivity.PAUSED
    assert worker.state.checkpoint == START
    states.pause(JOB.job_id, False, parts.NOW)
    assert worker.tick(END).did is TickResult.WORKED


def test_job_that_is_paused_amid_the_work_stops_and_loses_nothing(
    cluster: MemoryCluster, backfilled: MemoryCluster
) -> None:
    worker, states = Worker(cluster, JOB), StateStore(cluster)

    def pausing(one: Any) -> None:
        if one.bucket.start == START + DAY:
            states.pause(JOB.job_id, True, parts.NOW)

    worker.on_scored = pausing
    outcome = worker.tick(END)
    assert (outcome.did, outcome.again_in) == (TickResult.STOOD_BY, LOOK_ON)
    assert int(worker.state.checkpoint or 0) < END
    states.pause(JOB.job_id, False, parts.NOW)
    Worker(cluster, JOB, dead={"one:1:1"}).tick(END)
    assert live.everything(cluster, JOB) == live.everything(backfilled, JOB)


def test_cleaning_is_done_once_a_night_whoever_asks(cluster: MemoryCluster) -> None:
    one, two = Worker(cluster, JOB), Worker(cluster, JOB, owner="two:2:2")
    one.tick(END)
    assert one.live.clean(END + DAY).did is TickResult.WORKED
    assert two.live.clean(END + DAY + HOUR).did is TickResult.NOTHING
    assert two.live.clean(END + 2 * DAY).did is TickResult.WORKED
    assert one.health.report(END).steps["clean"][0] == 1


def test_cleaning_does_not_wait_for_a_job_at_work(cluster: MemoryCluster) -> None:
    worker, cleaned = Worker(cluster, JOB), []

    def meanwhile(one: Any) -> None:
        cleaned.append(worker.live.clean(END))

    worker.on_scored = meanwhile
    worker.tick(START + SPAN)
    assert [each.did for each in cleaned] == [TickResult.NOTHING]
    assert cleaned[0].again_in


def test_job_that_was_deleted_is_not_begun_anew_behind_peoples_backs(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    worker.tick(START + SPAN)
    StateStore(cluster).delete(JOB.job_id)
    outcome = worker.tick(END)
    assert (outcome.did, outcome.again_in) == (TickResult.WAITED, None)
    assert "deleted" in outcome.text
    assert StateStore(cluster).read(JOB.job_id) is None
