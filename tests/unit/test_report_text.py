"""Numbers, times and names as people read them."""

from __future__ import annotations

import unicodedata
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipi_es.pages.text import TimeShown, one_in, score_text, severity_name
from ipi_es.results.documents.visible import visible
from ipi_es.scoring.probability import SEVERITY_THRESHOLDS
from ipi_es.times import parse_time

SUMMER, WINTER = 1_779_429_600, 1_767_254_400  # 2026-05-22T06:00:00Z, 2026-01-01T08:00:00Z
BERLIN = TimeShown(ZoneInfo("Europe/Berlin"))


@given(st.text())
def test_visible_text_steers_no_terminal_and_turns_no_writing_round(text: str) -> None:
    assert not {unicodedata.category(char) for char in visible(text)} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert len(visible(text)) == len(text)
    assert visible(visible(text)) == visible(text)


def test_ordinary_names_stay_as_they_are() -> None:
    for name in ("alice", "J. Müller", "用户", "name with <b>", "2001:db8::7"):
        assert visible(name) == name


@given(st.floats(0, 100))
def test_a_shown_score_never_reaches_a_severity_that_the_score_does_not(score: float) -> None:
    text = score_text(score)
    shown = 0.0 if text == "<1" else float(text)
    assert shown <= score
    assert all((shown >= threshold) == (score >= threshold) for threshold in SEVERITY_THRESHOLDS)


@pytest.mark.parametrize(("score", "name"), [(75.0, "critical"), (74.99, "major"), (25.0, "minor"), (0.0, "warning")])
def test_severity_is_a_word(score: float, name: str) -> None:
    assert severity_name(score) == name


@pytest.mark.parametrize(
    ("probability", "text"), [(0.5, "1 in 2"), (1.676e-4, "1 in 6,000"), (1e-20, "less than 1 in a trillion")]
)
def test_a_rarity_has_two_digits(probability: float, text: str) -> None:
    assert one_in(probability) == text


def test_times_are_utc_unless_another_zone_is_asked_for() -> None:
    assert TimeShown().at(SUMMER) == "2026-05-22 06:00 UTC"
    assert TimeShown().copyable(SUMMER) == "2026-05-22T06:00:00Z"


def test_summer_and_winter_have_their_own_offsets() -> None:
    assert BERLIN.at(SUMMER) == "2026-05-22 08:00 +02:00"
    assert BERLIN.at(WINTER) == "2026-01-01 09:00 +01:00"
    assert TimeShown(ZoneInfo("America/Chicago")).at(SUMMER) == "2026-05-22 01:00 -05:00"  # and not “CST” or “CDT”
    assert BERLIN.day(SUMMER) == "Fri 22 May"


@given(st.integers(0, 4_000_000_000))
def test_a_time_that_is_copied_means_the_same_again(seconds: int) -> None:
    for shown in (TimeShown(), BERLIN, TimeShown(None)):
        assert parse_time(shown.copyable(seconds), now=0) == seconds
        assert parse_time(shown.at(seconds), now=0) == seconds // 60 * 60


def test_midnight_is_the_zones() -> None:
    assert TimeShown().midnight(1_779_408_000)
    assert not BERLIN.midnight(1_779_408_000)
    assert BERLIN.midnight(1_779_408_000 - 7_200)
