"""Judge the values of entities and addresses: one per document, one spelling per person, few networks a day. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ipi_es.addresses import is_private, parse
from ipi_es.config.job_config import Job
from ipi_es.errors import DataError
from ipi_es.lists import some
from ipi_es.setup.checks.check_finding import Finding, ok, percent, problem, warning
from ipi_es.setup.checks.spellings import DOMAIN_STEPS, folding
from ipi_es.setup.facts.document_sample import Sample
from ipi_es.setup.facts.facts_entities import NAMES, Names, Spread
from ipi_es.setup.facts.facts_events import EventFacts
from ipi_es.setup.facts.field_roles import ENTITY, IP, FieldRole

SEVERAL_WARNED, SEVERAL_WRONG = 0.001, 0.01
"""Shares of documents with several values: for a warning, and for a problem (each proxy gets a history of its own)."""

OPERATORS_A_DAY = 10
"""Number of network operators in one day from which several people or machines probably share the entity.

On real events (37,519 days of an entity) no entity had more than 4.
"""

NETWORKS_A_DAY = 15
"""The same for /16 networks; one mobile operator gives a person several of them. 4 of those days had as many."""

DAYS_ALIKE = 2
"""Days of the last week that must show this: a single one may be an attack."""

FOLDED_SHARE, FOLDED_NUMBER = 0.01, 10
"""Share and number of entities that more steps would fold; a warning is given from either of them on."""

SHOWN = 3
"""Maximum number of examples in a message."""


def judge_several(job: Job, facts: EventFacts, sample: Sample) -> list[Finding]:
    """Judge documents with several entities or addresses: each value is scored and learned as a pair of its own."""
    found = []
    for role, name, missing, values in (
        (ENTITY, job.entity_field, facts.counts.missing_entity, facts.entity_values),
        (IP, job.ip_field, facts.counts.missing_ip, facts.ip_values),
    ):
        present = facts.counts.events - missing
        if role.what not in facts.unreadable and values > present:
            found += _several(job, role, name, values - present, present, sample)
    return found


def _several(job: Job, role: FieldRole, name: str, more: int, present: int, sample: Sample) -> list[Finding]:
    held = sample.held(name)
    documents = min(more, present)
    if held.several:  # some documents have several values; the sample shows how many do
        documents = min(documents, max(1, round(present * held.several / held.filled)))
    if documents <= present * SEVERAL_WARNED:
        return []
    example = next((values for each in sample.documents if len(values := sample.values(each, name)) > 1), ())
    if role is IP and job.datafeed_config.ignore_private and _one_public(sample, name):
        return []  # one address of each document is left
    text = f"{percent(documents, present)} of the events have several values in {name}"
    text += f", such as {', '.join(example[:SHOWN])}" if example else ""
    text += f": each counts as {'an address' if role is IP else 'an entity'} of its own"
    hint = (
        f"name a field with one value in {role.place}, or let an ingest pipeline keep the client's own address"
        if role is IP
        else f"name a field with one value in {role.place}, or let an ingest pipeline keep one"
    )
    if role is IP and any(_private(example)):
        hint += "; where all but the client's are private, datafeed_config.ignore_private: true leaves these out"
    if documents < present * SEVERAL_WRONG:
        return [warning(f"{role.what} field", text, hint)]
    return [problem(f"{role.what} field", DataError(text, hint=hint))]


def _private(addresses: Sequence[str]) -> list[bool]:
    packed, valid = parse(addresses)
    return list(valid & is_private(packed))


def _one_public(sample: Sample, name: str) -> bool:
    """Return whether no sampled document has more than one public address."""
    each = [sample.values(document, name) for document in sample.documents]
    return bool(each) and all(_private(values).count(False) <= 1 for values in each)


def judge_spread(job: Job, spread: Sequence[Spread]) -> list[Finding]:
    """Warn of entities that are no single person: on several days they use more operators or networks than a person."""
    by_entity: dict[str, list[Spread]] = defaultdict(list)
    for each in spread:
        if _is_many(each):
            by_entity[each.entity].append(each)
    days = len({each.day for each in spread})
    many = {name: rows for name, rows in by_entity.items() if len(rows) >= min(DAYS_ALIKE, days)}
    if not many:
        return []
    worst = sorted(many, key=lambda name: -max(_number(each) for each in many[name]))
    shown = [_shown(name, max(many[name], key=_number)) for name in worst]
    text = (
        f"{len(worst)} {job.entity_field} {'signs' if len(worst) == 1 else 'sign'} in from more networks than a person "
        f"does: {some(shown, separator='; ')}"
    )
    hint = (
        "a role, a shared account or a service has no usual address: name a field that distinguishes its users in "
        f"{ENTITY.place} (for assumed roles, the session's ARN), or let the query leave it out"
    )
    return [warning("entities", text, hint)]


def _is_many(one: Spread) -> bool:
    if one.operators is not None:
        return one.operators >= OPERATORS_A_DAY
    return one.networks >= NETWORKS_A_DAY


def _number(one: Spread) -> int:
    return one.operators if one.operators is not None else one.networks


def _shown(name: str, one: Spread) -> str:
    kind = "operators" if one.operators is not None else "/16 networks"
    return f"{name} from {_number(one)} {kind} ({one.addresses:,} addresses) in a day"


def judge_spellings(job: Job, names: Names) -> list[Finding]:
    """Report entities that differ only by what `entity_normalize` would fold: a warning, or ok if they are few."""
    steps = job.datafeed_config.entity_normalize
    found = folding(names.names, steps)
    if not found.folded:
        return []
    which = "" if names.all else f" (the {NAMES:,} with the most events)"
    examples = "; ".join(" = ".join(f"“{name}”" for name in group[:SHOWN]) for group in found.examples[:SHOWN])
    by_step = ", ".join(f"{step} {count:,}" for step, count in found.steps.items())
    text = (
        f"{found.folded:,} of {found.entities:,} entities{which} differ from others by spelling alone ({by_step}): "
        f"{examples}"
    )
    wanted = [*steps, *found.steps]
    hint = f"set datafeed_config.entity_normalize: [{', '.join(wanted)}] before the first training"
    domains = [step for step in DOMAIN_STEPS if step in found.steps]
    if domains and found.other_domains:
        hint += (
            f"; {' and '.join(domains)} would also join {found.other_domains:,} that differ by their domain alone: "
            "leave it out if these are different people"
        )
    if found.folded < FOLDED_NUMBER and found.folded < FOLDED_SHARE * found.entities:
        return [ok("spellings", text)]
    return [warning("spellings", text, hint)]
