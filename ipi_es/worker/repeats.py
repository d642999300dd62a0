"""Repeats: what was already an alarm within ``repeat_window`` is recorded again, but is no new alarm (scoring.md §4).

The window counts from the *first* record and never slides, so that a lasting oddity is heard of once a window.
What is known comes from the result index when a run starts, and from the run itself afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class First(NamedTuple):
    """The result that a repeat repeats."""

    time: int  # epoch s, the bucket's start
    id: str


@dataclass(slots=True)
class Repeats:
    """First records by (entity, IP), and first critical IP influencers by IP; ``window`` in seconds, 0 is off."""

    window: int
    pairs: dict[tuple[str, str], First] = field(default_factory=dict)
    ips: dict[str, First] = field(default_factory=dict)

    def load(self, pairs: Iterable[tuple[str, str, int, str]], ips: Iterable[tuple[str, int, str]]) -> None:
        """Take over (entity, IP, time, id) and (IP, time, id) of earlier runs, in any order."""
        for entity, ip, time, result_id in sorted(pairs, key=lambda row: row[2]):
            self.add_pair(entity, ip, time, result_id)
        for ip, time, result_id in sorted(ips, key=lambda row: row[1]):
            self.add_ip(ip, time, result_id)

    def of_pair(self, entity: str, ip: str, time: int) -> str | None:
        """The id of the record that one at ``time`` would repeat."""
        return self._within(self.pairs.get((entity, ip)), time)

    def of_ip(self, ip: str, time: int) -> str | None:
        """The id of the critical influencer that one at ``time`` would repeat."""
        return self._within(self.ips.get(ip), time)

    def add_pair(self, entity: str, ip: str, time: int, result_id: str) -> None:
        """Remember a record, unless it repeats one."""
        if self.window and self.of_pair(entity, ip, time) is None:
            self.pairs[entity, ip] = First(time, result_id)

    def add_ip(self, ip: str, time: int, result_id: str) -> None:
        """Remember a critical IP influencer, unless it repeats one."""
        if self.window and self.of_ip(ip, time) is None:
            self.ips[ip] = First(time, result_id)

    def forget_before(self, time: int) -> None:
        """Drop what can't be repeated at ``time`` or later, so that memory follows the window and not the run."""
        self.pairs = {key: first for key, first in self.pairs.items() if time - first.time < self.window}
        self.ips = {key: first for key, first in self.ips.items() if time - first.time < self.window}

    def _within(self, first: First | None, time: int) -> str | None:
        return first.id if first is not None and 0 < time - first.time < self.window else None
