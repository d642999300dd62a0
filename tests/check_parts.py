"""What the tests of `check` share: a healthy log of sign-ins on a cluster in memory, and what is found of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from signin_events import CONTEXT_MAPPING, END, fill, make_job, with_context

from ipi_es.config.job_config import Job
from ipi_es.setup.checks.check_finding import Finding
from ipi_es.setup.checks.judge import judge
from ipi_es.setup.facts.gather import gather
from ipi_es.testing.memory_cluster import MemoryCluster

NOW = END + 600
Doc = dict[str, Any]


def healthy(cluster: MemoryCluster, change: Callable[[Doc, int], Doc | None] = lambda doc, _: doc, **how: Any) -> None:
    """Sign-ins with operators and countries, changed."""

    def both(document: Doc, number: int) -> Doc | None:
        return change(with_context(document), number)

    fill(cluster, **{"change": both, "mapping": CONTEXT_MAPPING, **how})


def findings(cluster: MemoryCluster, job: Job | None = None) -> list[Finding]:
    return [each for each in judge(job or make_job(), gather(cluster, job or make_job(), NOW)) if each.level != "ok"]


def only(cluster: MemoryCluster, job: Job | None = None) -> Finding:
    """The one finding that isn't ok."""
    [found] = findings(cluster, job)
    assert found.hint
    return found


def mapping_of(**fields: Any) -> Doc:
    """The usual mapping with other fields at the top."""
    return {"properties": {**CONTEXT_MAPPING["properties"], **fields}}


KEYWORD = {"type": "keyword"}
