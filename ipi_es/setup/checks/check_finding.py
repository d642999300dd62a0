"""What `check` says: one line a finding, with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ipi_es.errors import IpiEsError

Level: TypeAlias = Literal["ok", "warning", "problem"]
"""``problem``: the job can't work like this. ``warning``: it works, and probably not as it is meant."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it stands, and what to do next.

    ``error`` is what a command raises that needs this to be right.
    """

    check: str
    level: Level
    message: str
    hint: str | None = None
    error: IpiEsError | None = field(default=None, compare=False, repr=False)

    def to_row(self) -> dict[str, Any]:
        """The finding for the command line's output."""
        return {"check": self.check, "status": self.level, "message": self.message, "hint": self.hint}


def ok(check: str, message: str) -> Finding:
    """Nothing to do."""
    return Finding(check, "ok", message)


def warning(check: str, message: str, hint: str) -> Finding:
    """Works, and probably not as it is meant."""
    return Finding(check, "warning", message, hint)


def problem(check: str, error: IpiEsError) -> Finding:
    """The job can't work like this; ``error`` has the words."""
    return Finding(check, "problem", error.message, error.hint, error)


def percent(part: float, whole: float) -> str:
    """``12 %``; a part is never rounded away to none, nor to all."""
    share = part / whole if whole else 0.0
    if 0 < share < 0.01:
        return "under 1 %"
    return "over 99 %" if 0.99 < share < 1 else f"{share:.0%}".replace("%", " %")
