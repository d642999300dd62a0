"""The local server that runs in the background: ``ipi-es node start|stop|status``.

There is one per cache directory; a small state file holds its address and process. Process ids are reused, so the
process's start decides whether it is still the same process.
"""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ipi_es.errors import NodeError
from ipi_es.node.cache import locked, node_dir
from ipi_es.node.child import CLOSE_PATIENCE_SECONDS
from ipi_es.node.local import DEFAULT_HEAP, launch
from ipi_es.node.opensearch_node import SERVER
from ipi_es.node.process import POLL_SECONDS

if TYPE_CHECKING:
    from ipi_es.node.jars import Progress

STATE_FILE = "detached.json"
DATA_NAME = "data"
"""Name of the detached server's data directory in the cache, fixed so that kept data is found again."""

KILL_PATIENCE_SECONDS = 5.0
"""Time that a killed process may take to end."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A running detached server. ``birth`` is the process's start as the system counts it (``""`` if unknown)."""

    pid: int
    birth: str
    url: str
    data_dir: str
    log: str
    keep: bool
    server: str = SERVER


def start_detached(
    *,
    data_dir: Path | None = None,
    http_port: int | None = None,
    heap: str = DEFAULT_HEAP,
    keep: bool = False,
    progress: Progress | None = None,
) -> NodeStatus:
    """Start a server that outlives this process, and return its address and process.

    Arguments as for ``LocalNode.start``.

    Raises:
        NodeError: one runs already, or it can't be started.
        UsageError: ``heap`` can't be read.
    """
    with locked(node_dir() / "detached.lock"):
        if (running := status()) is not None:
            raise NodeError(
                f"A local server runs already: {running.url} (process {running.pid}).",
                hint="Use it, or end it first: ipi-es node stop",
            )
        process = launch(
            data_dir=data_dir,
            http_port=http_port,
            heap=heap,
            keep=keep,
            progress=progress,
            data_name=DATA_NAME,
        )
        url = process.wait_ready()
        started = NodeStatus(
            pid=process.pid,
            birth=process_birth(process.pid) or "",
            url=url,
            data_dir=str(process.log.parent),
            log=str(process.log),
            keep=keep or data_dir is not None,
        )
        # in this order: if killed in between, the child ends by itself, and a stale state file does no harm
        write_state(started)
        process.detach()
        if progress:
            progress("start", 1, 1)
        return started


def status() -> NodeStatus | None:
    """Return the running detached server, or ``None``; remove the state file of one that ended."""
    path = node_dir() / STATE_FILE
    try:
        found = NodeStatus(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        path.unlink(missing_ok=True)  # written by another version, or damaged: it can't be used
        return None
    if is_same_process(found.pid, found.birth):
        return found
    path.unlink(missing_ok=True)
    return None


def stop_detached(patience: float = 1.5 * CLOSE_PATIENCE_SECONDS) -> bool:
    """End the detached server by SIGTERM, after ``patience`` seconds by SIGKILL; return ``False`` if none runs.

    Raises:
        NodeError: it can't be ended (it is another user's).
    """
    if (running := status()) is None:
        return False
    _end(running, signal.SIGTERM, patience) or _end(running, signal.SIGKILL, KILL_PATIENCE_SECONDS)
    if is_same_process(running.pid, running.birth):
        raise NodeError(f"The local server (process {running.pid}) does not end.", hint=f"See its log: {running.log}")
    (node_dir() / STATE_FILE).unlink(missing_ok=True)
    return True


def write_state(state: NodeStatus) -> None:
    """Write the state file atomically."""
    path = node_dir() / STATE_FILE
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(asdict(state), indent=2), encoding="utf-8")
    temporary.replace(path)


def process_birth(pid: int) -> str | None:
    """Return when a process started, in the system's own count; ``None`` if it has ended or is a zombie.

    ``""`` where the system doesn't show it (no ``/proc``) but the process exists.
    """
    if not Path("/proc/self/stat").exists():
        try:
            os.kill(pid, 0)
        except OSError:
            return None
        return ""
    try:
        # the command's name, in brackets, may itself contain blanks and brackets
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    state, birth = fields[0], fields[19]
    return None if state in "ZX" else birth


def is_same_process(pid: int, birth: str) -> bool:
    """Decide whether ``pid`` is alive and is the process that started at ``birth``."""
    found = process_birth(pid)
    return found is not None and (found == birth or not birth)


def _end(running: NodeStatus, number: signal.Signals, patience: float) -> bool:
    try:
        os.kill(running.pid, number)
    except ProcessLookupError:
        return True
    except PermissionError as error:
        raise NodeError(
            f"The local server (process {running.pid}) belongs to another user.", hint="Stop it as that user."
        ) from error
    give_up = time.monotonic() + patience
    while time.monotonic() < give_up:
        if not is_same_process(running.pid, running.birth):
            return True
        time.sleep(POLL_SECONDS)
    return False
