"""Counts of a job's earlier buckets, from which a worker learns after a start or a takeover what is usual.

They come from the stored buckets, which have the counts of the time when they were scored. Where there are none (the
time of the training, results of an older version, deleted results) the events themselves are counted again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ipi_es.datafeed.bucket_counts import NO_EVENTS, BucketCounts
from ipi_es.datafeed.reader import Datafeed
from ipi_es.results.reading.result_reader import ResultReader
from ipi_es.service.blindness.usual_rates import MEMORY

MS = 1_000


def recalled(feed: Datafeed, results: ResultReader, end: int, span: int) -> Iterator[tuple[int, BucketCounts]]:
    """Yield (end, counts) of every bucket of the five weeks up to ``end`` (epoch seconds), in order of time."""
    begin = end - MEMORY // span * span
    stored = {
        int(source["timestamp"]) // MS: source
        for source in results.counts_of_buckets(begin, end)
        if int(source["bucket_span"]) == span
    }
    unknown = [at for at in range(begin, end, span) if "usable_counts" not in stored.get(at, {})]
    counted = feed.recalled(unknown[0], unknown[-1] + span, span) if unknown else {}
    for at in range(begin, end, span):
        yield at + span, _counts(stored.get(at), counted.get(at, NO_EVENTS))


def _counts(stored: Mapping[str, Any] | None, counted: BucketCounts) -> BucketCounts:
    if stored is None:
        return counted
    if "usable_counts" not in stored:  # written before schema 4
        events = int(stored["event_count"])
        return counted if counted.events >= events else BucketCounts(events, outcomes=counted.outcomes)
    return BucketCounts(
        events=int(stored["event_count"]),
        missing_entity=int(stored["missing_entity_count"]),
        missing_ip=int(stored["missing_ip_count"]),
        malformed_ip=int(stored["malformed_ip_count"]),
        outcomes=dict(zip(stored["usable_outcomes"], map(int, stored["usable_counts"]), strict=True)),
    )
