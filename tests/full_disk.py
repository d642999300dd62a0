"""A disk without space, as a process that writes files sees it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

import pytest


@contextmanager
def full_disk(times: float = inf) -> Iterator[None]:
    """Let writes fail so often, each after its file is there in part; then somebody frees space."""
    left, synced = times, os.fsync

    def sync(descriptor: int) -> None:
        nonlocal left
        if left > 0:
            left -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        synced(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", sync)
        yield
