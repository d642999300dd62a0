"""Split of a training's rows in time, and the minimum number of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.errors import NotEnoughHistory
from ipi_es.ipinsights.history.deltas import DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.ipinsights.training.training_events import TrainingEvents

NETWORK_SHARES, CALIBRATION_SHARE = (0.20, 0.45), 0.20
"""Shares of the rows for the network [least, most], and for calibration; the rest between them is the combiner's."""
COMBINER_ROWS = 20_000
"""Rows that the combiner gets before the network's share grows: with few rows, history is a better source than the
network. On real events, 3,000 to 8,000 rows per training, recall grew from .81 to .83 with the smaller share, and AUC
by .001."""
MIN_DAYS = 2
"""One for the network and one for calibration; without days of its own the combiner is the shipped one."""
MIN_ROWS = 100
"""Minimum number of unique (bucket, entity, address) rows to learn from."""
MIN_CALIBRATION_ROWS = 20


@dataclass(frozen=True, slots=True)
class Split:
    """Days since the epoch: the network learns from [first, combiner), the combiner from [combiner, calibration).

    Calibration has [calibration, stop).
    """

    first: int
    combiner: int
    calibration: int
    stop: int


def check_enough(events: TrainingEvents) -> None:
    """Raise NotEnoughHistory, with the numbers, unless there are enough rows, days, entities and addresses."""
    rows = int(events.learns.sum())
    if rows < MIN_ROWS:
        raise NotEnoughHistory(
            f"{rows} sign-ins (unique by bucket, entity and address) to learn from; at least {MIN_ROWS} are needed",
            hint="train over a longer time, or look at the query and learn_outcomes",
        )
    days = len(np.unique(events.day[events.learns]))
    if days < MIN_DAYS:
        raise NotEnoughHistory(
            f"events on {days} UTC day{'s' if days != 1 else ''}; "
            f"at least {MIN_DAYS} are needed to train and to calibrate",
            hint="train over a longer time (20 days or more are good)",
        )
    if len(np.unique(events.entity[events.learns])) < 2:
        raise NotEnoughHistory(
            "all events are of one entity: there is no other entity to compare it with",
            hint="choose an entity field that distinguishes users (user.name)",
        )
    if len(np.unique(events.ip[events.learns])) < 2:
        raise NotEnoughHistory(
            "all events come from one address",
            hint="a proxy or load balancer may hide the clients; look for a field with the original address",
        )


def split_days(events: TrainingEvents, calibrate_from: int | None) -> Split:
    """Split at day boundaries, as near as possible to the shares.

    Network and calibration have at least one day with events each; the combiner's part is empty where there are too few
    days. ``calibrate_from``: epoch seconds, start of a UTC day; overrides where calibration begins. Raises
    NotEnoughHistory where too few rows are left to calibrate on.
    """
    days, count = np.unique(events.day[events.learns], return_counts=True)
    before = np.concatenate([[0], np.cumsum(count)]) / count.sum()  # the share of rows before each day
    least = min(2, len(days) - 1)
    last = int(np.argmin(np.abs(before[least:-1] - (1 - CALIBRATION_SHARE)))) + least
    if calibrate_from is not None:
        last = int(np.searchsorted(days, calibrate_from // DAY))
    scored = int(events.calibrates[events.day >= days[min(last, len(days) - 1)]].sum())
    if not 1 <= last < len(days) or scored < MIN_CALIBRATION_ROWS:
        raise NotEnoughHistory(
            f"{scored} rows to calibrate on; at least {MIN_CALIBRATION_ROWS}, after a day to train on, are needed",
            hint="train over a longer time",
        )
    learnt = 1 - CALIBRATION_SHARE
    share = float(np.clip(learnt - COMBINER_ROWS / count.sum(), *NETWORK_SHARES))
    goal = before[last] * share / learnt
    middle = int(np.argmin(np.abs(before[1:last] - goal))) + 1 if last > 1 else last
    stop = int(events.time[-1] // DAY) + 1
    return Split(int(days[0]), int(days[middle]), int(days[last]), stop)


def day_slices(events: TrainingEvents, first: int, stop: int) -> list[tuple[int, NDArray[np.intp]]]:
    """Return (day, row indexes) of each day in [first, stop) that has rows."""
    day = events.day
    days = np.unique(day)
    return [(int(d), np.arange(*np.searchsorted(day, [d, d + 1]))) for d in days[(days >= first) & (days < stop)]]
