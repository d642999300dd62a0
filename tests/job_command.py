"""Commands on a job as processes of their own, with a training that needs no TensorFlow."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection as Connection_
from multiprocessing.process import BaseProcess

import worker_company as company
import worker_parts as parts
from verdict_parts import said

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.config.settings.settings_file import Settings
from ipi_es.errors import IpiEsError
from ipi_es.service.tick_outcome import TickResult
from ipi_es.service.worker import Worker
from ipi_es.worker.changed_settings import OnChange
from ipi_es.worker.clock import Clock
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.training import job_training
from ipi_es.worker.upkeep.removal import Removal
from ipi_es.worker.verdicts.job_verdicts import JobVerdicts

PATIENCE = 4.0
"""Seconds that each waits for the job; a person's commands wait longer."""
AHEAD = 2 * company.DAY
"""Seconds of events that a backfill scores."""


def train(cluster: Cluster, job: Job, clock: Clock) -> None:
    with open_session(
        JobResources(cluster, job, clock=clock), doing="training", patience=PATIENCE, on_change=OnChange.IGNORE
    ) as session:
        session.train(company.LEARN_FROM, company.SCORED_FROM)


def backfill(cluster: Cluster, job: Job, clock: Clock) -> None:
    with open_session(JobResources(cluster, job, clock=clock), patience=PATIENCE) as session:
        session.backfill(session.plan(company.SCORED_FROM, company.SCORED_FROM + AHEAD), lambda _: None)


def verdict(cluster: Cluster, job: Job, clock: Clock) -> None:
    JobVerdicts(cluster, job, clock.now()).give([said("person07", "101.7.0.9", time=clock.now())])


def delete(cluster: Cluster, job: Job, clock: Clock) -> None:
    Removal(cluster, job.job_id, clock, patience=PATIENCE).delete()


def work(cluster: Cluster, job: Job, clock: Clock) -> None:
    outcome = Worker(Settings(), [job], lambda: cluster, clock, threading.Event()).once()[job.job_id]
    if outcome.did in (TickResult.FAILED, TickResult.STOOD_BY):
        raise IpiEsError(outcome.text)


COMMANDS: dict[str, Callable[[Cluster, Job, Clock], None]] = {
    each.__name__: each for each in (train, backfill, verdict, delete, work)
}


@dataclass
class Command:
    """A process that waits, works and says what came of it."""

    process: BaseProcess
    pipe: Connection_

    @classmethod
    def start(cls, what: str, url: str, job: Job, clock: Clock) -> Command:
        """Start one: a copy of this process, so that nothing has to be imported first, and the clock is shared."""
        context = get_context("fork")
        ours, theirs = context.Pipe()
        process = context.Process(target=_run, args=(what, url, job, clock, theirs), daemon=True)
        process.start()
        return cls(process, ours)

    def go(self) -> Command:
        """Let it begin."""
        self.pipe.send(None)
        return self

    def ended(self, seconds: float = 60.0) -> str:
        """What came of it: ``done``, or the message of what refused it."""
        assert self.pipe.poll(seconds), "the command did not come to its end"
        said = str(self.pipe.recv())
        self.process.join(seconds)
        return said


def _run(what: str, url: str, job: Job, clock: Clock, pipe: Connection_) -> None:
    job_training.train = parts.made_training  # type: ignore[assignment]
    try:
        cluster = connect(Connection(hosts=(url,)))
        pipe.recv()
        COMMANDS[what](cluster, job, clock)
    except IpiEsError as error:
        pipe.send(error.message)
    except BaseException:
        pipe.send(traceback.format_exc())
        raise
    else:
        pipe.send("done")
