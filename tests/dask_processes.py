"""Dask's processes for tests: those that a command started, and a scheduler with workers of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 120


def spawned_by(pid: int) -> list[int]:
    """Return the processes that Python spawned below a process, at any depth: Dask's workers of a command."""
    parents = {}
    for each in Path("/proc").iterdir():
        if each.name.isdecimal():
            try:
                fields = (each / "stat").read_text().rpartition(")")[2].split()
                line = (each / "cmdline").read_bytes()
            except OSError:
                continue
            parents[int(each.name)] = (int(fields[1]), b"spawn_main" in line)
    found, level = [], {pid}
    while level:
        level = {child for child, (parent, _) in parents.items() if parent in level}
        found += [child for child in level if parents[child][1]]
    return found


@dataclass
class Scheduler:
    """A Dask scheduler with workers, each a process of its own."""

    address: str
    process: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.address.rpartition(":")[2])


@contextmanager
def dask_worker(
    directory: Path, address: str, number: int, path: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run one more worker of the scheduler at ``address``; ``path`` is a folder of modules that it imports first."""
    with ExitStack() as stack:
        yield _worker(stack, directory, address, number, path)


@contextmanager
def dask_scheduler(directory: Path, workers: int) -> Iterator[Scheduler]:
    """Run a scheduler and its workers in ``directory``, whose `ipi-es.yml` the workers read."""
    with ExitStack() as stack:
        log = directory / "scheduler.log"
        scheduler = _started(stack, directory, log, "dask_scheduler", "--host", "127.0.0.1", "--port", "0")
        address = _said(log, re.compile(r"Scheduler at:\s+(tcp://\S+)"), scheduler)
        running = [_worker(stack, directory, address, number) for number in range(workers)]
        yield Scheduler(address, scheduler, running)


def _worker(
    stack: ExitStack, directory: Path, address: str, number: int, path: Path | None = None
) -> subprocess.Popen[bytes]:
    options = ("--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", "--death-timeout", "20")
    log = directory / f"worker-{number}.log"
    return _started(stack, directory, log, "dask_worker", address, *options, path=path)


def _started(
    stack: ExitStack, directory: Path, log: Path, module: str, *args: str, path: Path | None = None
) -> subprocess.Popen[bytes]:
    output = stack.enter_context(log.open("wb"))
    paths = [str(path)] if path is not None else []
    first = os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.{module}", *args, "--no-dashboard"],
        cwd=directory,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": first},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
    )
    stack.callback(process.wait, 30)
    stack.callback(process.kill)
    return process


def _said(log: Path, what: re.Pattern[str], process: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + PATIENCE_S
    while (found := what.search(log.read_text(errors="replace"))) is None:
        assert process.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < until, log.read_text(errors="replace")
        time.sleep(0.05)
    return found[1]
