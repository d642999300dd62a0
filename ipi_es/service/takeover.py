"""Decide which of several workers works on a job: a pure decision, from what each worker sees of the job's state.

The worker that did the last work goes first, since it has everything loaded; the others stand by. They take the job
over when its state doesn't change for the length of a lease although there is work. Each worker measures that with its
own stopwatch: clocks that differ, or that are set, then neither block the takeover of a dead worker's job nor take the
job from a living worker twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from ipi_es.state.job_state import JobState


class TakeoverTurn(Enum):
    """What a worker may do with a job that has work."""

    MINE = "acquire the lease"
    OVERDUE = "take the job over from its holder"
    THEIRS = "look on"


@dataclass(slots=True)
class TakeoverDecision:
    """One worker's view of one job. ``lease`` is in seconds; ``alive`` is False for owners that are certainly dead."""

    me: str
    lease: int
    alive: Callable[[str], bool]
    _seen: tuple[object, ...] = ()
    _since: float = field(default=0.0)

    def turn(self, state: JobState | None, complete: int, now: int, stopwatch: float) -> TakeoverTurn:
        """Decide whose turn it is; call it only when the job has work.

        ``complete``: the end of the last complete bucket. ``now`` is in epoch seconds, ``stopwatch`` in seconds of a
        monotonic clock.
        """
        if state is None:
            return TakeoverTurn.MINE
        holder = holder_of(state, now)
        if holder not in (None, self.me) and self.alive(str(holder)):
            return self._after(TakeoverTurn.OVERDUE, ("held", *_place(state)), stopwatch)
        last = state.details.last_worker
        if last is None or last == self.me or not self.alive(last):
            return TakeoverTurn.MINE
        return self._after(TakeoverTurn.MINE, ("due", complete, *_place(state)), stopwatch)

    def _after(self, then: TakeoverTurn, seen: tuple[object, ...], stopwatch: float) -> TakeoverTurn:
        """Return ``then`` once the same ``seen`` has lasted for the length of a lease; THEIRS before."""
        if seen != self._seen:
            self._seen, self._since = seen, stopwatch
        return then if stopwatch - self._since >= self.lease else TakeoverTurn.THEIRS


def holder_of(state: JobState, now: int) -> str | None:
    """Return the owner of the lease at ``now``; None if it isn't held or has expired."""
    held = state.lease_owner is not None and state.lease_expires is not None and state.lease_expires > now
    return state.lease_owner if held else None


def _place(state: JobState) -> tuple[object, ...]:
    return (-1, -1) if state.stored is None else (state.stored.seq_no, state.stored.primary_term)
