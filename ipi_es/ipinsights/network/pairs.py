"""(entity, address) pairs that the network learns from, and the sources of an epoch's pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from ipi_es.index_pairs import packed_pairs
from ipi_es.sorted_runs import ranks_in_runs, run_starts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.ipinsights.address_context import AddressContext
    from ipi_es.ipinsights.training.training_events import TrainingEvents

Rows: TypeAlias = "tuple[NDArray[np.int32], NDArray[np.int32]]"
"""n pairs: indexes into a source's entities and addresses."""


class PairSource(Protocol):
    """Source of a training's pairs, epoch after epoch."""

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """uint64[e]: the entities that have pairs, each once."""

    @property
    def entity_count(self) -> NDArray[np.int64]:
        """int64[e]: the number of pairs of each entity."""

    @property
    def addresses(self) -> Addresses:
        """uint8[m, 16]: the addresses that have pairs."""

    @property
    def address_count(self) -> NDArray[np.int64]:
        """int64[m]: the number of pairs of each address."""

    @property
    def context(self) -> AddressContext | None:
        """Context of the addresses; None where no operator or country is known."""

    def __len__(self) -> int:
        """Return the number of pairs in an epoch (approximate where each epoch draws a new sample)."""

    def epoch(self, rng: np.random.Generator, most: int) -> Iterator[Rows]:
        """Yield all pairs of an epoch once, in a new order, ``most`` at a time (fewer at the end)."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingPairs:
    """n rows (entity, address); those of :meth:`of_days` are unique per day."""

    hashes: NDArray[np.uint64]  # [n]
    address: NDArray[np.int32]  # [n] index into addresses
    addresses: Addresses  # uint8[m, 16]
    context: AddressContext | None = None  # of the addresses

    @classmethod
    def of_days(cls, events: TrainingEvents, hashes: NDArray[np.uint64], first: int, stop: int) -> TrainingPairs:
        """Return the learned rows of the days [first, stop), each (entity, address) once per day."""
        from ipi_es.ipinsights.training.time_split import day_slices

        parts = [np.zeros(0, dtype=np.intp)]
        for _, rows in day_slices(events, first, stop):
            taught = rows[events.learns[rows]]
            keys = packed_pairs(events.entity[taught], events.ip[taught], len(events.addresses))
            parts.append(taught[np.sort(np.unique(keys, return_index=True)[1])])
        return cls.of_rows(events, hashes, np.concatenate(parts))

    @classmethod
    def of_rows(cls, events: TrainingEvents, hashes: NDArray[np.uint64], rows: NDArray[np.intp]) -> TrainingPairs:
        """Return the pairs of the given rows."""
        return cls(hashes[events.entity[rows]], events.ip[rows], events.addresses, events.context or None)

    def __len__(self) -> int:
        return len(self.hashes)

    def take(self, rows: NDArray[np.intp]) -> TrainingPairs:
        """Return some of the rows."""
        return TrainingPairs(self.hashes[rows], self.address[rows], self.addresses, self.context)

    def source(self, most: int, rng: np.random.Generator) -> ResidentPairs:
        """Return a source of at most ``most`` rows of each entity, chosen uniformly."""
        kept = capped(self, most, rng)
        hashes, entity = np.unique(kept.hashes, return_inverse=True)
        count = np.bincount(kept.address, minlength=len(self.addresses))
        used = np.flatnonzero(count)
        place = np.zeros(len(count), dtype=np.int32)
        place[used] = np.arange(len(used), dtype=np.int32)
        return ResidentPairs(
            hashes=hashes,
            entity_count=np.bincount(entity, minlength=len(hashes)),
            addresses=self.addresses[used],
            address_count=count[used],
            context=self.context.take(used) if self.context else None,
            entity=entity.astype(np.int32),
            address=place[kept.address],
        )


@dataclass(frozen=True, slots=True, eq=False)
class ResidentPairs:
    """A :class:`PairSource` in memory: 8 bytes per pair."""

    hashes: NDArray[np.uint64]  # [e], ascending
    entity_count: NDArray[np.int64]  # [e]
    addresses: Addresses  # uint8[m, 16]
    address_count: NDArray[np.int64]  # [m]
    context: AddressContext | None
    entity: NDArray[np.int32]  # [n] index into hashes
    address: NDArray[np.int32]  # [n] index into addresses

    def __len__(self) -> int:
        return len(self.entity)

    def epoch(self, rng: np.random.Generator, most: int) -> Iterator[Rows]:
        """Yield all pairs once, in a new order, ``most`` at a time; see :class:`PairSource`."""
        order = rng.permutation(len(self))
        for start in range(0, len(order), most):
            rows = order[start : start + most]
            yield self.entity[rows], self.address[rows]


def capped(pairs: TrainingPairs, most: int, rng: np.random.Generator) -> TrainingPairs:
    """Return at most ``most`` rows of each entity, chosen uniformly."""
    shuffled = rng.permutation(len(pairs))
    order = shuffled[np.argsort(pairs.hashes[shuffled], kind="stable")]
    return pairs.take(np.sort(order[ranks_in_runs(run_starts(pairs.hashes[order])) < most]))
