"""A server of results over the in-memory cluster, a client of it, and results to ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from made_results import HOUR, START, Stamp, bucket, influencer, record, store_of
from service_parts import NOW, a_job
from starlette.testclient import TestClient

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.config.settings.settings_file import Settings
from ipi_es.results.documents.result_documents import ResultContext, ResultDocument
from ipi_es.results.words import ALIAS
from ipi_es.serve.application import application
from ipi_es.serve.callers.callers import Callers
from ipi_es.serve.callers.sessions import Sessions
from ipi_es.serve.services import Services
from ipi_es.setup import setup_plan

JOB = a_job("logins", analysis_config={"bucket_span": "1h"}, groups=["sign-ins"])
INTERIM = Stamp("snap-1", "q-1", ingested=START, is_interim=True)
SCORES = (80.0, 60.0, 60.0, 50.0, 10.0)
"""Of the records and influencers of the first five hours; the last of them are interim."""


def services_of(
    bind: Callable[[str | None], Cluster],
    jobs: Iterable[Job] = (JOB,),
    *,
    now: int = NOW,
    local: bool = True,
    anonymous: bool = False,
    product_header: bool = False,
) -> Services:
    sessions = Sessions(lambda: now)
    callers = Callers(bind, lambda: now, local=local, anonymous=anonymous, session=sessions.of)
    named = {job.job_id: job for job in jobs}
    return Services(Settings(), named, callers, lambda: now, sessions, product_header=product_header)


def client_of(services: Services) -> TestClient:
    return TestClient(application(services), base_url="http://127.0.0.1:9275", raise_server_exceptions=False)


def context_of(job: Job = JOB) -> ResultContext:
    fields = (job.entity_field, job.ip_field)
    return ResultContext(job.job_id, job.bucket_span, *fields, fields, results_index_name=job.results_index_name)


def made(context: ResultContext) -> Iterator[ResultDocument]:
    """Five buckets with a record and an influencer each."""
    for hour, score in enumerate(SCORES):
        start, ip = START + hour * HOUR, f"198.51.100.{hour}"
        stamp = INTERIM if hour == len(SCORES) - 1 else Stamp("snap-1", "q-1", ingested=START)
        yield record(context, start, entity=f"user-{hour}", ip=ip, score=score, stamp=stamp)
        yield bucket(context, start, score=score / 2, stamp=stamp)
        each = influencer(context, start, ip=ip, score=score)
        each.source["is_interim"] = stamp.is_interim
        yield each


def fill(cluster: Cluster, context: ResultContext) -> None:
    setup_plan.apply(cluster, setup_plan.plan(cluster), force=True)
    store_of(cluster, context).write(made(context), 1)
    cluster.refresh(ALIAS)
