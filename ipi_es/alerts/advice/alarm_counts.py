"""Count the alarms that each threshold would have raised. Pure.

An alarm is a group of findings of one bucket that have a name in common, as in
:mod:`ipi_es.alerts.incident_messages`. Which names a finding has decides what is counted: the names of its entities and
addresses give the worker's messages, a name of its own gives one alarm for each finding.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from ipi_es.config.given_verdict import COMPROMISED, VERDICTS

Name: TypeAlias = tuple[str, ...]

WHOLE_BUCKET: Name = ("bucket",)
"""The name of a finding of the bucket itself: all other findings of the bucket are one alarm with it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One result that may alert: its score, 0–100, its names, and the verdict of people, if there is one."""

    score: float
    names: frozenset[Name]
    verdict: str | None = None


class Tally(NamedTuple):
    """A number of alarms, how many of them have a verdict, and how many of these were right."""

    alarms: int = 0
    judged: int = 0
    compromised: int = 0

    def plus(self, other: Tally) -> Tally:
        """Return the sum."""
        return Tally(*(one + two for one, two in zip(self, other, strict=True)))

    def minus(self, other: Tally) -> Tally:
        """Return the difference; its numbers may be negative."""
        return Tally(*(one - two for one, two in zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class AlarmCount:
    """The alarms of one threshold over all counted days; ``worst_day`` in days since the epoch, None without alarms."""

    threshold: float
    total: Tally
    worst_day: int | None
    of_worst_day: int


class AlarmCounter:
    """Counts alarms by day and threshold, bucket by bucket."""

    def __init__(self, thresholds: Iterable[float]) -> None:
        """Set the thresholds, 0–100."""
        self.thresholds = sorted(set(thresholds))
        self._days: defaultdict[int, list[Tally]] = defaultdict(lambda: [Tally()] * len(self.thresholds))
        """By day: by how much the tally of each threshold differs from that of the next higher one."""

    def add_bucket(self, day: int, findings: Iterable[Finding]) -> None:
        """Count all findings of one bucket, which lies in ``day`` (days since the epoch)."""
        for score, change in _changes(findings):
            place = bisect_right(self.thresholds, score) - 1
            if place >= 0:
                changes = self._days[day]
                changes[place] = changes[place].plus(change)

    def counts(self) -> list[AlarmCount]:
        """Return the counts of all thresholds, the lowest first."""
        days = dict.fromkeys(sorted(self._days), Tally())
        found = []
        for place in reversed(range(len(self.thresholds))):
            days = {day: before.plus(self._days[day][place]) for day, before in days.items()}
            worst = max(days, key=lambda day: days[day].alarms, default=None)
            most = 0 if worst is None else days[worst].alarms
            total = Tally()
            for each in days.values():
                total = total.plus(each)
            found.append(AlarmCount(self.thresholds[place], total, worst if most else None, most))
        return found[::-1]


def propose(counts: Sequence[AlarmCount], most: float) -> AlarmCount | None:
    """Return the lowest whole threshold that, as all higher ones, has at most ``most`` alarms; None: none has.

    ``counts``: the lowest threshold first. Fewer messages at a lower threshold are possible, since a finding can join
    two of them: such a threshold isn't proposed.
    """
    lowest = None
    for each in reversed(counts):
        if each.threshold != int(each.threshold):
            continue
        if each.total.alarms > most:
            break
        lowest = each
    return lowest


@dataclass(slots=True, eq=False)
class _Alarm:
    names: set[Name] = field(default_factory=set)
    judged: bool = False
    compromised: bool = False

    @property
    def tally(self) -> Tally:
        return Tally(1, int(self.judged), int(self.compromised))


def _changes(findings: Iterable[Finding]) -> Iterator[tuple[float, Tally]]:
    """Yield each finding's score, the highest first, and by how much it changes the bucket's tally."""
    alarms: dict[Name, _Alarm] = {}
    for each in sorted(findings, key=lambda finding: -finding.score):
        names = each.names
        if WHOLE_BUCKET in names:
            names = names.union(alarms)
        elif WHOLE_BUCKET in alarms:
            names |= {WHOLE_BUCKET}
        joined = {alarms[name] for name in names if name in alarms}
        before = Tally()
        for alarm in joined:
            before = before.plus(alarm.tally)
        one = max(joined, key=lambda alarm: len(alarm.names), default=_Alarm())
        moved = names.union(*(alarm.names for alarm in joined if alarm is not one))
        one.names |= moved
        alarms |= dict.fromkeys(moved, one)
        judged = each.verdict in VERDICTS
        one.judged = judged or any(alarm.judged for alarm in joined)
        one.compromised = each.verdict == COMPROMISED or any(alarm.compromised for alarm in joined)
        yield each.score, one.tally.minus(before)
