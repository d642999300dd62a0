"""Operators and countries of synthetic addresses that serve as negatives.

A synthetic address must not be distinguishable from a real one by *whether* its operator is known. Where a file of
networks is available, the context is looked up there; where it comes from the events' own fields, it is guessed from
the observed addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.addresses import V4_BITS, v4_words, words
from ipi_es.ipinsights.address_context import UNSEEN_COUNTRY, UNSEEN_OPERATOR, AddressContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.ipinsights.training.training_events import TrainingEvents

_OPERATOR_BITS = {"v4": (12, 21), "v6": (29, 33)}
"""Minimum bits shared with an observed address for taking its operator, drawn from [low, high) for each address: few
pairs of announced addresses that share 12 bits have the same operator, nearly all pairs that share 20 bits do."""
_COUNTRY_BITS = {"v4": (6, 17), "v6": (20, 30)}
"""The same for countries: registries assign neighbouring blocks within a country or nearby."""


@dataclass(frozen=True, slots=True, eq=False)
class GuessedContext:
    """The observed addresses of both families in order, with their context."""

    v4: NDArray[np.uint64]  # ascending
    v6: NDArray[np.uint64]  # the high halves, ascending
    context_v4: AddressContext
    context_v6: AddressContext
    look_up: Callable[[Addresses], AddressContext] | None = None

    @classmethod
    def of(cls, events: TrainingEvents) -> GuessedContext | None:
        """Build it from a training's addresses; None where no operator or country is known."""
        return cls.of_addresses(events.addresses, events.context, events.look_up) if events.context else None

    @classmethod
    def of_addresses(
        cls, addresses: Addresses, of: AddressContext, look_up: Callable[[Addresses], AddressContext] | None
    ) -> GuessedContext:
        """Build it from observed addresses uint8[m, 16] and their context; ``look_up`` as in a training's events."""
        high, low = words(addresses)
        four = v4_words(high, low)
        parts = []
        for rows, values in ((np.flatnonzero(four), low & V4_BITS), (np.flatnonzero(~four), high)):
            order = rows[np.argsort(values[rows], kind="stable")]
            parts.append((values[order], of.take(order)))
        (v4, context_v4), (v6, context_v6) = parts
        return cls(v4, v6, context_v4, context_v6, look_up)

    def guess(self, addresses: Addresses, rng: np.random.Generator) -> AddressContext:
        """Guess the context of synthetic addresses uint8[n, 16]; UNSEEN_… where none is near, but never unknown."""
        high, low = words(addresses)
        four = v4_words(high, low)
        found = AddressContext(
            np.full(len(high), UNSEEN_OPERATOR, dtype=np.uint32), np.full(len(high), UNSEEN_COUNTRY, dtype=np.uint16)
        )
        families = (("v4", four, low & V4_BITS), ("v6", ~four, high))
        for (name, rows, values), observed, context in zip(
            families, (self.v4, self.v6), (self.context_v4, self.context_v6), strict=True
        ):
            at = np.flatnonzero(rows)
            if len(observed) and len(at):
                nearest, shared = _nearest(observed, values[at], 32 if name == "v4" else 64)
                near = context.take(nearest)
                same = (shared >= rng.integers(*_OPERATOR_BITS[name], len(at))) & (near.operator > 0)
                found.operator[at[same]] = near.operator[same]
                same = (shared >= rng.integers(*_COUNTRY_BITS[name], len(at))) & (near.country > 0)
                found.country[at[same]] = near.country[same]
        if self.look_up is not None:
            asked = self.look_up(addresses)
            np.copyto(found.operator, asked.operator, where=asked.operator > 0)
            np.copyto(found.country, asked.country, where=asked.country > 0)
        return found


def _nearest(
    observed: NDArray[np.uint64], values: NDArray[np.uint64], width: int
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return, for each value, the index in ``observed`` (ascending) that shares the most leading bits.

    The second array is the number of these bits, out of ``width``.
    """
    after = np.minimum(np.searchsorted(observed, values), len(observed) - 1)
    before = np.maximum(after - 1, 0)
    left, right = observed[before] ^ values, observed[after] ^ values
    nearest = np.where(left < right, before, after)
    differ = np.minimum(left, right)
    # the exponent of a float is the bit length of the number, but rounding may add one; 32-bit halves are exact
    length = np.frexp((differ >> np.uint64(32)).astype(np.float64))[1]
    low = np.frexp((differ & np.uint64(0xFFFFFFFF)).astype(np.float64))[1]
    bits = np.where(length > 0, length + 32, low)
    return nearest, (width - bits).astype(np.int64)
