"""The schedule of a worker's jobs: regular ticks and one cleanup a night, in as many threads as the settings allow.

APScheduler keeps the times and the threads. A job never runs twice at the same time, missed ticks are merged into one,
and a job that is still catching up queues behind the others again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zlib import crc32

from apscheduler.events import EVENT_JOB_EXECUTED
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from ipi_es.service.due import DAY, next_tick
from ipi_es.service.live_job import LiveJob
from ipi_es.service.tick_outcome import TickOutcome, TickResult
from ipi_es.worker.clock import Clock

log = logging.getLogger(__name__)

NIGHT = 2 * 3_600
"""Seconds after midnight UTC from which jobs are cleaned, each at a time of its own."""
NIGHT_LASTS = 3 * 3_600

WATCH = 5.0
"""Seconds between two checks of the clock."""
CLOCK_STEP = 10.0
"""Seconds by which the clock must have been set for the ticks to be rescheduled."""

LEAST = timedelta(milliseconds=1)
"""The least time between two ticks of a job."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class At(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Fires at the times of ``following`` (epoch seconds → the next time), and once at ``sooner`` if that is set."""

    def __init__(self, following: Callable[[int], int]) -> None:
        self._following = following
        self.sooner: datetime | None = None

    def fire_at(self, moment: datetime) -> None:
        """Fire at ``moment`` too, if that comes before the next regular time."""
        self.sooner = moment

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Return the next time, for APScheduler. Missed ticks aren't repeated: the next one does all the work."""
        regular, sooner = _moment(self._following(int(now.timestamp()))), self.sooner
        if sooner is None or (previous_fire_time is not None and sooner <= previous_fire_time):
            return regular
        return min(sooner, regular)


class Schedule:
    """The jobs of a worker, run in the background between :meth:`start` and :meth:`stop`."""

    def __init__(self, jobs: Sequence[LiveJob], *, parallel: int, clock: Clock, stopping: threading.Event) -> None:
        """Set up the schedule. ``parallel``: jobs at work at a time; ``stopping`` is set when the worker is to end."""
        self._jobs, self._clock, self._stopping = jobs, clock, stopping
        # APScheduler warns of late and overlapping ticks, which are normal here
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(parallel)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )
        self._scheduler.add_listener(self._ended, EVENT_JOB_EXECUTED)
        self._under_way, self._idle = 0, threading.Condition()
        self._offset = self._clock_offset()

    def start(self) -> None:
        """Run a tick of every job now, and then at its regular times."""
        now = self._clock.now()
        for live in self._jobs:
            job = live.job
            self._add(f"tick {job.job_id}", live.tick, partial(next_tick, job), now)
            self._add(f"clean {job.job_id}", live.clean, partial(next_cleaning, job.job_id))
        self._scheduler.start()

    def watch(self) -> None:
        """Run a tick of every job now, and reschedule it by the new time, if the clock was set.

        Call it every few seconds. Without it, no job would run for as long as the clock was set back.
        """
        offset = self._clock_offset()
        if abs(offset - self._offset) > CLOCK_STEP:
            log.warning("the clock was set by %+.0f s: all jobs are looked at now", offset - self._offset)
            for each in self._scheduler.get_jobs():
                following = each.trigger.get_next_fire_time(None, _moment(self._clock.now()))
                each.modify(next_run_time=_moment(self._clock.now()) if each.id.startswith("tick") else following)
        self._offset = offset

    def stop(self, within: float) -> bool:
        """Begin no more work and wait for running work; return whether all of it ended ``within`` so many seconds."""
        self._stopping.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        with self._idle:
            return self._idle.wait_for(lambda: not self._under_way, within)

    def _add(
        self, name: str, work: Callable[..., TickOutcome], following: Callable[[int], int], first: int | None = None
    ) -> None:
        first = following(self._clock.now()) if first is None else first
        self._scheduler.add_job(self._do, At(following), args=[work], id=name, next_run_time=_moment(first))

    def _do(self, work: Callable[..., TickOutcome]) -> TickOutcome:
        if self._stopping.is_set():
            return TickOutcome(TickResult.STOPPED)
        with self._idle:
            self._under_way += 1
        try:
            return work(self._clock.now(), self._stopping.is_set)
        finally:
            with self._idle:
                self._under_way -= 1
                self._idle.notify_all()

    def _ended(self, event: Any) -> None:
        """Run the next tick sooner than planned if a tick asked for it.

        A short tick ends before APScheduler has asked its trigger for the next time, a long one after that: so both the
        trigger and the scheduled job get the new time.
        """
        outcome = event.retval
        if not isinstance(outcome, TickOutcome) or outcome.again_in is None or self._stopping.is_set():
            return
        wanted = _moment(self._clock.now()) + timedelta(seconds=outcome.again_in)
        wanted = max(wanted, event.scheduled_run_time + LEAST)  # never the same moment again
        job = self._scheduler.get_job(event.job_id)
        if job is not None:
            job.trigger.fire_at(wanted)
            if wanted < job.next_run_time:
                job.modify(next_run_time=wanted)

    def _clock_offset(self) -> float:
        return self._clock.now() - time.monotonic()


def next_cleaning(job_id: str, now: int) -> int:
    """Return the time of the job's next cleanup after ``now``, in epoch seconds."""
    into = NIGHT + crc32(job_id.encode()) % NIGHT_LASTS
    return ((now - into) // DAY + 1) * DAY + into


def _moment(seconds: int) -> datetime:
    return EPOCH + timedelta(seconds=seconds)
