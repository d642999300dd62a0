"""The index of a result, and the fields that a job adds to the index's mapping.

The index template maps everything that every job writes. The flat entity and IP fields have the names of the job's own
events, so no template can know them, and ``dynamic: false`` would leave them unsearchable: a job adds them when it
first writes to an index. Two jobs can then disagree (one's ``user`` is a keyword, the other's ``user.name`` makes it an
object); the cluster refuses that before anything is written, and such a job needs an index of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from ipi_es.networks.network_types import TYPES_FIELD
from ipi_es.results.words import ALIAS, SHARED

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_IGNORE_ABOVE = 8_191
"""Characters; a keyword of more than 32,766 bytes is refused with its document, and a character has up to four."""

_ASKED_AGAIN = 128
"""Cached answers: each result needs them, but a batch has few buckets and a job has two fields."""

ECS_LEAVES = (
    "event.ingested",
    "source.as.number",
    "source.as.organization.name",
    "source.geo.country_iso_code",
    TYPES_FIELD,
)
"""Dotted fields of the template: no flat field can be one of them, be below one, or be an object above one."""

FIXED_FIELDS = frozenset(
    {
        "@timestamp", "actual", "address_count", "addresses", "alert_id", "allowed_entity_count", "allowed_ip_count",
        "annotation", "annotation_type", "anomaly_score", "anomaly_score_explanation", "blind_field", "blind_reason",
        "blind_state", "bucket_influencers", "bucket_span", "by_field_name", "by_field_value", "detector_index",
        "egress_move",
        "end_timestamp", "entities", "entity_count", "entity_groups", "entity_sources", "event_count", "events_digest",
        "events_seq_no", "excluded_entity_count", "failures_only", "function", "function_description", "held_until",
        "incident_id", "incident_score", "influencer_count", "influencer_field_name", "influencer_field_value",
        "influencer_score", "influencers", "initial_anomaly_score", "initial_influencer_score", "initial_record_score",
        "ip_count", "is_interim", "job_id", "malformed_ip_count", "max_record_score", "missing_entity_count",
        "missing_ip_count", "network_count", "networks", "new_record_count", "omitted_record_count", "operators",
        "outcomes", "partition_field_name", "partition_field_value", "private_ip_count", "probability",
        "processing_time_ms", "quantiles_id", "reason", "reasons", "record_count", "record_score", "renormalized_at",
        "repeat_of", "repeated_entity_count", "repeated_ip_count", "reported_extent", "rescored_at", "result_type",
        "results", "revision", "scheduled_events", "severity", "snapshot_id", "state", "suppressed_by", "timestamp",
        "top_entities", "top_ips", "typical", "unlearned_entities", "unlearned_entity_count", "unlearned_ip_count",
        "unlearned_pair_count", "unparsable_count", "unusual_entity_count", "unusual_ip_count", "unusual_pair_count",
        "usable_counts", "usable_outcomes", "verdict",
    }
)  # fmt: skip
"""All other top-level fields of the template; a test compares the two."""


def month_of(time: int) -> tuple[int, int]:
    """Return (year, month) in UTC of a time in epoch seconds."""
    moment = _EPOCH + timedelta(seconds=time)
    return moment.year, moment.month


@lru_cache(maxsize=_ASKED_AGAIN)
def index_for(time: int, results_index_name: str | None = None) -> str:
    """Return the index of a result at ``time`` (epoch seconds): ``ipi-es-anomalies-shared-2026.05``."""
    year, month = month_of(time)
    return f"{ALIAS}-{results_index_name or SHARED}-{year:04d}.{month:02d}"


def month_end(time: int) -> int:
    """Return the exclusive end of the month of ``time``; both epoch seconds. An index's age counts from there."""
    year, month = month_of(time)
    following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return int((following - _EPOCH).total_seconds())


@lru_cache(maxsize=_ASKED_AGAIN)
def can_be_flat(field: str) -> bool:
    """Return whether results may carry a field of the events under its own name.

    A field named like a fixed field (``source``, ``timestamp``) can't be carried; its value is still in
    ``partition_field_value`` or ``by_field_value``.
    """
    if field.partition(".")[0] in FIXED_FIELDS:
        return False
    return not any(f"{leaf}.".startswith(f"{field}.") or field.startswith(f"{leaf}.") for leaf in ECS_LEAVES)


def flat_fields(entity_field: str, ip_field: str) -> dict[str, str]:
    """Return ``{field: type}`` that a job adds to the mapping of its indices."""
    wanted = {entity_field: "keyword", ip_field: "ip"}
    return {field: kind for field, kind in wanted.items() if can_be_flat(field)}


def flat_mapping(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the mapping of such fields, dots as objects: ``{"properties": {"user": {"properties": {"name": …}}}}``."""
    mapping: dict[str, Any] = {}
    for field, kind in fields.items():
        place = mapping
        for step in field.split("."):
            place = place.setdefault("properties", {}).setdefault(step, {})
        place["type"] = kind
        if kind == "keyword":
            place["ignore_above"] = _IGNORE_ABOVE
    return mapping


def missing_fields(fields: Iterable[str], mapping: Mapping[str, Any]) -> list[str]:
    """Return the dotted fields that an index's mapping lacks."""
    return [field for field in fields if mapped_type(field, mapping) is None]


def conflict(field: str, kind: str, mapping: Mapping[str, Any]) -> str | None:
    """Return why a field of this type can't be added to a mapping; None if it can."""
    steps = field.split(".")
    for count in range(1, len(steps)):
        above = ".".join(steps[:count])
        found = mapped_type(above, mapping)
        if found not in (None, "object"):
            return f"{above} is {found} there, and an object here"
    found = mapped_type(field, mapping)
    return None if found in (None, kind) else f"it is {found} there, and {kind} here"


def mapped_type(field: str, mapping: Mapping[str, Any]) -> str | None:
    """Return the type of a dotted field in a mapping (``object`` if it only has children); None if it is missing."""
    place: Mapping[str, Any] = mapping
    for step in field.split("."):
        properties = place.get("properties") or {}
        if step not in properties:
            return None
        place = properties[step]
    return str(place.get("type", "object"))
