"""Data directories of local servers: made, locked while a server uses them, removed unless kept."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ipi_es.errors import NodeError
from ipi_es.node.cache import locked, node_dir, try_lock

LOCK_FILE = "in-use.lock"
RUNS = "runs"


@dataclass(slots=True)
class DataDir:
    """A locked data directory. The server inherits ``lock``: the directory is free once the server has ended."""

    path: Path
    lock: IO[bytes]
    keep: bool

    def release(self) -> None:
        """Close this process's handle of the lock; the server keeps its own."""
        self.lock.close()

    def remove(self) -> None:
        """Remove the directory, unless it is kept."""
        if not self.keep:
            shutil.rmtree(self.path, ignore_errors=True)


def open_data_dir(path: Path | None = None, *, keep: bool = False, name: str | None = None) -> DataDir:
    """Make and lock a data directory.

    Args:
        path: a directory of the user's own: never removed. ``None``: one in the cache.
        keep: don't remove the one in the cache either.
        name: a fixed name in the cache, to find the data again at the next start.

    Raises:
        NodeError: another server uses it, or it can't be made.
    """
    runs = node_dir() / RUNS
    runs.mkdir(exist_ok=True)
    # one start at a time, so that no other one sweeps a directory before it is locked
    with locked(node_dir() / "runs.lock"):
        _sweep(runs)
        try:
            if path is not None:
                chosen = path.expanduser().resolve()
            elif name is not None:
                chosen = node_dir() / name
            else:
                chosen = Path(tempfile.mkdtemp(prefix="kept-" if keep else "run-", dir=runs))
            chosen.mkdir(parents=True, exist_ok=True)
            lock = try_lock(chosen / LOCK_FILE)
        except OSError as error:
            raise NodeError(
                f"The data directory {error.filename or path} can't be used: {error.strerror or error}.",
                hint="Give a directory that you may write to.",
            ) from error
        if lock is None:
            raise NodeError(
                f"Another local server uses the data directory {chosen}.",
                hint="Stop that one first (ipi-es node stop), or give another directory.",
            )
        return DataDir(chosen, lock, keep or path is not None)


def _sweep(runs: Path) -> None:
    """Remove the remains of killed servers: temporary directories whose lock no process holds."""
    for left in runs.glob("run-*"):
        if (lock := try_lock(left / LOCK_FILE)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            lock.close()
