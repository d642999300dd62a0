"""The end of the commands that run until they are stopped."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

LEAVES_WITHIN = 8.0
"""Seconds from SIGTERM or Ctrl-C to the end of the process. Unfinished work is done again later, so nothing is lost."""


def stopped_by_signals() -> threading.Event:
    """Return an event that SIGTERM and Ctrl-C set.

    A second signal, or work that goes on for :data:`LEAVES_WITHIN` seconds, ends the process at once.
    """
    stopping = threading.Event()

    def stop(_number: int, _frame: Any) -> None:
        if stopping.is_set():
            leave()
        stopping.set()
        _later(LEAVES_WITHIN, leave)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopping


def _later(seconds: float, what: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, what)
    timer.daemon = True
    timer.start()


def leave() -> None:
    """End the process at once: waiting for threads and for TensorFlow's clean-up would take too long.

    Unfinished work is done again later.
    """
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)
