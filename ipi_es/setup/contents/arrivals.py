"""How late events arrive after they happened, and the settings that wait for them. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ipi_es.errors import UsageError
from ipi_es.setup.facts.document_sample import Sample
from ipi_es.times import SECONDS, format_span, parse_time

ARRIVED = "event.ingested"
"""ECS's field for the time at which an event reached the cluster."""

WAITED_SHARE = 0.99
"""Share of the events that must have arrived before a bucket is read."""

LEAST_DELAY = 120
"""Seconds: delays below are covered by the default ``query_delay``."""

MOST_DELAY = SECONDS["h"]
"""Seconds that a bucket is waited for at most: later events are scored when they come, within ``late_window``."""

MOST_LATE = 2 * SECONDS["d"]
"""Seconds of the longest ``late_window`` that is proposed: at each tick, all its buckets are counted again."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Seconds between the time of an event and its arrival, of the sampled events that have both; sorted."""

    delays: Sequence[int]

    def within(self, share: float) -> int:
        """Return the seconds within which this share of the events arrived."""
        return self.delays[max(0, math.ceil(share * len(self.delays)) - 1)]

    @property
    def were_loaded_later(self) -> bool:
        """Whether the events are an import of old ones, whose delays say nothing about new ones."""
        return self.within(0.5) > MOST_LATE

    @property
    def query_delay(self) -> int | None:
        """Seconds to wait before a bucket is read, in whole minutes; None: the default is enough."""
        nearly_all = self.within(WAITED_SHARE)
        return None if nearly_all <= LEAST_DELAY else min(_up(nearly_all, SECONDS["m"]), MOST_DELAY)

    def late_window(self, default: int) -> int | None:
        """Seconds within which buckets should be scored again, in whole hours; None: ``default`` is enough."""
        after = self.delays[-1] - (self.query_delay or LEAST_DELAY)
        return None if after <= default else min(_up(after, SECONDS["h"]), MOST_LATE)

    def later_than(self, seconds: int) -> float:
        """Return the share of the events that arrived after more than ``seconds``, 0 to 1."""
        return sum(delay > seconds for delay in self.delays) / len(self.delays)

    @property
    def text(self) -> str:
        """The delays in words."""
        half, nearly_all, last = self.within(0.5), self.within(WAITED_SHARE), self.delays[-1]
        return (
            f"of {len(self.delays):,} sampled events half arrived within {_rough(half)}, {WAITED_SHARE:.0%} within "
            f"{_rough(nearly_all)}, the last after {_rough(last)}"
        ).replace("%", " %")


def arrivals(sample: Sample, time_field: str) -> Arrivals | None:
    """Compute how late the sampled events arrived; None where they don't say it."""
    delays = []
    for document in sample.documents:
        happened, arrived = sample.values(document, time_field), sample.values(document, ARRIVED)
        if happened and arrived:
            try:
                delays.append(max(0, parse_time(arrived[0], now=0) - parse_time(happened[0], now=0)))
            except UsageError:
                continue
    return Arrivals(sorted(delays)) if delays else None


def _up(seconds: int, unit: int) -> int:
    return -(-seconds // unit) * unit


def _rough(seconds: int) -> str:
    """Format seconds, rounded up to whole minutes, from two hours on to whole hours, from two days on to days."""
    if seconds >= 2 * SECONDS["d"]:
        return f"{-(-seconds // SECONDS['d'])}d"
    if seconds >= 2 * SECONDS["h"]:
        return format_span(_up(seconds, SECONDS["h"]))
    return format_span(_up(seconds, SECONDS["m"]) if seconds >= SECONDS["m"] else seconds)
