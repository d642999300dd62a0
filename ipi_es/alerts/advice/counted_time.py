"""Decide which buckets of a period show how many alarms are usual. Pure. Times in epoch seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from ipi_es.results.reading.result_reader import FinalBucket
from ipi_es.times import SECONDS, day_of

Interval: TypeAlias = tuple[int, int]
"""[start, end)."""


class LeftOut(StrEnum):
    """Reasons why a scored bucket isn't counted, as text after a length of time."""

    INCOMPLETE = "of which records or influencers are missing"
    BLIND = "in which the job was blind or half blind"
    WARM_UP = "in which the job warmed up, so that scores were held back"


@dataclass(frozen=True, slots=True)
class CountedTime:
    """The buckets that are counted, by their starts, and what is not counted."""

    starts: frozenset[int]
    seconds: int
    """Length of the counted buckets."""
    missing_buckets: int
    """Buckets without a result, between the first and the last that have one."""
    left_out: dict[LeftOut, int]
    """Seconds of scored buckets that aren't counted, by reason."""

    @property
    def days(self) -> float:
        """Length of the counted buckets in days."""
        return self.seconds / SECONDS["d"]


def counted_time(
    buckets: Sequence[FinalBucket],
    bucket_span: int,
    *,
    incomplete_days: Container[int] = (),
    blind: Sequence[Interval] = (),
    warm_ups: Sequence[Interval] = (),
) -> CountedTime:
    """Divide scored buckets (in order) into those that count and the others.

    ``incomplete_days``: days since the epoch that lack records or influencers. Where events or results are missing, and
    where scores were held back, few alarms don't mean that few are usual.
    """
    starts, seconds, left_out = set[int](), 0, Counter[LeftOut]()
    for each in buckets:
        start, end = each.start, each.start + each.span
        if day_of(start) in incomplete_days:
            left_out[LeftOut.INCOMPLETE] += each.span
        elif _overlaps(start, end, blind):
            left_out[LeftOut.BLIND] += each.span
        elif _overlaps(start, end, warm_ups):
            left_out[LeftOut.WARM_UP] += each.span
        else:
            starts.add(start)
            seconds += each.span
    return CountedTime(frozenset(starts), seconds, _missing(buckets, bucket_span), dict(left_out))


def _overlaps(start: int, end: int, intervals: Sequence[Interval]) -> bool:
    return any(begin < end and start < stop for begin, stop in intervals)


def _missing(buckets: Sequence[FinalBucket], bucket_span: int) -> int:
    if not buckets:
        return 0
    between = buckets[-1].start + buckets[-1].span - buckets[0].start
    return -(-max(between - sum(each.span for each in buckets), 0) // bucket_span)
