"""Runs of equal values in sorted columns: the groups of a group-by, without a loop."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def run_starts(*columns: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rows begin a run, bool[n]: the first row, and those that differ from the row before in any column.

    ``columns`` are [n] each, with equal rows adjacent.
    """
    starts = np.ones(len(columns[0]), dtype=np.bool_)
    starts[1:] = columns[0][1:] != columns[0][:-1]
    for column in columns[1:]:
        starts[1:] |= column[1:] != column[:-1]
    return starts


def ranks_in_runs(starts: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return 0, 1, 2, … within each run, intp[n]; ``starts`` bool[n] are those of :func:`run_starts`."""
    begin = np.flatnonzero(starts)
    ranks: NDArray[np.intp] = np.arange(len(starts)) - np.repeat(begin, np.diff(np.append(begin, len(starts))))
    return ranks
