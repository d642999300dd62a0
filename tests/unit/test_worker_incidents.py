"""Stored incidents: the same as those made of all stored results, whatever happened on the way."""

from __future__ import annotations

from typing import Any

import pytest
import worker_company as company
import worker_parts as parts

from ipi_es.config.job_config import Job
from ipi_es.results.reading.incident_grouping import group_incidents
from ipi_es.results.reading.incidents_there import results_of_incidents, stored_incidents
from ipi_es.results.words import ALIAS
from ipi_es.state.fields import LATEST
from ipi_es.testing.memory_cluster import MemoryCluster

JOB = company.make_job()
OF_THE_CALL = ("event.ingested", "alert_id")


def stored(cluster: MemoryCluster, job: Job = JOB) -> dict[str, dict[str, Any]]:
    """The stored incidents without what they say of alerts, by id."""
    cluster.refresh(ALIAS)
    found = stored_incidents(cluster, job.job_id)
    assert len({each.id for each in found}) == len(found)
    return {each.id: {name: value for name, value in each.source.items() if name not in OF_THE_CALL} for each in found}


def computed(cluster: MemoryCluster, job: Job = JOB, begin: int = 0) -> dict[str, dict[str, Any]]:
    """The incidents made of all stored results, by id."""
    made = group_incidents(results_of_incidents(cluster, job.job_id, begin, LATEST), job.incident_gap)
    return {each.id(job.job_id): each.to_dict(job.job_id) for each in made}


@pytest.fixture(scope="module")
def scored() -> MemoryCluster:
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
    parts.backfill(cluster, JOB)
    return cluster


def test_a_backfill_leaves_the_incidents_of_its_results(scored: MemoryCluster) -> None:
    assert stored(scored)
    assert stored(scored) == computed(scored)
