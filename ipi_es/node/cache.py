"""The local server's files: the cache directory, its locks, and the free space in it."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ipi_es.errors import NodeError
from ipi_es.extras import DEMO, require

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE_VARIABLE = "IPI_ES_CACHE"
"""Environment variable that moves the cache directory."""

LOCK_PATIENCE_SECONDS = 900.0
"""Time that a second start waits for the first one's download: the slowest usable line takes some minutes."""

LOCK_POLL_SECONDS = 0.1
"""Time between two attempts of a waiting start to take the lock."""

MEBIBYTE = 1024 * 1024
"""Bytes of a mebibyte."""


def cache_dir() -> Path:
    """Return the directory of all files that can be downloaded or made again; create it if it is missing.

    It is ``$IPI_ES_CACHE``, or ``ipi-es`` in the user's cache directory.

    Raises:
        NodeError: the directory can't be created.
        ExtraMissing: platformdirs isn't installed.
    """
    configured = os.environ.get(CACHE_VARIABLE)
    if configured:
        path = Path(configured).expanduser().resolve()
    else:
        require("the local server", DEMO)
        from platformdirs import user_cache_dir

        path = Path(user_cache_dir("ipi-es"))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NodeError(
            f"The cache directory {path} can't be created: {error.strerror or error}.",
            hint=f"Set {CACHE_VARIABLE} to a directory that you may write to.",
        ) from error
    return path


def node_dir() -> Path:
    """Return the part of the cache that belongs to local servers; create it if it is missing."""
    path = cache_dir() / "node"
    path.mkdir(exist_ok=True)
    return path


def try_lock(path: Path) -> IO[bytes] | None:
    """Take the lock file ``path`` without waiting; return ``None`` if another process holds it.

    The lock is released when every process that inherited the returned file has closed it or was killed, so no stale
    lock can remain.
    """
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


@contextmanager
def locked(path: Path, *, patience: float = LOCK_PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the lock file ``path``, waiting up to ``patience`` seconds for another process.

    Raises:
        NodeError: the other process still holds it after ``patience``.
    """
    give_up = time.monotonic() + patience
    while (file := try_lock(path)) is None:
        if time.monotonic() >= give_up:
            raise NodeError(
                f"Another process has held {path} for {patience:.0f} seconds.",
                hint="Wait until its download is done, or end it, and start again.",
            )
        time.sleep(LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        file.close()


def require_space(path: Path, needed: int, *, purpose: str) -> None:
    """Raise NodeError unless the disk under ``path`` has ``needed`` bytes free; call it before writing.

    Raises:
        NodeError: too little is free.
    """
    free = shutil.disk_usage(path).free
    if free < needed:
        raise NodeError(
            f"The disk of {path} has {free // MEBIBYTE} MiB free; {purpose} needs {needed // MEBIBYTE} MiB.",
            hint=f"Free some space, or set {CACHE_VARIABLE} to a directory on another disk.",
        )
