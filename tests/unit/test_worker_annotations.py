"""What a worker says beside the scores: which snapshot is used, and whether the job warms up; once each."""

from __future__ import annotations

from typing import Any

import live_parts as live
import pytest
import worker_parts as parts
from live_parts import Worker
from worker_company import DAY, HOUR, LEARN_DAYS, LEARN_FROM, SCORED_FROM
from worker_parts import Killed

from ipi_es.cluster.port import Document
from ipi_es.results.store import ResultStore
from ipi_es.scoring.history_age import YOUNG_DAYS
from ipi_es.state.job_state import STATE_INDEX
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker import job_annotations
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session

JOB = live.live_job(training={"window": f"{LEARN_DAYS}d", "min_events": 200, "every": "0s"}, late_window="0s")
GROWN_UP = SCORED_FROM + (YOUNG_DAYS - LEARN_DAYS) * DAY


@pytest.fixture(scope="module")
def trained() -> MemoryCluster:
    with pytest.MonkeyPatch.context() as patch:
        return parts.trained_cluster(JOB, patch)


@pytest.fixture
def cluster(trained: MemoryCluster) -> MemoryCluster:
    return parts.copy_of(trained)


def said(cluster: MemoryCluster, kind: str) -> list[dict[str, Any]]:
    """The annotations of one type, the oldest first."""
    store = ResultStore(cluster, JOB.job_id, JOB.results_index_name)
    store.show()
    return [each.source for each in reversed(store.annotations(types=[kind]))]  # type: ignore[list-item]


def test_a_young_job_warms_up_from_its_training_until_its_history_is_long_enough(cluster: MemoryCluster) -> None:
    (begun,) = said(cluster, "warm_up")
    assert begun["timestamp"] == SCORED_FROM * 1_000
    assert f"{LEARN_DAYS} days long" in begun["annotation"]
    worker = Worker(cluster, JOB)
    worker.tick(GROWN_UP - 3 * HOUR)
    assert len(said(cluster, "warm_up")) == 1
    worker.tick(GROWN_UP + 12 * HOUR)
    assert [each["timestamp"] for each in said(cluster, "warm_up")] == [SCORED_FROM * 1_000, GROWN_UP * 1_000]
    assert "no longer warms up" in said(cluster, "warm_up")[1]["annotation"]


def test_it_is_said_once_however_often_it_is_scored_or_trained_again(cluster: MemoryCluster) -> None:
    Worker(cluster, JOB).tick(GROWN_UP + 12 * HOUR)
    once = said(cluster, "warm_up")
    parts.backfill(cluster, JOB, SCORED_FROM, GROWN_UP + 12 * HOUR, again=True)
    assert [each["annotation"] for each in said(cluster, "warm_up")] == [each["annotation"] for each in once]


def test_a_training_on_fewer_days_begins_it_anew(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    Worker(cluster, JOB).tick(SCORED_FROM + DAY)
    monkeypatch.setattr(job_annotations, "YOUNG_DAYS", LEARN_DAYS)
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW + 9))) as session:
        parts.train_by(monkeypatch)
        assert job_annotations.history_age(session.resources.stores.blobs, session.state) == LEARN_DAYS + 1
        session.retrain(LEARN_FROM + 5 * DAY, SCORED_FROM + DAY)
    assert [each["timestamp"] for each in said(cluster, "warm_up")] == [
        SCORED_FROM * 1_000,
        (SCORED_FROM + DAY) * 1_000,
    ]
    assert "The job warms up: its history is" in said(cluster, "warm_up")[1]["annotation"]
    assert [each["timestamp"] for each in said(cluster, "model_snapshot")] == [
        SCORED_FROM * 1_000,
        (SCORED_FROM + DAY) * 1_000,
    ]


def test_only_a_change_is_said() -> None:
    def kind(before: int | None, after: int) -> str | None:
        found = job_annotations.of_warm_up(JOB, SCORED_FROM, before, after)
        return None if found is None else found.text.partition(":")[0]

    assert kind(None, YOUNG_DAYS) is None
    assert kind(None, YOUNG_DAYS - 1) == "The job warms up"
    assert kind(3, 4) is None
    assert kind(YOUNG_DAYS - 1, YOUNG_DAYS) == "The job no longer warms up"
    assert kind(YOUNG_DAYS, YOUNG_DAYS + 1) is None
    assert kind(YOUNG_DAYS + 8, 7) == "The job warms up"


def test_what_a_training_said_that_never_came_into_use_is_taken_back(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the remark and the state; by the next start there was a day more to learn from."""
    state = live.state_of(cluster, JOB)
    states = JobResources(cluster, JOB).stores.states
    states.save(states.acquire_lease(JOB.job_id, "x", parts.NOW, 1, alive=lambda _: False).advanced(snapshot_id=None))
    parts.train_by(monkeypatch)
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW + 9)), lambda _: False) as session:
        session.train(LEARN_FROM + DAY, SCORED_FROM + DAY)
    (only,) = said(cluster, "model_snapshot")
    assert only["timestamp"] == (SCORED_FROM + DAY) * 1_000
    assert only["snapshot_id"] == live.state_of(cluster, JOB).snapshot_id != state.snapshot_id


def test_what_a_retraining_said_that_never_came_into_use_is_taken_back_by_the_next_worker(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = live.state_of(cluster, JOB).snapshot_id
    Worker(cluster, JOB).tick(SCORED_FROM + DAY)
    parts.train_by(monkeypatch)
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW + 9)), lambda _: False) as session:
        kill_at_the_state(cluster)
        with pytest.raises(Killed):
            session.retrain(LEARN_FROM + DAY, SCORED_FROM + DAY)
    assert [each["timestamp"] for each in said(cluster, "model_snapshot")] == [
        SCORED_FROM * 1_000,
        (SCORED_FROM + DAY) * 1_000,
    ]
    Worker(cluster, JOB).tick(SCORED_FROM + DAY + 3 * HOUR)
    (only,) = said(cluster, "model_snapshot")
    assert (only["timestamp"], only["snapshot_id"]) == (SCORED_FROM * 1_000, used)
    assert [each["timestamp"] for each in said(cluster, "warm_up")] == [SCORED_FROM * 1_000]


def kill_at_the_state(cluster: MemoryCluster) -> None:
    """Let the next write of the state kill its process."""

    def killed(operation: str, index: str) -> None:
        if (operation, index) == ("put", STATE_INDEX):
            cluster.before = lambda _operation, _index: None
            raise Killed

    cluster.before = killed


@pytest.mark.parametrize(
    ("newest_first", "false"),
    [(["a"], set()), (["b", "a"], {"b"}), (["c", "b", "a", "z"], {"b", "c"}), (["b"], set()), ([], set())],
)
def test_snapshots_said_after_the_one_in_use_never_were(newest_first: list[str], false: set[str]) -> None:
    documents = [Document(each, "index", {"snapshot_id": each}) for each in newest_first]
    assert job_annotations.never_used(documents, "a") == false
