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


FIRST, SECOND = "first:1:1", "second:1:1"
"""Owners: processes of other hosts."""


def taken_over(cluster: MemoryCluster) -> None:
    """What the second process does when it takes the first one for dead."""
    parts.backfill(cluster, JOB, owner=SECOND, alive=lambda _: False)


def test_second_worker_is_refused_while_the_first_works(cluster: MemoryCluster) -> None:
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(), owner=FIRST)):
        second = JobResources(cluster, JOB, clock=parts.TestClock(), owner=SECOND)
        with (
            pytest.raises(JobBusy, match="is held by process 1 on first, scoring since"),
            open_session(second, lambda _: True, patience=0),
        ):
            pass
    parts.backfill(cluster, JOB)  # given back


def test_worker_that_lost_its_lease_can_not_overwrite_results(cluster: MemoryCluster, done: MemoryCluster) -> None:
    overtaken: list[dict[Any, Any]] = []

    def overtake(scored: Any) -> None:
        if scored.bucket.start == MIDDAY and not overtaken:
            overtaken.append({})
            taken_over(cluster)
            overtaken[0] = parts.results(cluster, JOB, volatile=True)

    with pytest.raises(LostJob, match=r"another worker|second:1:1|was reset or released"):
        parts.backfill(cluster, JOB, told=overtake, owner=FIRST)
    assert parts.results(cluster, JOB, volatile=True) == overtaken[0]
    assert parts.results(cluster, JOB) == parts.results(done, JOB)
    assert state_of(cluster).checkpoint == SCORED_TO


def test_worker_that_was_overtaken_before_any_result_is_told_by_its_state(cluster: MemoryCluster) -> None:
    def overtake(scored: Any) -> None:
        StateStore(cluster).acquire_lease(JOB.job_id, SECOND, parts.NOW, 60, alive=lambda _: False)

    with pytest.raises(LostJob, match="second:1:1 holds it now"):
        parts.backfill(cluster, JOB, told=overtake, owner=FIRST)
    assert state_of(cluster).lease_owner == SECOND
    assert state_of(cluster).checkpoint == SCORED_FROM


def test_an_error_gives_the_lease_back_and_loses_nothing(trained: MemoryCluster, done: MemoryCluster) -> None:
    cluster = parts.copy_of(trained)
    parts.backfill(cluster, JOB, SCORED_FROM, SCORED_FROM + DAY)

    def blocked(operation: str, index: str) -> None:
        if operation == "bulk" and index.startswith("ipi-es-anomalies"):
            raise ClusterReadOnly("the disk is full")

    cluster.before = blocked
    with pytest.raises(ClusterReadOnly):
        parts.backfill(cluster, JOB)
    assert (state_of(cluster).lease_owner, state_of(cluster).checkpoint) == (None, SCORED_FROM + DAY)
    cluster.before = lambda _operation, _index: None
    parts.backfill(cluster, JOB)
    assert parts.results(cluster, JOB).keys() == parts.results(done, JOB).keys()
