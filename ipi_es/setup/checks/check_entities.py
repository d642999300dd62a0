"""Judge the values of entities and addresses: one per document, one spelling per person. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ipi_es.addresses import is_private, parse
from ipi_es.config.job_config import Job
from ipi_es.errors import DataError, UsageError
from ipi_es.setup.checks.check_finding import Finding, ok, percent, problem, warning
from ipi_es.setup.contents.spellings import DOMAIN_STEPS, Folding, folding
from ipi_es.setup.facts.document_sample import Sample
from ipi_es.setup.facts.facts_entities import NAMES, KeyFacts, Names
from ipi_es.setup.facts.facts_events import EventFacts
from ipi_es.setup.facts.field_roles import ENTITY, IP, FieldRole, place_of

SEVERAL_WARNED, SEVERAL_WRONG = 0.001, 0.01
"""Shares of documents with several values: for a warning, and for a problem (each proxy gets a history of its own)."""

FOLDED_SHARE, FOLDED_NUMBER = 0.01, 10
"""Share and number of entities that more steps would fold; a warning is given from either of them on."""

SHOWN = 3
"""Maximum number of examples in a message."""


def judge_key(job: Job, facts: KeyFacts) -> list[Finding]:
    """Judge the key of the job's pseudonyms: another one than that of its results, or one that everybody can read."""
    check, found = "pseudonyms", []
    if facts.changed is not None:
        text = f"{facts.changed}: results so far have other names, and nothing is scored"
        hint = f"name the key that they were made with, or train the job with this one: ipi-es train {job.job_id}"
        found.append(problem(check, UsageError(text, hint=hint)))
    if facts.readable_by_all:
        text = "every user of this machine can read the file of entity_pseudonyms.key_file"
        found.append(warning(check, text, "take that right away: chmod o-r FILE"))
    return found or [ok(check, f"results have pseudonyms in place of names, under the key {facts.check}")]


def judge_several(job: Job, facts: EventFacts, sample: Sample) -> list[Finding]:
    """Judge documents with several entities or addresses: each value is scored and learned as a pair of its own."""
    found = []
    for role, name, missing, values in (
        (ENTITY, _with_several(job, sample), facts.counts.missing_entity, facts.entity_values),
        (IP, job.ip_field, facts.counts.missing_ip, facts.ip_values),
    ):
        present = facts.counts.events - missing
        if role.what not in facts.unreadable and values > present:
            found += _several(job, role, name, values - present, present, sample)
    return found


def _with_several(job: Job, sample: Sample) -> str:
    """Return the first field of the entity that has several values in a sampled document; else the first."""
    names = job.entity_source_fields
    return next((name for name in names if sample.held(name).several), names[0])


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
        f"name a field with one value in {place_of(role, job)}, or let an ingest pipeline keep the client's own address"
        if role is IP
        else f"name a field with one value in {place_of(role, job)}, or let an ingest pipeline keep one"
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
    return [warning("spellings", text, hint) if is_worth_folding(found) else ok("spellings", text)]


def is_worth_folding(found: Folding) -> bool:
    """Return whether so many entities are folded that it is no chance."""
    return found.folded >= FOLDED_NUMBER or (found.folded > 0 and found.folded >= FOLDED_SHARE * found.entities)
