"""The worker of the soak test, in a process of its own: live jobs that tick at simulated times.

It uses the same parts as `ipi-es run` (`LiveJob` on `JobResources`, two jobs at a time). Only the clock is simulated,
and the ticks' times come from the function that the schedule uses (`ipi_es.service.due.next_tick`).
"""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import ipi_es.cli  # noqa: F401  (before NumPy: it says how many threads that has, as in the command)

# isort: split
from soak_store import Elsewhere

from ipi_es.cluster import connect, connection
from ipi_es.cluster.port import Cluster
from ipi_es.config.files.loading import check_job
from ipi_es.malloc import few_arenas
from ipi_es.service import due
from ipi_es.service.health.health import Fleet
from ipi_es.service.live_job import LiveJob, WorkerContext
from ipi_es.service.tick_outcome import TickResult
from ipi_es.setup.checks.judge import require_usable
from ipi_es.worker.job_resources import JobResources

PARALLEL = 2
"""Jobs at a time, the default of `worker.parallel_jobs`."""

MIB = 1 << 20


@dataclass
class ToldClock:
    """A clock that shows a fixed time until it is set."""

    time: int = 0

    def now(self) -> int:
        """Return the time, epoch seconds."""
        return self.time


@dataclass
class Memory:
    """Memory of this process by the kernel's count, in MiB, and other resources that could leak."""

    rss: float
    anonymous: float
    """Without mapped files such as libraries, which are large and constant."""
    threads: int
    files: int

    @classmethod
    def now(cls) -> Memory:
        """Measure this process after a garbage collection."""
        gc.collect()
        lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
        kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines[1:])}
        files = sum(1 for _ in Path("/proc/self/fd").iterdir())
        return cls(kib["Rss"] / 1024, kib["Anonymous"] / 1024, threading.active_count(), files)


@dataclass
class Wave:
    """Results of a tick of every job."""

    lag: int = 0
    """Most buckets that a job lacks after its tick."""
    buckets: int = 0
    failures: list[str] = field(default_factory=list)
    tick_seconds: float = 0.0
    """Sum over all jobs, without trainings."""


@dataclass(frozen=True)
class Plan:
    """The process's jobs and clusters; ``url`` None: in-memory clusters, one behind each pipe."""

    jobs: Sequence[dict[str, Any]]
    url: str | None
    pipes: Sequence[Connection] = ()
    trace: bool = False


def main(plan: Plan, told: Connection) -> None:
    """Answer requests (name, epoch seconds) until the name is `stop`."""
    few_arenas()  # as `ipi-es run` does
    logging.basicConfig(level=logging.WARNING, format="      %(message)s")
    worker = Fellow(plan)
    if plan.trace:
        tracemalloc.start(6)
    ways = {"wave": worker.wave, "clean": worker.clean, "memory": worker.memory, "steps": worker.steps}
    while True:
        what, now = told.recv()
        if what == "stop":
            return
        told.send(ways[what](now))


class Fellow:
    """The live jobs and their clocks."""

    def __init__(self, plan: Plan) -> None:
        if plan.url is not None:
            shared: Cluster = connect.connect(connection.Connection(hosts=(plan.url,)))
            clusters = [shared] * len(plan.jobs)
        else:
            clusters = [Elsewhere(pipe) for pipe in plan.pipes]
        jobs = [check_job(data) for data in plan.jobs]
        self._fleet, self._pool = Fleet(jobs), ThreadPoolExecutor(PARALLEL)
        # in real time a job without a free place trains half a minute later; here that would be hours
        places = threading.Semaphore(PARALLEL)
        self._jobs: list[tuple[LiveJob, ToldClock]] = []
        for job, cluster in zip(jobs, clusters, strict=True):
            clock = ToldClock()
            means = WorkerContext(usable=partial(require_usable, cluster, job), places=places)
            live = LiveJob(JobResources(cluster, job, clock=clock), self._fleet.add(job), means)
            self._jobs.append((live, clock))
        self._traced: list[tracemalloc.Snapshot] = []

    def wave(self, now: int) -> Wave:
        """Run a tick of every job, each at its own time after ``now``, epoch seconds."""
        wave = Wave()
        trained = self._seconds("train")
        for lag, buckets, seconds, failure in self._pool.map(partial(self._tick, now), self._jobs):
            wave.lag, wave.buckets = max(wave.lag, lag), wave.buckets + buckets
            wave.tick_seconds += seconds
            wave.failures += [failure] if failure else []
        wave.tick_seconds -= self._seconds("train") - trained
        return wave

    def clean(self, now: int) -> list[str]:
        """Run the nightly cleaning of every job; return the failures."""
        return [text for text in self._pool.map(partial(self._clean, now), self._jobs) if text]

    def memory(self, _now: int) -> Memory:
        """Measure the memory of this process."""
        if tracemalloc.is_tracing():
            self._trace()
        return Memory.now()

    def steps(self, now: int) -> dict[str, int]:
        """Count steps, errors, records and events over all jobs."""
        done: Counter[str] = Counter()
        for report in self._fleet.reports(now):
            done.update({step: times for step, (times, _) in report.steps.items()})
            done.update({f"error {kind}": count for kind, count in report.errors.items()})
            done["records"] += sum(report.records.values())
            done["events"] += report.events
        return dict(done)

    def _tick(self, base: int, each: tuple[LiveJob, ToldClock]) -> tuple[int, int, float, str]:
        live, clock = each
        began, buckets = time.perf_counter(), 0
        clock.time = now = due.next_tick(live.job, base + live.job.query_delay - 1)
        while True:
            outcome = live.tick(now)
            buckets += outcome.buckets
            if outcome.did is not TickResult.WORKED or outcome.again_in is None:
                break
        seconds = time.perf_counter() - began
        state = live.resources.stores.states.read(live.job.job_id)
        checkpoint = 0 if state is None else int(state.checkpoint or 0)
        lag = (due.complete_to(live.job, now) - checkpoint) // live.job.bucket_span
        wrong = outcome.did not in (TickResult.WORKED, TickResult.NOTHING)
        return lag, buckets, seconds, f"{live.job.job_id}: {outcome.did}: {outcome.text}" if wrong else ""

    def _clean(self, base: int, each: tuple[LiveJob, ToldClock]) -> str:
        live, clock = each
        clock.time = base + live.job.query_delay
        outcome = live.clean(clock.time)
        return f"{live.job.job_id}: cleaning {outcome.did}: {outcome.text}" if outcome.did is TickResult.FAILED else ""

    def _seconds(self, step: str) -> float:
        return sum(report.steps.get(step, (0, 0.0))[1] for report in self._fleet.reports(0))

    def _trace(self) -> None:
        """Print the allocations that have grown since the first call."""
        gc.collect()
        found = tracemalloc.take_snapshot()
        self._traced = [*self._traced[:1], found]
        for line in found.compare_to(self._traced[0], "lineno")[:12]:
            if line.size_diff > 50_000:
                where = line.traceback[0]
                print(f"      {line.size_diff / MIB:+7.2f} MiB {line.count_diff:+8d} {where.filename}:{where.lineno}")
