"""Repeats: what was already an alarm within ``repeat_window`` is recorded again, but is no new alarm (scoring.md §4).

The window counts from the *first* record and never slides, so that a lasting oddity is heard of once a window. Only
what was really reported is repeated: something more severe, or more of it, is a new finding, from which the window
counts anew (:mod:`ipi_es.worker.scoring.repeat_decision`). A success never repeats what only failed.
What is known comes from the result index when a run starts, and from the run itself afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ipi_es.results.reading.reported import First, ReportedIp, ReportedPair


@dataclass(slots=True)
class Repeats:
    """First records by (entity, IP, failures only), first critical IP influencers by (IP, failures only).

    ``window`` in seconds, 0 is off.
    """

    window: int
    pairs: dict[tuple[str, str, bool], First] = field(default_factory=dict)
    ips: dict[tuple[str, bool], First] = field(default_factory=dict)

    def load(self, pairs: Iterable[ReportedPair], ips: Iterable[ReportedIp]) -> None:
        """Take over what earlier runs reported, in any order."""
        for pair in sorted(pairs, key=lambda row: (row.time, row.id)):
            self.add_pair(pair)
        for ip in sorted(ips, key=lambda row: (row.time, row.id)):
            self.add_ip(ip)

    def reload(self, pairs: Iterable[ReportedPair], ips: Iterable[ReportedIp]) -> None:
        """Forget everything, then do as :meth:`load` does."""
        self.pairs.clear()
        self.ips.clear()
        self.load(pairs, ips)

    def of_pair(self, entity: str, ip: str, time: int, *, failures_only: bool = False) -> First | None:
        """The record that one at ``time`` may repeat."""
        found = self._within(self.pairs.get((entity, ip, False)), time)
        if found is None and failures_only:
            found = self._within(self.pairs.get((entity, ip, True)), time)
        return found

    def of_ip(self, ip: str, time: int, *, failures_only: bool = False) -> First | None:
        """The critical influencer that one at ``time`` may repeat."""
        found = self._within(self.ips.get((ip, False)), time)
        if found is None and failures_only:
            found = self._within(self.ips.get((ip, True)), time)
        return found

    def add_pair(self, pair: ReportedPair) -> None:
        """Remember a record that repeats nothing: it is what later ones repeat."""
        if self.window:
            self.pairs[pair.entity, pair.ip, pair.failures_only] = First(pair.time, pair.id, pair.extent)

    def add_ip(self, ip: ReportedIp) -> None:
        """Remember a critical IP influencer that repeats nothing."""
        if self.window:
            self.ips[ip.ip, ip.failures_only] = First(ip.time, ip.id, ip.extent)

    def forget_before(self, time: int) -> None:
        """Drop what can't be repeated at ``time`` or later, so that memory follows the window and not the run."""
        self.pairs = {key: first for key, first in self.pairs.items() if time - first.time < self.window}
        self.ips = {key: first for key, first in self.ips.items() if time - first.time < self.window}

    def _within(self, first: First | None, time: int) -> First | None:
        return first if first is not None and 0 < time - first.time < self.window else None
