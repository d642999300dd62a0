"""The swim-lane: time in columns, the worst score of each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ipi_es.pages.lanes import (
    LANE_HEIGHT,
    MAX_COLUMNS,
    MAX_TICKS,
    Axis,
    axis_of,
    event_series,
    gaps_of,
    lane_of,
    ticks_of,
)
from ipi_es.pages.text import TimeShown

START, HOUR, DAY = 1_779_408_000, 3_600, 86_400
UTC = TimeShown()


@given(st.integers(0, 2_000_000_000), st.integers(1, 50_000), st.sampled_from([60, 300, 900, 3_600, 10_800, 86_400]))
def test_an_axis_covers_the_range_in_whole_buckets_and_at_most_120_columns(start: int, buckets: int, span: int) -> None:
    end = start + buckets * span
    axis = axis_of(start, end, span)
    assert axis.step % span == 0
    assert 1 <= axis.columns <= MAX_COLUMNS
    assert axis.start <= start
    assert axis.end >= end
    assert axis.column(start) == 0 or axis.start + axis.step <= start
    assert axis.column(end - 1) < axis.columns


def test_few_buckets_have_a_column_each() -> None:
    assert axis_of(START, START + 2 * DAY, HOUR) == Axis(START, HOUR, 48)


def test_columns_are_as_wide_as_a_person_can_name() -> None:
    assert axis_of(START, START + 10 * DAY, HOUR).step == 2 * HOUR
    assert axis_of(START, START + 30 * DAY, 900).step == 6 * HOUR


def test_a_column_shows_its_worst_score_and_the_lane_says_when() -> None:
    axis = Axis(START, 2 * HOUR, 4)
    lane = lane_of("alice", [(START, 30.0), (START + HOUR, 80.0), (START + 6 * HOUR, 3.0)], axis, UTC)
    assert [(cell.column, cell.severity, cell.height) for cell in lane.cells] == [(0, "critical", 4), (3, "warning", 1)]
    assert (lane.worst, lane.worst_at, lane.total) == (80.0, START + HOUR, 113.0)
    assert lane.summary == "highest 80 critical at 2026-05-22 01:00 UTC; columns: 1 critical, 1 warning"


def test_severities_differ_in_height_too_so_that_colour_is_never_alone() -> None:
    axis = Axis(START, HOUR, 4)
    lane = lane_of("alice", [(START + hour * HOUR, 25.0 * hour + 1.0) for hour in range(4)], axis, UTC)
    assert [cell.height for cell in lane.cells] == [1, 2, 3, LANE_HEIGHT]


def test_scores_below_one_and_outside_the_range_are_not_shown() -> None:
    axis = Axis(START, HOUR, 2)
    lane = lane_of("alice", [(START, 0.9), (START - 1, 90.0), (START + 2 * HOUR, 90.0)], axis, UTC)
    assert lane.cells == ()
    assert lane.summary == "nothing of a score of 1 or more"


def test_events_are_an_area_that_is_as_high_as_the_fullest_column() -> None:
    buckets = [
        {"timestamp": (START + hour * HOUR) * 1_000, "event_count": count} for hour, count in enumerate((50, 100))
    ]
    series = event_series(buckets, Axis(START, HOUR, 2))
    assert (series.path, series.most) == ("M0 100V50.0H1 V0.0H2V100Z", 100)


def test_no_events_are_a_flat_area() -> None:
    assert event_series([], Axis(START, HOUR, 1)).path == "M0 100V100.0H1V100Z"


@given(st.integers(1, 400), st.sampled_from([900, 3_600, 86_400]))
def test_ticks_are_few_and_within_the_axis(buckets: int, span: int) -> None:
    ticks = ticks_of(axis_of(START, START + buckets * span, span), UTC)
    assert 1 <= len(ticks) <= MAX_TICKS
    assert all(0 <= tick.at < 100 for tick in ticks)


def test_ticks_stand_where_days_begin_and_else_tell_the_hour() -> None:
    assert ticks_of(axis_of(START, START + 2 * DAY, HOUR), UTC)[1].text == "Sat 23 May"
    assert ticks_of(axis_of(START + HOUR, START + 5 * HOUR, HOUR), UTC)[0].text == "05-22 01:00"


def test_columns_without_a_scored_bucket_are_gaps_and_quiet_ones_are_none() -> None:
    axis = Axis(START, 2 * HOUR, 6)
    quiet = [{"timestamp": (START + hour * HOUR) * 1_000} for hour in (2, 3, 6)]  # of the column of 6 and 7 a part
    found = [(gap.column, gap.columns, gap.title) for gap in gaps_of(quiet, axis, UTC)]
    assert found == [
        (0, 1, "2026-05-22 00:00 UTC to 2026-05-22 02:00 UTC: not scored"),
        (2, 1, "2026-05-22 04:00 UTC to 2026-05-22 06:00 UTC: not scored"),
        (4, 2, "2026-05-22 08:00 UTC to 2026-05-22 12:00 UTC: not scored"),
    ]
    assert gaps_of([{"timestamp": (START + hour * HOUR) * 1_000} for hour in range(12)], axis, UTC) == []
