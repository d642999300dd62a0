"""The outcome of a job's tick."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TickResult(StrEnum):
    """The kind of work that a tick did."""

    NOTHING = "nothing was due"
    WORKED = "worked"
    STOOD_BY = "stood by: another worker has the job"
    WAITED = "waits"
    PAUSED = "is paused"
    STOPPED = "stopped in the middle of the work"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TickOutcome:
    """The outcome of a tick."""

    did: TickResult
    again_in: float | None = None
    """Seconds until the next tick; None: at its regular time."""
    buckets: int = 0
    """Buckets that were scored."""
    text: str = ""
    """For people: the worker that the job was left to, what it waits for, or the error."""
