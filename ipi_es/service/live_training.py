"""Training of a live job: a first training when there is enough history, and further ones when they are due."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.errors import ClusterError, ExtraMissing, LostJob, NoEvents, NotEnoughHistory
from ipi_es.ipinsights.network.network_fitting import TrainingProgress
from ipi_es.service.due import DAY, FirstTraining, first_training, next_training
from ipi_es.service.health.health import JobHealth
from ipi_es.state.details import LastError
from ipi_es.times import format_span, iso
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.job_session import JobSession
from ipi_es.worker.training.job_training import TrainedJob, TrainingCallbacks
from ipi_es.worker.training.training_range import training_range

log = logging.getLogger(__name__)

LOOK_AGAIN = 600
"""Seconds until a new job without enough history is checked again; a check counts its events by day."""

TRAIN_AGAIN = 3_600
"""Seconds until a failed training is tried again: it reads weeks of events, and most causes persist."""

TURN = 30
"""Seconds until a training that found all training places taken tries again."""


class Stopped(Exception):
    """The worker is to end: raised during a training, which can't finish in time and keeps nothing."""


@dataclass(slots=True)
class LiveTraining:
    """One job's trainings. ``places``: how many jobs of this worker may train at a time; others continue to score."""

    resources: JobResources
    health: JobHealth
    places: threading.Semaphore
    stopwatch: Callable[[], float] = time.monotonic
    _mistake: tuple[LastError, str | None] | None = None
    """The error of the last training and the snapshot that the job had then; None if it succeeded."""
    _not_before: float = field(default=-inf)  # on the stopwatch

    @property
    def rests(self) -> bool:
        """Whether it is too early to try again."""
        return self.stopwatch() < self._not_before

    def last_error(self, snapshot_id: str | None) -> LastError | None:
        """Return the error of the last training, unless the job, with ``snapshot_id``, was trained elsewhere since."""
        if self._mistake is None or self._mistake[1] != snapshot_id:
            return None
        return self._mistake[0]

    def first(self, session: JobSession, now: int, complete: int, stopping: Callable[[], bool]) -> float | None:
        """Train a new job; return None if it was trained, else the seconds until the next try.

        If the job has to wait, health, the log and the state say what for. ``complete``: the end of the last complete
        bucket. Raises ClusterError, LostJob, Stopped, or the error of the training.
        """
        job = self.resources.job
        start, end = training_range(job, complete)
        found = first_training(job, complete, self.resources.feed.event_counts(start, end, DAY))
        if not found.due:
            return self.waits(session, now, _missing(found, format_span(job.training.min_history)))
        try:
            if not self._in_turn(
                session, now, lambda callbacks: session.train(found.start, found.end, callbacks), stopping
            ):
                return self.waits(session, now, "other jobs' trainings to end", TURN)
        except (ExtraMissing, NoEvents, NotEnoughHistory) as error:
            return self.waits(session, now, error.message, TRAIN_AGAIN)
        except (ClusterError, LostJob, Stopped):
            raise  # not caused by the training
        except Exception as error:
            self._failed(session, now, error)
            raise
        return None

    def due_at(self, trained_to: int) -> int | None:
        """Return the event time from which a training is due again; None: never, or not yet after a failed try."""
        return None if self.rests else next_training(self.resources.job, trained_to)

    def again(self, session: JobSession, now: int, stopping: Callable[[], bool]) -> bool:
        """Train on the days before the checkpoint; return False if that failed or has to wait.

        The job then continues with its current network. Raises only ClusterError, LostJob and Stopped.
        """
        start, end = training_range(self.resources.job, session.state.trained.checkpoint)
        try:
            if self._in_turn(session, now, lambda callbacks: session.retrain(start, end, callbacks), stopping):
                return True
            self._not_before = self.stopwatch() + TURN
        except (ClusterError, LostJob, Stopped):
            raise
        except Exception as error:  # no error of a training may keep the job from scoring
            log.warning("job %s: the training failed, scoring goes on: %s", self.resources.job.job_id, error)
            log.debug("job %s: the training failed", self.resources.job.job_id, exc_info=True)
            session.note(last_error=self._failed(session, now, error))
        return False

    def _failed(self, session: JobSession, now: int, error: Exception) -> LastError:
        self.health.training_failed(now, error)
        mistake = LastError.of(now, error)
        self._mistake = (mistake, session.state.snapshot_id)
        self._not_before = self.stopwatch() + TRAIN_AGAIN
        return mistake

    def _in_turn(
        self,
        session: JobSession,
        now: int,
        train: Callable[[TrainingCallbacks], TrainedJob],
        stopping: Callable[[], bool],
    ) -> bool:
        if not self.places.acquire(blocking=False):
            return False
        job_id, began = self.resources.job.job_id, self.stopwatch()
        log.info("job %s: trains", job_id)
        try:
            learned = train(_stop_when(stopping))
        finally:
            self.places.release()
        self._mistake, self._not_before = None, -inf
        session.note(last_error=None)
        took, snapshot = self.stopwatch() - began, learned.snapshot
        self.health.took("train", took)
        self.health.trained(now, session.state.trained.snapshot_id, snapshot.network.metrics, snapshot.trained_to)
        log.info(
            "job %s: trained in %.0f s on %d events up to %s, snapshot %s",
            job_id,
            took,
            learned.collected.event_count,
            iso(snapshot.trained_to),
            session.state.snapshot_id,
        )
        return True

    def waits(self, session: JobSession, now: int, what_for: str, seconds: float = LOOK_AGAIN) -> float:
        """Record what a new job waits for; return the seconds until the next try."""
        session.note(waits_for=what_for)
        self.health.waits(now, what_for)
        log.info("job %s: waits for %s", self.resources.job.job_id, what_for)
        self._not_before = self.stopwatch() + seconds
        return seconds


def _missing(found: FirstTraining, wanted: str) -> str:
    if found.oldest is None:
        return f"events to learn from: there are none between {iso(found.start)} and {iso(found.end)}"
    ready = "" if found.ready_at is None else f", which will be at {iso(found.ready_at)}"
    return f"events that go back {wanted} (training.min_history){ready}: they begin on {iso(found.oldest)[:10]}"


def _stop_when(stopping: Callable[[], bool]) -> TrainingCallbacks:
    def heard(_said: EventBucket | TrainingProgress) -> None:
        if stopping():
            raise Stopped

    return TrainingCallbacks(heard, heard)
