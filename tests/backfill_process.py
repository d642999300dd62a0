"""A job on a real server, trained once, and `ipi-es` as a process of its own beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import worker_company as company
import worker_parts as parts

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster, Drop
from ipi_es.config.job_config import Job
from ipi_es.results.words import ALIAS
from ipi_es.setup import setup_plan
from ipi_es.state.blobs import BlobInfo
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.job_state import STATE_INDEX, StateStore, state_id
from ipi_es.times import iso

PATIENCE_S = 120
"""Longest wait for a process, however busy the machine is."""


@dataclass
class Run:
    """A command that was started; ``log`` gets its stderr."""

    process: subprocess.Popen[str]
    log: Path
    output: Path

    @property
    def said(self) -> str:
        """Everything on stderr so far."""
        return self.log.read_text(encoding="utf-8")

    def ended(self) -> int:
        """Wait for its exit code."""
        return self.process.wait(PATIENCE_S)

    def wait_for(self, text: str) -> bool:
        """Wait until it says ``text`` on stderr; False if it ended without."""
        until = time.monotonic() + PATIENCE_S
        while text not in self.said:
            if self.process.poll() is not None:
                return text in self.said
            assert time.monotonic() < until, self.said
            time.sleep(0.01)
        return True


@dataclass
class Bench:
    """One job, its events and its results on one server; commands run in ``directory``."""

    url: str
    directory: Path
    job: Job
    cluster: Cluster = field(init=False)
    trained: dict[str, Any] = field(default_factory=dict)  # the state's source after the training
    blobs: list[tuple[BlobInfo, bytes]] = field(default_factory=list)
    score_days: int = company.SCORE_DAYS

    def __post_init__(self) -> None:
        self.cluster = connect(Connection(hosts=(self.url,)))
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "ipi-es.yml").write_text(f"elasticsearch:\n  hosts: [{self.url}]\n  max_retries: 2\n")
        setup_plan.apply(self.cluster, setup_plan.plan(self.cluster), force=True)

    @property
    def end(self) -> int:
        """Of the events, epoch seconds."""
        return company.SCORED_FROM + self.score_days * company.DAY

    def job_file(self, name: str = "job.json", **changes: Any) -> Path:
        """The job's file, with some keys changed."""
        data = json.loads(self.job.model_dump_json(exclude_unset=True))
        path = self.directory / name
        path.write_text(json.dumps({**data, **changes}))
        return path

    def start(self, *args: object) -> Run:
        """Start `ipi-es ARGS`."""
        place = self.directory / f"run-{time.monotonic_ns()}"
        log, output = place.with_suffix(".err"), place.with_suffix(".out")
        with log.open("w") as errors, output.open("w") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "ipi_es", *map(str, args)],
                cwd=self.directory,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                text=True,
            )
        return Run(process, log, output)

    def run(self, *args: object) -> tuple[int, str]:
        """`ipi-es ARGS` to its end: (exit code, stdout and stderr)."""
        run = self.start(*args)
        code = run.ended()
        return code, run.output.read_text(encoding="utf-8") + run.said

    def backfill(self, *more: object) -> list[object]:
        """The command for all scored days."""
        return ["backfill", self.job_file(), "--start", iso(company.SCORED_FROM), "--end", iso(self.end), *more]

    def train(self) -> None:
        """Fill the events and train by the command; keep what :meth:`fresh` goes back to."""
        company.fill(self.cluster, self.job.datafeed_config.indices[0], score_days=self.score_days)
        code, said = self.run("train", self.job_file(), "--end", iso(company.SCORED_FROM))
        assert code == 0, said
        store, job_id = ClusterBlobs(self.cluster), self.job.job_id
        self.blobs = [(each, store.read(job_id, each.id)) for each in store.list(job_id)]
        found = self.cluster.get(STATE_INDEX, state_id(job_id))
        assert found is not None
        self.trained = found.source

    def take_over(self, other: Bench) -> None:
        """Be trained as ``other`` is, on the same events."""
        company.fill(self.cluster, self.job.datafeed_config.indices[0], score_days=self.score_days)
        self.trained, self.blobs = other.trained, other.blobs
        self.fresh()

    def fresh(self, epoch: int = 0) -> None:
        """As it was after the training: no results, no quantiles, no later history; its epoch above ``epoch``."""
        self.clean()
        store = ClusterBlobs(self.cluster)
        for info, data in self.blobs:
            attributes = info.attributes
            store.write(info.job_id, info.id, info.kind, data, created=info.created, attributes=attributes)
        before = StateStore(self.cluster).read(self.job.job_id)
        # above what was written before: places of deleted documents remember their versions
        epoch = max(epoch, self.trained["lease_epoch"], before.lease_epoch if before else 0) + 1
        source = {**self.trained, "lease_epoch": epoch}
        self.cluster.put(STATE_INDEX, state_id(self.job.job_id), source, refresh=True)

    def clean(self) -> None:
        """Remove results, quantiles and blobs; the state stays, for its epoch."""
        for index in self.cluster.indices(f"{ALIAS}-{self.job.results_index_name}-*"):
            self.cluster.delete_index(index)
        store = ClusterBlobs(self.cluster)
        for info in store.list(self.job.job_id):
            store.delete(info.job_id, info.id)
        ids = parts.stored_quantiles(self.cluster, self.job)
        self.cluster.bulk([Drop(STATE_INDEX, f"quantiles:{self.job.job_id}:{each}") for each in ids], refresh=True)

    def remove(self) -> None:
        """Leave nothing on the server."""
        self.clean()
        StateStore(self.cluster).delete(self.job.job_id)
        self.cluster.delete_index(self.job.datafeed_config.indices[0])
        self.cluster.close()

    def everything(self) -> dict[str, Any]:
        """All that a run leaves, but for what tells of the run itself."""
        state = StateStore(self.cluster).read(self.job.job_id)
        assert state is not None
        kept = ("checkpoint", "history_id", "quantiles_id", "renormalize_due", "renormalized_to", "details")
        return {
            "results": parts.results(self.cluster, self.job),
            "state": {name: getattr(state, name) for name in kept},
            "blobs": sorted((each.id, each.sha256) for each in ClusterBlobs(self.cluster).list(self.job.job_id)),
        }


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Assert that two runs left the same, and say where they don't."""
    assert found["state"] == expected["state"]
    assert found["blobs"] == expected["blobs"]
    missing = expected["results"].keys() - found["results"].keys()
    left_over = found["results"].keys() - expected["results"].keys()
    assert (missing, left_over) == (set(), set())
    different = [
        (place, name, source.get(name), found["results"][place].get(name))
        for place, source in expected["results"].items()
        for name in source.keys() | found["results"][place].keys()
        if source.get(name) != found["results"][place].get(name)
    ]
    assert different == []


def eventually(what: Callable[[], bool]) -> None:
    """Wait until it is so."""
    until = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)
