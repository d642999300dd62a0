"""Find the rules that may match in an event bucket, without a look at each: there may be a hundred thousand of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses, network, words
from ipi_es.config.allow_rule import WILDCARDS, AllowRule
from ipi_es.config.entity_names import EntityStep, normalize_entity

BITS = 128
_HALF = 64
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""2^64 / golden ratio, odd: joins the halves of a network. Equal keys of different networks give a needless look."""


class RuleIndex:
    """Rules by the one condition that few pairs meet: an entity's name, a network, an operator; the rest by none."""

    def __init__(self, rules: Iterable[AllowRule], steps: Sequence[EntityStep]) -> None:
        """Sort the rules; ``steps`` normalize their entities as those of the events."""
        self._by_entity: dict[str, list[int]] = defaultdict(list)
        self._by_operator: dict[int, list[int]] = defaultdict(list)
        self._others: list[int] = []
        by_length: dict[int, list[tuple[bytes, int]]] = defaultdict(list)
        for place, rule in enumerate(rules):
            name = None if rule.entity is None else normalize_entity(rule.entity, steps)
            if name is not None and not any(character in name for character in WILDCARDS):
                self._by_entity[name].append(place)
            elif rule.cidr is not None:
                base, length = network(rule.cidr)
                by_length[length].append((bytes(base), place))
            elif rule.operator is not None:
                self._by_operator[rule.operator].append(place)
            else:
                self._others.append(place)
        self._networks = [_NetworksOfLength(length, found) for length, found in sorted(by_length.items())]

    def candidates(
        self, entities: Sequence[str], addresses: Addresses, operator: NDArray[np.uint32] | None
    ) -> list[int]:
        """Return the indexes of all rules that may match any pair of these, in their order.

        ``addresses`` uint8[n, 16], ``operator`` [n] or None.
        """
        found = list(self._others)
        if self._by_entity:
            for name in self._by_entity.keys() & set(entities):
                found += self._by_entity[name]
        if self._by_operator and operator is not None:
            for number in self._by_operator.keys() & set(np.unique(operator).tolist()):
                found += self._by_operator[number]
        if self._networks and len(addresses):
            high, low = words(addresses)
            for networks in self._networks:
                found += networks.holding(high, low)
        return sorted(found)


class _NetworksOfLength:
    """The networks of one prefix length."""

    def __init__(self, length: int, networks: Sequence[tuple[bytes, int]]) -> None:
        self._masks = _mask(min(length, _HALF)), _mask(max(length - _HALF, 0))
        bases = np.frombuffer(b"".join(base for base, _ in networks), dtype=np.uint8).reshape(-1, 16)
        keys = self._keys(*words(bases))
        order = np.argsort(keys, kind="stable")
        self._sorted = keys[order]
        self._places = np.array([place for _, place in networks], dtype=np.int64)[order]

    def _keys(self, high: NDArray[np.uint64], low: NDArray[np.uint64]) -> NDArray[np.uint64]:
        keys: NDArray[np.uint64] = (high & self._masks[0]) * _FACTOR ^ (low & self._masks[1])
        return keys

    def holding(self, high: NDArray[np.uint64], low: NDArray[np.uint64]) -> list[int]:
        """Return the places of the networks that contain an address, given by its halves uint64[n]."""
        keys = np.unique(self._keys(high, low))
        first, last = (np.searchsorted(self._sorted, keys, side=side) for side in ("left", "right"))
        parts = [self._places[first[i] : last[i]] for i in np.flatnonzero(last > first).tolist()]
        return [place for part in parts for place in part.tolist()]


def _mask(bits: int) -> np.uint64:
    """Return the mask of the highest ``bits`` of 64."""
    return np.uint64((1 << _HALF) - (1 << (_HALF - bits)))
