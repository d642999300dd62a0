"""A job on one real server, trained once, for the fault cases; and what an undisturbed worker leaves there."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import live_process
import pytest
import worker_company as company
import worker_parts as parts
from backfill_process import Bench
from fault_parts import Dump, counted_once, dump, same
from live_parts import DELAY, Worker, live_job
from servers.plain_http import call
from worker_company import HOUR, SCORED_FROM

from ipi_es.cluster.port import Cluster, Drop
from ipi_es.service.tick_outcome import TickResult
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.job_state import STATE_INDEX, StateStore, state_id
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session

END = SCORED_FROM + 51 * HOUR
SCORE_DAYS = 3
AT_MOST = 40
"""Ticks until it must be through."""


class Place(Bench):
    """A job with its events on one server, trained in this process; and what an undisturbed worker leaves there."""

    undisturbed: Dump

    @classmethod
    def made(cls, url: str, directory: Path) -> Place:
        name = f"faults-{uuid.uuid4().hex[:8]}"
        job = live_job(
            name,
            hold_probability=0.03,
            renormalization_window_days=1,
            training={"window": f"{company.LEARN_DAYS}d", "min_events": 200, "every": "0s"},
            datafeed_config={"indices": [f"test-{name}"], "frequency": "3h"},
            results_index_name=name,
        )
        place = cls(url, directory, job, score_days=SCORE_DAYS)
        place.train()
        place.fresh()  # without what the training said, as all the others begin
        Worker(place.cluster, place.job).tick(END)
        place.undisturbed = dump(place.cluster, place.job)
        counted_once(place.cluster, job, company.events(score_days=SCORE_DAYS), SCORED_FROM, END)
        return place

    def train(self) -> None:
        company.fill(self.cluster, self.job.datafeed_config.indices[0], score_days=self.score_days)
        with pytest.MonkeyPatch.context() as patch:
            parts.train_by(patch)
            with open_session(
                JobResources(self.cluster, self.job, clock=parts.TestClock(parts.NOW - 3_600))
            ) as session:
                session.train(company.LEARN_FROM, SCORED_FROM)
        store, job_id = ClusterBlobs(self.cluster), self.job.job_id
        self.blobs = [(each, store.read(job_id, each.id)) for each in store.list(job_id)]
        found = self.cluster.get(STATE_INDEX, state_id(job_id))
        assert found is not None
        self.trained = found.source

    def all_is_well(self) -> None:
        """Assert that it is as if nothing had happened. Old quantiles may have been cleaned away."""
        same(results_and_history(dump(self.cluster, self.job)), results_and_history(self.undisturbed))
        counted_once(self.cluster, self.job, company.events(score_days=SCORE_DAYS), SCORED_FROM, END)

    def fresh_state(self) -> None:
        """Back to the training, but the results stay."""
        ids = parts.stored_quantiles(self.cluster, self.job)
        self.cluster.bulk([Drop(STATE_INDEX, f"quantiles:{self.job.job_id}:{each}") for each in ids], refresh=True)
        store, kept = ClusterBlobs(self.cluster), {info.id for info, _ in self.blobs}
        for info in store.list(self.job.job_id):
            if info.id not in kept:
                store.delete(info.job_id, info.id)
        state = StateStore(self.cluster).read(self.job.job_id)
        assert state is not None
        source = {**self.trained, "lease_epoch": state.lease_epoch + 1}
        self.cluster.put(STATE_INDEX, state_id(self.job.job_id), source, refresh=True)

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One plain request."""
        return call(self.url, method, path, body)

    def process(self, number: int, lease: int = 24) -> tuple[Any, Path]:
        """A worker process that does what is due; with its log."""
        log = self.directory / f"worker-{number}-{time.monotonic_ns()}.log"
        return live_process.start(self.url, self.job_file(), END + DELAY, log, lease), log


def results_and_history(found: Dump) -> Dump:
    return {place: each for place, each in found.items() if each.get("type") != "quantiles"}


def through(cluster: Cluster, place: Place) -> Worker:
    """Tick until all is done; who did it."""
    worker = Worker(cluster, place.job)
    for _ in range(1, AT_MOST):
        outcome = worker.tick(END, patient=False)
        if outcome.did in (TickResult.WORKED, TickResult.NOTHING) and outcome.again_in is None:
            return worker  # nothing is due where all was written, and only the answer was lost
        assert outcome.did in (TickResult.FAILED, TickResult.STOOD_BY), outcome
    raise AssertionError(f"not through after {AT_MOST} ticks")
