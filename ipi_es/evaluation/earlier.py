"""Exact counts of earlier rows, for the references: the number of rows with a key before a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ipi_es.index_pairs import packed_pairs
from ipi_es.ipinsights.hashing import joined, mix
from ipi_es.ipinsights.history.deltas import DAY
from ipi_es.ipinsights.prefixes import prefix_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.ipinsights.address_context import AddressContext

State: TypeAlias = Literal["frozen", "daily", "online"]
"""Rows that a reference may use: all before the test; all before the day; all strictly earlier."""
_COUNTRY_SALT, _OPERATOR_SALT = np.uint64(1 << 40), np.uint64(1 << 41)
"""Keep countries and operators apart; the prefixes' keys are mixed with other salts."""


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """The networks that contain each of n addresses, from the widest to the address itself."""

    key: NDArray[np.uint64]  # [n, levels]
    known: NDArray[np.bool_]  # [n, levels]: False where operator or country is unknown

    @classmethod
    def of(cls, addresses: Addresses, context: AddressContext | None) -> Keys:
        """Compute the keys of country, operator (both only with ``context``) and the eight prefix levels."""
        prefixes = prefix_keys(addresses)
        known = np.ones(prefixes.shape, dtype=np.bool_)
        if context is None:
            return cls(prefixes, known)
        country, operator = context.country.astype(np.uint64), context.operator.astype(np.uint64)
        wide = np.stack([mix(country | _COUNTRY_SALT), mix(operator | _OPERATOR_SALT)], axis=1)
        there = np.stack([country > 0, operator > 0], axis=1)
        return cls(np.concatenate([wide, prefixes], axis=1), np.concatenate([there, known], axis=1))

    def take(self, rows: NDArray[np.intp]) -> Keys:
        """Return the keys of some of the addresses."""
        return Keys(self.key[rows], self.known[rows])

    def of_entities(self, hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return uint64[n, levels]: keys of (hashes[i], network), hashes uint64[n]."""
        return joined(hashes[:, None], self.key)


def before(time: NDArray[np.int64], test: int, state: State) -> NDArray[np.int64]:
    """Return int64[n], epoch seconds: rows before this limit may be used at ``time``; ``test``: the test's start."""
    if state == "frozen":
        return np.full(len(time), test, dtype=np.int64)
    return time // DAY * DAY if state == "daily" else time


class EarlierRows:
    """Counts events by key and time."""

    def __init__(
        self, key: NDArray[np.uint64], time: NDArray[np.int64], count: NDArray[np.int64] | None = None
    ) -> None:
        """Take key uint64[n], time int64[n] and number of events int64[n] of the rows, in any order; None: one each."""
        self._keys, code = np.unique(key, return_inverse=True)
        self._first = int(time.min(initial=0))
        self._width = int(time.max(initial=0)) - self._first + 2
        rows = packed_pairs(code, time - self._first, self._width)
        order = np.argsort(rows)
        self._rows = rows[order]
        each = np.ones(len(rows), dtype=np.int64) if count is None else count[order]
        self._sums = np.concatenate([[0], np.cumsum(each)])

    def count(self, key: NDArray[np.uint64], until: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return int64[n]: the number of events with key[i] (uint64[n]) before until[i] (int64[n])."""
        if not len(self._keys):
            return np.zeros(len(key), dtype=np.int64)
        code = np.minimum(np.searchsorted(self._keys, key), len(self._keys) - 1)
        found = self._keys[code] == key
        offset = np.clip(until - self._first, 0, self._width - 1)
        begin = np.searchsorted(self._rows, packed_pairs(code, 0, self._width))
        end = np.searchsorted(self._rows, packed_pairs(code, offset, self._width))
        return np.where(found, self._sums[end] - self._sums[begin], 0)


@dataclass(frozen=True, slots=True, eq=False)
class EarlierCounts:
    """Numbers of earlier events for n pairs, by level."""

    pair: NDArray[np.int64]  # [n, levels]: of the entity in the network
    network: NDArray[np.int64]  # [n, levels]: of all entities in the network
    entity: NDArray[np.int64]  # [n]: of the entity
    total: NDArray[np.int64]  # [n]: of all entities
    known: NDArray[np.bool_]  # [n, levels]


class Counter:
    """Counts the events of one window that references may use."""

    def __init__(
        self,
        keys: Keys,
        hashes: NDArray[np.uint64],
        time: NDArray[np.int64],
        count: NDArray[np.int64] | None = None,
    ) -> None:
        """Take the rows' address keys, entity hashes uint64[n], times int64[n], events int64[n] (None: one each)."""
        pairs = keys.of_entities(hashes)
        self._networks = [EarlierRows(keys.key[:, level], time, count) for level in range(keys.key.shape[1])]
        self._pairs = [EarlierRows(pairs[:, level], time, count) for level in range(keys.key.shape[1])]
        self._entities = EarlierRows(hashes, time, count)
        self._all = EarlierRows(np.zeros(len(time), dtype=np.uint64), time, count)

    def counted(self, keys: Keys, hashes: NDArray[np.uint64], until: NDArray[np.int64]) -> EarlierCounts:
        """Count the events before ``until`` int64[n] for the pairs (hashes[i], address i)."""
        pairs = keys.of_entities(hashes)
        pair = [each.count(pairs[:, level], until) for level, each in enumerate(self._pairs)]
        network = [each.count(keys.key[:, level], until) for level, each in enumerate(self._networks)]
        return EarlierCounts(
            pair=np.where(keys.known, np.stack(pair, axis=1), 0),
            network=np.where(keys.known, np.stack(network, axis=1), 0),
            entity=self._entities.count(hashes, until),
            total=self._all.count(np.zeros(len(until), dtype=np.uint64), until),
            known=keys.known,
        )
