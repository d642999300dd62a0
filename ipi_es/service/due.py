"""Decide which work is due for a job, and when: pure decisions on times. All times are epoch seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ipi_es.config.job_config import Job
from ipi_es.times import SECONDS
from ipi_es.worker.job_status import complete_to
from ipi_es.worker.training.training_range import training_range

DAY = SECONDS["d"]


def next_tick(job: Job, now: int) -> int:
    """Return the time of the next tick after ``now``: whole frequencies after midnight, plus ``query_delay``.

    A bucket is thus scored as soon as it is complete, and not up to a frequency later.
    """
    since = now - job.query_delay
    return (since // job.frequency + 1) * job.frequency + job.query_delay


def wants_interim(job: Job, now: int, checkpoint: int) -> bool:
    """Decide whether the current bucket gets interim results: it has begun, and all earlier buckets are scored."""
    return job.frequency < job.bucket_span and checkpoint == complete_to(job, now) < now


def next_training(job: Job, trained_to: int) -> int | None:
    """Return the event time from which the next training is due; None: never.

    That is the first UTC midnight at least ``training.every`` after ``trained_to``.

    Event time is used so that a job that catches up after an outage is trained at the same points as without it.
    """
    if not job.training.every:
        return None
    return _midnight_from(trained_to + job.training.every)


@dataclass(frozen=True, slots=True)
class FirstTraining:
    """Whether a new job can be trained on [start, end), and if not, when."""

    start: int
    end: int
    oldest: int | None
    """The midnight before the first event of that range; None if it has no events."""
    ready_at: int | None
    """When there will be enough history; None if there is enough now, or if the time is unknown."""

    @property
    def due(self) -> bool:
        """Whether there is enough history."""
        return self.oldest is not None and self.ready_at is None


def first_training(job: Job, complete: int, events_by_day: Mapping[int, int]) -> FirstTraining:
    """Decide on the first training of a job whose events are complete up to ``complete``.

    ``events_by_day`` maps midnight → number of events, for the days of :func:`training_range` that have any.
    """
    start, end = training_range(job, complete)
    inside = [day for day, events in events_by_day.items() if start <= day < end and events]
    oldest = min(inside, default=None)
    ready = None if oldest is None else _midnight_from(oldest + min(job.training.min_history, end - start))
    return FirstTraining(start, end, oldest, ready if ready is not None and ready > end else None)


def _midnight_from(time: int) -> int:
    """Return the first UTC midnight at or after a time."""
    return -(-time // DAY) * DAY
