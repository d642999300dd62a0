"""The findings of `check`: one line each, with a hint what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ipi_es.errors import IpiEsError

Level: TypeAlias = Literal["ok", "warning", "problem"]
"""``problem``: the job can't work like this. ``warning``: it works, but probably not as intended."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was checked, the result, and what to do next.

    ``error`` is raised by a command that can't work with this problem.
    """

    check: str
    level: Level
    message: str
    hint: str | None = None
    error: IpiEsError | None = field(default=None, compare=False, repr=False)

    def to_row(self) -> dict[str, Any]:
        """Return the finding as a row for the command line's output."""
        return {"check": self.check, "status": self.level, "message": self.message, "hint": self.hint}


def ok(check: str, message: str) -> Finding:
    """Make a finding that needs no action."""
    return Finding(check, "ok", message)


def warning(check: str, message: str, hint: str) -> Finding:
    """Make a finding for a job that works, but probably not as intended."""
    return Finding(check, "warning", message, hint)


def problem(check: str, error: IpiEsError) -> Finding:
    """Make a finding for a job that can't work like this; message and hint come from ``error``."""
    return Finding(check, "problem", error.message, error.hint, error)


def percent(part: float, whole: float) -> str:
    """Format a share as ``12 %``; a part is never rounded down to none or up to all."""
    share = part / whole if whole else 0.0
    if 0 < share < 0.01:
        return "under 1 %"
    return "over 99 %" if 0.99 < share < 1 else f"{share:.0%}".replace("%", " %")
