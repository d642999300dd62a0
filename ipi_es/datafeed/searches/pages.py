"""Conversion of the composite aggregation's pages to rows, by event bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipi_es.cluster.answers.hints import INCOMPLETE_HINT
from ipi_es.datafeed.entity_choice import Choice, entity_choice
from ipi_es.datafeed.searches.requests import COUNTRY, ENTITY, IP, MS, OPERATOR, OUTCOME, PAIRS, TIME, entity_keys
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import AnswerIncomplete

SLICE_ROWS = 1_000
"""Rows that are split into columns at a time: half a megabyte of dicts, which fits the processor's cache."""

_KEY, _COUNT = itemgetter("key"), itemgetter("doc_count")
_TIME, _IP, _OUTCOME = itemgetter(TIME), itemgetter(IP), itemgetter(OUTCOME)
_OPERATOR, _COUNTRY = itemgetter(OPERATOR), itemgetter(COUNTRY)


@dataclass(frozen=True, slots=True)
class Rows:
    """Unique rows of one event bucket as the cluster returned them, in lists of equal length.

    ``outcomes`` None: only one outcome is read; ``operators``, ``countries`` None: the events have no such field.
    """

    entities: list[Any]
    ips: list[Any]
    outcomes: list[Any] | None
    counts: NDArray[np.int64]  # [rows], documents
    operators: list[Any] | None = None
    countries: list[Any] | None = None
    chosen: bool = False
    """Whether the entities' names were chosen among several fields, so that rows may be equal."""


NO_ROWS = Rows([], [], None, np.empty(0, dtype=np.int64))


@dataclass(slots=True)
class Pages:
    """Columns of all pages of one stretch, in the cluster's order. Pass answers to ``page`` until it returns None."""

    timed: bool  # whether rows carry their event bucket
    with_outcome: bool
    page_size: int
    with_operator: bool = False
    with_country: bool = False
    entity_of: Choice = itemgetter(ENTITY)
    chosen: bool = False  # whether ``entity_of`` chooses among several fields
    times: list[int] = field(default_factory=list)  # [rows], epoch milliseconds; empty unless timed
    entities: list[Any] = field(default_factory=list)
    ips: list[Any] = field(default_factory=list)
    outcomes: list[Any] = field(default_factory=list)  # empty unless with_outcome
    counts: list[int] = field(default_factory=list)
    operators: list[Any] = field(default_factory=list)  # empty unless with_operator
    countries: list[Any] = field(default_factory=list)  # empty unless with_country
    last: Mapping[str, Any] | None = None  # the last page's last key

    @classmethod
    def of(cls, spec: FeedSpec, *, timed: bool) -> Pages:
        """Return empty pages for the answers to a datafeed's ``page_body``; ``timed``: with a span."""
        keys = entity_keys(spec)
        return cls(
            timed,
            spec.only_outcome is None,
            spec.page_size,
            with_operator=spec.operator_field is not None,
            with_country=spec.country_field is not None,
            entity_of=entity_choice(spec.entity_sources, keys),
            chosen=len(keys) > 1,
        )

    def page(self, aggregations: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Add one answer; return the key after which the next page starts, or None after the last page.

        Raises AnswerIncomplete for a page whose rows lack a part, or that doesn't start where the previous one ended.
        """
        try:
            return self._page(aggregations[PAIRS])
        except (KeyError, TypeError, AttributeError) as error:
            raise lacking("a page", error) from error

    def _page(self, pairs: Mapping[str, Any]) -> Mapping[str, Any] | None:
        buckets: Sequence[Mapping[str, Any]] = pairs["buckets"]
        self._take(buckets)
        if not buckets:
            return None
        first, last, after = _KEY(buckets[0]), _KEY(buckets[-1]), pairs["after_key"]
        if after != last:
            raise not_whole("a page does not end where it says")
        again = self.last in (first, last)  # a page returned again and again would loop forever
        if self.last is not None and (again or (self.timed and first[TIME] < self.last[TIME])):
            raise not_whole("a page does not go on where the one before ended")
        self.last = last
        return last if len(buckets) >= self.page_size else None

    def _take(self, buckets: Sequence[Mapping[str, Any]]) -> None:
        for begin in range(0, len(buckets), SLICE_ROWS):
            part = buckets[begin : begin + SLICE_ROWS]
            keys = list(map(_KEY, part))
            self.counts.extend(map(_COUNT, part))
            self.entities.extend(map(self.entity_of, keys))
            self.ips.extend(map(_IP, keys))
            if self.timed:
                self.times.extend(map(_TIME, keys))
            if self.with_outcome:
                self.outcomes.extend(map(_OUTCOME, keys))
            if self.with_operator:
                self.operators.extend(map(_OPERATOR, keys))
            if self.with_country:
                self.countries.extend(map(_COUNTRY, keys))

    def by_bucket(self, start: int) -> dict[int, Rows]:
        """Return ``{event bucket's start, epoch seconds: its rows}``; without times, all rows belong to ``start``.

        Raises AnswerIncomplete where counts or times are invalid, or times decrease.
        """
        if not self.entities:
            return {}
        counts = _numbers(self.counts)
        if counts.min() < 1:
            raise not_whole("a row has no documents")
        if not self.timed:
            return {start: self._rows(slice(None), counts)}
        times = _numbers(self.times)
        steps = np.diff(times)
        if (steps < 0).any():
            raise not_whole("rows are not in the order of time")
        edges: NDArray[np.intp] = np.flatnonzero(steps) + 1
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
            chosen=self.chosen,
        )


def _numbers(values: list[Any]) -> NDArray[np.int64]:
    """Convert to int64[rows]. Raises AnswerIncomplete where a value isn't a whole number."""
    try:
        found = np.array(values)
    except ValueError as error:
        raise not_whole("a row's number is none") from error
    if found.dtype.kind not in "iu" or found.ndim != 1:
        raise not_whole("a row's number is none")
    return found.astype(np.int64, copy=False)


def lacking(part: str, error: Exception) -> AnswerIncomplete:
    """Return the error for a part of an answer that failed to read: a key is missing, or a value has a wrong type."""
    return not_whole(f"{part} lacks “{error.args[0]}”" if isinstance(error, KeyError) else f"{part} has an odd value")


def not_whole(what: str) -> AnswerIncomplete:
    """Return the error for rows that are not proven to be complete."""
    return AnswerIncomplete(f"the events that were read are not whole: {what}", hint=INCOMPLETE_HINT)
