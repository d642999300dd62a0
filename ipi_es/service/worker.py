"""The worker: runs all jobs of the settings, on schedule until it is stopped, or once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from ipi_es.alerts.delivery import DeliveryResult
from ipi_es.alerts.notifier import Notifier
from ipi_es.alerts.senders import Sender
from ipi_es.cluster.port import Cluster
from ipi_es.config.alert_config import Destination
from ipi_es.config.files.loading import BadFile
from ipi_es.config.job_config import Job
from ipi_es.config.settings.settings_file import Settings
from ipi_es.errors import ClusterError
from ipi_es.service.health.health import Fleet
from ipi_es.service.health.http_server import Listener
from ipi_es.service.live_job import LiveJob, WorkerContext
from ipi_es.service.schedule import WATCH, Schedule
from ipi_es.service.tick_outcome import TickOutcome, TickResult
from ipi_es.setup.checks.check_usable import awaited
from ipi_es.setup.checks.judge import require_templates, require_usable
from ipi_es.state.owner import this_process
from ipi_es.worker.changed_settings import OnChange
from ipi_es.worker.clock import Clock
from ipi_es.worker.job_resources import JobResources

log = logging.getLogger(__name__)

LEAVE = 5.0
"""Seconds that running work has to end, of the ten in which the worker exits."""

CONNECT_AGAIN = 10.0
"""Seconds between two tries to reach the cluster at the start."""


@dataclass(frozen=True, slots=True)
class Worker:
    """The jobs of a worker and how to reach their cluster; work begins only with :meth:`run` or :meth:`once`."""

    settings: Settings
    jobs: Sequence[Job]
    connect: Callable[[], Cluster]
    clock: Clock
    stopping: threading.Event
    """Set when the worker is to end."""
    bad: Sequence[BadFile] = ()
    """Job files that can't be used: the other jobs run, and the worker isn't ready."""
    on_change: OnChange = OnChange.REFUSE
    """What to do with jobs whose settings differ from those that they were trained with."""
    sender_of: Callable[[Destination], Sender] | None = None
    """Returns the sender of notifications to a destination; None: by its URL."""

    def run(self, listen: str | None) -> bool:
        """Work until ``stopping`` is set; return False if running work didn't end in time.

        Waits for a cluster that can't be reached; raises if the cluster refuses (credentials, TLS, templates).
        """
        fleet = Fleet(self.jobs, self.bad)
        with ExitStack() as stack:
            if listen is not None:
                stack.enter_context(Listener(listen, fleet, self.clock))
            cluster = self._reached(fleet)
            if cluster is None:
                return True
            require_templates(cluster, ())  # each job checks those of its results at its first write to a month
            parallel = self.settings.worker.parallel_jobs
            # one training place fewer than jobs at a time: other jobs are scored while some train
            jobs = self._live(cluster, fleet, trainings=max(parallel - 1, 1))
            notifier = self.notifier(cluster, fleet)
            notifier.begin()
            notifier.start(self.stopping)
            schedule = Schedule(jobs, parallel=parallel, clock=self.clock, stopping=self.stopping)
            log.info("working on %d jobs, %d at a time, with %s", len(self.jobs), parallel, cluster.info.text)
            schedule.start()
            while not self.stopping.wait(WATCH):
                schedule.watch()
            log.info("stopping: what is under way is brought to an end")
            ended = schedule.stop(LEAVE)
            if ended:
                cluster.close()
            return ended

    def once(self) -> dict[str, TickOutcome]:
        """Do the due work of every job, clean it if it wasn't cleaned lately, and return the outcomes by job id."""
        fleet, cluster = Fleet(self.jobs), self.connect()
        try:
            require_templates(cluster, ())  # each job checks those of its results at its first write to a month
            notifier = self.notifier(cluster, fleet)
            notifier.begin()
            with ThreadPoolExecutor(self.settings.worker.parallel_jobs) as pool:
                outcomes = pool.map(self._once, self._live(cluster, fleet, self.settings.worker.parallel_jobs))
                done = dict(zip((job.job_id for job in self.jobs), outcomes, strict=True))
            if not notifier.once():
                log.warning("a destination of alerts is slow: what it did not take is sent by the next run")
            return done
        finally:
            cluster.close()

    def notifier(self, cluster: Cluster, fleet: Fleet) -> Notifier:
        """Return a notifier of the jobs' own destinations; its results go to the fleet, for the metrics."""

        def on_look(job_id: str, destination: str, done: DeliveryResult) -> None:
            fleet[job_id].notified(
                destination,
                sent=done.sent,
                refused=done.refused,
                given_up=done.given_up,
                waiting=done.waiting,
                failing_since=done.failing_since,
                error=done.error,
            )

        return Notifier(cluster, self.jobs, this_process(), self.clock.now, self.sender_of, on_look)

    def _once(self, live: LiveJob) -> TickOutcome:
        buckets = 0
        while True:
            done = live.tick(self.clock.now(), self.stopping.is_set, patient=False)
            buckets += done.buckets
            if done.did is not TickResult.WORKED or done.again_in is None or self.stopping.wait(done.again_in):
                break
        if done.did in (TickResult.WORKED, TickResult.NOTHING) and not self.stopping.is_set():
            cleaned = live.clean(self.clock.now())
            if cleaned.did is TickResult.FAILED:
                return cleaned
        return TickOutcome(done.did, done.again_in, buckets, done.text)

    def _live(self, cluster: Cluster, fleet: Fleet, trainings: int) -> list[LiveJob]:
        """Return a live job for every job. ``trainings``: how many jobs may train at a time."""
        worker, places, made = self.settings.worker, threading.Semaphore(trainings), []
        for job in self.jobs:
            work = JobResources(
                cluster, job, snapshots=self.settings.snapshots.directory, clock=self.clock, lease=worker.lease
            )
            means = WorkerContext(
                usable=partial(require_usable, cluster, job),
                awaited=partial(awaited, cluster, job),
                places=places,
                lease=worker.lease,
                on_change=self.on_change,
            )
            made.append(LiveJob(work, fleet.add(job), means))
        return made

    def _reached(self, fleet: Fleet) -> Cluster | None:
        """Connect to the cluster, waiting until it can be reached; return None if the worker was stopped before."""
        while not self.stopping.is_set():
            try:
                return self.connect()
            except ClusterError as error:
                if not error.retryable:
                    raise
                log.warning("%s; trying again", error.message)
                for health in fleet:
                    health.failed(self.clock.now(), error)
            self.stopping.wait(CONNECT_AGAIN)
        return None
