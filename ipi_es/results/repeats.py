"""What is already known: a pair seen again within the repeat window is one alarm, not one a bucket.

The window counts from the *first* record, so a pair that goes on for longer is reported again, once a window. What is
known is read from the result index itself (:meth:`ipi_es.results.store.ResultStore.recent`), and kept up while a batch
runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Pair = tuple[str, str]
"""(entity, IP)."""


@dataclass(frozen=True, slots=True)
class First:
    """The first result of its kind: its document id and its bucket's start (epoch seconds)."""

    id: str
    time: int


@dataclass(frozen=True, slots=True)
class Recent:
    """First records of pairs and first critical influencers of IPs within a window."""

    pairs: Mapping[Pair, First] = field(default_factory=dict)
    ips: Mapping[str, First] = field(default_factory=dict)


class Repeats:
    """The memory of one job; ``window`` in seconds, 0 recognizes nothing."""

    def __init__(self, window: int, recent: Recent | None = None) -> None:
        self._window = window
        recent = recent or Recent()
        self._pairs: dict[Pair, First] = dict(recent.pairs)
        self._ips: dict[str, First] = dict(recent.ips)

    def repeat_of(self, entity: str, ip: str, time: int) -> str | None:
        """The id of the pair's first record, if a record of the bucket at ``time`` repeats it."""
        return self._within(self._pairs.get((entity, ip)), time)

    def ip_repeat_of(self, ip: str, time: int) -> str | None:
        """The id of the IP's first critical influencer, if one of the bucket at ``time`` repeats it."""
        return self._within(self._ips.get(ip), time)

    def add(self, entity: str, ip: str, first: First) -> None:
        """A record was made; one that repeats another changes nothing."""
        if self.repeat_of(entity, ip, first.time) is None:
            self._pairs[(entity, ip)] = first

    def add_critical_ip(self, ip: str, first: First) -> None:
        """A critical IP influencer was made; one that repeats another changes nothing."""
        if self.ip_repeat_of(ip, first.time) is None:
            self._ips[ip] = first

    def forget_before(self, time: int) -> None:
        """Drop what no bucket at or after ``time`` can repeat."""
        self._pairs = {pair: first for pair, first in self._pairs.items() if time - first.time < self._window}
        self._ips = {ip: first for ip, first in self._ips.items() if time - first.time < self._window}

    def _within(self, first: First | None, time: int) -> str | None:
        # a bucket doesn't repeat itself: scored again, it must come out the same
        if first is None or not 0 < time - first.time < self._window:
            return None
        return first.id
