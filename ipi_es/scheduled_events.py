"""Scheduled events of a job: planned changes, in which nothing is alerted and nothing is learned."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScheduledEvent:
    """A planned change in [start, end), epoch seconds; one that ended before its start is empty."""

    name: str
    start: int
    end: int

    def overlaps(self, start: int, end: int) -> bool:
        """Return whether it has a moment in [start, end), epoch seconds."""
        return max(start, self.start) < min(end, self.end)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The scheduled events of one job, in the order in which results name them."""

    events: tuple[ScheduledEvent, ...] = ()

    def of_bucket(self, start: int, end: int) -> tuple[str, ...]:
        """Return the names of the events that an event bucket [start, end) is inside of, as Elastic decides it."""
        return tuple(each.name for each in self.events if each.overlaps(start, end))


NO_EVENTS = Calendar()
