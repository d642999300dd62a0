"""Judge the fields that a job names by their types in the indices. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ipi_es.config.datafeed_config import AUTO
from ipi_es.config.job_config import Job
from ipi_es.datafeed.spec import KEYWORDS, FeedSpec
from ipi_es.errors import FieldMissing, FieldTypeWrong
from ipi_es.lists import some
from ipi_es.setup.checks.check_finding import Finding, ok, problem, warning
from ipi_es.setup.checks.proposals import propose
from ipi_es.setup.facts.document_sample import Sample
from ipi_es.setup.facts.field_roles import (
    DATES,
    ENTITY,
    IP,
    NOT_FIELDS,
    OUTCOME,
    ROLES,
    FieldRole,
    FieldTypes,
    place_of,
    serves,
)


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """Types from field capabilities. ``everything`` holds all fields, if one that the job names is missing or wrong."""

    indices: tuple[str, ...]
    types: FieldTypes
    everything: FieldTypes = field(default_factory=dict)
    sample: Sample = field(default_factory=Sample)
    """Documents whose values show which field can be proposed; empty: none was read."""


def field_names(job: Job) -> list[str]:
    """List all fields that the job reads, with those of operator and country that it reads if they exist."""
    named = [name for role in ROLES for name in role.names(job)]
    return [*named, *FeedSpec.from_job(job).context_fields]


def parents(name: str) -> list[str]:
    """List the objects that may contain a field: ``a`` and ``a.b`` of ``a.b.c``."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def judge_fields(job: Job, facts: FieldFacts) -> list[Finding]:
    """Judge each field: one finding per field, but none for an operator or country field that is unset and missing."""
    found = [_judge(job, role, name, facts) for role in ROLES for name in role.names(job)]
    return found + _context(job, facts)


def _context(job: Job, facts: FieldFacts) -> list[Finding]:
    """Judge the fields of operator and country: at most a warning, since they sharpen scores but aren't required."""
    feed = job.datafeed_config
    wanted = FeedSpec.from_job(job)
    types = {name: types_of(job, name, facts.types) for name in wanted.context_fields}
    usable = wanted.with_fields_of(types)
    found = []
    for what, setting, given, name, used in (
        ("operator", "operator_field", feed.operator_field, wanted.operator_field, usable.operator_field),
        ("country", "country_field", feed.country_field, wanted.country_field, usable.country_field),
    ):
        if name is not None and used is not None:
            found.append(ok(f"{what} field", f"{name} is {next(iter(types[name]))}"))
        elif name is not None and given != AUTO:
            how = f"is {_spread(types[name])}" if types[name] else f"is in no mapping of {', '.join(_indices(job))}"
            hint = f"set datafeed_config.{setting} to a field that holds it, or to null"
            found.append(warning(f"{what} field", f"{name} (the {what}) {how}: it isn't read", hint))
    return found


def unreadable_roles(job: Job, facts: FieldFacts) -> frozenset[str]:
    """Return the roles of the fields that can't be read (``entity``, ``time`` …)."""
    wrong = {finding.check for finding in judge_fields(job, facts) if finding.level == "problem"}
    return frozenset(role.what for role in ROLES if f"{role.what} field" in wrong)


def needs_everything(job: Job, types: FieldTypes) -> bool:
    """Return whether a field is missing or wrong, so that all fields should be read to propose another."""
    return any(finding.level != "ok" for finding in judge_fields(job, FieldFacts((), types)))


def _judge(job: Job, role: FieldRole, name: str, facts: FieldFacts) -> Finding:
    check = f"{role.what} field"
    types = types_of(job, name, facts.types)
    if not types:
        error = _missing(job, role, name, facts)
        replaced = role is ENTITY and _another_source(job, name, facts)
        return warning(check, error.message, error.hint or "") if replaced else problem(check, error)
    nested = _nested(job, name, facts.types)
    if nested is not None:
        return problem(
            check,
            FieldTypeWrong(
                f"{name} (the {role.what}) lies in {nested}, which is nested: events are read as a whole, and then "
                "nothing of what is nested in them is seen",
                hint=f"map {nested} as a plain object and reindex, or let an ingest pipeline copy {name} to a field "
                f"beside it, and name that in {place_of(role, job)}",
            ),
        )
    if set(types) - role.types:
        return problem(check, _wrong(job, role, name, types, facts))
    if len({"keyword" if kind in KEYWORDS else kind for kind in types}) > 1 and not set(types) <= DATES:
        return problem(
            check,
            FieldTypeWrong(
                f"{name} has several types: {_spread(types)}",
                hint="the cluster counts each type apart, so that one pair comes twice: leave one kind of index out of "
                "datafeed_config.indices, or reindex it",
            ),
        )
    kind = next(iter(types))
    if role is IP and kind in KEYWORDS and job.datafeed_config.ip_pick is None:  # a list of addresses is no ip
        return warning(
            check,
            f"{name} is {kind}: addresses are compared as they are spelled when they are read, and parsed here",
            f"map {name} as ip in the events' index template: it is smaller, and malformed addresses are noticed",
        )
    return ok(check, f"{name} is {kind}")


def _another_source(job: Job, name: str, facts: FieldFacts) -> bool:
    """Return whether the entity has a source without this field whose fields all exist."""
    others = (source.fields for source in job.entity_sources if name not in source.fields)
    return any(all(types_of(job, each, facts.types) for each in fields) for fields in others)


def types_of(job: Job, name: str, types: FieldTypes) -> dict[str, Sequence[str]]:
    """Return the types that a field has for a search, runtime fields included: ``{type: indices}``."""
    found = dict(types.get(name, {}))
    runtime = job.datafeed_config.runtime_mappings.get(name)
    # a runtime field hides the indexed one
    return {str(runtime.get("type", "keyword")): ["runtime_mappings"]} if runtime else found


def _nested(job: Job, name: str, types: FieldTypes) -> str | None:
    """Return the nested object that contains the field; None: there is none, or a runtime field hides the field."""
    if name in job.datafeed_config.runtime_mappings:
        return None
    return next((above for above in parents(name) if "nested" in types.get(above, {})), None)


def _missing(job: Job, role: FieldRole, name: str, facts: FieldFacts) -> FieldMissing:
    proposed = propose(role, name, _unused(job, role, facts.everything), facts.sample)
    hint = f"did you mean “{proposed}”? " if proposed else ""
    if role is OUTCOME:
        hint += f"Set {role.place}; or, if the query chooses successful sign-ins only, set it to null: every event "
        hint += "counts as a success then"
    else:
        hint += f"Set {place_of(role, job)} to the field that holds the {role.what}"
    return FieldMissing(f"{name} (the {role.what}) is in no mapping of {', '.join(_indices(job))}", hint=hint)


def _wrong(
    job: Job, role: FieldRole, name: str, types: Mapping[str, Sequence[str]], facts: FieldFacts
) -> FieldTypeWrong:
    known = {**facts.everything, **facts.types}
    text = f"{name} (the {role.what}) is {_spread(types)}; it must be {role.wanted}"
    below = [other for other in sorted(known) if other.startswith(f"{name}.") and serves(role, known[other])]
    if set(types) & NOT_FIELDS:
        hint = f"it is no field but holds others: name one of them{_list(below)}"
    elif below:
        hint = f"name its sub-field “{below[0]}” in {place_of(role, job)}"
    elif other := propose(role, name, _unused(job, role, known, name), facts.sample):
        hint = f"is “{other}” meant? Otherwise map {name} as {role.wanted} in the events' index template, and reindex"
    else:
        hint = f"map {name} as {role.wanted} in the events' index template, and reindex what is there"
    return FieldTypeWrong(text, hint=hint)


def _unused(job: Job, role: FieldRole, types: FieldTypes, *names: str) -> FieldTypes:
    """Return the fields without ``names`` and those that the job reads in other roles: none of them is meant."""
    used = {*names, *(each for other in ROLES if other is not role for each in other.names(job))}
    return {name: kinds for name, kinds in types.items() if name not in used}


def _spread(types: Mapping[str, Sequence[str]]) -> str:
    if len(types) == 1:
        return next(iter(types))
    return "; ".join(f"{kind} in {some(types[kind])}" for kind in sorted(types))


def _list(names: Sequence[str]) -> str:
    return f" ({some(names)})" if names else ""


def _indices(job: Job) -> Sequence[str]:
    return job.datafeed_config.indices
