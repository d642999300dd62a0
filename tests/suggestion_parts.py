"""What the tests of suggested jobs share: logs in a cluster in memory, their suggestion, and findings of `check`."""

from __future__ import annotations

from typing import Any

import odd_logs
from odd_logs import END, IP, KEYWORD, Doc, mapping

from ipi_es.cluster.port import Put
from ipi_es.config.files.loading import check_job
from ipi_es.config.job_config import Job
from ipi_es.setup.checks.check_finding import Finding
from ipi_es.setup.checks.judge import judge
from ipi_es.setup.facts.gather import gather
from ipi_es.setup.suggestions.suggestion import Suggestion
from ipi_es.setup.suggestions.survey import suggest_jobs
from ipi_es.testing.memory_cluster import MemoryCluster

NOW = END + 600
PLAIN = mapping(ts={"type": "date"}, who=KEYWORD, ip=IP)


def stored(index: str, of: Doc, made: Any) -> MemoryCluster:
    cluster = MemoryCluster()
    cluster.create_index(index, {"mappings": of})
    cluster.bulk([Put(index, str(number), each) for number, each in enumerate(made)], refresh=True)
    return cluster


def suggested(cluster: MemoryCluster) -> Suggestion:
    (found,) = suggest_jobs(cluster, NOW)
    assert isinstance(found, Suggestion), found
    return found


def log_of(name: str) -> MemoryCluster:
    of, made = odd_logs.LOGS[name]
    return stored(name, of, made())


def job_on(index: str, entity: str, ip: str, time: str, **feed: Any) -> Job:
    return check_job(
        {
            "job_id": "x",
            "analysis_config": {"detectors": [{"by_field_name": ip, "partition_field_name": entity}]},
            "data_description": {"time_field": time},
            "datafeed_config": {"indices": [index], "query": {"match_all": {}}, "outcome_field": None, **feed},
            "training": {"min_events": 200},
        }
    )


def findings(cluster: MemoryCluster, job: Job, check: str) -> list[Finding]:
    return [each for each in judge(job, gather(cluster, job, NOW)) if each.check == check and each.level != "ok"]
