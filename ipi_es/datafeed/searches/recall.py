"""Counts of earlier event buckets without reading their rows; and the values of the outcome field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ipi_es.cluster.port import Json
from ipi_es.datafeed.bucket_counts import BucketCounts
from ipi_es.datafeed.searches.read_plan import counts_of
from ipi_es.datafeed.searches.requests import (
    BUCKETS,
    MISSING_ENTITY,
    MISSING_IP,
    events_body,
    missing_entity,
    named,
    window,
)
from ipi_es.datafeed.spec import SUCCESS, UNKNOWN, FeedSpec

OF_OUTCOME = "outcome_"
"""Prefix of an aggregation's name, followed by the outcome's index: such a name can't hold every character."""

WORDS = "words"

MOST_WORDS = 5
"""The most values of the outcome field that are shown to people."""


def outcomes_of(spec: FeedSpec) -> Sequence[str]:
    """Return the outcomes to count, in order."""
    return spec.outcomes or (SUCCESS,)


def recall_body(spec: FeedSpec, start: int, end: int, span: int) -> Json:
    """Request the counts of each event bucket's documents: all, without entity or IP, and with both by outcome."""
    body = events_body(spec, start, end, span)
    inner = {BUCKETS: body["aggs"][BUCKETS]}
    usable = [named(spec), {"exists": {"field": spec.ip_field}}]
    body["aggs"][MISSING_ENTITY] = {**missing_entity(spec), "aggs": inner}
    body["aggs"][MISSING_IP] = {"missing": {"field": spec.ip_field}, "aggs": inner}
    for place, outcome in enumerate(outcomes_of(spec)):
        filters = usable if spec.outcome_field is None else [*usable, _of_outcome(spec.outcome_field, outcome)]
        body["aggs"][f"{OF_OUTCOME}{place}"] = {"filter": {"bool": {"filter": filters}}, "aggs": inner}
    return body


def read_recall(aggregations: Mapping[str, Any], outcomes: Sequence[str]) -> dict[int, BucketCounts]:
    """Read ``{event bucket's start: BucketCounts}`` from the answer to ``recall_body``; empty event buckets are absent.

    Malformed addresses aren't detected, and count as usable. Raises KeyError where a part of the answer is missing.
    """
    nameless, missing_ip = counts_of(aggregations[MISSING_ENTITY]), counts_of(aggregations[MISSING_IP])
    usable = {name: counts_of(aggregations[f"{OF_OUTCOME}{place}"]) for place, name in enumerate(outcomes)}
    return {
        start: BucketCounts(
            events,
            nameless.get(start, 0),
            missing_ip.get(start, 0),
            outcomes={name: counts[start] for name, counts in usable.items() if start in counts},
        )
        for start, events in counts_of(aggregations).items()
    }


def words_body(spec: FeedSpec, start: int, end: int) -> Json:
    """Request the most frequent values of the outcome field in [start, end)."""
    words = {WORDS: {"terms": {"field": spec.outcome_field, "size": MOST_WORDS}}}
    body: Json = {"size": 0, "track_total_hits": False, "query": window(spec, start, end), "aggs": words}
    return {**body, "runtime_mappings": dict(spec.runtime_mappings)} if spec.runtime_mappings else body


def read_words(aggregations: Mapping[str, Any]) -> dict[str, int]:
    """Read ``{value: documents}``, the most frequent first; empty where no index matched."""
    found = aggregations.get(WORDS, {}).get("buckets", ())
    return {str(each.get("key_as_string", each["key"])): int(each["doc_count"]) for each in found}


def _of_outcome(field: str, outcome: str) -> Json:
    if outcome != UNKNOWN:
        return {"term": {field: outcome}}
    either = [{"term": {field: outcome}}, {"bool": {"must_not": [{"exists": {"field": field}}]}}]
    return {"bool": {"should": either, "minimum_should_match": 1}}
