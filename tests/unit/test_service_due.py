"""When what is due."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_parts import DELAY, live_job

from ipi_es.config.job_config import Job
from ipi_es.service import due
from ipi_es.service.due import DAY
from ipi_es.service.takeover import TakeoverDecision, TakeoverTurn
from ipi_es.state.details import JobDetails
from ipi_es.state.job_state import JobState
from ipi_es.worker.job_status import complete_to

HOUR = 3_600
NOON = 20_000 * DAY + 12 * HOUR
JOB = live_job(analysis_config={"bucket_span": "1h"})


def with_frequency(frequency: str | None, span: str = "1h") -> Job:
    feed = {} if frequency is None else {"frequency": frequency}
    return live_job(analysis_config={"bucket_span": span}, datafeed_config=feed)


def test_bucket_is_complete_a_delay_after_its_end() -> None:
    assert complete_to(JOB, NOON + DELAY - 1) == NOON - HOUR
    assert complete_to(JOB, NOON + DELAY) == NOON


@given(now=st.integers(10**9, 2**33), frequency=st.sampled_from(["1m", "10m", "1h", "7m"]))
def test_ticks_are_a_frequency_apart_and_meet_the_moment_at_which_a_bucket_is_complete(
    now: int, frequency: str
) -> None:
    job = with_frequency(frequency)
    following = due.next_tick(job, now)
    assert now < following <= now + job.frequency
    assert due.next_tick(job, following) == following + job.frequency
    if job.bucket_span % job.frequency == 0:
        complete = complete_to(job, following) + job.query_delay
        assert due.next_tick(job, complete - 1) == complete


def test_interim_results_are_wanted_between_two_buckets_only() -> None:
    often, seldom = with_frequency("10m"), with_frequency("1h")
    assert due.wants_interim(often, NOON + DELAY + 600, NOON)
    assert not due.wants_interim(seldom, NOON + DELAY + 600, NOON)
    assert not due.wants_interim(often, NOON + DELAY + 600, NOON - HOUR), "it lags"
    assert not due.wants_interim(often, NOON - 7_200, NOON), "the clock was set back"


def test_training_is_due_at_the_first_midnight_after_every() -> None:
    job = live_job(training={"every": "7d", "min_events": 200})
    assert due.next_training(job, 20_000 * DAY) == 20_007 * DAY
    assert due.next_training(job, 20_000 * DAY + 1) == 20_008 * DAY
    assert due.next_training(live_job(training={"every": "0s"}), 20_000 * DAY) is None


@pytest.mark.parametrize(("first", "ready"), [(19_993, None), (19_994, 20_001), (19_999, 20_006)])
def test_first_training_waits_until_events_go_back_min_history(first: int, ready: int | None) -> None:
    job = live_job(training={"window": "30d", "min_history": "7d"})
    found = due.first_training(job, NOON, {day * DAY: 5 for day in range(first, 20_000)})
    assert (found.start, found.end, found.oldest) == (19_970 * DAY, 20_000 * DAY, first * DAY)
    assert found.ready_at == (None if ready is None else ready * DAY)
    assert found.due == (ready is None)


def test_first_training_without_any_event_waits_for_nobody_knows_when() -> None:
    found = due.first_training(JOB, NOON, {})
    assert (found.due, found.oldest, found.ready_at) == (False, None, None)


def test_history_that_is_longer_than_the_window_is_never_waited_for() -> None:
    job = live_job(training={"window": "10d", "min_history": "30d"})
    assert due.first_training(job, NOON, {day * DAY: 1 for day in range(19_990, 20_000)}).due


# --- whose turn it is ---


def state(**more: object) -> JobState:
    return JobState("job", lease_epoch=1, **more)  # type: ignore[arg-type]


def turns(dead: str = "") -> TakeoverDecision:
    return TakeoverDecision("me:1:1", 24, lambda owner: owner != dead)


def test_free_job_is_anybodys() -> None:
    assert turns().turn(None, 0, 0, 0.0) is TakeoverTurn.MINE
    assert turns().turn(state(), 0, 0, 0.0) is TakeoverTurn.MINE
    assert turns().turn(state(details=JobDetails(last_worker="me:1:1")), 0, 0, 0.0) is TakeoverTurn.MINE
    assert turns("other:1:1").turn(state(details=JobDetails(last_worker="other:1:1")), 0, 0, 0.0) is TakeoverTurn.MINE


def test_job_of_another_is_mine_when_work_lay_for_a_lease() -> None:
    mine, free = turns(), state(details=JobDetails(last_worker="other:1:1"))
    assert mine.turn(free, 3_600, 0, 100.0) is TakeoverTurn.THEIRS
    assert mine.turn(free, 3_600, 0, 123.9) is TakeoverTurn.THEIRS
    assert mine.turn(free, 3_600, 0, 124.0) is TakeoverTurn.MINE


def test_other_work_is_waited_for_anew() -> None:
    mine, free = turns(), state(details=JobDetails(last_worker="other:1:1"))
    mine.turn(free, 3_600, 0, 100.0)
    assert mine.turn(free, 7_200, 0, 130.0) is TakeoverTurn.THEIRS
    assert mine.turn(free, 7_200, 0, 154.0) is TakeoverTurn.MINE


def test_held_job_is_taken_when_nobody_renews_it_whatever_the_clock_says() -> None:
    mine, held = turns(), state(lease_owner="other:1:1", lease_expires=2**40)
    assert mine.turn(held, 0, 50, 0.0) is TakeoverTurn.THEIRS
    assert mine.turn(held, 3_600, 60, 23.9) is TakeoverTurn.THEIRS
    assert mine.turn(held, 3_600, 61, 24.0) is TakeoverTurn.OVERDUE


def test_lease_that_has_run_out_by_the_clock_is_free() -> None:
    assert turns().turn(state(lease_owner="other:1:1", lease_expires=100), 0, 100, 0.0) is TakeoverTurn.MINE
