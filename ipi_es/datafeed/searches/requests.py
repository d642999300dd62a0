"""Bodies of the datafeed's searches: pure functions from a FeedSpec and an interval to plain dicts.

Intervals are [start, end) in epoch seconds. The servers store dates in milliseconds (or nanoseconds), so an event in
the last millisecond before ``end`` is inside and one at ``end`` is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ipi_es.cluster.port import Json
from ipi_es.config.entity_names import EntitySource
from ipi_es.datafeed.spec import UNKNOWN, FeedSpec

MS = 1_000
"""Milliseconds per second: the cluster counts in milliseconds, ipi-es in seconds."""

# Names in the answers. Each row repeats those of a composite's keys, so they are one letter long.
TIME, ENTITY, IP, OUTCOME, OPERATOR, COUNTRY = "t", "e", "i", "o", "a", "c"
PAIRS = "pairs"
BUCKETS = "buckets"
MISSING_ENTITY = "missing_entity"
MISSING_IP = "missing_ip"
READABLE, UNREADABLE = "readable", "unreadable"
VALUES = "n"
LACKING = "none"

SEQ_NO = "_seq_no"
"""The servers' own field: the number of the operation that wrote a document, counted per shard."""
NUMBERS = "numbers"


def window(spec: FeedSpec, start: int, end: int) -> Json:
    """Return the query for the job's events in [start, end).

    It is a bare range where the job reads all documents: only then can the server read a composite in the order of the
    time field and stop early.
    """
    limits = {"gte": start * MS, "lt": end * MS, "format": "epoch_millis"}
    within = {"range": {spec.time_field: limits}}
    if not spec.query or set(spec.query) == {"match_all"}:
        return within
    return {"bool": {"filter": [within, dict(spec.query)]}}


def events_body(spec: FeedSpec, start: int, end: int, span: int) -> Json:
    """Request the number of documents in each event bucket of [start, end), and in all together.

    ``start`` must be a multiple of ``span``. Empty event buckets are absent from the answer.
    """
    aggregations = {BUCKETS: _histogram(spec, span)}
    return {**search_body(spec, window(spec, start, end), aggregations), "track_total_hits": True}


def plan_body(spec: FeedSpec, start: int, end: int, span: int, *, values: bool = False, seq_no: bool = False) -> Json:
    """Request the counts of ``events_body``, and for each event bucket the documents that give no row, by reason.

    These lack the entity or the IP, or have an outcome that isn't wanted. All others give at least one row. With
    ``values``, also request the number of the others and of their values in each field of a row: a document with
    several values in a field gives more rows. With ``seq_no``, also request the largest and the sum of all documents'
    sequence numbers, which change when a document is written again.
    """
    body = events_body(spec, start, end, span)
    if seq_no:
        # "stats" makes the whole count a third faster than "max" and "sum" (OpenSearch 3.8.0)
        body["aggs"][BUCKETS]["aggs"] = {NUMBERS: {"stats": {"field": SEQ_NO}}}
    histogram = _histogram(spec, span)
    # few documents give no row; counting the others takes twice as long (OpenSearch 3.8.0)
    body["aggs"][UNREADABLE] = {
        "filter": {"bool": {"must_not": [_readable(spec)]}},
        "aggs": {
            BUCKETS: histogram,
            MISSING_ENTITY: {**missing_entity(spec), "aggs": {BUCKETS: histogram}},
            MISSING_IP: {"missing": {"field": spec.ip_field}, "aggs": {BUCKETS: histogram}},
        },
    }
    if values:
        inner = {
            name: {"filter": {"exists": {"field": field}}, "aggs": {VALUES: {"value_count": {"field": field}}}}
            for name, field in row_fields(spec).items()
        }
        body["aggs"][READABLE] = {"filter": _readable(spec), "aggs": {BUCKETS: {**histogram, "aggs": inner}}}
    return body


def row_fields(spec: FeedSpec) -> dict[str, str]:
    """Return the fields of a row's key except the time, by their names in a composite's keys."""
    fields = {
        **entity_keys(spec),
        IP: spec.ip_field,
        OUTCOME: spec.outcome_field if spec.only_outcome is None else None,
        OPERATOR: spec.operator_field,
        COUNTRY: spec.country_field,
    }
    return {name: field for name, field in fields.items() if field is not None}


def entity_keys(spec: FeedSpec) -> dict[str, str]:
    """Return the fields of the entity's name, by their names in a composite's keys."""
    fields = spec.entity_fields
    return {ENTITY: fields[0]} if len(fields) == 1 else {f"{ENTITY}{place}": name for place, name in enumerate(fields)}


def named(spec: FeedSpec) -> Json:
    """Match the documents that name an entity: all fields of at least one source are there."""
    each = [_all_there(source.fields) for source in spec.entity_sources]
    return each[0] if len(each) == 1 else {"bool": {"should": each, "minimum_should_match": 1}}


def chosen_sources(spec: FeedSpec) -> list[tuple[EntitySource, Json]]:
    """Return each source of the entity with a query for the documents that are named by it."""
    found, before = list[tuple[EntitySource, Json]](), list[Json]()
    for source in spec.entity_sources:
        there = _all_there(source.fields)
        found.append((source, {"bool": {"filter": [there], "must_not": list(before)}} if before else there))
        before.append(there)
    return found


def missing_entity(spec: FeedSpec) -> Json:
    """Return the aggregation over the documents that name no entity."""
    if len(spec.entity_fields) == 1:
        return {"missing": {"field": spec.entity_fields[0]}}
    return {"filter": {"bool": {"must_not": [named(spec)]}}}


def _all_there(fields: Sequence[str]) -> Json:
    each: list[Json] = [{"exists": {"field": name}} for name in fields]
    return each[0] if len(each) == 1 else {"bool": {"filter": each}}


def _readable(spec: FeedSpec) -> Json:
    """Match the documents that give rows."""
    both: list[Json] = [named(spec), {"exists": {"field": spec.ip_field}}]
    chosen = _chosen(spec)
    return {"bool": {"filter": both if chosen is None else [*both, chosen]}}


def _histogram(spec: FeedSpec, span: int) -> Json:
    return {"date_histogram": {**_by_time(spec, span), "min_doc_count": 1}}


def page_body(
    spec: FeedSpec, start: int, end: int, *, span: int | None, after: Mapping[str, Any] | None = None
) -> Json:
    """Request one page of the unique (event bucket, entity, IP, outcome) of [start, end) with their counts.

    Without ``span``, [start, end) is one event bucket and the rows carry no time. ``after`` is the last answer's
    ``after_key``. Where only one outcome is wanted, it is in the query and not in the rows. The entity comes before
    the IP: keywords are compared by number, addresses byte by byte. Operator and country come last: they follow from
    the address, so they change neither the order nor the number of rows.
    """
    sources: list[Json] = []
    if span is not None:
        sources.append({TIME: {"date_histogram": _by_time(spec, span)}})
    keys = entity_keys(spec)
    may_lack = {"missing_bucket": True} if len(keys) > 1 else {}
    sources += [{name: {"terms": {"field": field, **may_lack}}} for name, field in keys.items()]
    sources.append({IP: {"terms": {"field": spec.ip_field}}})
    if spec.only_outcome is None:
        sources.append({OUTCOME: {"terms": {"field": spec.outcome_field, "missing_bucket": True}}})
    for name, field in ((OPERATOR, spec.operator_field), (COUNTRY, spec.country_field)):
        if field is not None:
            sources.append({name: {"terms": {"field": field, "missing_bucket": True}}})
    composite: Json = {"size": spec.page_size, "sources": sources}
    if after is not None:
        composite["after"] = dict(after)
    query = wanted(spec, window(spec, start, end))
    if may_lack:  # a composite leaves out documents without the entity only where it is a single field
        query = {"bool": {"filter": [query, named(spec)]}}
    return search_body(spec, query, {PAIRS: {"composite": composite}})


def combinations_body(
    spec: FeedSpec, start: int, end: int, names: Sequence[str], after: Mapping[str, Any] | None = None
) -> Json:
    """Request one page of the counts that prove the rows of [start, end) where several fields have several values.

    A document gives a row for each combination of its values. Grouping by all fields of ``names`` except the last, and
    counting the last field's values in each group, gives the same number in another way.
    """
    fields = row_fields(spec)
    sources = [{name: {"terms": {"field": fields[name], "missing_bucket": True}}} for name in names[:-1]]
    composite: Json = {"size": spec.page_size, "sources": sources}
    if after is not None:
        composite["after"] = dict(after)
    last = {"field": fields[names[-1]]}
    inner = {VALUES: {"value_count": last}, LACKING: {"missing": last}}
    query = {"bool": {"filter": [window(spec, start, end), _readable(spec)]}}
    return search_body(spec, query, {PAIRS: {"composite": composite, "aggs": inner}})


def time_range_body(spec: FeedSpec) -> Json:
    """Request the first and the last time of all the job's events."""
    field = {"field": spec.time_field}
    query = dict(spec.query) or {"match_all": {}}
    return search_body(spec, query, {"first": {"min": field}, "last": {"max": field}})


def wanted(spec: FeedSpec, query: Json) -> Json:
    """Narrow ``query`` to the outcomes that are wanted."""
    chosen = _chosen(spec)
    return query if chosen is None else {"bool": {"filter": [query, chosen]}}


def _chosen(spec: FeedSpec) -> Json | None:
    """Match the outcomes that are wanted; None if all are."""
    if spec.outcome_field is None or not spec.outcomes:
        return None
    chosen: Json = {"terms": {spec.outcome_field: list(spec.outcomes)}}
    if UNKNOWN in spec.outcomes:
        absent = {"bool": {"must_not": [{"exists": {"field": spec.outcome_field}}]}}
        chosen = {"bool": {"should": [chosen, absent], "minimum_should_match": 1}}
    return chosen


def _by_time(spec: FeedSpec, span: int) -> Json:
    """Return a grouping by intervals that start at multiples of ``span`` since the epoch, in UTC."""
    return {"field": spec.time_field, "fixed_interval": f"{span}s"}


def search_body(spec: FeedSpec, query: Json, aggregations: Json) -> Json:
    """Request aggregations over the documents that a query selects, with the job's runtime fields."""
    body: Json = {"size": 0, "track_total_hits": False, "query": query, "aggs": aggregations}
    if spec.runtime_mappings:
        body["runtime_mappings"] = dict(spec.runtime_mappings)
    return body
