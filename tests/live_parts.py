"""Live jobs in memory: on the small company's cluster, with a stopwatch and owners of the test's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.service.health.health import Fleet
from ipi_es.service.live_job import LiveJob, WorkerContext
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.job_state import JobState, StateStore
from ipi_es.state.leased_state import LeasedState
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.scoring.scored_bucket import ScoredBucket

WRITTEN_WITHIN = 0.5
"""Seconds in which a small batch in memory is surely written."""
DELAY = 100
"""Seconds: the jobs' query_delay."""


@dataclass
class Stopwatch:
    """Stands until it is told."""

    time: float = 0.0

    def __call__(self) -> float:
        return self.time


@dataclass
class Worker:
    """One worker's live job, as a process of its own would have it."""

    cluster: Cluster
    job: Job
    owner: str = "one:1:1"
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    dead: set[str] = field(default_factory=set)
    places: int = 1
    clock: parts.TestClock = field(default_factory=parts.TestClock)
    snapshots: Path | None = None
    usable: Callable[[], None] = lambda: None
    on_scored: Callable[[ScoredBucket], object] = lambda _: None
    """May be replaced at any time."""

    def __post_init__(self) -> None:
        self.resources = JobResources(
            self.cluster, self.job, clock=self.clock, owner=self.owner, snapshots=self.snapshots
        )
        self.fleet = Fleet()
        self.health = self.fleet.add(self.job)
        self.training_places = threading.Semaphore(self.places)
        context = WorkerContext(
            usable=self.usable,
            places=self.training_places,
            alive=lambda owner: owner not in self.dead,
            stopwatch=self.stopwatch,
            on_scored=self._scored,
        )
        self.live = LiveJob(self.resources, self.health, context)

    def _scored(self, scored: ScoredBucket) -> None:
        self.on_scored(scored)

    def tick(self, now: int, **how: Any) -> Any:
        """A tick at an event time: everything before it is complete."""
        self.clock.time = max(self.clock.time, now + DELAY)
        return self.live.tick(now + DELAY, **how)

    @property
    def state(self) -> JobState:
        return state_of(self.cluster, self.job)


def leases_measured_by(patch: pytest.MonkeyPatch, watch: Stopwatch) -> None:
    """Let a worker that is stopped for longer than its lease see that by the test's stopwatch."""
    patch.setattr("ipi_es.worker.open_session.LeasedState", partial(LeasedState, monotonic=watch))


def live_job(job_id: str = "signins", **more: Any) -> Job:
    """The company's job with a fixed delay."""
    feed = {"indices": [company.EVENTS], "query_delay": f"{DELAY}s", **more.pop("datafeed_config", {})}
    return company.make_job(job_id, datafeed_config=feed, **more)


def state_of(cluster: Cluster, job: Job) -> JobState:
    state = StateStore(cluster).read(job.job_id)
    assert state is not None
    return state


def everything(cluster: MemoryCluster, job: Job, *, stamped: bool = True) -> dict[str, Any]:
    """Results, and of the rest what decides future results; not ``stamped``: whatever batches they were written in."""
    state = state_of(cluster, job)
    kept = ("checkpoint", "snapshot_id", "history_id", "quantiles_id", "renormalize_due", "renormalized_to")
    results = parts.results(cluster, job)
    if not stamped:
        results = {
            place: {name: value for name, value in each.items() if name != "quantiles_id"}
            for place, each in results.items()
        }
    return {
        "results": results,
        "state": {name: getattr(state, name) for name in kept},
        "largest": state.details.largest,
        "blobs": sorted((each.id, each.sha256) for each in ClusterBlobs(cluster).list(job.job_id)),
        "quantiles": parts.stored_quantiles(cluster, job) if stamped else None,
    }


def let_writes_end() -> None:
    """Wait until the batch that a worker in memory writes beside its scoring is written: it isn't what is tried."""
    for thread in threading.enumerate():
        if thread.name.startswith("ipi-es-writer"):
            time.sleep(WRITTEN_WITHIN)
            return
