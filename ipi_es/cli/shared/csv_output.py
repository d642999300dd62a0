"""Results as CSV (RFC 4180), for spreadsheets and other programs that read tables.

Names come from outside, and a spreadsheet takes a cell that begins with ``=``, ``+``, ``-`` or ``@`` for a formula. An
apostrophe is written before such text, so that it stays text; numbers have none. Invisible characters are replaced
as in tables. JSON has every name unchanged.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

import orjson

from ipi_es.networks.network_types import TYPES_FIELD
from ipi_es.results.documents.visible import visible
from ipi_es.times import from_ms, iso

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Characters with which a formula begins in some spreadsheet."""

MILLISECONDS = frozenset(
    {"timestamp", "end_timestamp", "event.ingested", "held_until", "rescored_at", "renormalized_at"}
)
"""Result fields in epoch milliseconds; CSV has them as UTC times in ISO 8601."""

_COMMON = ("id", "job_id", "result_type", "timestamp", "bucket_span", "is_interim")
_CONTEXT = ("source.as.number", "source.as.organization.name", "source.geo.country_iso_code", TYPES_FIELD)
_STAMP = ("event.ingested", "snapshot_id", "quantiles_id", "revision", "rescored_at", "renormalized_at")

RESULT_FIELDS: dict[str, tuple[str, ...]] = {
    "records": (
        *_COMMON, "record_score", "initial_record_score", "probability", "partition_field_name",
        "partition_field_value", "by_field_name", "by_field_value", "actual", "typical", "event_count", "outcomes",
        "failures_only", "entity_groups", *_CONTEXT, "reason", "repeat_of", "suppressed_by",
        "scheduled_events", "verdict", "held_until", "reported_extent", "entity_sources", "influencers",
        "anomaly_score_explanation", *_STAMP,
    ),
    "influencers": (
        *_COMMON, "influencer_score", "initial_influencer_score", "probability", "influencer_field_name",
        "influencer_field_value", "event_count", "outcomes", "failures_only", "entity_count", "unlearned_entity_count",
        "repeated_entity_count", "allowed_entity_count", "top_entities", "ip_count", "unlearned_ip_count",
        "repeated_ip_count", "allowed_ip_count", "top_ips", "entity_groups", *_CONTEXT, "reason", "repeat_of",
        "suppressed_by", "scheduled_events", "verdict", "egress_move", "reported_extent", *_STAMP,
    ),
    "buckets": (
        *_COMMON, "anomaly_score", "initial_anomaly_score", "event_count", "unparsable_count", "missing_entity_count",
        "missing_ip_count", "malformed_ip_count", "private_ip_count", "excluded_entity_count", "usable_outcomes",
        "usable_counts", "record_count", "new_record_count", "omitted_record_count", "influencer_count",
        "max_record_score", "unusual_pair_count", "unusual_entity_count", "unusual_ip_count", "unlearned_pair_count",
        "top_entities", "top_ips", "reason", "scheduled_events", "verdict", "unlearned_entities", "bucket_influencers",
        "processing_time_ms", *_STAMP,
    ),
    "incidents": (
        "job_id", "result_type", "incident_id", "timestamp", "end_timestamp", "incident_score", "severity", "state",
        "entities", "entity_count", "networks", "network_count", "addresses", "address_count", "operators",
        "record_count", "influencer_count", "reasons", "results",
    ),
    "overall": ("result_type", "timestamp", "bucket_span", "is_interim", "overall_score", "jobs"),
}  # fmt: skip
"""The columns of each kind of result, the same for every job. JSON also has the fields named as in the events."""


def write_csv(out: TextIO, rows: Iterable[Mapping[str, Any]], fields: Sequence[str]) -> None:
    """Write a header line and a line for each row: ``fields`` first, then all other keys of the rows.

    Every line has all columns, empty where a row lacks one.
    """
    found = list(rows)
    columns = list(dict.fromkeys([*fields, *(name for row in found for name in row)]))
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(name, row.get(name)) for name in columns] for row in found)


def result_rows(rows: Iterable[Mapping[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return results with only the columns of their kind (:data:`RESULT_FIELDS`)."""
    return [{name: row.get(name) for name in RESULT_FIELDS[kind]} for row in rows]


def _cell(field: str, value: Any) -> str | int | float:
    """Format one value: text never as a formula, nested values as JSON, a list of one number as that number."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], int | float):
        value = value[0]
    if field in MILLISECONDS and isinstance(value, int):
        value = iso(from_ms(value))
    if value is None or isinstance(value, bool):
        return {None: "", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return f"'{visible(text)}" if text.startswith(FORMULA) else visible(text)
