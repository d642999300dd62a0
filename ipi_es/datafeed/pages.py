"""Pages of the composite aggregation → rows, event bucket by event bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipi_es.datafeed.normalize import Rows
from ipi_es.datafeed.requests import COUNTRY, ENTITY, IP, MS, OPERATOR, OUTCOME, PAIRS, TIME

SLICE_ROWS = 1_000
"""Rows that are taken apart at a time: half a megabyte of dicts, which stays in the processor's cache meanwhile."""

_KEY, _COUNT = itemgetter("key"), itemgetter("doc_count")
_TIME, _ENTITY, _IP, _OUTCOME = itemgetter(TIME), itemgetter(ENTITY), itemgetter(IP), itemgetter(OUTCOME)
_OPERATOR, _COUNTRY = itemgetter(OPERATOR), itemgetter(COUNTRY)


@dataclass(slots=True)
class Pages:
    """Columns of all pages of one stretch, in the cluster's order; ``page`` is fed with answers until it says None."""

    timed: bool  # whether rows carry their event bucket
    with_outcome: bool
    page_size: int
    with_operator: bool = False
    with_country: bool = False
    times: list[int] = field(default_factory=list)  # [rows], epoch milliseconds; empty unless timed
    entities: list[Any] = field(default_factory=list)
    ips: list[Any] = field(default_factory=list)
    outcomes: list[Any] = field(default_factory=list)  # empty unless with_outcome
    counts: list[int] = field(default_factory=list)
    operators: list[Any] = field(default_factory=list)  # empty unless with_operator
    countries: list[Any] = field(default_factory=list)  # empty unless with_country

    def page(self, aggregations: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Take in one answer; the key to go on after, or None when this was the last page."""
        pairs = aggregations.get(PAIRS, {})
        buckets: Sequence[Mapping[str, Any]] = pairs.get("buckets", ())
        for begin in range(0, len(buckets), SLICE_ROWS):
            part = buckets[begin : begin + SLICE_ROWS]
            keys = list(map(_KEY, part))
            self.counts.extend(map(_COUNT, part))
            self.entities.extend(map(_ENTITY, keys))
            self.ips.extend(map(_IP, keys))
            if self.timed:
                self.times.extend(map(_TIME, keys))
            if self.with_outcome:
                self.outcomes.extend(map(_OUTCOME, keys))
            if self.with_operator:
                self.operators.extend(map(_OPERATOR, keys))
            if self.with_country:
                self.countries.extend(map(_COUNTRY, keys))
        after: Mapping[str, Any] | None = pairs.get("after_key")
        return after if len(buckets) >= self.page_size else None

    def by_bucket(self, start: int) -> dict[int, Rows]:
        """``{event bucket's start, epoch seconds: its rows}``; ``start`` is the only one's where rows aren't timed."""
        if not self.entities:
            return {}
        counts = np.array(self.counts, dtype=np.int64)
        if not self.timed:
            return {start: self._rows(slice(None), counts)}
        times = np.array(self.times, dtype=np.int64)
        edges: NDArray[np.intp] = np.flatnonzero(np.diff(times)) + 1
        firsts = [0, *edges.tolist()]
        lasts = [*firsts[1:], len(times)]
        return {
            self.times[first] // MS: self._rows(slice(first, last), counts)
            for first, last in zip(firsts, lasts, strict=True)
        }

    def _rows(self, part: slice, counts: NDArray[np.int64]) -> Rows:
        outcomes = self.outcomes[part] if self.with_outcome else None
        return Rows(
            self.entities[part],
            self.ips[part],
            outcomes,
            counts[part],
            operators=self.operators[part] if self.with_operator else None,
            countries=self.countries[part] if self.with_country else None,
        )
