"""Backfills that lose their lease, meet another worker, or end with an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from worker_company import DAY, HOUR, SCORED_FROM, SCORED_TO

from ipi_es.errors import ClusterReadOnly, JobBusy, LostJob
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session

JOB = company.make_job()
MIDDAY = SCORED_FROM + DAY + 12 * HOUR


@pytest.fixture(scope="module")
def trained() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        yield parts.trained_cluster(JOB, patch)


@pytest.fixture(scope="module")
def done(trained: MemoryCluster) -> MemoryCluster:
    """After a backfill of all days."""
    cluster = parts.copy_of(trained)
    parts.backfill(cluster, JOB)
    return cluster


@pytest.fixture
def cluster(trained: MemoryCluster) -> MemoryCluster:
    return parts.copy_of(trained)


def state_of(cluster: MemoryCluster) -> Any:
    state = StateStore(cluster).read(JOB.job_id)
    assert state is not None
    return state


def as_process(monkeypatch: pytest.MonkeyPatch, name: str, alive: bool = True) -> None:
    """Be another process of another host."""
    monkeypatch.setattr("ipi_es.worker.job_resources.this_process", lambda: f"{name}:1:1")
    monkeypatch.setattr("ipi_es.worker.open_session.owner_alive", lambda _: alive)


def test_second_worker_is_refused_while_the_first_works(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_process(monkeypatch, "first")
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock())):
        as_process(monkeypatch, "second")
        second = JobResources(cluster, JOB, clock=parts.TestClock())
        with (
            pytest.raises(JobBusy, match="is held by process 1 on first, scoring since"),
            open_session(second, patience=0),
        ):
            pass
    parts.backfill(cluster, JOB)  # given back


def test_worker_that_lost_its_lease_can_not_overwrite_results(
    cluster: MemoryCluster, done: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    overtaken: list[dict[Any, Any]] = []

    def overtake(scored: Any) -> None:
        if scored.bucket.start == MIDDAY and not overtaken:
            overtaken.append({})
            as_process(monkeypatch, "second", alive=False)
            parts.backfill(cluster, JOB)
            overtaken[0] = parts.results(cluster, JOB, volatile=True)

    as_process(monkeypatch, "first")
    with pytest.raises(LostJob, match=r"another worker|second:1:1|was reset or released"):
        parts.backfill(cluster, JOB, told=overtake)
    assert parts.results(cluster, JOB, volatile=True) == overtaken[0]
    assert parts.results(cluster, JOB) == parts.results(done, JOB)
    assert state_of(cluster).checkpoint == SCORED_TO


def test_worker_that_was_overtaken_before_any_result_is_told_by_its_state(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_process(monkeypatch, "first")

    def overtake(scored: Any) -> None:
        as_process(monkeypatch, "second", alive=False)
        StateStore(cluster).acquire_lease(JOB.job_id, "second:1:1", parts.NOW, 60, alive=lambda _: False)

    with pytest.raises(LostJob, match="second:1:1 holds it now"):
        parts.backfill(cluster, JOB, told=overtake)
    assert state_of(cluster).lease_owner == "second:1:1"
    assert state_of(cluster).checkpoint == SCORED_FROM


def test_an_error_gives_the_lease_back_and_loses_nothing(
    trained: MemoryCluster, done: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = parts.copy_of(trained)
    parts.backfill(cluster, JOB, SCORED_FROM, SCORED_FROM + DAY)
    write = cluster.bulk

    def blocked(actions: Any, **how: Any) -> Any:
        batch = list(actions)
        if any(each.index.startswith("ipi-es-anomalies") for each in batch):
            raise ClusterReadOnly("the disk is full")
        return write(batch, **how)

    monkeypatch.setattr(cluster, "bulk", blocked)
    with pytest.raises(ClusterReadOnly):
        parts.backfill(cluster, JOB)
    assert (state_of(cluster).lease_owner, state_of(cluster).checkpoint) == (None, SCORED_FROM + DAY)
    monkeypatch.undo()
    parts.backfill(cluster, JOB)
    assert parts.results(cluster, JOB).keys() == parts.results(done, JOB).keys()
