"""Counts of one event bucket, stored with its result: a job's usual rates are computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ipi_es.datafeed.event_bucket import EventBucket


@dataclass(frozen=True, slots=True)
class BucketCounts:
    """Documents of one bucket; ``outcomes`` counts those that can be scored, by outcome (outcomes that are read)."""

    events: int
    missing_entity: int = 0
    missing_ip: int = 0
    malformed_ip: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)


NO_EVENTS = BucketCounts(0)


def counts_of(bucket: EventBucket) -> BucketCounts:
    """Count the documents of an event bucket; a document with several addresses counts once for each."""
    events = np.bincount(bucket.outcome, weights=bucket.count, minlength=len(bucket.outcomes)).astype(np.int64)
    dropped = bucket.dropped
    return BucketCounts(
        events=bucket.event_count,
        missing_entity=dropped.missing_entity,
        missing_ip=dropped.missing_ip,
        malformed_ip=dropped.malformed_ip,
        outcomes=dict(zip(bucket.outcomes, events.tolist(), strict=True)),
    )
