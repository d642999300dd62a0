"""When a job counts as blind, and when its silence is as usual."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ipi_es.service.blindness import MEMORY, WEEK, BlindChange, Blindness

HOUR, DAY = 3_600, 86_400
MONDAY = 1_748_822_400  # 2025-06-02, a Monday's start
AFTER = 6


def told(blindness: Blindness, start: int, end: int, events: int = 5) -> list[BlindChange]:
    changes = [blindness.note(at + HOUR, events) for at in range(start, end, HOUR)]
    return [change for change in changes if change is not None]


def fed(start: int = MONDAY, end: int = MONDAY + WEEK) -> Blindness:
    blindness = Blindness(HOUR, AFTER)
    assert told(blindness, start, end) == []
    return blindness


def test_silence_where_there_always_were_events_is_blind_after_so_many_buckets() -> None:
    blindness = fed()
    start = MONDAY + WEEK
    assert told(blindness, start, start + (AFTER - 1) * HOUR, 0) == []
    assert not blindness.blind
    assert told(blindness, start + (AFTER - 1) * HOUR, start + 20 * HOUR, 0) == [
        BlindChange(True, start, start + AFTER * HOUR)
    ]
    assert blindness.blind
    assert blindness.since == start


def test_events_that_come_back_end_it_and_say_since_when() -> None:
    blindness, start = fed(), MONDAY + WEEK
    told(blindness, start, start + 10 * HOUR, 0)
    back = told(blindness, start + 10 * HOUR, start + 12 * HOUR)
    assert back == [BlindChange(False, start, start + 10 * HOUR)]
    assert not blindness.blind
    assert blindness.since is None


def test_nights_and_weekends_that_are_always_empty_alarm_nobody() -> None:
    blindness = Blindness(HOUR, AFTER)
    for at in range(MONDAY, MONDAY + 4 * WEEK, HOUR):
        office = (at - MONDAY) % WEEK < 5 * DAY and 8 <= (at % DAY) // HOUR < 18
        assert blindness.note(at + HOUR, 3 if office else 0) is None


def test_an_office_whose_events_stop_on_monday_is_blind_on_monday() -> None:
    blindness = Blindness(HOUR, AFTER)
    for at in range(MONDAY, MONDAY + WEEK, HOUR):
        blindness.note(at + HOUR, 3 if (at - MONDAY) % WEEK < 5 * DAY and 8 <= (at % DAY) // HOUR < 18 else 0)
    (change,) = told(blindness, MONDAY + WEEK, MONDAY + WEEK + DAY, 0)
    assert change.end == MONDAY + WEEK + (8 + AFTER) * HOUR


def test_without_a_week_of_memory_nothing_is_said_until_a_week_was_empty() -> None:
    blindness = Blindness(HOUR, AFTER)
    told(blindness, MONDAY, MONDAY + HOUR)
    (change,) = told(blindness, MONDAY + HOUR, MONDAY + 2 * WEEK, 0)
    assert change == BlindChange(True, MONDAY + HOUR, MONDAY + HOUR + WEEK)


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
    counts = [(at + HOUR, 5 if at < start else 0) for at in range(MONDAY, start + 3 * DAY, HOUR)]
    again = Blindness(HOUR, AFTER)
    again.recall(counts)
    assert again.blind
    assert again.since == start
    assert told(again, start + 3 * DAY, start + 4 * DAY, 0) == []
    assert MEMORY >= 2 * WEEK


@given(st.lists(st.integers(0, 2), max_size=400), st.sampled_from([900, HOUR, DAY]), st.integers(1, 8))
def test_changes_alternate_and_only_an_event_ends_blindness(counts: list[int], span: int, after: int) -> None:
    blindness, last = Blindness(span, after), False
    for position, events in enumerate(counts):
        was = blindness.blind
        change = blindness.note(MONDAY + (position + 1) * span, events)
        assert (change is not None) == (blindness.blind != was)
        if change is not None:
            assert change.blind != last
            assert change.blind == (events == 0)
            assert change.end > change.start
            last = change.blind
