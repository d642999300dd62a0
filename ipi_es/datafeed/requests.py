"""Bodies of the datafeed's searches: pure functions from a FeedSpec and an interval to plain dicts.

Intervals are [start, end) in epoch seconds. The servers keep dates in milliseconds (or nanoseconds), so an event in
the last millisecond before ``end`` is inside and one at ``end`` is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ipi_es.cluster.port import Json
from ipi_es.datafeed.spec import UNKNOWN, FeedSpec

MS = 1_000
"""Milliseconds in a second: the cluster's time unit over ours."""

# Names within the answers. Those of a composite's keys come back in every row, so they are one letter long.
TIME, ENTITY, IP, OUTCOME, OPERATOR, COUNTRY = "t", "e", "i", "o", "a", "c"
PAIRS = "pairs"
BUCKETS = "buckets"
MISSING_ENTITY = "missing_entity"
MISSING_IP = "missing_ip"
SEQ_NO = "_seq_no"
"""The servers' own field: the number of the operation that wrote a document, counted per shard."""
SEQ_NO_MAX, SEQ_NO_SUM = "seq_no_max", "seq_no_sum"

UNIQUE_PRECISION = 3_000
"""Distinct values up to which the cluster counts them almost exactly (its documented default; more costs memory)."""


def window(spec: FeedSpec, start: int, end: int) -> Json:
    """Make the query for the job's events in [start, end).

    The bare range where the job asks for all documents: only then can the server read a composite in the order of the
    time field and stop early.
    """
    limits = {"gte": start * MS, "lt": end * MS, "format": "epoch_millis"}
    within = {"range": {spec.time_field: limits}}
    if not spec.query or set(spec.query) == {"match_all"}:
        return within
    return {"bool": {"filter": [within, dict(spec.query)]}}


def plan_body(spec: FeedSpec, start: int, end: int, span: int, *, seq_no: bool = False) -> Json:
    """How many documents each event bucket of [start, end) has, and how many of them lack the entity or the IP.

    ``start`` must be a multiple of ``span``. Empty event buckets are absent from the answer. ``seq_no``: also the
    largest and the sum of the documents' sequence numbers, which change when one of them is written again.
    """
    histogram = {"date_histogram": {**_by_time(spec, span), "min_doc_count": 1}}
    numbers = {SEQ_NO_MAX: {"max": {"field": SEQ_NO}}, SEQ_NO_SUM: {"sum": {"field": SEQ_NO}}}
    aggregations = {
        BUCKETS: {**histogram, "aggs": numbers} if seq_no else histogram,
        MISSING_ENTITY: {"missing": {"field": spec.entity_field}, "aggs": {BUCKETS: histogram}},
        MISSING_IP: {"missing": {"field": spec.ip_field}, "aggs": {BUCKETS: histogram}},
    }
    return _search(spec, window(spec, start, end), aggregations)


def page_body(
    spec: FeedSpec, start: int, end: int, *, span: int | None, after: Mapping[str, Any] | None = None
) -> Json:
    """One page of the unique (event bucket, entity, IP, outcome) of [start, end) with their counts.

    Without ``span``, [start, end) is one event bucket and the rows carry no time. ``after`` is the last answer's
    ``after_key``. Where only one outcome is wanted it is in the query, and not in the rows. The entity comes before
    the IP: keywords are compared by number, addresses byte by byte. Operator and country come last: they follow from
    the address, so they order nothing and make no more rows.
    """
    sources: list[Json] = []
    if span is not None:
        sources.append({TIME: {"date_histogram": _by_time(spec, span)}})
    sources.append({ENTITY: {"terms": {"field": spec.entity_field}}})
    sources.append({IP: {"terms": {"field": spec.ip_field}}})
    if spec.only_outcome is None:
        sources.append({OUTCOME: {"terms": {"field": spec.outcome_field, "missing_bucket": True}}})
    for name, field in ((OPERATOR, spec.operator_field), (COUNTRY, spec.country_field)):
        if field is not None:
            sources.append({name: {"terms": {"field": field, "missing_bucket": True}}})
    composite: Json = {"size": spec.page_size, "sources": sources}
    if after is not None:
        composite["after"] = dict(after)
    return _search(spec, _wanted(spec, window(spec, start, end)), {PAIRS: {"composite": composite}})


def time_range_body(spec: FeedSpec) -> Json:
    """Ask for the first and the last time of all the job's events."""
    field = {"field": spec.time_field}
    query = dict(spec.query) or {"match_all": {}}
    return _search(spec, query, {"first": {"min": field}, "last": {"max": field}})


def counts_body(spec: FeedSpec, start: int, end: int) -> Json:
    """Totals of [start, end): documents, those without entity or IP, distinct entities and IPs (approximate)."""
    aggregations: Json = {
        MISSING_ENTITY: {"missing": {"field": spec.entity_field}},
        MISSING_IP: {"missing": {"field": spec.ip_field}},
        "entities": {"cardinality": {"field": spec.entity_field, "precision_threshold": UNIQUE_PRECISION}},
        "ips": {"cardinality": {"field": spec.ip_field, "precision_threshold": UNIQUE_PRECISION}},
    }
    return {**_search(spec, window(spec, start, end), aggregations), "track_total_hits": True}


def _wanted(spec: FeedSpec, query: Json) -> Json:
    """Narrow ``query`` to the outcomes that are wanted."""
    if spec.outcome_field is None or not spec.outcomes:
        return query
    chosen: Json = {"terms": {spec.outcome_field: list(spec.outcomes)}}
    if UNKNOWN in spec.outcomes:
        absent = {"bool": {"must_not": [{"exists": {"field": spec.outcome_field}}]}}
        chosen = {"bool": {"should": [chosen, absent], "minimum_should_match": 1}}
    return {"bool": {"filter": [query, chosen]}}


def _by_time(spec: FeedSpec, span: int) -> Json:
    """Group by an interval that starts at multiples of itself since the epoch, in UTC: no daylight saving."""
    return {"field": spec.time_field, "fixed_interval": f"{span}s"}


def _search(spec: FeedSpec, query: Json, aggregations: Json) -> Json:
    body: Json = {"size": 0, "track_total_hits": False, "query": query, "aggs": aggregations}
    if spec.runtime_mappings:
        body["runtime_mappings"] = dict(spec.runtime_mappings)
    return body
