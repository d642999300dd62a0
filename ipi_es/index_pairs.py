"""Pairs of two indexes as one integer each: comparing, sorting and grouping pairs is then one operation on int64[n].

A pair (first, second) with ``second`` in [0, width) has the code ``first * width + second``. Codes are in the order of
``first``, then of ``second``, and different pairs have different codes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def packed_pairs(
    first: NDArray[np.integer[Any]], second: NDArray[np.integer[Any]] | int, width: int
) -> NDArray[np.int64]:
    """Return the codes int64[n] of n pairs; ``first`` and ``second`` broadcast.

    ``first`` is at least 0, ``second`` in [0, width), and the largest ``first`` times ``width`` less than 2^63, which
    is always so for two int32 indexes. Nothing of this is checked: it would cost as much as the packing.
    """
    codes: NDArray[np.int64] = first.astype(np.int64, copy=False) * width + second
    return codes


def unpacked_pairs(codes: NDArray[np.int64], width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (first int64[n], second int64[n]) of the codes that :func:`packed_pairs` gave with the same ``width``."""
    first = codes // max(width, 1)  # a width of 0 has no pairs
    return first, codes - first * width
