"""Training by a live job, without TensorFlow: the first one, again, failing, and in outages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import live_parts as live
import pytest
import worker_company as company
import worker_parts as parts
from live_parts import Worker
from worker_company import DAY, HOUR, LEARN_FROM, SCORED_FROM

from ipi_es.errors import NotEnoughHistory
from ipi_es.results.store import ResultStore
from ipi_es.service.health.job_report import JobActivity, NotReadyReason
from ipi_es.service.live_training import LOOK_AGAIN, TRAIN_AGAIN
from ipi_es.service.tick_outcome import TickResult
from ipi_es.setup import setup_plan
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.training.revert import plan_revert, revert
from ipi_es.worker.upkeep.removal import Removal

SPAN = 3 * HOUR
FEED = {"frequency": "3h"}
NO_LATE = {"late_window": "0s"}  # saves the searches for late events, which these tests have none of
TRAINING = {"window": "10d", "min_events": 200, "min_history": "8d", "every": "1d"}
JOB = live.live_job(datafeed_config=FEED, training=TRAINING, **NO_LATE)
END = SCORED_FROM + 2 * DAY + SPAN


@pytest.fixture(scope="module")
def events() -> Iterator[MemoryCluster]:
    """A cluster that is set up, with events and no job."""
    with pytest.MonkeyPatch.context() as patch:
        parts.train_by(patch)
        cluster = MemoryCluster()
        setup_plan.apply(cluster, setup_plan.plan(cluster))
        company.fill(cluster)
        yield cluster


@pytest.fixture
def cluster(events: MemoryCluster) -> MemoryCluster:
    return parts.copy_of(events)


@pytest.fixture(scope="module")
def undisturbed(events: MemoryCluster) -> MemoryCluster:
    """Looked at after every bucket, trained every day."""
    cluster = parts.copy_of(events)
    worker = Worker(cluster, JOB)
    for end in range(SCORED_FROM, END + 1, SPAN):
        assert worker.tick(end).did in (TickResult.WORKED, TickResult.NOTHING)
    return cluster


def annotations(cluster: MemoryCluster, kind: str) -> list[dict[str, Any]]:
    store = ResultStore(cluster, JOB.job_id, JOB.results_index_name)
    store.show()
    return [each.source for each in store.annotations(types=[kind])]  # type: ignore[list-item]


def test_new_job_waits_for_enough_history_and_says_so(cluster: MemoryCluster) -> None:
    worker, now = Worker(cluster, JOB), LEARN_FROM + 7 * DAY + HOUR
    outcome = worker.tick(now)
    assert (outcome.did, outcome.again_in) == (TickResult.WAITED, LOOK_AGAIN)
    said = worker.state.details.waits_for
    assert said is not None
    assert "go back 8d" in said
    assert "2025-08-28T00:00:00Z" in said
    assert worker.health.report(now).doing is JobActivity.WAITING
    assert worker.tick(now + 60).did is TickResult.NOTHING, "not looked for every minute"
    worker.stopwatch.time += LOOK_AGAIN
    assert worker.tick(LEARN_FROM + 8 * DAY).did is TickResult.WORKED
    assert worker.resources.snapshot(worker.state.snapshot_id).trained_to == LEARN_FROM + 8 * DAY
    assert worker.state.details.waits_for is None


def test_first_training_learns_what_there_is_and_scoring_goes_on_from_its_end(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    outcome = worker.tick(SCORED_FROM + 2 * SPAN)
    assert (outcome.did, outcome.buckets) == (TickResult.WORKED, 2)
    assert worker.resources.snapshot(worker.state.snapshot_id).trained_to == SCORED_FROM
    assert worker.state.checkpoint == SCORED_FROM + 2 * SPAN
    remark = annotations(cluster, "model_snapshot")[0]
    assert str(worker.state.snapshot_id) in remark["annotation"]
    assert remark["timestamp"] == SCORED_FROM * 1_000
    assert worker.health.report(SCORED_FROM).trainings == 1


def test_retraining_keeps_the_place_and_the_levels(cluster: MemoryCluster, undisturbed: MemoryCluster) -> None:
    state = live.state_of(undisturbed, JOB)
    assert state.checkpoint == END
    found = parts.of_kind(parts.results(undisturbed, JOB), "bucket")
    assert [each["timestamp"] // 1_000 for each in found] == list(range(SCORED_FROM, END, SPAN))
    snapshots = {each["snapshot_id"]: each["timestamp"] // 1_000 for each in reversed(found)}
    assert sorted(snapshots.values()) == [SCORED_FROM, SCORED_FROM + DAY, SCORED_FROM + 2 * DAY]
    assert len(annotations(undisturbed, "model_snapshot")) == 3
    levels = JOB.job_id, state.quantiles_id
    assert levels[1] is not None


def test_outage_is_made_good_with_the_trainings_that_it_missed(
    cluster: MemoryCluster, undisturbed: MemoryCluster
) -> None:
    Worker(cluster, JOB).tick(SCORED_FROM + SPAN)
    worker = Worker(cluster, JOB)
    assert worker.tick(END).did is TickResult.WORKED
    assert live.everything(cluster, JOB, stamped=False) == live.everything(undisturbed, JOB, stamped=False)


def test_retraining_that_is_killed_is_done_again(events: MemoryCluster, undisturbed: MemoryCluster) -> None:
    cluster = parts.fragile(events)
    Worker(cluster, JOB).tick(SCORED_FROM + DAY - SPAN)
    cluster = parts.revived(cluster)
    cluster.moments = []
    Worker(cluster, JOB).tick(SCORED_FROM + DAY)
    assert len(cluster.moments) > 10
    for name, moment in cluster.moments[::5]:
        worker = Worker(moment, JOB, owner="two:2:2", dead={"one:1:1"})
        assert worker.tick(END).did is TickResult.WORKED
        one, other = (live.everything(each, JOB, stamped=False) for each in (moment, undisturbed))
        assert one == other, name


def test_retraining_that_fails_is_told_and_scoring_goes_on(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(cluster, JOB)
    worker.tick(SCORED_FROM + SPAN)
    before = worker.state.snapshot_id
    parts.train_by(monkeypatch, _fails)
    assert worker.tick(SCORED_FROM + DAY + SPAN).did is TickResult.WORKED
    assert (worker.state.checkpoint, worker.state.snapshot_id) == (SCORED_FROM + DAY + SPAN, before)
    error = worker.state.details.last_error
    assert error is not None
    assert error.kind == "NotEnoughHistory"
    assert [each.trouble for each in worker.health.reasons(SCORED_FROM + DAY + SPAN)] == [
        NotReadyReason.TRAINING_FAILED
    ]
    assert worker.tick(SCORED_FROM + DAY + 2 * SPAN).did is TickResult.WORKED
    assert worker.state.details.last_error is not None, "it stays until a training succeeds"
    parts.train_by(monkeypatch)
    worker.stopwatch.time += TRAIN_AGAIN
    worker.tick(SCORED_FROM + DAY + 3 * SPAN)
    assert worker.state.snapshot_id != before
    assert worker.state.details.last_error is None
    assert worker.health.reasons(SCORED_FROM + DAY + 3 * SPAN) == []


def test_first_training_without_enough_to_learn_from_waits(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts.train_by(monkeypatch, _fails)
    worker = Worker(cluster, JOB)
    outcome = worker.tick(SCORED_FROM)
    assert (outcome.did, outcome.again_in) == (TickResult.WAITED, TRAIN_AGAIN)
    assert worker.state.details.waits_for == "too few"


def test_stopping_ends_a_training_and_keeps_nothing_of_it(cluster: MemoryCluster) -> None:
    worker, asked = Worker(cluster, JOB), []

    def stopping() -> bool:
        asked.append(1)
        return len(asked) > 20

    assert worker.tick(SCORED_FROM + SPAN, stopping=stopping).did is TickResult.STOPPED
    assert worker.state.snapshot_id is None
    assert worker.state.lease_owner is None
    assert worker.training_places.acquire(blocking=False)


def test_job_whose_turn_to_train_it_is_not_goes_on_scoring(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    worker.tick(SCORED_FROM + SPAN)
    before = worker.state.snapshot_id
    worker.training_places.acquire()
    assert worker.tick(SCORED_FROM + DAY + SPAN).did is TickResult.WORKED
    assert (worker.state.checkpoint, worker.state.snapshot_id) == (SCORED_FROM + DAY + SPAN, before)
    worker.training_places.release()
    worker.stopwatch.time += 60
    worker.tick(SCORED_FROM + DAY + 2 * SPAN)
    assert worker.resources.snapshot(worker.state.snapshot_id).trained_to == SCORED_FROM + DAY


def test_blindness_is_annotated_once_from_begin_to_end(undisturbed: MemoryCluster, events: MemoryCluster) -> None:
    cluster = parts.copy_of(events)
    calm = live.live_job(datafeed_config=FEED, training={**TRAINING, "every": "0s"}, blind_after=3, **NO_LATE)
    worker = Worker(cluster, calm)
    for hours in (0, 66, 93):
        worker.tick(SCORED_FROM + hours * HOUR)
    blind = annotations(cluster, "blind")
    assert len(blind) == 1
    assert blind[0]["timestamp"] // 1_000 <= SCORED_FROM + 2 * DAY
    assert blind[0]["end_timestamp"] // 1_000 >= SCORED_FROM + 3 * DAY
    assert " to 2025-09-02T" in blind[0]["annotation"]


def test_blindness_is_said_again_where_the_job_went_back_before_it(events: MemoryCluster) -> None:
    cluster = parts.copy_of(events)
    calm = live.live_job(datafeed_config=FEED, training={**TRAINING, "every": "0s"}, blind_after=3, **NO_LATE)
    worker = Worker(cluster, calm)
    for hours in (0, 66):
        worker.tick(SCORED_FROM + hours * HOUR)
    before = annotations(cluster, "blind")
    assert len(before) == 1
    work = JobResources(cluster, calm, clock=parts.TestClock(parts.NOW + DAY), owner="command:1:1")
    with open_session(work) as session:
        revert(session, plan_revert(work, str(session.state.snapshot_id)), delete_results=True)
    assert annotations(cluster, "blind") == []
    worker.tick(SCORED_FROM + 66 * HOUR)
    assert [each["annotation"] for each in annotations(cluster, "blind")] == [each["annotation"] for each in before]
    now = SCORED_FROM + 66 * HOUR + live.DELAY
    assert [each.trouble for each in worker.health.reasons(now)] == [NotReadyReason.BLIND]
    Removal(cluster, calm.job_id, parts.TestClock(parts.NOW + 2 * DAY)).delete()
    worker.tick(SCORED_FROM + 66 * HOUR)
    assert worker.health.reasons(now) == [], "of a deleted job nobody misses anything"


def _fails(*_: Any, **__: Any) -> Any:
    raise NotEnoughHistory("too few")
