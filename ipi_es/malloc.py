"""What this process keeps of the machine's memory, where the C library is glibc; elsewhere nothing is done."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from typing import Any

ARENAS = 2
"""Pools that malloc serves all threads from: as many as jobs at a time by default."""

_M_ARENA_MAX = -8  # the parameter's number in malloc.h


def few_arenas() -> None:
    """Let all threads share a few pools of memory; to be called before there are any threads.

    A worker has a new thread for every lease and every reading, and glibc eight pools a processor, each of which keeps
    what was free between two that lived long: weeks of that were a fifth of the worker's memory (measured).
    """
    set_option = _of_libc("mallopt")
    if set_option is not None:
        set_option(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Return what is free to the system: the C library would keep it for this process alone."""
    trim = _of_libc("malloc_trim")
    if trim is not None:
        trim(0)


def collect() -> None:
    """Find what only refers to itself, as a compiled training loop does that holds its tables, and give it back."""
    gc.collect()
    give_back()


def _of_libc(name: str) -> Callable[..., Any] | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
