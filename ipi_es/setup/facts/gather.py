"""Gather the facts for `check` from the cluster: by reading only, except for the probes of rights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from ipi_es.cluster.port import Cluster, ServerInfo
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_rule import AllowRule
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import ClusterUnreachable, IpiEsError
from ipi_es.setup.checks.check_fields import FieldFacts, types_of, unreadable_roles
from ipi_es.setup.checks.check_outcomes import OutcomeField
from ipi_es.setup.contents.account_fields import SharedField
from ipi_es.setup.contents.client_addresses import HiddenClient
from ipi_es.setup.facts.document_sample import Sample, Scope, take_sample
from ipi_es.setup.facts.facts_accounts import shared_entity
from ipi_es.setup.facts.facts_actions import Actions, other_actions
from ipi_es.setup.facts.facts_context import ContextFacts, context_facts
from ipi_es.setup.facts.facts_entities import (
    KeyFacts,
    Names,
    Spread,
    entity_names,
    key_facts,
    learned_events,
    spread_entities,
)
from ipi_es.setup.facts.facts_events import EventFacts, event_facts
from ipi_es.setup.facts.facts_fields import field_facts, hidden_address
from ipi_es.setup.facts.facts_indices import Clash, UnreadIndex, result_clashes, unread_indices
from ipi_es.setup.facts.facts_outcomes import failure_field
from ipi_es.setup.facts.facts_rules import (
    CalendarFacts,
    GroupFacts,
    RuleFacts,
    calendar_facts,
    group_facts,
    rule_facts,
)
from ipi_es.setup.facts.facts_templates import TemplateFacts, template_facts
from ipi_es.setup.facts.field_roles import ENTITY, GROUP, IP
from ipi_es.setup.facts.optional_read import Looked, try_read
from ipi_es.setup.facts.rights import Right, try_rights
from ipi_es.state.blobs import BlobStore
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.directory_blobs import DirectoryBlobs
from ipi_es.state.job_state import StateStore
from ipi_es.state.verdict_store import StoredVerdicts, VerdictStore


@dataclass(frozen=True, slots=True)
class Facts:
    """All facts that are judged; ``unreachable``: the error, if the cluster became unreachable at any step."""

    now: int
    server: ServerInfo | None = None
    unreachable: IpiEsError | None = None
    rights: tuple[Right, ...] = ()
    templates: Looked[TemplateFacts] = None
    fields: Looked[FieldFacts] = None
    events: Looked[EventFacts] = None
    history_days: int | None = None
    """Days of history that the job has; None: it was never trained."""
    sample: Sample = field(default_factory=Sample)
    unread: Looked[tuple[UnreadIndex, ...]] = None
    clashes: Looked[tuple[Clash, ...]] = None
    context: Looked[ContextFacts] = None
    names: Looked[Names] = None
    spread: Looked[tuple[Spread, ...]] = None
    failures: Looked[OutcomeField] = None
    """A field that says which sign-ins failed, where the job names none."""
    shared: Looked[SharedField] = None
    """The entity's field, if several people share its values, and a field that distinguishes them."""
    hidden: Looked[HiddenClient] = None
    """The address's field, if it hides the clients, and a field that has their addresses."""
    key: Looked[KeyFacts] = None
    """The key of its pseudonyms."""
    rules: Looked[RuleFacts] = None
    """Rules of documents, and what rules hid."""
    verdicts: Looked[StoredVerdicts] = None
    """Verdicts on the job's findings."""
    calendar: Looked[CalendarFacts] = None
    """Scheduled events, and what was hidden in them."""
    groups: Looked[GroupFacts] = None
    """Events in groups, where events name the groups of their entities."""
    actions: Looked[Actions] = None
    """Log-offs, token refreshes and challenges among the events that are learned."""


def gather(cluster: Cluster, job: Job, now: int, snapshots: Path | None = None) -> Facts:
    """Gather all facts; ``now`` is epoch seconds, ``snapshots`` the directory of snapshots (None: the cluster).

    Errors of ipi-es are stored in the facts, not raised.
    """
    facts = Facts(now, cluster.info)
    try:
        for step in _STEPS:
            facts = replace(facts, **step(cluster, job, facts, snapshots))
    except ClusterUnreachable as error:
        return replace(facts, unreachable=error)
    return facts


def _rights(cluster: Cluster, job: Job, facts: Facts, snapshots: Path | None) -> Found:
    return {"rights": tuple(try_rights(cluster, job, facts.now, snapshots))}


def _setup(cluster: Cluster, job: Job, facts: Facts, _snapshots: Path | None) -> Found:
    return {
        "templates": try_read(lambda: template_facts(cluster, job, facts.now)),
        "clashes": try_read(lambda: result_clashes(cluster, job)),
        "key": try_read(lambda: key_facts(cluster, job)),
        "rules": try_read(lambda: rule_facts(cluster, job)),
        "verdicts": try_read(lambda: VerdictStore(cluster, job.job_id).all()),
        "calendar": try_read(lambda: calendar_facts(cluster, job)),
    }


def _history(cluster: Cluster, job: Job, _facts: Facts, snapshots: Path | None) -> Found:
    days = try_read(lambda: history_days(cluster, job.job_id, snapshots))
    return {"history_days": days if isinstance(days, int) else None}


def _fields(cluster: Cluster, job: Job, _facts: Facts, _snapshots: Path | None) -> Found:
    fields = try_read(lambda: field_facts(cluster, job))
    if not isinstance(fields, FieldFacts):
        return {"fields": fields}
    return {"fields": fields, "unread": try_read(lambda: unread_indices(cluster, job, fields.indices))}


def _events(cluster: Cluster, job: Job, facts: Facts, _snapshots: Path | None) -> Found:
    """Gather the events and all facts that depend on them; only the fields that can't be read are left out."""
    fields = facts.fields
    if not isinstance(fields, FieldFacts):
        return {}
    unreadable = unreadable_roles(job, fields)
    looked = try_read(lambda: event_facts(cluster, job, facts.now, unreadable))
    if isinstance(looked, IpiEsError):
        return {"events": looked}
    events, scope = looked
    spec = FeedSpec.from_job(job)
    taken = try_read(lambda: take_sample(cluster, scope, spec)) if events.stored else Sample()
    sample = taken if isinstance(taken, Sample) else Sample()
    found: Found = {"events": events, "sample": sample, "fields": replace(fields, sample=sample)}
    if scope is not None:
        found |= _values(cluster, job, facts, fields, scope, sample)
    return found


def _values(cluster: Cluster, job: Job, facts: Facts, fields: FieldFacts, scope: Scope, sample: Sample) -> Found:
    found: Found = {}
    unreadable = unreadable_roles(job, fields)
    if ENTITY.what not in unreadable:
        found["names"] = try_read(lambda: entity_names(cluster, job, scope))
    if IP.what not in unreadable:
        found["context"] = try_read(lambda: context_facts(cluster, job, fields, scope, sample))
        found["hidden"] = try_read(lambda: hidden_address(cluster, job, sample))
    if GROUP.what not in unreadable:
        found["groups"] = try_read(lambda: group_facts(cluster, job, scope, _acting(facts)))
    if not unreadable:
        types = {name: types_of(job, name, fields.types) for name in scope.spec.context_fields}
        operator = scope.spec.with_fields_of(types).operator_field
        found["spread"] = try_read(lambda: spread_entities(cluster, job, scope, operator))
        learned = learned_events(job, scope)
        found["shared"] = try_read(lambda: shared_entity(cluster, job, scope, sample, learned))
        found["actions"] = try_read(lambda: other_actions(cluster, scope, sample, learned))
    if scope.spec.outcome_field is None:
        found["failures"] = try_read(lambda: failure_field(cluster, job, scope, sample))
    return found


def _acting(facts: Facts) -> list[AllowRule]:
    """Return the rules of documents that act or will act."""
    if not isinstance(facts.rules, RuleFacts):
        return []
    return [each.rule for each in facts.rules.stored.rules if not each.ended_at(facts.now)]


Found: TypeAlias = dict[str, Any]
"""Fields of :class:`Facts` by name."""

_STEPS: tuple[Callable[[Cluster, Job, Facts, Path | None], Found], ...] = (_rights, _setup, _history, _fields, _events)
"""The steps in their order: if the cluster becomes unreachable, the facts of the steps before are kept."""


def history_days(cluster: Cluster, job_id: str, snapshots: Path | None) -> int | None:
    """Return the length of the job's history in days; None if it was never trained, or before ipi-es recorded this."""
    state = StateStore(cluster).read(job_id)
    base, _, day = ((state.history_id if state is not None else None) or "").rpartition("+")
    if not base:
        return None
    blobs: BlobStore = ClusterBlobs(cluster) if snapshots is None else DirectoryBlobs(snapshots)
    origin = blobs.info(job_id, base).attributes.get("origin")
    return None if origin is None else int(day) - int(origin)
