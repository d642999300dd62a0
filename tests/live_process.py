"""A worker in a process of its own: `python live_process.py URL JOB-FILE NOW LEASE`; its clock begins at NOW.

It is `ipi-es run --once` with another clock: it does what is due at NOW and ends.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.config.files.loading import load_job
from ipi_es.config.settings.settings_file import Settings
from ipi_es.service.tick_outcome import TickResult
from ipi_es.service.worker import Worker


@dataclass
class Moved:
    """A clock that goes on from ``start``."""

    start: int
    began: float = field(default_factory=time.monotonic)

    def now(self) -> int:
        return self.start + int(time.monotonic() - self.began)


def start(url: str, job_file: Path, now: int, log: Path, lease: int = 24) -> subprocess.Popen[bytes]:
    """Start one; ``log`` gets what it says."""
    command = [sys.executable, __file__, url, str(job_file), str(now), str(lease)]
    with log.open("wb") as said:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)


def wait_for(text: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 120.0) -> bool:
    """Wait until it says ``text``; False if it ended without."""
    until = time.monotonic() + seconds
    while text not in (said := log.read_text(encoding="utf-8")):
        if process.poll() is not None:
            return text in log.read_text(encoding="utf-8")
        assert time.monotonic() < until, said
        time.sleep(0.005)
    return True


def main(url: str, job_file: str, now: str, lease: str) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = Settings.model_validate({"worker": {"lease": f"{lease}s"}})
    worker = Worker(
        settings,
        [load_job(Path(job_file))],
        lambda: connect(Connection(hosts=(url,))),
        Moved(int(now)),
        threading.Event(),
    )
    outcomes = worker.once()
    print(outcomes)
    return int(any(each.did is TickResult.FAILED for each in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
