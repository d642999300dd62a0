"""Facts on a job's rules and scheduled events, with what they hid, and on the groups that events name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_rule import AllowRule
from ipi_es.datafeed.searches.requests import named
from ipi_es.results.reading.rule_uses import HiddenResults, event_uses, rule_uses
from ipi_es.setup.facts.document_sample import Scope
from ipi_es.state.calendar_store import CalendarStore, StoredEvents
from ipi_es.state.rule_store import RuleStore, StoredRules


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """The rules of documents that concern a job, and what each rule's name hid in its results."""

    stored: StoredRules
    uses: Mapping[str, HiddenResults]


def rule_facts(cluster: Cluster, job: Job) -> RuleFacts:
    """Read the rules of documents that concern the job, with what rules hid in its results."""
    stored = RuleStore(cluster).all()
    mine = tuple(each for each in stored.rules if each.acts_in(job.job_id))
    return RuleFacts(StoredRules(mine, stored.damaged), rule_uses(cluster, job.job_id))


@dataclass(frozen=True, slots=True)
class CalendarFacts:
    """The scheduled events that concern a job, and what was hidden in each, by name."""

    stored: StoredEvents
    uses: Mapping[str, HiddenResults]


def calendar_facts(cluster: Cluster, job: Job) -> CalendarFacts:
    """Read the scheduled events that concern the job, with what was hidden in them."""
    stored = CalendarStore(cluster).all()
    mine = tuple(each for each in stored.events if each.concerns(job.job_id))
    return CalendarFacts(StoredEvents(mine, stored.damaged), event_uses(cluster, job.job_id))


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """Counts of events that name an entity: all, those with a group, and those with each group of a rule."""

    events: int
    grouped: int
    by_group: Mapping[str, int] = field(default_factory=dict)
    rules: tuple[AllowRule, ...] = ()
    """The rules of the job's file, and those of documents that act or will act."""


def group_facts(cluster: Cluster, job: Job, scope: Scope, acting: Sequence[AllowRule] = ()) -> GroupFacts | None:
    """Count the events in groups with one search; None: the job reads no groups from events.

    ``acting``: the rules of documents that act or will act.
    """
    name = job.group_field
    if name is None:
        return None
    rules = (*job.allow_list, *acting)
    wanted = sorted({rule.group for rule in rules if rule.group is not None})
    inner = {f"group_{place}": {"filter": {"term": {name: group}}} for place, group in enumerate(wanted)}
    inner["grouped"] = {"filter": {"exists": {"field": name}}}
    found = scope.aggregate(cluster, {"named": {"filter": named(scope.spec), "aggs": inner}}).get("named", {})

    def count(part: str) -> int:
        return int(found.get(part, {}).get("doc_count", 0))

    by_group = {group: count(f"group_{place}") for place, group in enumerate(wanted)}
    return GroupFacts(int(found.get("doc_count", 0)), count("grouped"), by_group, rules)
