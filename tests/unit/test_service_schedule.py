"""The schedule: who is looked at when, at the same time as whom, and how it ends. In real time, some seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from live_parts import live_job

from ipi_es.config.job_config import Job
from ipi_es.errors import JobBusy
from ipi_es.service import schedule as schedules
from ipi_es.service.live_job import GAP, SLICE
from ipi_es.service.schedule import Schedule
from ipi_es.service.tick_outcome import TickOutcome, TickResult
from ipi_es.setup import setup_plan
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import SECONDS
from ipi_es.worker.lease_wait import PATIENCE, LeaseWait

DAY = SECONDS["d"]


@dataclass
class MovedClock:
    ahead: int = 0

    def now(self) -> int:
        return int(time.time()) + self.ahead


@dataclass
class Looked:
    """In place of a live job: notes when it is looked at."""

    job: Job
    work: Callable[[], TickOutcome] = lambda: TickOutcome(TickResult.NOTHING)
    began: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)

    def tick(self, now: int, stopping: Callable[[], bool]) -> TickOutcome:
        self.began.append(time.monotonic())
        try:
            return self.work()
        finally:
            self.ended.append(time.monotonic())

    def clean(self, now: int, stopping: Callable[[], bool]) -> TickOutcome:
        return TickOutcome(TickResult.NOTHING)


@pytest.fixture
def run() -> Iterator[Any]:
    made: list[Schedule] = []

    def started(*jobs: Looked, parallel: int = 2, clock: Any = None) -> Schedule:
        one = Schedule(jobs, parallel=parallel, clock=clock or MovedClock(), stopping=threading.Event())  # type: ignore[arg-type]
        made.append(one)
        one.start()
        return one

    yield started
    for one in made:
        one.stop(5.0)


def a_job(name: str, frequency: str = "1h") -> Job:
    return live_job(name, datafeed_config={"frequency": frequency}, analysis_config={"bucket_span": "1h"})


def wait_for(true: Callable[[], bool], seconds: float = 8.0) -> bool:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.02)
    return true()


def test_every_job_is_looked_at_at_the_start(run: Any) -> None:
    jobs = [Looked(a_job(f"job-{number}")) for number in range(5)]
    run(*jobs)
    assert wait_for(lambda: all(len(each.began) == 1 for each in jobs))


def test_job_is_looked_at_every_frequency_and_never_twice_at_a_time(run: Any) -> None:
    quick = Looked(a_job("quick", "1s"))
    slow = Looked(a_job("slow", "1s"), lambda: time.sleep(1.7) or TickOutcome(TickResult.WORKED))  # type: ignore[func-returns-value]
    run(quick, slow)
    assert wait_for(lambda: len(slow.ended) >= 2)
    assert len(quick.began) >= 3
    pairs = zip(slow.ended, slow.began[1:], strict=False)
    assert all(ended <= began for ended, began in pairs)


def test_job_that_asks_for_it_is_looked_at_sooner_after_the_others(run: Any) -> None:
    more = iter([0.0, 2.0, None])
    eager = Looked(a_job("eager"), lambda: TickOutcome(TickResult.WORKED, next(more)))
    other = Looked(a_job("other"))
    run(eager, other, parallel=1)
    assert wait_for(lambda: len(eager.began) == 3)
    assert other.began[0] < eager.began[1]
    assert eager.began[2] - eager.began[1] >= 0.9  # the clock shows whole seconds


def test_command_that_waits_for_a_job_gets_it_while_a_worker_catches_up(run: Any) -> None:
    """It asks for the job again and again; between two slices there is a gap in which the command looks."""
    cluster = MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    states, clock = StateStore(cluster), MovedClock()

    def sliced() -> TickOutcome:
        try:
            state = states.acquire_lease("behind", "worker:1:1", clock.now(), 24, alive=lambda _: True)
        except JobBusy:
            return TickOutcome(TickResult.STOOD_BY)
        time.sleep(0.8)
        states.release(state)
        return TickOutcome(TickResult.WORKED, GAP)

    worker = Looked(a_job("behind"), sliced)
    run(worker)
    assert wait_for(lambda: bool(worker.began))
    claimed = LeaseWait(clock, 4.0).acquire(states, "behind", "command:1:1", 24, alive=lambda _: True)
    assert claimed.lease_owner == "command:1:1"
    assert SLICE < PATIENCE


def test_no_more_jobs_than_told_are_at_work_at_a_time(run: Any) -> None:
    jobs = [Looked(a_job(f"job-{n}"), lambda: time.sleep(0.2) or TickOutcome(TickResult.WORKED)) for n in range(4)]  # type: ignore[func-returns-value]
    run(*jobs, parallel=2)
    assert wait_for(lambda: all(each.ended for each in jobs))
    moments = sorted([(t, 1) for each in jobs for t in each.began] + [(t, -1) for each in jobs for t in each.ended])
    at_work = most = 0
    for _, change in moments:
        at_work += change
        most = max(most, at_work)
    assert most == 2


def test_stopping_waits_for_what_is_under_way_and_begins_nothing(run: Any) -> None:
    jobs = [Looked(a_job(f"job-{n}"), lambda: time.sleep(0.5) or TickOutcome(TickResult.WORKED)) for n in range(3)]  # type: ignore[func-returns-value]
    schedule = run(*jobs, parallel=1)
    assert wait_for(lambda: bool(jobs[0].began))
    assert schedule.stop(5.0)
    assert jobs[0].ended
    assert not jobs[2].began
    assert not any(len(each.began) > len(each.ended) for each in jobs)


def test_stopping_does_not_wait_longer_than_told(run: Any) -> None:
    over = threading.Event()
    stuck = Looked(
        a_job("stuck"), lambda: (over.wait(20) and TickOutcome(TickResult.WORKED)) or TickOutcome(TickResult.WORKED)
    )
    schedule = run(stuck)
    assert wait_for(lambda: bool(stuck.began))
    assert not schedule.stop(0.3)
    over.set()


def test_clock_that_is_set_makes_all_jobs_looked_at(run: Any) -> None:
    clock, job = MovedClock(), Looked(a_job("job"))
    schedule = run(job, clock=clock)
    assert wait_for(lambda: len(job.began) == 1)
    schedule.watch()
    time.sleep(0.2)
    assert len(job.began) == 1
    clock.ahead = -3_600
    schedule.watch()
    assert wait_for(lambda: len(job.began) == 2)


def test_cleaning_is_at_night_and_every_jobs_at_another_minute() -> None:
    night = {schedules.next_cleaning(f"job-{number}", 20_000 * DAY + 43_200) for number in range(50)}
    assert len(night) > 40
    assert all(20_001 * DAY + 7_200 <= each < 20_001 * DAY + 18_000 for each in night)
    assert schedules.next_cleaning("a", schedules.next_cleaning("a", 0)) == schedules.next_cleaning("a", 0) + DAY
