"""A job that notifies, and records for it to tell of, for the tests of notifications."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import alert_results as seeded
from alert_results import HOUR
from service_parts import a_job

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.results.documents.result_documents import ResultContext, ResultDocument, Stamp
from ipi_es.results.store import ResultStore
from ipi_es.results.words import ALIAS
from ipi_es.setup import setup_plan
from ipi_es.testing.memory_cluster import MemoryCluster

CONTEXT = ResultContext("logins", HOUR, "user.name", "source.ip", ("user.name", "source.ip"))


def job(**alerts: Any) -> Job:
    given = {"on": ["records"], "notify": [{"name": "ops", "webhook": "http://127.0.0.1:9/x"}], **alerts}
    return a_job("logins", analysis_config={"bucket_span": "1h"}, alerts=given)


def ready_cluster() -> MemoryCluster:
    made = MemoryCluster()
    setup_plan.apply(made, setup_plan.plan(made))
    return made


def write(cluster: Cluster, *made: ResultDocument) -> None:
    ResultStore(cluster, "logins", flat_fields=CONTEXT.flat_fields).write(made, 1)
    cluster.refresh(ALIAS)


def written(moment: int, name: str = "alice", score: float = 90.0, **more: Any) -> ResultDocument:
    """A record of one event alone: each name has an address of its own."""
    ip = "198.51.100.7" if name == "alice" else f"198.18.{crc32(name.encode()) >> 8 & 255}.{crc32(name.encode()) & 255}"
    return seeded.record(CONTEXT, name, ip, score, stamp=Stamp("s", "q", ingested=moment), **more)
