"""The roles of a job's fields: where each is named, the types that fit, and the usual names of such fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ipi_es.config.job_config import Job
from ipi_es.datafeed.spec import KEYWORDS

FieldTypes = Mapping[str, Mapping[str, Sequence[str]]]
"""``{field: {type: [indices…]}}`` as the cluster's port gives it."""

NUMBERS = frozenset({"long", "integer", "short", "byte", "unsigned_long"})
DATES = frozenset({"date", "date_nanos"})
NOT_FIELDS = frozenset({"object", "nested"})


@dataclass(frozen=True, slots=True)
class FieldRole:
    """What a field is used for, where the job's file names it, and the types that fit."""

    what: str
    place: str
    types: frozenset[str]
    wanted: str
    usual: tuple[str, ...]
    """Usual names of such fields; proposed where no field has a similar name."""
    names: Callable[[Job], tuple[str, ...]]
    """The fields that the job reads in this role."""


ENTITY = FieldRole(
    "entity",
    "analysis_config.detectors[0].partition_field_name",
    KEYWORDS | NUMBERS | {"ip", "version"},
    "keyword",
    ("user.name", "user.email", "user.id", "client.user.name", "source.user.name", "winlog.event_data.TargetUserName"),
    lambda job: job.entity_source_fields,
)
IP = FieldRole(
    "IP address",
    "analysis_config.detectors[0].by_field_name",
    KEYWORDS | {"ip"},
    "ip",
    ("source.ip", "client.ip", "source.address", "client.address", "network.forwarded_ip", "host.ip"),
    lambda job: (job.ip_field,),
)
TIME = FieldRole(
    "time",
    "data_description.time_field",
    DATES,
    "date",
    ("@timestamp", "event.created", "timestamp", "event.ingested"),
    lambda job: (job.time_field,),
)
OUTCOME = FieldRole(
    "outcome",
    "datafeed_config.outcome_field",
    KEYWORDS | NUMBERS | {"boolean"},
    "keyword",
    ("event.outcome", "event.type", "event.action"),
    lambda job: () if job.datafeed_config.outcome_field is None else (job.datafeed_config.outcome_field,),
)
GROUP = FieldRole(
    "group",
    "entity_groups.field",
    KEYWORDS | NUMBERS | {"boolean"},
    "keyword",
    ("user.roles", "user.group.name", "group.name", "user.domain"),
    lambda job: () if job.group_field is None else (job.group_field,),
)
ROLES = (TIME, ENTITY, IP, OUTCOME, GROUP)

FORWARDED = (
    "client.ip",
    "source.nat.ip",
    "network.forwarded_ip",
    "http.request.headers.x-forwarded-for",
    "http.request.headers.x_forwarded_for",
    "x_forwarded_for",
    "client.address",
)
"""Fields in which proxies and shippers keep the client's original address."""


def place_of(role: FieldRole, job: Job) -> str:
    """Return where the job's file names the fields of a role."""
    return "datafeed_config.entity_fields" if role is ENTITY and job.datafeed_config.entity_fields else role.place


def entity_text(job: Job) -> str:
    """Name the sources of an entity's name: ``user.email or user.id``."""
    return " or ".join(source.text for source in job.entity_sources)


def serves(role: FieldRole, types: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a field of these types can be read in this role."""
    return bool(types) and set(types) <= role.types


def readable(role: FieldRole, name: str, types: FieldTypes) -> str | None:
    """Return the field, or its sub-field ``keyword``, that can be read in this role; None: neither can."""
    return next((each for each in (name, f"{name}.keyword") if serves(role, types.get(each, {}))), None)
