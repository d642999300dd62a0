"""The stored incidents of a job, and those that all of its stored results make."""

from __future__ import annotations

from typing import Any

from ipi_es.config.job_config import Job
from ipi_es.results.reading.incident_grouping import group_incidents
from ipi_es.results.reading.incidents_there import results_of_incidents, stored_incidents
from ipi_es.results.words import ALIAS
from ipi_es.state.fields import LATEST
from ipi_es.testing.memory_cluster import MemoryCluster

OF_THE_CALL = ("event.ingested", "alert_id")


def stored(cluster: MemoryCluster, job: Job) -> dict[str, dict[str, Any]]:
    """The stored incidents without what they say of alerts, by id."""
    cluster.refresh(ALIAS)
    found = stored_incidents(cluster, job.job_id)
    assert len({each.id for each in found}) == len(found)
    return {each.id: {name: value for name, value in each.source.items() if name not in OF_THE_CALL} for each in found}


def computed(cluster: MemoryCluster, job: Job, begin: int = 0) -> dict[str, dict[str, Any]]:
    """The incidents made of all stored results, by id."""
    made = group_incidents(results_of_incidents(cluster, job.job_id, begin, LATEST), job.incident_gap)
    return {each.id(job.job_id): each.to_dict(job.job_id) for each in made}
