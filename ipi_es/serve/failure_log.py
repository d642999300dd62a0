"""Log failures that each request repeats: once, then at most once a minute, and once when it works again."""

from __future__ import annotations

import logging
import threading

EVERY = 60.0
"""Seconds between two lines of one kind of failure."""


class FailureLog:
    """Logs the failures of one activity, such as connecting to the cluster. Any thread may use it."""

    def __init__(self, log: logging.Logger, again: str) -> None:
        """``again`` is the line once it works after a failure that was logged."""
        self._log, self._again = log, again
        self._lock = threading.Lock()
        self._logged: dict[str, float] = {}  # kind → time of its last line
        self._unlogged: dict[str, int] = {}  # kind → failures since then
        self._is_failing = False  # by the last line

    def failed(self, kind: str, text: str, now: float, error: BaseException | None = None) -> None:
        """Log a failure, with the number of those of its kind that were not logged since its last line.

        ``kind`` is one of few words; ``text`` may differ between failures of a kind. ``now`` are seconds of any clock
        that is always the same. The traceback of ``error`` is logged with it.
        """
        with self._lock:
            before = self._logged.get(kind)
            if before is not None and 0 <= now - before < EVERY:
                self._unlogged[kind] = self._unlogged.get(kind, 0) + 1
                return
            self._logged[kind], self._is_failing = now, True
            count = self._unlogged.pop(kind, 0)
        since = f" ({count:,} more since the last such line)" if count else ""
        self._log.warning("%s%s", text, since, exc_info=error)

    def worked(self) -> None:
        """Log that it works again, if the last line is a failure."""
        if not self._is_failing:
            return
        with self._lock:
            is_first, self._is_failing = self._is_failing, False
            count = sum(self._unlogged.values())
            self._unlogged.clear()
        if is_first:
            self._log.info("%s%s", self._again, f" ({count:,} failures were not logged)" if count else "")
