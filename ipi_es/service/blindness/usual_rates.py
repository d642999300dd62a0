"""The usual counts of a job's buckets by time of the week: a memory of counts, and estimates for a stretch of buckets.

Counts are kept bucket by bucket for five weeks. The *usual* counts of a stretch of buckets come from the same stretch
of up to four earlier weeks, its *quiet* counts from the same hours of the last 28 days. Both also look an hour earlier
and an hour later, and take the least: clocks are put forward and back, and people begin later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ipi_es.times import SECONDS

HOUR, DAY, WEEK = SECONDS["h"], SECONDS["d"], SECONDS["w"]

WEEKS = 4
"""Earlier weeks that are compared: with three or more, one holiday or outage among them has no effect."""

MEMORY = (WEEKS + 1) * WEEK
"""Seconds of earlier buckets that are kept: the weeks compared, and the stretch itself, which may be days long."""

SHARE_EVENTS = 10
"""Events that a stretch must have for its shares to be compared: a share of two events is chance."""

F64 = NDArray[np.float64]


class Rates:
    """Sums over one stretch of buckets, by column; column 0 counts all events, the base of the shares.

    The usual counts are compared first and are never less than the quiet ones, so the quiet days are only looked up
    when the usual counts don't decide.
    """

    def __init__(self, seen: F64, weeks: F64, days: Callable[[], F64]) -> None:
        """Take ``seen`` float64[columns]; ``weeks``, ``days`` float64[periods, shifts, columns], infinite: unknown."""
        self.seen, self._weeks, self._look_up = seen, weeks, days
        self._known_days: F64 | None = None

    @property
    def _days(self) -> F64:
        if self._known_days is None:
            self._known_days = self._look_up()
        return self._known_days

    def usual(self, column: int) -> float:
        """Return the count that is usual at this time of the week."""
        return _lower_median(self._weeks[..., column].min(axis=1))

    def quiet(self, column: int) -> float:
        """Return the count of the quietest day."""
        return float(self._days[..., column].min())

    def usual_share(self, column: int) -> float:
        """Return the share of the events that a column usually has, 0–1; infinite: not known."""
        return _lower_median(_shares(self._weeks, column).min(axis=1))

    def quiet_share(self, column: int) -> float:
        """Return the least share of all days, 0–1; infinite: not known."""
        return float(_shares(self._days, column).min())


class UsualRates:
    """Counts of consecutive buckets, and what is usual for the newest of them."""

    def __init__(self, bucket_span: int, columns: int, least: int) -> None:
        """Start empty. ``bucket_span`` is in seconds.

        ``least``: how many buckets of an earlier week must be known for it to be compared.
        """
        self._week, self._day, self._least = WEEK // bucket_span, DAY // bucket_span, least
        hour = HOUR // bucket_span
        shifts = np.array(sorted({-hour, 0, hour}))[::-1]
        self._weeks_back = np.arange(1, WEEKS + 1)[:, None] * self._week + shifts
        self._days_back = np.arange(1, WEEKS * 7 + 1)[:, None] * self._day + shifts
        self._keep = MEMORY // bucket_span + hour
        # row i: sums of the first i buckets that are kept, so that any stretch is a difference of two rows
        self._sums = np.zeros((min(self._keep, 1_024), columns))
        self._size = 0

    def __len__(self) -> int:
        """Return the number of buckets that are kept."""
        return self._size

    def add(self, counts: F64) -> None:
        """Append one bucket's counts, float64[columns]."""
        if self._size + 1 == len(self._sums):
            self._make_room()
        self._sums[self._size + 1] = self._sums[self._size] + counts
        self._size += 1

    def replace(self, values: F64) -> None:
        """Replace the counts of the newest ``len(values)`` buckets; ``values`` is float64[n, columns]."""
        first = self._size - len(values)
        self._sums[first + 1 : self._size + 1] = self._sums[first] + np.cumsum(values, axis=0)

    def newest(self, buckets: int) -> F64:
        """Return the counts of the newest buckets, float64[n, columns]; fewer where fewer are known."""
        first = max(self._size - buckets, 0)
        found: F64 = np.diff(self._sums[first : self._size + 1], axis=0)
        return found

    def week_before(self, buckets: int) -> F64:
        """Return the counts of the ``buckets`` buckets that end a week before the newest, 0 where none are known.

        The array is float64[buckets, columns].
        """
        ends = np.arange(self._size - buckets + 1, self._size + 1) - self._week
        found: F64 = self._sums[np.maximum(ends, 0)] - self._sums[np.maximum(ends - 1, 0)]
        return found

    def rates(self, buckets: int, before: int = 0) -> Rates | None:
        """Return the rates of the stretch of ``buckets`` that ends ``before`` buckets before the newest.

        None: no earlier week is known.
        """
        end = self._size - before
        weeks = self._stretches(end, buckets, self._weeks_back)
        if not len(weeks):
            return None
        seen = self._sums[end] - self._sums[max(end - buckets, 0)]
        return Rates(seen, weeks, lambda: self._stretches(end, buckets, self._days_back))

    def _stretches(self, end: int, buckets: int, back: NDArray[np.int64]) -> F64:
        """Return sums of the stretch ``back`` buckets earlier where it is known, float64[periods, shifts, columns]."""
        ends = end - back
        if ends[-1, 0] < self._least:
            ends = ends[ends[:, 0] >= self._least]
        if buckets < self._day:  # the stretch a day ago, shifted an hour later, must not overlap the stretch itself
            ends = np.minimum(ends, end - buckets)
        starts = ends - buckets
        found: F64 = self._sums[ends] - self._sums[np.maximum(starts, 0)]
        if len(starts) and starts.min() < 0:  # of the oldest period, only some shifts may be known completely
            part = (starts < 0) & (starts >= 0).any(axis=1, keepdims=True)
            found[part] = np.inf
        return found

    def _make_room(self) -> None:
        most = 2 * self._keep + 1
        if len(self._sums) < most:
            larger = np.zeros((min(2 * len(self._sums), most), self._sums.shape[1]))
            larger[: self._size + 1] = self._sums[: self._size + 1]
            self._sums = larger
            return
        kept = self._sums[self._size - self._keep : self._size + 1]
        self._sums[: self._keep + 1] = kept - kept[0]
        self._size = self._keep


def _shares(stretches: F64, column: int) -> F64:
    """Return shares of the events; infinite (never the least) where the stretch has too few events."""
    events = stretches[..., 0]
    known = (events >= SHARE_EVENTS) & np.isfinite(events)
    return np.where(known, stretches[..., column] / np.where(known, events, 1.0), np.inf)


def _lower_median(values: F64) -> float:
    """Return the median of float64[n], the smaller of the two middle values if n is even."""
    return float(np.sort(values)[(len(values) - 1) // 2])


def as_row(counts: Sequence[int]) -> F64:
    """Return one bucket's counts as :meth:`UsualRates.add` takes them, float64[columns]."""
    return np.array(counts, dtype=np.float64)
