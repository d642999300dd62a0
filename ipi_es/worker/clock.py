"""The clock of the worker: the one place below the command line that reads it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What tells the time of writing; event time never comes from here."""

    def now(self) -> int:
        """Epoch seconds."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Epoch seconds."""
        return int(time.time())  # noqa: TID251  (the worker's shell)
