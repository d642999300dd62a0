"""Where the local server keeps its files: the cache directory, its locks, and the free space in it."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ipi_es.errors import NodeError

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE_VARIABLE = "IPI_ES_CACHE"
"""Environment variable that moves the cache directory."""

LOCK_PATIENCE_SECONDS = 900.0
"""How long a second start waits for the first one's download: the slowest usable line takes some minutes."""

LOCK_POLL_SECONDS = 0.1
"""How often a waiting start asks again."""

INSTALL_HINT = "pip install 'ipi-es[demo]'"
"""What to do about a missing package."""

MEBIBYTE = 1024 * 1024
"""Bytes."""


def cache_dir() -> Path:
    """Return the directory of everything that can be downloaded or made again; it is created if missing.

    It is ``$IPI_ES_CACHE``, or ``ipi-es`` in the user's cache directory.

    Raises:
        NodeError: it can't be created.
    """
    configured = os.environ.get(CACHE_VARIABLE)
    if configured:
        path = Path(configured).expanduser().resolve()
    else:
        try:
            from platformdirs import user_cache_dir
        except ImportError as error:
            raise NodeError(
                "The local server needs a package that is not installed: platformdirs.", hint=INSTALL_HINT
            ) from error

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
    """Return the part of the cache that belongs to local servers; it is created if missing."""
    path = cache_dir() / "node"
    path.mkdir(exist_ok=True)
    return path


def try_lock(path: Path) -> IO[bytes] | None:
    """Take the lock file ``path`` without waiting; ``None`` if another process holds it.

    The lock goes when the returned file is closed by every process that inherited it, also when
    they are killed, so a stale lock can't happen.
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
    """Refuse before anything is written if the disk under ``path`` has less than ``needed`` bytes free.

    Raises:
        NodeError: too little is free.
    """
    free = shutil.disk_usage(path).free
    if free < needed:
        raise NodeError(
            f"The disk of {path} has {free // MEBIBYTE} MiB free; {purpose} needs {needed // MEBIBYTE} MiB.",
            hint=f"Free some space, or set {CACHE_VARIABLE} to a directory on another disk.",
        )
