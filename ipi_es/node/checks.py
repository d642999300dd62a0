"""Preconditions for starting a local server, and explanations of a failed start."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from ipi_es.errors import NodeError, UsageError
from ipi_es.node.cache import MEBIBYTE

if TYPE_CHECKING:
    from collections.abc import Mapping

JVM_OVERHEAD_BYTES = 256 * MEBIBYTE
"""Memory beside the heap: code, threads, network buffers (seen: 370 MiB resident in all with a 512 MiB heap)."""

DATA_SPACE_BYTES = 256 * MEBIBYTE
"""Free disk space that a start requires: the demo's events, results and snapshots take less."""

LOG_TAIL_LINES = 12
"""Lines of the server's log that go into an error message."""

_UNITS: Mapping[str, int] = {"k": 1024, "m": MEBIBYTE, "g": 1024 * MEBIBYTE}

_NOISE = re.compile(r"^\s|\bINFO\b|\bSLF4J\b|^Traceback")
"""Stack frames and information lines: an exception's own line is more useful."""

_SETTINGS = re.compile(r"JVM arguments|-XX:|Unable to lock JVM Memory", re.IGNORECASE)
"""Lines with the JVM's start options: OpenSearch and Elasticsearch write theirs at every start,
`-XX:+ExitOnOutOfMemoryError` included. The warning of a heap that isn't locked repeats the words of a real failure."""

_MEMORY = re.compile(r"\bOutOfMemoryError\b|insufficient memory|Cannot allocate memory|Could not reserve enough space")


def heap_bytes(heap: str) -> int:
    """Turn a heap size such as ``512m`` or ``2g`` into bytes.

    Raises:
        UsageError: it is not a whole number with the unit k, m or g.
    """
    match = re.fullmatch(r"(\d+)([kmg])", heap.lower())
    if not match or int(match[1]) == 0:
        raise UsageError(
            f"'{heap}' is no heap size.", hint="Give a whole number with a unit, such as 512m (the default) or 2g."
        )
    return int(match[1]) * _UNITS[match[2]]


def available_memory(proc: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return the bytes that a new process can use: the machine's or the container's, whichever is less.

    ``None`` where the system shows neither.
    """
    found: list[int] = []
    try:
        if match := re.search(r"^MemAvailable:\s+(\d+) kB", proc.read_text(encoding="ascii"), re.MULTILINE):
            found.append(int(match[1]) * 1024)
    except OSError:
        pass
    try:
        limit = (cgroup / "memory.max").read_text(encoding="ascii").strip()
        if limit != "max":
            found.append(int(limit) - int((cgroup / "memory.current").read_text(encoding="ascii")))
    except (OSError, ValueError):
        pass
    return min(found, default=None)


def require_memory(heap: str, available: int | None) -> None:
    """Raise NodeError if heap and overhead don't fit into ``available`` bytes.

    ``None`` means unknown: then the start is attempted.

    Raises:
        NodeError: too little memory.
        UsageError: ``heap`` can't be read.
    """
    needed = heap_bytes(heap) + JVM_OVERHEAD_BYTES
    if available is not None and available < needed:
        raise NodeError(
            f"The local server needs {needed // MEBIBYTE} MiB of memory; {max(available, 0) // MEBIBYTE} MiB are free.",
            hint="End other programs, or start it with a smaller heap (--heap 256m will do for the demo).",
        )


def require_port(port: int) -> None:
    """Raise NodeError if another process already listens on ``port`` of the loopback address.

    Raises:
        NodeError: the port is taken, or may not be used.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: TIME_WAIT doesn't matter
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise port_taken(port, str(getattr(error, "strerror", None) or error)) from error


def port_taken(port: int | None, reason: str) -> NodeError:
    """Return the error for a port that can't be used."""
    return NodeError(
        f"Port {port or '?'} on 127.0.0.1 can't be used: {reason}.",
        hint="Give another --port, or none: then a free one is taken.",
    )


def explain_failure(returncode: int | None, log: str, *, port: int | None = None) -> NodeError:
    """Turn a server process that ended too early into an error that says what to do.

    Args:
        returncode: as ``subprocess`` gives it (negative: killed by that signal; ``None``: still running).
        log: everything that the process wrote.
        port: the requested HTTP port, if any.
    """
    relevant = "\n".join(line for line in log.splitlines() if not _SETTINGS.search(line))
    if "Address already in use" in log or "BindHttpException" in log or "BindTransportException" in log:
        return port_taken(port, "address already in use")
    if "No space left on device" in log:
        return NodeError("The disk is full: the local server could not write.", hint="Free some space and start again.")
    if _MEMORY.search(relevant):
        return NodeError(
            "The local server ran out of memory.", hint="End other programs, or choose another heap (--heap)."
        )
    if returncode == -9:
        return NodeError(
            "The local server was killed (signal 9).",
            hint="Most often the machine or the container ran out of memory: try a smaller heap (--heap 256m).",
        )
    state = "did not answer in time" if returncode is None else f"ended with exit code {returncode}"
    return NodeError(f"The local server {state}. Its last log lines:\n{log_tail(log)}")


def log_tail(log: str, lines: int = LOG_TAIL_LINES) -> str:
    """Return the last lines of a log that show a problem, indented; information lines only if there are no others."""
    written = [line for line in log.splitlines() if line.strip()]
    informative = [line for line in written if not _NOISE.search(line)]
    chosen = (informative or written)[-lines:]
    return "\n".join(f"    {line}" for line in chosen) or "    (nothing was written)"
