"""Judge the facts for `check`; each step comes after those that it depends on. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ipi_es.cluster.port import Distribution
from ipi_es.config.job_config import Job
from ipi_es.errors import IpiEsError, PermissionDenied, UsageError
from ipi_es.scoring.history_age import YOUNG_DAYS
from ipi_es.setup.checks.check_accounts import judge_machines, judge_spread
from ipi_es.setup.checks.check_context import judge_context, judge_networks
from ipi_es.setup.checks.check_entities import judge_key, judge_several, judge_spellings
from ipi_es.setup.checks.check_events import judge_events, judge_hidden
from ipi_es.setup.checks.check_fields import FieldFacts, judge_fields
from ipi_es.setup.checks.check_finding import Finding, ok, problem, warning
from ipi_es.setup.checks.check_indices import judge_clashes, judge_timeless, judge_unread
from ipi_es.setup.checks.check_outcomes import OutcomeField, judge_outcomes
from ipi_es.setup.checks.check_query import judge_actions, judge_query
from ipi_es.setup.checks.check_rights import hint_for, judge_rights
from ipi_es.setup.checks.check_rules import judge_calendar, judge_groups, judge_rules, judge_verdicts
from ipi_es.setup.checks.check_templates import judge_templates
from ipi_es.setup.checks.check_usable import require_templates, require_usable
from ipi_es.setup.checks.proposals import other_addresses
from ipi_es.setup.contents.account_fields import SharedField
from ipi_es.setup.contents.client_addresses import HiddenClient
from ipi_es.setup.facts.facts_templates import TemplateFacts
from ipi_es.setup.facts.field_roles import OUTCOME
from ipi_es.setup.facts.gather import Facts
from ipi_es.setup.facts.optional_read import Looked
from ipi_es.times import format_span

T = TypeVar("T")

__all__ = ["Finding", "is_usable", "judge", "require_templates", "require_usable"]


def judge(job: Job, facts: Facts) -> list[Finding]:
    """Return all findings; those that couldn't be judged because something before them is wrong are absent."""
    found = [*_configuration(job), *judge_query(job), *_server(facts)]
    distribution = facts.server.distribution if facts.server else "opensearch"
    if facts.rights:
        found += judge_rights(facts.rights, distribution)
    found += [*judge_templates(job, facts.templates, facts.now), *_retention(facts.templates)]
    found += _looked("results", facts.clashes, lambda clashes: judge_clashes(job, clashes))
    if isinstance(facts.key, UsageError):
        found.append(problem("pseudonyms", facts.key))
    elif not isinstance(facts.key, PermissionDenied):
        found += _looked("pseudonyms", facts.key, lambda key: judge_key(job, key))
    if not isinstance(facts.rules, PermissionDenied):  # then the right is named already
        found += _looked("rules", facts.rules, lambda rules: judge_rules(job, rules, facts.now))
    if not isinstance(facts.verdicts, PermissionDenied):
        found += _looked("verdicts", facts.verdicts, lambda stored: judge_verdicts(stored, facts.now))
    if not isinstance(facts.calendar, PermissionDenied):
        found += _looked("calendar", facts.calendar, lambda calendar: judge_calendar(job, calendar, facts.now))
    found += _indices(facts.fields, distribution)
    found += _looked("indices", facts.unread, judge_unread)
    if isinstance(facts.fields, FieldFacts):
        found += judge_fields(job, facts.fields)
        found += _events(job, facts, facts.fields)
    return [*found, *_warm_up(facts.history_days)]


def is_usable(findings: Sequence[Finding]) -> bool:
    """Return whether there is no problem among the findings."""
    return all(finding.level != "problem" for finding in findings)


def _configuration(job: Job) -> list[Finding]:
    feed = job.datafeed_config
    text = (
        f"job {job.job_id}: rare {job.ip_field} of each {job.entity_field}, every {format_span(job.bucket_span)}, "
        f"from {', '.join(feed.indices)}"
    )
    hint = "take it out of the job's file, or leave it: it changes nothing"
    return [ok("configuration", text), *(warning("configuration", each, hint) for each in job.warnings())]


def _server(facts: Facts) -> list[Finding]:
    if facts.unreachable is not None:
        return [problem("cluster", facts.unreachable)]
    if facts.server is None:
        return []
    name = f", cluster {facts.server.cluster_name}" if facts.server.cluster_name else ""
    return [ok("cluster", f"{facts.server.text} at {facts.server.url}{name}")]


def _retention(facts: Looked[TemplateFacts]) -> list[Finding]:
    if not isinstance(facts, TemplateFacts):
        return []
    found = []
    if facts.too_short is not None:
        hint = "run `ipi-es setup` where all jobs are configured, or change the policy"
        found.append(warning("retention", facts.too_short, hint))
    if facts.stuck is not None:
        hint = (
            "a policy has the rights of who put it: a user with the role ipi-es-setup must put it again "
            "(docs/retention.md)"
        )
        found.append(warning("retention", facts.stuck, hint))
    return found


def _indices(facts: Looked[FieldFacts], distribution: Distribution) -> list[Finding]:
    check = "indices"
    if facts is None:
        return []
    if isinstance(facts, PermissionDenied):
        facts = PermissionDenied(facts.message, hint=hint_for(facts, distribution), status=facts.status)
    if isinstance(facts, IpiEsError):
        return [problem(check, facts)]
    number = len(facts.indices)
    if not number:  # indices match, but field capabilities leave out those without fields
        hint = "if these are the right ones, wait for their first events; else correct datafeed_config.indices"
        return [warning(check, "the indices that match have no field yet", hint)]
    return [ok(check, f"{number} {'index matches' if number == 1 else 'indices match'}")]


def _warm_up(days: int | None) -> list[Finding]:
    if days is None:
        return []
    text = f"the job's history is {days:,} {'day' if days == 1 else 'days'} long"
    if days >= YOUNG_DAYS:
        return [ok("warm-up", text)]
    hint = f"until it has {YOUNG_DAYS}, entities with little history score low: train on more days, if there are"
    return [warning("warm-up", f"{text}: the job warms up", hint)]


def _events(job: Job, facts: Facts, fields: FieldFacts) -> list[Finding]:
    events, sample = facts.events, facts.sample
    if events is None:
        return []
    if isinstance(events, IpiEsError):
        return [problem("events", events)]
    found = judge_timeless(job, events.timeless) if events.timeless is not None else []
    hidden = facts.hidden if isinstance(facts.hidden, HiddenClient) else None
    found += judge_events(job, events, facts.now, other_addresses(job.ip_field, fields.types, sample), hidden)
    if not events.counts.events:
        return found
    if hidden is not None and not any(hidden.better.name in (each.hint or "") for each in found):
        found.append(judge_hidden(hidden))
    found += _looked("query", facts.actions, judge_actions)
    found += _looked("groups", facts.groups, lambda groups: judge_groups(job, groups))
    other = facts.failures if isinstance(facts.failures, OutcomeField) else None
    if OUTCOME.what not in events.unreadable:
        found += judge_outcomes(job, events.outcomes, events.missing_outcome, events.counts.events, other)
    found += judge_several(job, events, sample)
    found += _looked("context", facts.context, lambda context: [*judge_context(job, context), *judge_networks(context)])
    shared = facts.shared if isinstance(facts.shared, SharedField) else None
    found += _looked("entities", facts.spread, lambda spread: judge_spread(job, spread, shared))
    found += _looked("entities", facts.names, lambda names: judge_machines(job, names))
    return found + _looked("spellings", facts.names, lambda names: judge_spellings(job, names))


def _looked(check: str, facts: Looked[T], judged: Callable[[T], list[Finding]]) -> list[Finding]:
    """Judge facts; if they couldn't be read, return a warning, so that the other facts are still judged."""
    if facts is None:
        return []
    if isinstance(facts, IpiEsError):
        hint = facts.hint or "run the same check again; if it comes back, look into the cluster's own log"
        return [warning(check, f"couldn't be looked at: {facts.message}", hint)]
    return judged(facts)
