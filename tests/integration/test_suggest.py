"""Suggested jobs on real servers: the figures that the choice needs are what the servers answer."""

from __future__ import annotations

from collections.abc import Callable

import odd_logs
import pytest

from ipi_es.cluster.port import Cluster, Put
from ipi_es.setup.checks.judge import judge
from ipi_es.setup.facts.gather import gather
from ipi_es.setup.suggestions.suggestion import Suggestion
from ipi_es.setup.suggestions.survey import suggest_jobs

NOW = odd_logs.END + 600
EXPECTED: dict[str, tuple[str, Callable[[Suggestion], object], object]] = {
    "roles": ("session_name", lambda found: found.job.datafeed_config.operator_field, "asn"),
    "dc-security": ("TargetUser", lambda found: found.job.datafeed_config.exclude_entities, ("*$",)),
}
"""``{log: (account's field, another choice, its value)}``."""


@pytest.mark.parametrize("name", EXPECTED)
def test_a_log_gets_the_same_job_as_in_memory(name: str, cluster: Cluster, index: str) -> None:
    mapping, made = odd_logs.LOGS[name]
    cluster.create_index(index, {"mappings": mapping})
    cluster.bulk([Put(index, str(number), each) for number, each in enumerate(made())], refresh=True)
    (found,) = suggest_jobs(cluster, NOW, (index,))
    assert isinstance(found, Suggestion), found
    entity, of, value = EXPECTED[name]
    assert (found.job.entity_field, of(found)) == (entity, value)
    facts = gather(cluster, found.job, NOW)
    assert facts.shared is None
    assert facts.hidden is None
    assert facts.actions is None
    warned = {each.check for each in judge(found.job, facts) if each.level != "ok"}
    assert not warned & {"entities", "addresses", "query", "spellings"}
