"""The stored incidents of a job, and those that all of its stored results make."""

from __future__ import annotations

from typing import Any

import worker_parts as parts
from service_parts import a_job

from ipi_es.config.job_config import Job
from ipi_es.results.documents.result_documents import Influencer, Record, ResultContext, ResultDocument, Stamp
from ipi_es.results.reading.incident_grouping import group_incidents
from ipi_es.results.reading.incidents_there import results_of_incidents, stored_incidents
from ipi_es.results.words import ALIAS
from ipi_es.setup import setup_plan
from ipi_es.state.fields import LATEST
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.job_session import JobSession
from ipi_es.worker.open_session import open_session

HOUR, START = 3_600, 1_780_000_000 // 86_400 * 86_400
JOB = a_job("logins", analysis_config={"bucket_span": "1h"}, incident_gap="5h")
CONTEXT = ResultContext("logins", HOUR, "user.name", "source.ip", ("user.name", "source.ip"))


def record(hour: int, entity: str, ip: str, score: float = 80.0) -> ResultDocument:
    made = Record(
        start=START + hour * HOUR,
        entity=entity,
        ip=ip,
        probability=1e-6,
        record_score=score,
        actual=-3.0,
        typical=4.0,
        event_count=1,
    )
    return made.document(CONTEXT, Stamp("s", "q", START))


def influencer(hour: int, value: str, score: float = 80.0) -> ResultDocument:
    made = Influencer(
        start=START + hour * HOUR, field="source.ip", value=value, probability=1e-6, influencer_score=score
    )
    return made.document(CONTEXT, Stamp("s", "q", START))


def ready(cluster: MemoryCluster) -> MemoryCluster:
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    return cluster


def session_on(cluster: MemoryCluster, job: Job = JOB, owner: str = "one:1:1", time: int = START + 90 * 86_400) -> Any:
    resources = JobResources(cluster, job, owner=owner, clock=parts.TestClock(time))
    return open_session(resources, lambda _: False)


def change(session: JobSession, made: list[ResultDocument], gone: list[ResultDocument] | None = None) -> None:
    """Write and delete results as the code does that changes them: their time is marked first."""
    results = session.resources.stores.results
    for each in [*made, *(gone or [])]:
        start = each.source["timestamp"] // 1_000
        session.resources.incidents.mark_due(session.writer, start, start + HOUR, [each.source])
    session.writer.write(made)
    results.show()
    wanted = {each.id for each in gone or []}
    session.writer.delete([each for each in results.every() if each.id in wanted])
    results.show()


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
