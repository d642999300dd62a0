"""Whether a job's events have stopped: decided purely, from one bucket's count after the other.

"No events although there always were some": an empty bucket counts where the same time of the week had events the last
time. An office's nights and weekends are empty every week and alarm nobody; an agent that died does so after
``blind_after`` buckets in which something should have come.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ipi_es.times import SECONDS

WEEK = SECONDS["w"]

MEMORY = 2 * WEEK
"""Seconds of earlier buckets that are worth telling it of at a start: the week before, and one more in case that one is
the outage."""


@dataclass(frozen=True, slots=True)
class BlindChange:
    """The events stopped (``blind``) or are there again; nothing came in [start, end), epoch seconds."""

    blind: bool
    start: int
    end: int


class Blindness:
    """Follows a job's buckets in order, empty ones too."""

    def __init__(self, bucket_span: int, blind_after: int) -> None:
        """``bucket_span`` in seconds; ``blind_after`` in buckets, 0: never blind."""
        self._span, self._after = bucket_span, blind_after
        self._had_events = bytearray(WEEK // bucket_span)  # by time of the week: 1 where it had some the last time
        self._last = 0  # end of the newest bucket that was told
        self._since: int | None = None  # start of the first of the empty buckets in a row
        self._missed = 0  # of those, how many should have had events

    @property
    def blind(self) -> bool:
        """Whether the events have stopped."""
        return self._after > 0 and (self._missed >= self._after or self.empty_buckets >= len(self._had_events))

    @property
    def since(self) -> int | None:
        """Start of the first bucket without events, epoch seconds; None where the newest one has some."""
        return self._since

    @property
    def empty_buckets(self) -> int:
        """How many buckets in a row have been empty. A whole week of them is blind whatever was there before."""
        return 0 if self._since is None else (self._last - self._since) // self._span

    def recall(self, counts: Iterable[tuple[int, int]]) -> None:
        """Learn from earlier buckets, (end, events) in order of time, without saying anything."""
        for end, events in counts:
            self.note(end, events)

    def note(self, end: int, events: int) -> BlindChange | None:
        """One more bucket, by its exclusive end in epoch seconds; what has changed with it.

        One that was told before (a batch that is done again) changes nothing.
        """
        if end <= self._last:
            return None
        self._last, was = end, self.blind
        slot = end // self._span % len(self._had_events)
        if events:
            since, self._since, self._missed = self._since, None, 0
            self._had_events[slot] = 1
            return BlindChange(False, int(since or 0), end - self._span) if was else None
        if self._since is None:
            self._since = end - self._span
        self._missed += self._had_events[slot]
        if not self.blind:
            # what is missed while blind is still what there always was
            self._had_events[slot] = 0
        return BlindChange(True, self._since, end) if self.blind and not was else None
