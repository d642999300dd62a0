"""Stored incidents: the same as those made of all stored results, after all that a worker does."""

from __future__ import annotations

import pytest
import worker_company as company
import worker_parts as parts
from incident_parts import computed, stored

from ipi_es.testing.memory_cluster import MemoryCluster

JOB = company.make_job()


@pytest.fixture(scope="module")
def scored() -> MemoryCluster:
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
    parts.backfill(cluster, JOB)
    return cluster


def test_a_backfill_leaves_the_incidents_of_its_results(scored: MemoryCluster) -> None:
    assert stored(scored, JOB)
    assert stored(scored, JOB) == computed(scored, JOB)
