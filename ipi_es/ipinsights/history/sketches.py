"""Fixed-size hashed counts: a count-min sketch of two rows whose counts decay without being rewritten.

Counts decay *forward* (Cormode et al. 2009, "Forward decay"): an event of day d adds ``2^((d - origin) / half_life)``,
and a reader divides by the same factor for its own day, so nothing is ever scaled down and an empty day costs nothing.
Several keys may share a cell, hence every number read is an upper bound. With four cells per key, about 5 % of the keys
share both of their cells with others; readers of :class:`~ipi_es.ipinsights.history.history.History` correct most of
these by the order of nested networks: a network's count is at most that of the network around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = 2
CELLS_A_KEY = 4
MIN_EXPONENT, MAX_EXPONENT = 16, 24
"""Tables of 2^16 to 2^24 cells: 256 KiB to 64 MiB per row of float32."""


def cells_exponent(keys: int) -> int:
    """Return the smallest k in [16, 24] whose 2^k cells are at least four per key; 24 if there is none."""
    return min(max((max(keys, 1) * CELLS_A_KEY - 1).bit_length(), MIN_EXPONENT), MAX_EXPONENT)


@dataclass(slots=True)
class Sketch:
    """Two rows of 2^k cells each for decayed counts, numbers of members and last days."""

    count: NDArray[np.float32]
    """[ROWS, 2^k]: forward-decayed weight."""
    last: NDArray[np.uint16]
    """[ROWS, 2^k]: days from the origin, plus 1, of the last event; 0 = never."""
    members: NDArray[np.float32] | None = None
    """[ROWS, 2^k]: distinct members ever, not decayed; None where they aren't counted (they are read as 0)."""

    @classmethod
    def empty(cls, exponent: int, *, members: bool) -> Sketch:
        """Return an empty sketch of 2^exponent cells per row."""
        shape = (ROWS, 1 << exponent)
        return cls(
            count=np.zeros(shape, dtype=np.float32),
            last=np.zeros(shape, dtype=np.uint16),
            members=np.zeros(shape, dtype=np.float32) if members else None,
        )

    @property
    def exponent(self) -> int:
        """The k of 2^k cells."""
        return int(self.count.shape[1]).bit_length() - 1

    def cells(self, keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the cell of each key (uint64[...], well mixed) in each row."""
        shift = np.uint64(64 - self.exponent)
        low = np.uint64((1 << self.exponent) - 1)
        return (keys >> shift).view(np.intp), (keys & low).view(np.intp)

    def read_count(self, cells: tuple[NDArray[np.intp], NDArray[np.intp]]) -> NDArray[np.float32]:
        """Return forward-decayed counts float32[...]; upper bounds of the true ones."""
        result: NDArray[np.float32] = np.minimum(self.count[0].take(cells[0]), self.count[1].take(cells[1]))
        return result

    def read_last(self, cells: tuple[NDArray[np.intp], NDArray[np.intp]]) -> NDArray[np.uint16]:
        """Return uint16[...]: last days from the origin, plus 1 (0 = never); upper bounds of the true ones."""
        result: NDArray[np.uint16] = np.minimum(self.last[0].take(cells[0]), self.last[1].take(cells[1]))
        return result

    def read_members(self, cells: tuple[NDArray[np.intp], NDArray[np.intp]]) -> NDArray[np.float32]:
        """Return distinct members float32[...]; upper bounds, except that a full table may hide new members."""
        if self.members is None:  # also pairs in early histories of format version 1
            return np.zeros(cells[0].shape, dtype=np.float32)
        result: NDArray[np.float32] = np.minimum(self.members[0].take(cells[0]), self.members[1].take(cells[1]))
        return result

    def add(self, cells: tuple[NDArray[np.intp], NDArray[np.intp]], weight: NDArray[np.float32], last: int) -> None:
        """Add ``weight`` float32 (one per key, in a fixed order: float sums depend on it); set the last day."""
        for row in range(ROWS):
            np.add.at(self.count[row], cells[row].ravel(), weight.ravel())
            self.last[row][cells[row].ravel()] = last

    def add_members(self, cells: tuple[NDArray[np.intp], NDArray[np.intp]]) -> None:
        """Add one distinct member to each key; a key may repeat."""
        if self.members is None:
            return
        for row in range(ROWS):
            np.add.at(self.members[row], cells[row], np.float32(1))

    def copy(self) -> Sketch:
        """Return an independent copy."""
        return Sketch(
            count=self.count.copy(),
            last=self.last.copy(),
            members=None if self.members is None else self.members.copy(),
        )

    def to_arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the arrays under ``name.…``, with ``name`` as given."""
        arrays: dict[str, NDArray[Any]] = {f"{name}.count": self.count, f"{name}.last": self.last}
        if self.members is not None:
            arrays[f"{name}.members"] = self.members
        return arrays

    @classmethod
    def from_arrays(cls, name: str, arrays: dict[str, NDArray[Any]]) -> Sketch:
        """Restore from :meth:`to_arrays`' arrays of the same ``name``."""
        return cls(count=arrays[f"{name}.count"], last=arrays[f"{name}.last"], members=arrays.get(f"{name}.members"))
