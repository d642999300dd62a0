"""What came of a look at a job."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TickResult(StrEnum):
    """What a tick did."""

    NOTHING = "nothing was due"
    WORKED = "worked"
    STOOD_BY = "stood by: another worker has the job"
    WAITED = "waits"
    PAUSED = "is paused"
    STOPPED = "stopped in the middle of the work"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TickOutcome:
    """A tick's end."""

    did: TickResult
    again_in: float | None = None
    """Seconds after which to look again; None: with the next regular tick."""
    buckets: int = 0
    """Buckets that were scored."""
    text: str = ""
    """For people: whom the job was left to, what it waits for, what went wrong."""
