"""Whose turn a job is, where several workers have it: decided purely, by what each sees of the job's state.

The worker that did the last work goes first, since it has everything loaded; the others look on. They take the job over
when its state doesn't change for as long as a lease lasts although there is work. That is measured by one's own
stopwatch: clocks that differ, or that are set, then neither keep a dead worker's job nor rob a living one twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from ipi_es.state.details import LAST_WORKER
from ipi_es.state.job_state import JobState


class TakeoverTurn(Enum):
    """What a worker that finds work may do."""

    MINE = "claim the job"
    OVERDUE = "take the job over from its holder"
    THEIRS = "look on"


@dataclass(slots=True)
class TakeoverDecision:
    """One worker's view of one job. ``lease`` in seconds; ``alive`` is False for owners that are surely dead."""

    me: str
    lease: int
    alive: Callable[[str], bool]
    _seen: tuple[object, ...] = ()
    _since: float = field(default=0.0)

    def turn(self, state: JobState | None, complete: int, now: int, stopwatch: float) -> TakeoverTurn:
        """Whose turn it is, where the job has work.

        ``complete``: the end of the last complete bucket; ``now`` in epoch seconds, ``stopwatch`` in seconds that
        nobody sets.
        """
        if state is None:
            return TakeoverTurn.MINE
        holder = holder_of(state, now)
        if holder not in (None, self.me) and self.alive(str(holder)):
            return self._after(TakeoverTurn.OVERDUE, ("held", *_place(state)), stopwatch)
        last = state.details.get(LAST_WORKER)
        if last in (None, self.me) or not self.alive(str(last)):
            return TakeoverTurn.MINE
        return self._after(TakeoverTurn.MINE, ("due", complete, *_place(state)), stopwatch)

    def _after(self, then: TakeoverTurn, seen: tuple[object, ...], stopwatch: float) -> TakeoverTurn:
        """``then``, once the same has been seen for a lease's length."""
        if seen != self._seen:
            self._seen, self._since = seen, stopwatch
        return then if stopwatch - self._since >= self.lease else TakeoverTurn.THEIRS


def holder_of(state: JobState, now: int) -> str | None:
    """Who holds the lease, by the clock."""
    held = state.lease_owner is not None and state.lease_expires is not None and state.lease_expires > now
    return state.lease_owner if held else None


def _place(state: JobState) -> tuple[object, ...]:
    return (-1, -1) if state.stored is None else (state.stored.seq_no, state.stored.primary_term)
