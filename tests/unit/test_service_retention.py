"""Retention and a running worker: cleaned jobs, those that went back, were paused, reset or deleted under way."""

from __future__ import annotations

import live_parts as live
import pytest
import worker_company as company
import worker_parts as parts
from live_parts import Worker
from worker_company import DAY, SCORED_FROM, SCORED_TO
from worker_parts import FragileCluster

from ipi_es.service.tick_outcome import TickResult
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.training.revert import plan_revert, revert
from ipi_es.worker.upkeep.removal import Removal

JOB = live.live_job(training={"window": f"{company.LEARN_DAYS}d", "min_events": 200, "every": "3d"})
TRAINED_AGAIN = SCORED_FROM + 3 * DAY


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FragileCluster:
    """Trained up to the first scored day."""
    return parts.fragile(parts.trained_cluster(JOB, monkeypatch))


def networks(cluster: MemoryCluster) -> list[str]:
    found = ClusterBlobs(cluster).list("signins", "network")
    return [info.id for info in sorted(found, key=lambda info: str(info.attributes["trained_to"]))]


def scored_to(worker: Worker, end: int) -> None:
    while worker.tick(end).did is TickResult.WORKED and worker.state.checkpoint != end:
        pass
    assert worker.state.checkpoint == end


def gone_back(cluster: MemoryCluster, snapshot_id: str) -> None:
    work = JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW + DAY), owner="command:1:1")
    with open_session(work) as session:
        revert(session, plan_revert(work, snapshot_id))


def removal(cluster: MemoryCluster) -> Removal:
    return Removal(cluster, "signins", parts.TestClock(parts.NOW + DAY))


def test_job_that_went_back_is_not_trained_again_on_its_way(cluster: FragileCluster) -> None:
    worker = Worker(cluster, JOB)
    scored_to(worker, SCORED_TO)
    first, second = networks(cluster)
    assert worker.state.snapshot_id == second
    gone_back(cluster, first)
    assert worker.state.checkpoint == SCORED_FROM
    scored_to(worker, SCORED_TO)
    assert worker.state.snapshot_id == first, "the worker scored on with it, past where it was trained before"
    scored_to(worker, SCORED_TO + 2 * DAY)
    assert worker.state.snapshot_id == first


def test_next_training_is_due_so_long_after_where_it_stood(cluster: FragileCluster) -> None:
    worker = Worker(cluster, JOB)
    scored_to(worker, SCORED_FROM + 2 * DAY)
    (first,) = networks(cluster)
    gone_back(cluster, first)
    scored_to(worker, TRAINED_AGAIN + DAY)
    assert worker.state.snapshot_id == first, "without going back it would have been trained a day before"
    scored_to(worker, SCORED_FROM + 5 * DAY + 3 * 3_600)
    assert worker.state.snapshot_id != first


def test_worker_cleans_and_goes_on(cluster: FragileCluster) -> None:
    job = live.live_job(results_retention_days=1, hold_probability=0.0, late_window="3h", repeat_window="3h")
    worker = Worker(cluster, job)
    scored_to(worker, SCORED_TO)
    assert worker.live.clean(SCORED_TO + 600).did is TickResult.WORKED
    times = [each["timestamp"] // 1_000 for each in parts.results(cluster, job).values()]
    assert min(times) == SCORED_TO - DAY
    scored_to(worker, SCORED_TO + DAY)


def test_job_that_is_deleted_under_way_stays_deleted(cluster: FragileCluster) -> None:
    worker = Worker(cluster, JOB)
    scored_to(worker, SCORED_FROM + DAY)
    removal(cluster).delete()
    for hours in (3, 6):
        assert worker.tick(SCORED_FROM + DAY + hours * 3_600).did is not TickResult.WORKED
    assert StateStore(cluster).read("signins") is None
    assert parts.results(cluster, JOB) == {}


def test_job_that_is_reset_under_way_begins_anew(cluster: FragileCluster) -> None:
    worker = Worker(cluster, JOB)
    scored_to(worker, SCORED_FROM + 2 * DAY)
    removal(cluster).reset()
    worker.tick(SCORED_FROM + 2 * DAY)
    assert worker.state.checkpoint == SCORED_FROM + 2 * DAY, "trained up to here, and no further back"
    scored_to(worker, SCORED_FROM + 3 * DAY)
    times = [each["timestamp"] // 1_000 for each in parts.results(cluster, JOB).values()]
    assert min(times) == SCORED_FROM + 2 * DAY


def test_job_that_is_paused_under_way_is_made_good_when_it_goes_on(cluster: FragileCluster) -> None:
    undisturbed = parts.fragile(cluster)
    scored_to(Worker(undisturbed, JOB), SCORED_TO)
    worker = Worker(cluster, JOB)
    scored_to(worker, SCORED_FROM + DAY)
    StateStore(cluster).pause("signins", True, parts.NOW)
    assert worker.tick(SCORED_FROM + 2 * DAY).did is TickResult.PAUSED
    assert worker.state.checkpoint == SCORED_FROM + DAY
    StateStore(cluster).pause("signins", False, parts.NOW)
    scored_to(worker, SCORED_TO)
    assert parts.results(cluster, JOB).keys() == parts.results(undisturbed, JOB).keys()
