"""Forward pass of the IP Insights network, in NumPy: entity vector × sum of prefix vectors + biases = log-odds.

An address's vector is the sum of the vectors of the networks that contain it (/8, /12, … /32; IPv6 /20 … /64), and of
its operator and country where the training data had them, passed through ``num_ip_encoder_layers - 1`` residual layers
``v + tanh(v W + b)``. A network in fewer than two training rows has its level's "unseen" vector; an entity without
training rows has the unknown row. Both are trained.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ipi_es.ipinsights.address_context import CONTEXT_LEVELS
from ipi_es.ipinsights.entity_hashing import UNKNOWN_ROW, hashed_rows
from ipi_es.ipinsights.key_index import KeyIndex, found_in
from ipi_es.ipinsights.prefixes import ADDRESS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.ipinsights.address_context import AddressContext

SLOTS = ADDRESS
"""Levels that the encoder sums: all but the exact address, for which history is the better source."""
HEADS = 2 * CONTEXT_LEVELS
"""Rows of the context table before the rows of its keys."""
_FEW = 64
"""A search for fewer keys than 1/64 of the vocabulary builds no index."""
_BLOCK_ADDRESSES = 1 << 12
"""Addresses summed at a time: their vectors stay in the processor's cache."""
_BLOCK_PAIRS = 1 << 16
"""Pairs multiplied at a time: bounds the working memory to 2 · 65,536 · vector_dim floats."""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Trained arrays, d = vector_dim; the last of the d + 1 columns of a table is the bias."""

    entity_table: NDArray[np.float32]
    """[num_entity_vectors + 1, d + 1]; row 0 is the unknown entity."""
    trained_count: NDArray[np.uint32]
    """[num_entity_vectors + 1]: training rows of each row's entities (without epochs)."""
    trained_entities: NDArray[np.uint64]
    """Hashes of the entities in the training rows, ascending."""
    prefix_keys: NDArray[np.uint64]
    """[m]: keys of the networks that have a vector, ascending."""
    prefix_table: NDArray[np.float32]
    """[SLOTS + m, d + 1]: each level's unseen vector, then the rows of ``prefix_keys``."""
    layers: NDArray[np.float32]
    """[num_ip_encoder_layers - 1, d + 1, d]: W above b."""
    context_keys: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    """[c]: keys of the operators and countries that have a vector, ascending."""
    context_table: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    """[HEADS + c, d + 1]: each level's vector for unseen values, each level's vector for unknown values, then the rows
    of ``context_keys``; [0, 0] where the training data had neither operators nor countries."""
    _prefix_index: KeyIndex | None = field(default=None, init=False, repr=False)
    """Built by the first search for many keys."""

    @property
    def vector_dim(self) -> int:
        """Length d of a vector, without the bias."""
        return int(self.entity_table.shape[1]) - 1

    @property
    def num_entity_vectors(self) -> int:
        """Rows of the entity table besides the unknown one."""
        return len(self.entity_table) - 1

    def without(self, hashes: NDArray[np.uint64]) -> Network:
        """Return a network that takes these entities for untrained ones; the vectors stay, as others share them."""
        return replace(self, trained_entities=np.setdiff1d(self.trained_entities, hashes))

    def entity_rows(self, hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return int32[n]: each entity's row, :data:`~ipi_es.ipinsights.entity_hashing.UNKNOWN_ROW` if not trained."""
        _, trained = found_in(self.trained_entities, hashes)
        return np.where(trained, hashed_rows(hashes, self.num_entity_vectors), np.int32(UNKNOWN_ROW))

    def prefix_rows(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return int32[n, SLOTS]: rows of the prefix table for the addresses' prefix keys uint64[n, LEVELS]."""
        position, found = self.find_prefixes(keys[:, :SLOTS])
        return np.where(found, position + SLOTS, np.arange(SLOTS)).astype(np.int32)

    def find_prefixes(self, keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the positions of keys uint64[...] in ``prefix_keys`` (0 where absent), and bool: which are present."""
        if self._prefix_index is None:
            if keys.size * _FEW < len(self.prefix_keys):
                return found_in(self.prefix_keys, keys)
            object.__setattr__(self, "_prefix_index", KeyIndex(self.prefix_keys))  # only a cache
            assert self._prefix_index is not None
        return self._prefix_index.find(keys)

    def entity_vectors(self, hashes: NDArray[np.uint64]) -> NDArray[np.float32]:
        """Return float32[n, d + 1]: the entities' vectors, each with its bias last."""
        return self.entity_table[self.entity_rows(hashes)]

    @property
    def knows_context(self) -> bool:
        """Whether the network was trained with operators and countries."""
        return len(self.context_table) > 0

    def context_rows(self, context: AddressContext | None, n: int) -> NDArray[np.int32]:
        """Return int32[n, CONTEXT_LEVELS]: rows of the context table; for None, those of n unknown contexts."""
        if context is None:
            return np.tile(np.arange(CONTEXT_LEVELS, HEADS, dtype=np.int32), (n, 1))
        levels = np.arange(CONTEXT_LEVELS)
        position, found = found_in(self.context_keys, context.keys())
        rows = np.where(found, position + HEADS, levels)
        return np.where(context.known(), rows, levels + CONTEXT_LEVELS).astype(np.int32)

    def address_vectors(self, keys: NDArray[np.uint64], context: AddressContext | None = None) -> NDArray[np.float32]:
        """Return float32[n, d + 1]: vectors of addresses from their prefix keys uint64[n, LEVELS] and their context."""
        total = np.empty((len(keys), self.prefix_table.shape[1]), dtype=np.float32)
        for start in range(0, len(keys), _BLOCK_ADDRESSES):
            rows = self.prefix_rows(keys[start : start + _BLOCK_ADDRESSES])
            block = self.prefix_table.take(rows[:, 0], axis=0)
            for slot in range(1, SLOTS):
                block += self.prefix_table.take(rows[:, slot], axis=0)
            total[start : start + _BLOCK_ADDRESSES] = block
        if self.knows_context:
            rows = self.context_rows(context, len(keys))
            for level in range(CONTEXT_LEVELS):
                total += self.context_table.take(rows[:, level], axis=0)
        if len(self.layers):
            # in float64: BLAS rounds a row differently in batches of other sizes, and a score must not depend on that
            vector = total[:, :-1].astype(np.float64)
            for layer in self.layers.astype(np.float64):
                vector += np.tanh(vector @ layer[:-1] + layer[-1])
            total[:, :-1] = vector
        return total

    def log_odds(
        self,
        entity_vectors: NDArray[np.float32],
        address_vectors: NDArray[np.float32],
        entity: NDArray[np.int32],
        address: NDArray[np.int32],
    ) -> NDArray[np.float32]:
        """Return float32[n]: log-odds of the pairs (entity[i], address[i]), indexes into the vectors; high = usual."""
        out = np.empty(len(entity), dtype=np.float32)
        for start in range(0, len(entity), _BLOCK_PAIRS):
            block = slice(start, start + _BLOCK_PAIRS)
            left, right = entity_vectors[entity[block]], address_vectors[address[block]]
            out[block] = np.einsum("nd,nd->n", left[:, :-1], right[:, :-1])
            out[block] += left[:, -1] + right[:, -1]
        return out

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, under ``network.…``."""
        return {f"network.{name}": getattr(self, name) for name in self.__slots__ if not name.startswith("_")}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Network:
        """Restore from :meth:`to_arrays`' arrays; the context arrays may be absent."""
        later = {"context_keys", "context_table"}  # not in the first snapshots of format version 1
        known = [name for name in cls.__slots__ if not name.startswith("_")]
        names = [name for name in known if name not in later or f"network.{name}" in arrays]
        return cls(**{name: arrays[f"network.{name}"] for name in names})
