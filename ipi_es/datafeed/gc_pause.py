"""A higher threshold of Python's garbage collector while answers are parsed.

A page is tens of thousands of short-lived small dicts without cycles. With the usual threshold (700) the collector
traverses them repeatedly: measured, this takes twice the time of parsing itself.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

CALM_THRESHOLD = 200_000
"""New containers before the youngest generation is collected: more than the two per row of the largest page."""

_lock = Lock()
_readers = 0
_usual = 0


@contextmanager
def gc_pause() -> Iterator[None]:
    """Make garbage collection rare, but don't disable it, until the last thread has left this context."""
    global _readers, _usual  # noqa: PLW0603  (the collector is the process's own)
    with _lock:
        if _readers == 0:
            _usual, *older = gc.get_threshold()
            if 0 < _usual < CALM_THRESHOLD:
                gc.set_threshold(CALM_THRESHOLD, *older)
        _readers += 1
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if _readers == 0:
                gc.set_threshold(_usual, *gc.get_threshold()[1:])
