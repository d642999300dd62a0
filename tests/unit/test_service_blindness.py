"""When a job counts as blind, and when its silence is as usual."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.datafeed.bucket_counts import BucketCounts
from ipi_es.service.blindness.blind_change import BlindChange, BlindReason, BlindState
from ipi_es.service.blindness.blindness import MEMORY, NONE_ENOUGH, Blindness
from ipi_es.service.blindness.usual_rates import WEEK

HOUR, DAY = 3_600, 86_400
MONDAY = 1_748_822_400  # 2025-06-02, a Monday's start
AFTER = 6


def told(blindness: Blindness, start: int, end: int, events: int = 5) -> list[BlindChange]:
    changes = [blindness.note(at + HOUR, BucketCounts(events)) for at in range(start, end, HOUR)]
    return [change for change in changes if change is not None]


def none(start: int, end: int, usual: int = 0) -> BlindChange:
    return BlindChange(BlindState.BLIND, BlindReason.NO_EVENTS, start, end, usual=usual)


def ended(start: int, end: int, usual: int = 0) -> BlindChange:
    return BlindChange(BlindState.ENDED, BlindReason.NO_EVENTS, start, end, usual=usual)


def fed(start: int = MONDAY - WEEK, end: int = MONDAY + WEEK) -> Blindness:
    blindness = Blindness(HOUR, AFTER)
    assert told(blindness, start, end) == []
    return blindness


def test_silence_where_there_always_were_events_is_blind_after_so_many_buckets() -> None:
    blindness = fed()
    start = MONDAY + WEEK
    assert told(blindness, start, start + (AFTER - 1) * HOUR, 0) == []
    assert not blindness.blind
    assert told(blindness, start + (AFTER - 1) * HOUR, start + 20 * HOUR, 0) == [none(start, start + AFTER * HOUR, 30)]
    assert blindness.blind


def test_events_that_come_back_end_it_and_say_since_when() -> None:
    blindness, start = fed(), MONDAY + WEEK
    told(blindness, start, start + 10 * HOUR, 0)
    assert blindness.blind
    back = told(blindness, start + 10 * HOUR, start + 12 * HOUR)
    assert back == [ended(start, start + 10 * HOUR, 30)]
    assert not blindness.blind


def test_nights_and_weekends_that_are_always_empty_alarm_nobody() -> None:
    blindness = Blindness(HOUR, AFTER)
    for at in range(MONDAY, MONDAY + 4 * WEEK, HOUR):
        assert blindness.note(at + HOUR, BucketCounts(office(at))) is None


def office(at: int, hour_later: int = 0) -> int:
    """Events of an hour, or of a part of it, of an office: Monday to Friday, 8 to 18."""
    at -= hour_later * HOUR
    return 5 if (at - MONDAY) % WEEK < 5 * DAY and 8 <= (at % DAY) // HOUR < 18 else 0


def test_an_office_whose_events_stop_on_monday_is_blind_on_monday() -> None:
    blindness = Blindness(HOUR, AFTER)
    for at in range(MONDAY, MONDAY + WEEK, HOUR):
        blindness.note(at + HOUR, BucketCounts(office(at)))
    (change,) = told(blindness, MONDAY + WEEK, MONDAY + WEEK + DAY, 0)
    # in the first hour they could be late
    assert change.end == MONDAY + WEEK + (8 + AFTER + 1) * HOUR


@pytest.mark.parametrize("span", [60, 900, HOUR])
@pytest.mark.parametrize("shift", [-1, 1])
def test_clocks_that_are_put_forward_or_back_alarm_nobody(span: int, shift: int) -> None:
    blindness = Blindness(span, AFTER)
    for at in range(MONDAY, MONDAY + 3 * WEEK, span):
        counts = BucketCounts(office(at, shift if at >= MONDAY + WEEK else 0))
        assert blindness.note(at + span, counts) is None


def test_an_office_with_short_buckets_that_goes_silent_amid_the_day_is_blind_at_once() -> None:
    span = 60
    blindness = Blindness(span, AFTER)
    stop, change = MONDAY + WEEK + 12 * HOUR, None
    for at in range(MONDAY, stop + 2 * HOUR, span):
        change = blindness.note(at + span, BucketCounts(office(at) if at < stop else 0)) or change
    assert change == none(stop, stop + AFTER * span, 30)


def test_chance_is_no_blindness_where_half_of_the_buckets_are_empty() -> None:
    rng, span = np.random.default_rng(1), 60
    blindness = Blindness(span, AFTER)
    counts = rng.poisson(0.7, size=8 * WEEK // span)
    said = [blindness.note(MONDAY + (n + 1) * span, BucketCounts(int(count))) for n, count in enumerate(counts)]
    assert not any(said)


def test_a_few_events_that_do_not_come_are_no_blindness() -> None:
    blindness = Blindness(HOUR, AFTER)
    told(blindness, MONDAY - WEEK, MONDAY + WEEK, 1)
    start = MONDAY + WEEK
    (change,) = told(blindness, start, start + DAY, 0)
    assert change.end == start + NONE_ENOUGH * HOUR


def test_after_a_gap_silence_is_counted_anew() -> None:
    blindness, start = fed(), MONDAY + WEEK
    told(blindness, start, start + 3 * HOUR, 0)
    assert told(blindness, start + 2 * WEEK, start + 2 * WEEK + 5 * HOUR, 0) == []
    assert blindness.empty_buckets == 5


def test_without_a_week_of_memory_nothing_is_said_until_a_week_was_empty() -> None:
    blindness = Blindness(HOUR, AFTER)
    told(blindness, MONDAY, MONDAY + HOUR)
    (change,) = told(blindness, MONDAY + HOUR, MONDAY + 2 * WEEK, 0)
    assert change == none(MONDAY + HOUR, MONDAY + HOUR + WEEK)


def test_zero_turns_it_off() -> None:
    blindness = Blindness(HOUR, 0)
    told(blindness, MONDAY, MONDAY + WEEK)
    assert told(blindness, MONDAY + WEEK, MONDAY + 3 * WEEK, 0) == []


def test_a_bucket_that_is_told_again_counts_once() -> None:
    blindness, start = fed(), MONDAY + WEEK
    for _ in range(3):
        told(blindness, start, start + 4 * HOUR, 0)
    assert not blindness.blind
    assert blindness.empty_buckets == 4


def test_an_outage_of_days_is_still_an_outage_after_a_restart() -> None:
    start = MONDAY + WEEK
    counts = [(at + HOUR, BucketCounts(5 if at < start else 0)) for at in range(MONDAY - WEEK, start + 3 * DAY, HOUR)]
    again = Blindness(HOUR, AFTER)
    again.recall(counts)
    assert again.blind
    assert again.begun == none(start, start + AFTER * HOUR, 30)
    assert told(again, start + 3 * DAY, start + 4 * DAY, 0) == []
    assert MEMORY >= 5 * WEEK


def test_when_an_outage_that_is_older_than_the_memory_began_is_not_known() -> None:
    blindness = Blindness(HOUR, AFTER)
    blindness.recall((at + HOUR, BucketCounts(0)) for at in range(MONDAY, MONDAY + MEMORY, HOUR))
    assert blindness.blind
    assert blindness.begun is None


COUNTS = st.builds(
    lambda success, failure, missing: BucketCounts(
        success + failure + missing, missing_ip=missing, outcomes={"success": success, "failure": failure}
    ),
    st.integers(0, 40),
    st.integers(0, 9),
    st.integers(0, 5),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(COUNTS, max_size=250), st.sampled_from([900, HOUR, DAY]), st.integers(1, 8))
def test_every_change_is_told_and_an_end_follows_a_beginning(counts: list[BucketCounts], span: int, after: int) -> None:
    blindness, last = Blindness(span, after, ("success",), ("failure",)), BlindState.ENDED
    for position, one in enumerate(counts):
        was = blindness.current
        change = blindness.note(MONDAY + (position + 1) * span, one)
        assert (change is not None) == (blindness.current != was)
        if change is not None:
            assert change.state is not last
            assert change.goes_on == blindness.blind
            assert change.start < change.end <= MONDAY + (position + 1) * span
            if was is not None:
                assert change.start == was.start
            last = change.state
