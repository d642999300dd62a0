"""Counts of a job's results by day, together with the counts that its buckets hold. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ipi_es.results.reading import queries
from ipi_es.results.words import RESULT_KINDS
from ipi_es.times import day_of, from_ms


@dataclass(frozen=True, slots=True)
class DayCounts:
    """Final results of one UTC day."""

    seconds: int = 0
    """Seconds that the existing buckets cover."""
    record_count: int = 0
    """Records that the buckets count; ``records`` counts those that exist."""
    records: int = 0
    influencer_count: int = 0
    """Influencers that the buckets count; ``influencers`` counts those that exist."""
    influencers: int = 0


def daily_body(job_id: str, start: int, end: int) -> dict[str, Any]:
    """Return the search body for the daily counts of [start, end), epoch seconds."""
    sums = {name: {"sum": {"field": name}} for name in ("bucket_span", "record_count", "influencer_count")}
    kinds: dict[str, Any] = {kind: {"filter": {"term": {"result_type": kind}}} for kind in RESULT_KINDS}
    kinds["bucket"]["aggs"] = sums
    by_day = {"date_histogram": {"field": "timestamp", "fixed_interval": "1d", "min_doc_count": 1}, "aggs": kinds}
    query = queries.results_query(job_id, RESULT_KINDS, queries.ResultFilter(start, end, interim=False))
    return {"query": query, "size": 0, "track_total_hits": True, "aggs": {"days": by_day}}


def read_daily(days: Iterable[Mapping[str, Any]]) -> dict[int, DayCounts]:
    """Return ``{day since the epoch: its counts}`` from the answer's ``days``; days without any result are absent."""
    found = {}
    for each in days:
        said = {
            name: int(each["bucket"][name]["value"]) for name in ("bucket_span", "record_count", "influencer_count")
        }
        found[day_of(from_ms(each["key"]))] = DayCounts(
            said["bucket_span"],
            said["record_count"],
            int(each["record"]["doc_count"]),
            said["influencer_count"],
            int(each["influencer"]["doc_count"]),
        )
    return found
