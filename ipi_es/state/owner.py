"""Who holds a lease: ``host:pid:start``, and whether that process still lives.

The start tells a process from a later one with the same number, which after a container's restart is the rule: same
host name, process 1 again.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

_START_FIELD = 22
"""In ``/proc/PID/stat``, counted from 1: the process's start in clock ticks since the machine's."""


def this_process() -> str:
    """The owner that this process is."""
    return f"{socket.gethostname()}:{os.getpid()}:{_start_of(os.getpid())}"


def owner_alive(owner: str) -> bool:
    """Whether an owner may still be at work: False only for a process of this host that is surely gone."""
    host, _, rest = owner.rpartition(":")
    host, _, pid = host.rpartition(":")
    if host != socket.gethostname() or not pid.isdecimal():
        return True
    try:
        # somebody else's process may not be asked: the start still tells whether it is the one that is meant
        with suppress(PermissionError, OverflowError):
            os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    now = _start_of(int(pid))
    return not now or not rest or now == rest


def owner_for_people(owner: str) -> str:
    """``process 15 on HOST``."""
    host, _, rest = owner.rpartition(":")
    host, _, pid = host.rpartition(":")
    return f"process {pid} on {host}" if host and pid and rest else owner


def _start_of(pid: int) -> str:
    """The start of a running process; empty where the system doesn't tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # the second field is the program's name in brackets and may hold spaces and brackets itself
    fields = stat.rpartition(")")[2].split()
    return fields[_START_FIELD - 3] if len(fields) > _START_FIELD - 3 else ""
