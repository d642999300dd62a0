"""What is due for a job, and when: pure decisions on times. All times are epoch seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ipi_es.config.job_config import Job
from ipi_es.times import SECONDS
from ipi_es.worker.training.job_training import training_range

DAY = SECONDS["d"]


def complete_to(job: Job, now: int) -> int:
    """The end of the last bucket that is complete at ``now``: ``query_delay`` after its end, its events are there."""
    return (now - job.query_delay) // job.bucket_span * job.bucket_span


def next_tick(job: Job, now: int) -> int:
    """When to look next, after ``now``: a whole number of frequencies after midnight, plus ``query_delay``.

    So a bucket is scored at the moment at which it is complete, and not up to a frequency later.
    """
    since = now - job.query_delay
    return (since // job.frequency + 1) * job.frequency + job.query_delay


def wants_interim(job: Job, now: int, checkpoint: int) -> bool:
    """Whether the bucket that is being filled gets interim results: all before it is scored, and it has begun."""
    return job.frequency < job.bucket_span and checkpoint == complete_to(job, now) < now


def next_training(job: Job, trained_to: int) -> int | None:
    """The event time from which a training is due again: the first UTC midnight ``training.every`` later; None: never.

    Event time, so that a job that makes good an outage is trained where it would have been trained without it.
    """
    if not job.training.every:
        return None
    return _midnight_from(trained_to + job.training.every)


@dataclass(frozen=True, slots=True)
class FirstTraining:
    """Whether a new job can be trained: on [start, end), or what it waits for."""

    start: int
    end: int
    oldest: int | None
    """The midnight before the first event of that range; None: there is none."""
    ready_at: int | None
    """When there will be enough; None: there is, or nobody knows."""

    @property
    def due(self) -> bool:
        """There is enough."""
        return self.oldest is not None and self.ready_at is None


def first_training(job: Job, complete: int, events_by_day: Mapping[int, int]) -> FirstTraining:
    """Decide on the first training, where events are complete up to ``complete``.

    ``events_by_day``: midnight → events, of the days of :func:`training_range` that have any.
    """
    start, end = training_range(job, complete)
    inside = [day for day, events in events_by_day.items() if start <= day < end and events]
    oldest = min(inside, default=None)
    ready = None if oldest is None else _midnight_from(oldest + min(job.training.min_history, end - start))
    return FirstTraining(start, end, oldest, ready if ready is not None and ready > end else None)


def _midnight_from(time: int) -> int:
    """The first UTC midnight at or after a time."""
    return -(-time // DAY) * DAY
