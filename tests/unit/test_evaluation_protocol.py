"""The protocol's first three steps: rows, windows, normal rows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from evaluation_events import DAY, events_of
from hypothesis import given
from hypothesis import strategies as st

from ipi_es.errors import NotEnoughHistory
from ipi_es.evaluation.evaluation_events import MAX_ROWS_OF_ENTITY, prepared
from ipi_es.evaluation.protocol import KNOWN_ROWS, MIN_DAYS, WINDOWS, EvaluationWindow, FixedDates, parts, windows
from ipi_es.times import parse_time


def day_of(text: str) -> int:
    return parse_time(text, now=0) // DAY


def test_the_first_row_of_an_entity_address_and_day_is_kept() -> None:
    rows = [(DAY + 9, "a", "192.0.2.1"), (5, "a", "192.0.2.1"), (3, "a", "192.0.2.1"), (4, "b", "192.0.2.1")]
    events = prepared(events_of(rows))
    assert events.time.tolist() == [3, 4, DAY + 9]


def test_a_normal_and_an_attack_row_of_one_day_stay_two() -> None:
    rows = [(5, "a", "192.0.2.1"), (3, "a", "192.0.2.1")]
    assert len(prepared(events_of(rows, labels=[0, 1]))) == 2


def test_an_entity_has_at_most_two_thousand_rows_and_the_choice_is_repeatable() -> None:
    rows = [(day * DAY, "big", "192.0.2.1") for day in range(MAX_ROWS_OF_ENTITY + 100)] + [(7, "small", "192.0.2.1")]
    once, again = prepared(events_of(rows)), prepared(events_of(rows))
    assert np.bincount(once.entity).tolist() == [MAX_ROWS_OF_ENTITY, 1]
    assert np.array_equal(once.time, again.time)


def test_published_figures_are_measured_again_at_their_dates() -> None:
    dates = FixedDates(day_of("2020-07-01"), 270)
    made = windows(day_of("2019-04-25"), day_of("2026-07-16"), dates=dates)
    assert len(made) == WINDOWS
    assert made[0] == EvaluationWindow(
        0, day_of("2019-06-07"), day_of("2020-06-01"), day_of("2020-07-01"), day_of("2020-07-31")
    )
    assert made[-1].test == day_of("2020-07-01") + 7 * 270


def test_dates_that_the_events_do_not_cover_are_refused_with_what_they_need() -> None:
    dates = FixedDates(day_of("2020-07-01"), 270)
    with pytest.raises(NotEnoughHistory, match=r"need events of \[2019-06-07, 2025-10-03\); there are some of"):
        windows(day_of("2019-06-08"), day_of("2026-07-16"), dates=dates)
    with pytest.raises(NotEnoughHistory, match=r"of \[2019-04-25, 2025-10-02\)"):
        windows(day_of("2019-04-25"), day_of("2025-10-02"), dates=dates)


@pytest.mark.parametrize("first", [-719_162, 10**9])
def test_a_first_test_far_from_the_events_is_refused(first: int) -> None:
    with pytest.raises(NotEnoughHistory, match="first test is not within the events"):
        windows(day_of("2019-04-25"), day_of("2026-07-16"), dates=FixedDates(first, 270))


def test_by_default_there_are_eight_equal_steps_over_the_range_of_the_events() -> None:
    made = windows(10_000, 11_500)
    assert {window.test - window.calibrate for window in made} == {30}
    assert {window.calibrate - window.train for window in made} == {360}
    assert made[0].train == 10_000
    assert len({b.test - a.test for a, b in pairwise(made)}) == 1
    assert 11_500 - WINDOWS < made[-1].stop <= 11_500


@given(st.integers(0, 20_000), st.integers(MIN_DAYS, 4_000), st.booleans())
def test_windows_lie_within_the_events_and_tests_never_overlap(first: int, days: int, contiguous: bool) -> None:
    made = windows(first, first + days, contiguous=contiguous)
    assert len(made) == (WINDOWS if days >= 11 else max(days - 3, 1))
    for window in made:
        assert first <= window.train < window.calibrate < window.test < window.stop <= first + days
    for before, after in pairwise(made):
        assert before.stop <= after.test
        assert not contiguous or before.stop == after.test
    assert not contiguous or made[-1].stop == first + days


def test_too_short_a_history_says_how_long_it_must_be() -> None:
    with pytest.raises(NotEnoughHistory, match=rf"span 2 UTC days; at least {MIN_DAYS} are needed"):
        windows(0, 2)


def test_three_days_are_one_window_of_a_day_to_train_to_calibrate_and_to_test() -> None:
    [window] = windows(100, 103)
    assert (window.train, window.calibrate, window.test, window.stop) == (100, 101, 102, 103)
    assert window.known_rows == 1
    assert [window.known_rows for window in windows(100, 112)] == [3] * WINDOWS
    assert {window.known_rows for window in windows(100, 900)} == {KNOWN_ROWS}


def test_normal_rows_are_test_rows_of_entities_with_five_training_rows() -> None:
    window = EvaluationWindow(0, 10, 20, 22, 25)
    known = [(day * DAY, "known", "192.0.2.1") for day in (10, 12, 14, 16, 19, 22, 24, 25)]
    fresh = [(day * DAY, "fresh", "192.0.2.1") for day in (9, 15, 16, 17, 19, 20, 21, 23)]
    cut = parts(prepared(events_of(known + fresh)), window)
    assert len(cut.learnt) == 5 + 4 + 2
    assert len(cut.test) == 3
    assert len(cut.normal) == 2


def test_labelled_attacks_are_learnt_by_nobody() -> None:
    rows = [(day * DAY, "a", "192.0.2.1") for day in (10, 11, 12, 13, 14, 21, 22, 23)]
    cut = parts(prepared(events_of(rows, labels=[0, 0, 0, 0, 0, 1, 1, 0])), EvaluationWindow(0, 10, 20, 22, 25))
    assert cut.learnt.tolist() == [0, 1, 2, 3, 4]
    assert cut.labelled.tolist() == [6]
    assert cut.test.tolist() == cut.normal.tolist() == [7]
