"""Windows in time, and the normal rows of a window.

A window's rows are split at UTC days: [train, calibrate) and [calibrate, test) are learned, [test, stop) is measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.errors import NotEnoughHistory
from ipi_es.evaluation.evaluation_events import NORMAL, EvaluationEvents
from ipi_es.ipinsights.history.deltas import DAY
from ipi_es.times import iso

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOWS = 8
TRAIN_DAYS, CALIBRATE_DAYS, TEST_DAYS = 360, 30, 30
MIN_TRAIN_DAYS = 2
"""Days that a window trains on where the events allow it: one for the network and one for the combiner."""
MIN_DAYS = 3
"""Minimum days of events: one to train on, one to calibrate on and one to test."""
KNOWN_ROWS = 5
"""Minimum number of an entity's rows in a window's training part for its test rows to count as normal; in a part of
fewer days, one for each day."""


@dataclass(frozen=True, slots=True)
class FixedDates:
    """Dates to test at instead of equal steps, so that published figures can be measured again.

    ``first``: the day, since 1970-01-01, on which the first test begins; ``step``: days until the next one begins.
    """

    first: int
    step: int


@dataclass(frozen=True, slots=True)
class EvaluationWindow:
    """Days since 1970-01-01, each the start of a part; ``stop`` is exclusive."""

    number: int
    train: int
    calibrate: int
    test: int
    stop: int

    @property
    def known_rows(self) -> int:
        """Minimum number of an entity's training rows for its test rows to count as normal."""
        return min(KNOWN_ROWS, self.calibrate - self.train)

    def __str__(self) -> str:
        train, calibrate, test, stop = (
            iso(day * DAY)[:10] for day in (self.train, self.calibrate, self.test, self.stop)
        )
        return f"train {train}, calibrate {calibrate}, test [{test}, {stop})"


def windows(
    first: int, stop: int, *, contiguous: bool = False, dates: FixedDates | None = None
) -> list[EvaluationWindow]:
    """Return eight windows over events of the days [first, stop): eight equal steps over the range.

    Where the range is too short for 360 + 30 + 8 × 30 days, all lengths are scaled down by one factor, to at least a
    day; below eleven days there are fewer windows, whose tests begin a day apart. ``contiguous``: a test lasts until
    the next one begins, the last to the end, so that no labelled attack falls between two. ``dates``: test at these
    instead, with whole lengths.

    :raises NotEnoughHistory: below :data:`MIN_DAYS` days, or if the events don't cover windows at ``dates``.
    """
    days = stop - first
    if days < MIN_DAYS:
        raise NotEnoughHistory(
            f"the events span {days} UTC day{'s' if days != 1 else ''}; at least {MIN_DAYS} are needed: to train, to "
            "calibrate and to test",
            hint="evaluate on a longer time: months are good, the protocol was made for years",
        )
    lead = TRAIN_DAYS + CALIBRATE_DAYS
    if dates is not None:
        return _at(dates, first, stop)
    scale = min(1.0, days / (lead + WINDOWS * TEST_DAYS))
    calibrate, test = (max(int(each * scale), 1) for each in (CALIBRATE_DAYS, TEST_DAYS))
    number = min(WINDOWS, max(days - MIN_TRAIN_DAYS - calibrate, 1))
    train = min(int(TRAIN_DAYS * scale), days - calibrate - number * test)
    rest = days - train - calibrate
    if contiguous:
        made = _made(first + train + calibrate, rest // number, number, train, calibrate, test)
        ends = [*(window.test for window in made[1:]), stop]
        return [replace(window, stop=end) for window, end in zip(made, ends, strict=True)]
    return _made(first + train + calibrate, (rest - test) // max(number - 1, 1), number, train, calibrate, test)


def _at(dates: FixedDates, first: int, stop: int) -> list[EvaluationWindow]:
    """Return the windows at given dates, all within [first, stop)."""
    if not first < dates.first < stop:
        raise NotEnoughHistory(
            f"the first test is not within the events of [{iso(first * DAY)[:10]}, {iso(stop * DAY)[:10]})",
            hint="choose another --first-test",
        )
    made = _made(dates.first, dates.step, WINDOWS, TRAIN_DAYS, CALIBRATE_DAYS, TEST_DAYS)
    if made[0].train < first or made[-1].stop > stop:
        needed, there = ((made[0].train, made[-1].stop), (first, stop))
        raise NotEnoughHistory(
            "these test dates need events of [{}, {}); there are some of [{}, {})".format(
                *(iso(day * DAY)[:10] for day in (*needed, *there))
            ),
            hint=f"each test needs {TRAIN_DAYS + CALIBRATE_DAYS} days before it: choose another --first-test or --step",
        )
    return made


def _made(first_test: int, step: int, windows_: int, train: int, calibrate: int, test: int) -> list[EvaluationWindow]:
    starts = [first_test + number * step for number in range(windows_)]
    return [
        EvaluationWindow(number, start - calibrate - train, start - calibrate, start, start + test)
        for number, start in enumerate(starts)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Rows of the prepared events in one window, as indexes in time order; only ``labelled`` has attacks."""

    learnt: NDArray[np.intp]  # train and calibrate
    test: NDArray[np.intp]
    normal: NDArray[np.intp]  # of test: those of known entities
    labelled: NDArray[np.intp]  # labelled attacks of the test days


def parts(events: EvaluationEvents, window: EvaluationWindow) -> Parts:
    """Split the prepared events by the parts of one window."""
    day, real = events.day, events.label == NORMAL
    learnt = np.flatnonzero(real & (day >= window.train) & (day < window.test))
    trained = learnt[day[learnt] < window.calibrate]
    tested = (day >= window.test) & (day < window.stop)
    test = np.flatnonzero(real & tested)
    rows = np.bincount(events.entity[trained], minlength=len(events.entities))
    return Parts(
        learnt=learnt,
        test=test,
        normal=test[rows[events.entity[test]] >= window.known_rows],
        labelled=np.flatnonzero(~real & tested),
    )
