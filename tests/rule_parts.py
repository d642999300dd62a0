"""What the tests of rules share: a rule, a trained company whose nomads come from one network, and its scoring."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts

from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_rule import AllowRule
from ipi_es.results.words import ALIAS
from ipi_es.state.rule_store import StoredRule
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session

NOMADS_FROM = company.SCORED_FROM + 3 * company.DAY


NET = "198.18.0.0/16"
"""Where the nomads come from, from NOMADS_FROM on."""


def stored(name: str = "office", *, start: int = 1_000, **more: Any) -> StoredRule:
    allow = AllowRule.model_validate({"id": name, **more.pop("rule", {"cidr": NET})})
    return StoredRule(allow, "why", "ann", created=more.pop("created", 900), start=start, **more)


JOB = Job.model_validate(company.job_data() | {"allow_list": []})


def score(resources: JobResources, start: int, end: int) -> None:
    with open_session(resources) as session:
        session.backfill(session.plan(start, end), lambda _: None)


def suppressed(cluster: MemoryCluster) -> dict[str, set[int]]:
    """The buckets of the nomads' records, by what suppressed them."""
    cluster.refresh(ALIAS)
    found: dict[str, set[int]] = {}
    for each in parts.of_kind(parts.results(cluster, JOB), "record"):
        if each["partition_field_value"] in company.NOMADS and each["by_field_value"].startswith("198.18."):
            found.setdefault(each.get("suppressed_by", ""), set()).add(each["timestamp"] // 1_000)
    return found


@cache
def _trained() -> MemoryCluster:
    with pytest.MonkeyPatch.context() as patch:
        return parts.trained_cluster(JOB, patch)


def trained_copy() -> MemoryCluster:
    """An independent copy of the company's cluster, trained up to the first scored day."""
    return parts.copy_of(_trained(), own_events=True)
