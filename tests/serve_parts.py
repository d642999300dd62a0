"""A server of results over the in-memory cluster, and a client of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from service_parts import NOW, a_job
from starlette.testclient import TestClient

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.config.settings import Settings
from ipi_es.serve.application import application
from ipi_es.serve.callers.callers import Callers
from ipi_es.serve.services import Services


def services_of(
    bind: Callable[[str | None], Cluster],
    jobs: Iterable[Job] = (),
    *,
    now: int = NOW,
    local: bool = True,
    anonymous: bool = False,
    product_header: bool = False,
) -> Services:
    callers = Callers(bind, lambda: now, local=local, anonymous=anonymous)
    named = {job.job_id: job for job in jobs or [a_job()]}
    return Services(Settings(), named, callers, lambda: now, product_header=product_header)


def client_of(services: Services) -> TestClient:
    return TestClient(application(services), base_url="http://127.0.0.1:9275", raise_server_exceptions=False)
