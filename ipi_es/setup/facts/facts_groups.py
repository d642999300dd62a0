"""Counts of the groups that events name of their entities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.datafeed.searches.requests import named
from ipi_es.setup.facts.document_sample import Scope


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """Counts of events that name an entity: all, those with a group, and those with each group of a rule."""

    events: int
    grouped: int
    by_group: Mapping[str, int] = field(default_factory=dict)


def group_facts(cluster: Cluster, job: Job, scope: Scope) -> GroupFacts | None:
    """Count the events in groups with one search; None: the job reads no groups from events."""
    name = job.group_field
    if name is None:
        return None
    wanted = sorted({rule.group for rule in job.allow_list if rule.group is not None and rule.cidr is None})
    inner = {f"group_{place}": {"filter": {"term": {name: group}}} for place, group in enumerate(wanted)}
    inner["grouped"] = {"filter": {"exists": {"field": name}}}
    found = scope.aggregate(cluster, {"named": {"filter": named(scope.spec), "aggs": inner}}).get("named", {})

    def count(part: str) -> int:
        return int(found.get(part, {}).get("doc_count", 0))

    by_group = {group: count(f"group_{place}") for place, group in enumerate(wanted)}
    return GroupFacts(int(found.get("doc_count", 0)), count("grouped"), by_group)
