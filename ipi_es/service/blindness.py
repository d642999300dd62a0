"""Whether a job's events have stopped: decided purely, from one bucket's count after the other.

"No events although there always were some": an empty bucket counts where the same time of the week had events the last
time, and so had an hour before and an hour after it. An office's nights and weekends are empty every week and alarm
nobody, nor do clocks that are put forward or back, or people who begin a little later than last week; an agent that
died does so after ``blind_after`` buckets in which something should have come.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from ipi_es.times import SECONDS

WEEK, HOUR = SECONDS["w"], SECONDS["h"]

MEMORY = 2 * WEEK
"""Seconds of earlier buckets that are worth telling it of at a start: the week before, and one more in case that one is
the outage."""

ENOUGH = 20
"""Events of the week before that must be missed: that a few did not come is chance, and in a job of one-minute buckets
with half of them empty it would be, every few days."""

MOST = 2**32 - 1
"""Events of a bucket that are remembered."""


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
        self._usual = array("I", bytes(array("I").itemsize * (WEEK // bucket_span)))  # events by time of the week
        self._hour = HOUR // bucket_span
        # an hour must pass before this week's count takes the place of the last one's: it is still looked at
        self._newest: deque[tuple[int, int]] = deque()
        self._first: int | None = None  # start of the oldest bucket that was told
        self._last = 0  # end of the newest bucket that was told
        self._since: int | None = None  # start of the first of the empty buckets in a row
        self._told: BlindChange | None = None  # when it became blind
        self._missed = self._events = 0  # of those, buckets that should have had some, and how many

    @property
    def blind(self) -> bool:
        """Whether the events have stopped."""
        if self._after == 0 or self._since is None:
            return False
        missed = self._missed >= self._after and self._events >= ENOUGH
        return missed or self.empty_buckets >= len(self._usual)

    @property
    def begun(self) -> BlindChange | None:
        """The change by which it became blind; None: it isn't, or it began before anything that was told.

        After a restart the same as before it, unless the outage is older than the memory: then it was said long ago.
        """
        return self._told if self.blind and self._since != self._first else None

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

        One that was told before (a batch that is done again) changes nothing. After a gap (another worker had the job)
        silence is counted anew: nobody knows what came in between.
        """
        if end <= self._last:
            return None
        if self._first is None:
            self._first = end - self._span
        elif end != self._last + self._span:
            self._heard()
        self._last, was = end, self.blind
        slot = end // self._span % len(self._usual)
        change = None
        if events:
            if was:
                change = BlindChange(False, int(self._since or 0), end - self._span)
            self._heard()
        else:
            self._miss(slot, end - self._span)
            if self.blind and not was:
                change = self._told = BlindChange(True, int(self._since or 0), end)
        self._remember(slot, events)
        return change

    def _heard(self) -> None:
        self._since, self._missed, self._events = None, 0, 0

    def _miss(self, slot: int, start: int) -> None:
        if self._since is None:
            self._since = start
        usual = min(self._usual[(slot + shift) % len(self._usual)] for shift in (-self._hour, 0, self._hour))
        self._missed += usual > 0
        self._events += usual

    def _remember(self, slot: int, events: int) -> None:
        self._newest.append((slot, events))
        while len(self._newest) > self._hour:
            old, count = self._newest.popleft()
            if count or not self.blind:  # what is missed while blind is still what there always was
                self._usual[old] = min(count, MOST)
