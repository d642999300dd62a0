"""Grouping of event buckets into requests, decided from counts. Pure.

First the cluster counts the events of each event bucket (cheap: one pass, no keys). Event buckets are then
grouped into *stretches* that fit one page of the composite aggregation each. So hours with few events don't cost
a request each, and empty ones cost none. The counts also prove the reading (:mod:`ipi_es.datafeed.searches.proven`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ipi_es.datafeed.searches.requests import (
    BUCKETS,
    MISSING_ENTITY,
    MISSING_IP,
    MS,
    NUMBERS,
    READABLE,
    UNREADABLE,
    VALUES,
)

PLAN_BUCKETS = 2_000
"""Event buckets per counting request: three counts for each are far below the servers' limit, 65,535 a search."""

PAGE_FILL = 0.8
"""Share of a page that a stretch should fill: the rest keeps most stretches to one page when the ratio changes."""

MIN_ROWS_PER_EVENT = 0.01
"""Lower limit of the estimate: limits a stretch to 100 pages of events, so that a sudden change costs little."""

MEMORY = 0.5
"""Weight of the newest stretch in the estimate of rows per event (streams change from night to day)."""


@dataclass(frozen=True, slots=True)
class CountedBucket:
    """Documents of one event bucket: all that match, those without entity or IP, and those that give rows.

    ``more`` counts, for each field of a row by its name in a composite's keys, its values beyond one per document; it
    is empty where values weren't counted.
    """

    events: int = 0
    missing_entity: int = 0
    missing_ip: int = 0
    readable: int = 0
    more: Mapping[str, int] = field(default_factory=dict)
    seq_no: str | None = None
    """Largest and sum of the documents' sequence numbers; None where the server doesn't give them."""

    @property
    def least(self) -> int:
        """The least possible sum of documents over all rows; a document counts in each of its rows."""
        return self.readable + sum(self.more.values())

    @property
    def several(self) -> tuple[str, ...]:
        """The fields that have several values in at least one document."""
        return tuple(sorted(name for name, values in self.more.items() if values))

    @property
    def exact(self) -> bool:
        """Whether the sum is exactly ``least``: two fields with several values may multiply in a document."""
        return len(self.several) < 2


NOTHING = CountedBucket()


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive event buckets [start, end) to read together; ``counted`` has those that aren't empty."""

    start: int
    end: int
    counted: Mapping[int, CountedBucket]

    @property
    def events(self) -> int:
        """Documents in all event buckets."""
        return sum(one.events for one in self.counted.values())

    def filled(self, span: int) -> tuple[int, int]:
        """Return [start, end) from the first event bucket with events to the last; (start, start) if all are empty."""
        if not self.counted:
            return self.start, self.start
        return min(self.counted), max(self.counted) + span


@dataclass(slots=True)
class Pace:
    """Unique rows per event, estimated while the stream is read; 1 (the largest possible value) at first."""

    rows_per_event: float = field(default=1.0)

    def learn(self, rows: int, events: int) -> None:
        """Update the estimate with a stretch that was read."""
        if events > 0:
            seen = rows / events
            # Rise at once, fall by halves: too long a stretch costs a page, too short a stretch only a little time.
            blended = MEMORY * seen + (1 - MEMORY) * self.rows_per_event
            self.rows_per_event = max(seen, blended, MIN_ROWS_PER_EVENT)

    def events_a_stretch(self, page_size: int) -> int:
        """Return how many events a stretch should have to fill one page well."""
        return max(1, int(PAGE_FILL * page_size / self.rows_per_event))


def whole_buckets(start: int, end: int, span: int) -> tuple[int, int]:
    """Return [first, last) in multiples of ``span``: both ``start`` and ``end`` are rounded down."""
    return start - start % span, end - end % span


def read_plan(aggregations: Mapping[str, Any]) -> dict[int, CountedBucket]:
    """Read ``{event bucket's start: CountedBucket}`` from the answer to ``plan_body``; empty ones are absent."""
    none = aggregations[UNREADABLE]
    unreadable, missing_entity, missing_ip = map(counts_of, (none, none[MISSING_ENTITY], none[MISSING_IP]))
    valued = aggregations.get(READABLE, {}).get(BUCKETS, {}).get("buckets", ())
    more = {_start(each): _more(each) for each in valued}
    seq_no = _seq_no(aggregations)
    return {
        start: CountedBucket(
            count,
            missing_entity.get(start, 0),
            missing_ip.get(start, 0),
            count - unreadable.get(start, 0),
            more.get(start, {}),
            seq_no.get(start),
        )
        for start, count in counts_of(aggregations).items()
    }


def _seq_no(aggregations: Mapping[str, Any]) -> dict[int, str]:
    """Read ``{event bucket's start: "largest-sum"}`` of the sequence numbers, where the answer has them."""
    found = {}
    for bucket in aggregations[BUCKETS]["buckets"]:
        largest, total = (bucket.get(NUMBERS, {}).get(name) for name in ("max", "sum"))
        if largest is not None and total is not None:
            found[_start(bucket)] = f"{int(largest)}-{int(total)}"
    return found


def counts_of(aggregations: Mapping[str, Any]) -> dict[int, int]:
    """Read ``{event bucket's start: documents}`` from a histogram; empty event buckets are absent."""
    buckets = aggregations[BUCKETS]["buckets"]
    return {_start(bucket): int(bucket["doc_count"]) for bucket in buckets if bucket["doc_count"]}


def _start(bucket: Mapping[str, Any]) -> int:
    return int(bucket["key"]) // MS


def _more(bucket: Mapping[str, Any]) -> dict[str, int]:
    """Read the values beyond one per document, of each field in the answer."""
    parts = {name: part for name, part in bucket.items() if isinstance(part, Mapping)}
    return {name: int(part[VALUES]["value"]) - int(part["doc_count"]) for name, part in parts.items()}


def stretches(
    start: int, end: int, counted: Mapping[int, CountedBucket], *, pace: Pace, page_size: int
) -> Iterator[Stretch]:
    """Cut [start, end) into stretches, in order and without gaps.

    Lazy on purpose: the length of the next stretch depends on the current estimate of ``pace``. Empty event buckets
    belong to the stretch before them; an event bucket with too many events for one page is a stretch of its own.
    """
    begin, events = start, 0
    inside: dict[int, CountedBucket] = {}
    for at in sorted(counted):
        one = counted[at]
        if inside and events + one.events > pace.events_a_stretch(page_size):
            yield Stretch(begin, at, inside)
            begin, inside, events = at, {}, 0
        inside[at] = one
        events += one.events
    if begin < end:
        yield Stretch(begin, end, inside)
