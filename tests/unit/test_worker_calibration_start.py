"""Which part of a training range is left for calibration."""

from __future__ import annotations

from ipi_es.times import SECONDS
from ipi_es.worker.training.job_training import calibration_start

DAY = SECONDS["d"]


def test_a_whole_week_is_left_from_eighteen_days_on() -> None:
    assert calibration_start(100 * DAY, 118 * DAY, 0.2) == 111 * DAY


def test_a_long_range_leaves_whole_weeks() -> None:
    assert calibration_start(0, 90 * DAY, 0.2) == (90 - 14) * DAY


def test_a_short_range_is_cut_by_its_rows() -> None:
    assert calibration_start(100 * DAY, 117 * DAY, 0.2) is None


def test_the_first_event_decides_and_not_the_asked_start() -> None:
    assert calibration_start(80 * DAY + 5, 90 * DAY, 0.2) is None
