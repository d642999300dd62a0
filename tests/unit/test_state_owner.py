"""Whether the owner of a lease still lives."""

from __future__ import annotations

import socket
import subprocess
import sys

from ipi_es.state.owner import owner_alive, this_process

HOST = socket.gethostname()


def test_this_process_lives() -> None:
    assert owner_alive(this_process())


def test_process_that_ended_is_dead() -> None:
    code = "from ipi_es.state.owner import this_process; print(this_process(), end='')"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.startswith(f"{HOST}:")
    assert not owner_alive(other.stdout)


def test_process_of_another_host_is_believed() -> None:
    assert owner_alive("elsewhere:1:1")


def test_later_process_with_the_same_number_is_another() -> None:
    # a container that was started again: the same host name, the same process number
    host, pid, start = this_process().rsplit(":", 2)
    assert int(start) > 0, "clock ticks since the machine's start"
    assert not owner_alive(f"{host}:{pid}:{int(start) - 1}")


def test_owner_that_cannot_be_read_is_believed() -> None:
    assert owner_alive("")
    assert owner_alive("somebody")
    assert owner_alive(f"{HOST}:{10**30}:1")
