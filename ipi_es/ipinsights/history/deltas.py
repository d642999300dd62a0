"""The delta that one UTC day adds to history: compact, immutable, stored and replayed unchanged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ipi_es.addresses import from_words, words
from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.sorted_runs import run_starts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses

DAY = 86_400
"""Seconds."""


@dataclass(frozen=True, slots=True)
class DayDelta:
    """The unique (entity, address) pairs of one UTC day with their event counts, in canonical order.

    Two deltas made of the same events in any order have the same bytes; create them with :meth:`of`.
    """

    day: int
    """Days since 1970-01-01."""
    entity: NDArray[np.uint64]
    """uint64[m]: entity hashes, ascending; they may repeat."""
    address: Addresses
    """uint8[m, 16]: ascending within an entity."""
    count: NDArray[np.uint32]
    """uint32[m]: events, at least 1."""
    context: AddressContext | None = None
    """Context of the addresses; None where no operator or country is known."""

    @classmethod
    def of(
        cls,
        day: int,
        entity: NDArray[np.uint64],
        address: Addresses,
        count: NDArray[np.integer[Any]],
        context: AddressContext | None = None,
    ) -> DayDelta:
        """Sum the counts of equal (entity uint64[n], address uint8[n, 16]) rows; rows with count 0 are dropped.

        ``context`` is that of the rows. Where equal rows differ in it, the largest numbers are kept: known values win
        over unknown ones, and the order of rows has no effect.
        """
        wanted = count > 0
        entity, count = entity[wanted], count[wanted]
        high, low = words(address[wanted])
        order = np.lexsort((low, high, entity))
        entity, high, low, count = entity[order], high[order], low[order], count[order]
        starts = np.flatnonzero(run_starts(entity, high, low))
        total = np.add.reduceat(count.astype(np.int64), starts) if len(starts) else np.zeros(0, dtype=np.int64)
        return cls(
            day=day,
            entity=entity[starts],
            address=from_words(high[starts], low[starts]),
            count=np.minimum(total, 2**32 - 1).astype(np.uint32),
            context=_largest(context.take(wanted).take(order), starts) if context and len(starts) else None,
        )

    def __len__(self) -> int:
        return len(self.entity)

    def without(self, entity: np.uint64) -> DayDelta:
        """Return the delta without the rows of one entity hash."""
        kept = self.entity != entity
        context = self.context.take(kept) or None if self.context else None
        return DayDelta(self.day, self.entity[kept], self.address[kept], self.count[kept], context)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays for :func:`ipi_es.ipinsights.trained_network.pack`; the day goes into the manifest."""
        arrays: dict[str, NDArray[Any]] = {"entity": self.entity, "address": self.address, "count": self.count}
        if self.context is not None:
            arrays |= {"operator": self.context.operator, "country": self.context.country}
        return arrays

    @classmethod
    def from_arrays(cls, day: int, arrays: dict[str, NDArray[Any]]) -> DayDelta:
        """Restore from the day and :meth:`to_arrays`' arrays."""
        context = AddressContext(arrays["operator"], arrays["country"]) if "operator" in arrays else None
        return cls(day, arrays["entity"], arrays["address"], arrays["count"], context)


def _largest(context: AddressContext, starts: NDArray[np.intp]) -> AddressContext | None:
    """Return the largest numbers of each run of rows; None where no operator or country is known."""
    found = AddressContext(np.maximum.reduceat(context.operator, starts), np.maximum.reduceat(context.country, starts))
    return found or None
