"""Limits on the memory that this process keeps, where the C library is glibc; elsewhere nothing is done."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from typing import Any

ARENAS = 2
"""Memory pools that malloc serves all threads from: as many as jobs run at a time by default."""

_M_ARENA_MAX = -8  # the parameter's number in malloc.h


def few_arenas() -> None:
    """Let all threads share :data:`ARENAS` memory pools; call it before any thread is started.

    A worker starts a new thread for every lease and every read. By default glibc makes up to eight pools a processor,
    and each keeps the memory that is free between two long-lived blocks: after weeks a fifth of the worker's memory
    (measured).
    """
    set_option = _of_libc("mallopt")
    if set_option is not None:
        set_option(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Return free memory to the system; the C library would keep it for this process."""
    trim = _of_libc("malloc_trim")
    if trim is not None:
        trim(0)


def collect() -> None:
    """Free objects that only refer to each other, such as a compiled training loop's tables, and give memory back."""
    gc.collect()
    give_back()


def _of_libc(name: str) -> Callable[..., Any] | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
