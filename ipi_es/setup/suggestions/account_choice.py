"""Choose the account's field of a log, and what is done about machines and spellings."""

from __future__ import annotations

from ipi_es.cluster.port import Cluster
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.setup.checks.check_entities import is_worth_folding
from ipi_es.setup.checks.check_finding import percent
from ipi_es.setup.checks.proposals import best_named, propose
from ipi_es.setup.contents.account_fields import SharedField, better_fields, usable_fields
from ipi_es.setup.contents.machine_accounts import MachineAccounts, machine_accounts
from ipi_es.setup.contents.spellings import DOMAIN_STEPS, folding
from ipi_es.setup.facts.facts_accounts import account_figures, candidates
from ipi_es.setup.facts.facts_entities import NAMES, Names
from ipi_es.setup.facts.field_roles import ENTITY
from ipi_es.setup.suggestions.draft import Draft
from ipi_es.setup.suggestions.log_sample import LogSample

SHARED_SHOWN = 3
"""Shared fields that a note names."""


def choose_account(cluster: Cluster, log: LogSample, ip_field: str) -> tuple[str | None, list[str]]:
    """Return the field that distinguishes accounts, by figures and then by its name, and notes on the choice."""
    spec = FeedSpec((log.pattern,), query=log.query, ip_field=ip_field, time_field=log.time_field or "@timestamp")
    names = candidates(log.sample, log.types, (ip_field, spec.time_field))
    figures = account_figures(cluster, log.scope(spec), names, log.sample)
    usable = usable_fields(figures, log.seconds)
    better = better_fields(usable)
    left = sorted(set(usable) - set(better)) or sorted(usable)
    if not left:
        return propose(ENTITY, ENTITY.usual[0], log.types, log.sample), []
    chosen = best_named(ENTITY, ENTITY.usual[0], left, log.sample)
    if chosen is None:  # no name says it: addresses of mail name people, then what most events have
        chosen = max(left, key=lambda name: (round(usable[name].mails, 1), usable[name].events, usable[name].values))
    notes = [f"accounts: {chosen} has {usable[chosen].text}"]
    for name in [each for each in names if each in better and each != chosen][:SHARED_SHOWN]:
        other = chosen if chosen in better[name] else better[name][0]
        notes.append(SharedField(usable[name], usable[other]).text)
    return chosen, notes


def handle_names(draft: Draft, names: Names) -> None:
    """Leave out the accounts that are clearly no person, and fold spellings of one person."""
    machines = machine_accounts(names.events)
    if machines.names:
        _leave_out(draft, machines, all_names=names.all)
    if machines.service_names:
        draft.notes.append(
            f"accounts of services: {machines.service_names:,}, such as {machines.service_example}, with "
            f"{percent(machines.service_events, machines.all_events)} of the events; they are kept"
        )
    _fold(draft, names)


def _leave_out(draft: Draft, machines: MachineAccounts, *, all_names: bool) -> None:
    number = f"{machines.names:,} of {machines.all_names:,} accounts"
    if not all_names:
        number = f"{machines.names:,} of the {NAMES:,} most frequent accounts"
    of = f"{percent(machines.events, machines.all_events)} of the events"
    text = f"no persons: {number}, such as {', '.join(machines.examples)}, with {of}"
    if machines.names == machines.all_names:
        draft.notes.append(f"{text}: no person would be left, so they are kept")
        return
    draft.feed["exclude_entities"] = list(machines.patterns)
    draft.notes.append(f"{text}: left out by exclude_entities")


def _fold(draft: Draft, names: Names) -> None:
    """Set `entity_normalize` where one person is spelled in several ways that no two people share."""
    steps = draft.job.datafeed_config.entity_normalize
    excluded = machine_accounts(names.events, steps)
    found = folding(names.names, steps)
    if excluded.names == excluded.all_names or not is_worth_folding(found):
        return
    domains = [step for step in DOMAIN_STEPS if step in found.steps]
    wanted = [step for step in found.steps if step not in domains or not found.other_domains]
    example = " = ".join(found.examples[0][:2])
    if domains and found.other_domains:
        draft.notes.append(
            f"{example} may be one person, but {found.other_domains:,} names are the same in several domains: "
            f"{' and '.join(domains)} would join them, and isn't set"
        )
    if wanted:
        draft.feed["entity_normalize"] = [*steps, *wanted]
        draft.notes.append(f"{found.folded:,} accounts are spelled in several ways ({example}): {', '.join(wanted)}")
