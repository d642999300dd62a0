"""The machine's clock: the only place that reads the time."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A source of the current time; event time never comes from it."""

    def now(self) -> int:
        """Return the current time in epoch seconds."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Return the current time in epoch seconds."""
        return int(time.time())  # noqa: TID251  (the worker's shell)
