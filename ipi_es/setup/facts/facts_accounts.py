"""Fields of a log that may hold accounts, with figures: which distinguish people, and which are shared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import median

from ipi_es.cluster.port import Cluster, Json
from ipi_es.config.job_config import Job
from ipi_es.setup.checks.proposals import best_named, elsewhere, is_other_end, speaks_of
from ipi_es.setup.contents.account_fields import AccountFigures, SharedField, better_fields, usable_fields
from ipi_es.setup.contents.action_words import action
from ipi_es.setup.contents.machine_accounts import is_machine
from ipi_es.setup.contents.outcome_words import meaning, parts
from ipi_es.setup.facts.document_sample import FILLED, MOSTLY, FieldContents, Sample, Scope
from ipi_es.setup.facts.field_roles import ENTITY, NUMBERS, FieldTypes, readable, serves

CANDIDATES = 6
"""Maximum number of fields whose figures are computed: one search with their most frequent values."""

FREQUENT = 50
"""Values of a field that are examined, those with the most events; machine accounts among them don't count."""

LONGEST = 120
"""Characters of an account's name; longer values are messages or programs."""

_PRECISION = 100
"""Distinct values up to which counts are nearly exact; more are many in any case, and cost memory."""

_DISTINCT = 3_000
"""The same for the number of a field's own values."""

_OTHERS = (
    "event.",
    "log.",
    "tags",
    "agent.",
    "ecs.",
    "data_stream.",
    "related.",
    "user_agent.",
    "url.",
    "error.",
    "input.",
)
"""Fields of the shipper, the log line or the request, which never hold who signs in."""

_OF_USE = frozenset({"agent", "cookie", "device", "request", "session", "token"})
"""Words in names of fields that say that the values are a person's, and no person: `user.device_id`."""

_NO_NAME = re.compile(r"\d{4}-\d\d-\d\d[T ].*|-?\d+\.\d+|true|false|Mozilla/.*")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+")
_ID = re.compile(r"\d{5}|[0-9a-f]{12}|[0-9A-F]{12}")
"""Part of an id: five digits, or twelve of a hexadecimal number; few names of people have it."""


def candidates(sample: Sample, types: FieldTypes, without: Iterable[str] = ()) -> list[str]:
    """Return the readable fields that may hold accounts, by their contents; at most :data:`CANDIDATES`.

    Those whose names speak of people come first, then those with more different values.
    """
    left_out = {name.removesuffix(".keyword") for name in without}
    found = dict[str, tuple[bool, int, str]]()
    for name in sample.names:
        field = readable(ENTITY, name, types)
        if field is None or name in left_out or name.startswith(_OTHERS) or is_other_end(name):
            continue
        if not _may_name(sample, name):
            continue
        of_people = speaks_of(ENTITY, name)
        if of_people or not set(types.get(field, {})) <= NUMBERS:
            found[field] = (not of_people, -len(sample.held(name).values), field)
    return sorted(found, key=found.__getitem__)[:CANDIDATES]


def _may_name(sample: Sample, name: str) -> bool:
    held = sample.held(name)
    if held.filled < FILLED * len(sample.documents) or held.several * 2 > held.filled or len(held.values) < 2:
        return False
    if held.addresses >= MOSTLY or any(len(value) > LONGEST for value in held.values):
        return False
    if any(action(name, value) for value in held.values):
        return False  # LOGIN, LOGOUT
    return held.share(lambda value: not _NO_NAME.fullmatch(value) and meaning(value) is None) >= MOSTLY


def account_figures(
    cluster: Cluster, scope: Scope, names: Sequence[str], sample: Sample, query: Json | None = None
) -> dict[str, AccountFigures]:
    """Compute the figures of fields with one search; ``query`` replaces the scope's own."""
    operator = next(iter(elsewhere("operator", scope.spec.ip_field, sample)), None)
    inner: dict[str, Json] = {
        "addresses": _distinct(scope.spec.ip_field, _PRECISION),
        "first": {"min": {"field": scope.spec.time_field}},
        "last": {"max": {"field": scope.spec.time_field}},
    }
    if operator is not None:
        inner["operators"] = _distinct(operator, _PRECISION)
    asked: dict[str, Json] = {}
    for place, name in enumerate(names):
        others = {
            f"field_{other}": _distinct(names[other], _PRECISION) for other in range(len(names)) if other != place
        }
        asked[f"values_{place}"] = _distinct(name, _DISTINCT)
        asked[f"there_{place}"] = {"filter": {"exists": {"field": name}}}
        asked[f"frequent_{place}"] = {"terms": {"field": name, "size": FREQUENT}, "aggs": {**inner, **others}}
    found = scope.aggregate(cluster, asked, query) if asked else {}
    return {name: _figures(place, names, found, sample.held(name)) for place, name in enumerate(names)} if found else {}


def _figures(place: int, names: Sequence[str], found: Json, held: FieldContents) -> AccountFigures:
    all_rows = found[f"frequent_{place}"]["buckets"]
    rows = [row for row in all_rows if not is_machine(str(row["key"]))] or all_rows
    figures = AccountFigures(
        names[place],
        events=int(found[f"there_{place}"]["doc_count"]),
        values=int(found[f"values_{place}"]["value"]),
        mails=held.share(_MAIL.fullmatch),
        ids=held.share(_ID.search),
        named=speaks_of(ENTITY, names[place]) and not _OF_USE & set(parts(names[place])),
    )
    if not rows:
        return figures

    def middle(key: str) -> float:
        return float(median(float(row[key]["value"] or 0) for row in rows))

    others = [other for other in range(len(names)) if other != place]
    return replace(
        figures,
        addresses=middle("addresses"),
        operators=middle("operators") if "operators" in rows[0] else None,
        lasting=float(median((row["last"]["value"] or 0) - (row["first"]["value"] or 0) for row in rows)) / 1_000,
        siblings={names[other]: middle(f"field_{other}") for other in others},
    )


def _distinct(name: str, precision: int) -> Json:
    return {"cardinality": {"field": name, "precision_threshold": precision}}


def shared_entity(cluster: Cluster, job: Job, scope: Scope, sample: Sample, query: Json) -> SharedField | None:
    """Find out whether several people share the job's entity, and another field distinguishes them.

    ``query`` chooses the events. None where they don't, or where the entity comes from several fields.
    """
    if len(job.entity_source_fields) > 1:
        return None
    own, types = job.entity_field, _types(cluster, job, sample)
    if not serves(ENTITY, types.get(own, {})):
        return None  # a runtime field
    names = [own, *(name for name in candidates(sample, types, (job.ip_field,)) if name != own)][:CANDIDATES]
    figures = account_figures(cluster, scope, names, sample, query)
    usable = usable_fields(figures, scope.end - scope.start)
    if own not in figures:
        return None
    better = better_fields({**usable, own: figures[own]})
    if own not in better:
        return None
    left = [name for name in better[own] if name not in better] or better[own]
    return SharedField(figures[own], figures[best_named(ENTITY, own, left, sample) or left[0]])


def _types(cluster: Cluster, job: Job, sample: Sample) -> Mapping[str, Mapping[str, Sequence[str]]]:
    asked = [each for name in sample.names if _may_name(sample, name) for each in (name, f"{name}.keyword")]
    return cluster.field_types(list(job.datafeed_config.indices), [job.entity_field, *asked])
