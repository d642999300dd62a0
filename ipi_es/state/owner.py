"""The owner of a lease, ``host:pid:start``, and whether that process is still running.

The start distinguishes a process from a later one with the same number. After a container's restart that is the usual
case: same host name, process 1 again.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

_START_FIELD = 22
"""The field of ``/proc/PID/stat``, counted from 1, with the process's start in clock ticks since the machine's
start."""


def this_process() -> str:
    """Return the owner for this process."""
    return f"{socket.gethostname()}:{os.getpid()}:{_start_of(os.getpid())}"


def owner_alive(owner: str) -> bool:
    """Decide whether an owner may still be running: False only for a process of this host that has surely ended."""
    host, _, rest = owner.rpartition(":")
    host, _, pid = host.rpartition(":")
    if host != socket.gethostname() or not pid.isdecimal():
        return True
    try:
        # another user's process may refuse the signal: the start still shows whether it is the same process
        with suppress(PermissionError, OverflowError):
            os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    now = _start_of(int(pid))
    return not now or not rest or now == rest


def owner_for_people(owner: str) -> str:
    """Format an owner as ``process 15 on HOST``; any other text is returned unchanged."""
    host, _, rest = owner.rpartition(":")
    host, _, pid = host.rpartition(":")
    return f"process {pid} on {host}" if host and pid and rest else owner


def _start_of(pid: int) -> str:
    """Return the start of a running process; empty where the system doesn't show it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # the second field is the program's name in brackets and may hold spaces and brackets itself
    fields = stat.rpartition(")")[2].split()
    return fields[_START_FIELD - 3] if len(fields) > _START_FIELD - 3 else ""
