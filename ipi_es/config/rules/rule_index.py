"""Find the rules that may match in an event bucket, without a look at each: there may be a hundred thousand of them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses, network, words
from ipi_es.config.entity_names import EntityStep, normalize_entity
from ipi_es.config.rules.allow_rule import WILDCARDS, AllowRule

BITS = 128
_HALF = 64
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""2^64 / golden ratio, odd: joins the halves of a network. Equal keys of different networks give a needless look."""


_FIRST_WILDCARD, _LAST_WILDCARD = re.compile(r"[*?\[]"), re.compile(r".*[*?\]]", re.DOTALL)

Kind: TypeAlias = Literal["name", "beginning", "end", "network", "operator"]


class Condition(NamedTuple):
    """Something that all pairs have that a rule matches. ``length``: of a beginning or end, or a network's prefix."""

    kind: Kind
    length: int
    value: str | int | bytes


def conditions(rule: AllowRule, steps: Sequence[EntityStep]) -> Iterator[Condition]:
    """Yield the conditions by which a rule can be found; ``steps`` normalize its entity."""
    if rule.entity is not None:
        name = normalize_entity(rule.entity, steps)
        if not any(character in name for character in WILDCARDS):
            yield Condition("name", 0, name)
        else:
            beginning, end = _FIRST_WILDCARD.split(name, maxsplit=1)[0], _LAST_WILDCARD.sub("", name)
            if beginning:
                yield Condition("beginning", len(beginning), beginning)
            if end:
                yield Condition("end", len(end), end)
    if rule.cidr is not None:
        base, length = network(rule.cidr)
        yield Condition("network", length, bytes(base))
    if rule.operator is not None:
        yield Condition("operator", 0, rule.operator)


class RuleIndex:
    """Rules by the one of their conditions that the fewest rules have; those without any are always candidates."""

    def __init__(self, rules: Iterable[AllowRule], steps: Sequence[EntityStep]) -> None:
        """Sort the rules; ``steps`` normalize their entities as those of the events."""
        each = [tuple(conditions(rule, steps)) for rule in rules]
        common = Counter(condition for found in each for condition in found)
        self._others = [place for place, found in enumerate(each) if not found]
        self._places: dict[tuple[Kind, int], dict[Any, list[int]]] = defaultdict(dict)
        """Kind and length of conditions → value → the rules' places."""
        for place, found in enumerate(each):
            if found:
                kind, length, value = min(found, key=common.__getitem__)
                self._places[kind, length].setdefault(value, []).append(place)
        networks = sorted(length for kind, length in self._places if kind == "network")
        self._networks = [_NetworksOfLength(length, self._places.pop(("network", length))) for length in networks]

    def candidates(
        self, entities: Sequence[str], addresses: Addresses, operator: NDArray[np.uint32] | None
    ) -> list[int]:
        """Return the indexes of all rules that may match any pair of these, in their order.

        ``addresses`` uint8[n, 16], ``operator`` [n] or None.
        """
        found = list(self._others)
        for (kind, length), places in self._places.items():
            there: Collection[Any]
            if kind == "name":
                there = set(entities)
            elif kind == "beginning":
                there = {name[:length] for name in entities}
            elif kind == "end":
                there = {name[-length:] for name in entities}
            else:
                there = set() if operator is None else set(np.unique(operator).tolist())
            for value in places.keys() & there:
                found += places[value]
        if self._networks and len(addresses):
            high, low = words(addresses)
            for networks in self._networks:
                found += networks.holding(high, low)
        return sorted(found)


class _NetworksOfLength:
    """The networks of one prefix length."""

    def __init__(self, length: int, networks: Mapping[bytes, Sequence[int]]) -> None:
        """``networks``: base → the rules' places."""
        self._masks = _mask(min(length, _HALF)), _mask(max(length - _HALF, 0))
        bases = np.frombuffer(b"".join(networks), dtype=np.uint8).reshape(-1, 16)
        keys = self._keys(*words(bases))
        order = np.argsort(keys, kind="stable")
        self._sorted = keys[order]
        places = list(networks.values())
        self._places = [places[place] for place in order.tolist()]

    def _keys(self, high: NDArray[np.uint64], low: NDArray[np.uint64]) -> NDArray[np.uint64]:
        keys: NDArray[np.uint64] = (high & self._masks[0]) * _FACTOR ^ (low & self._masks[1])
        return keys

    def holding(self, high: NDArray[np.uint64], low: NDArray[np.uint64]) -> list[int]:
        """Return the places of the networks that contain an address, given by its halves uint64[n]."""
        keys = np.unique(self._keys(high, low))
        first, last = (np.searchsorted(self._sorted, keys, side=side) for side in ("left", "right"))
        found = (self._places[at] for i in np.flatnonzero(last > first).tolist() for at in range(first[i], last[i]))
        return [place for places in found for place in places]


def _mask(bits: int) -> np.uint64:
    """Return the mask of the highest ``bits`` of 64."""
    return np.uint64((1 << _HALF) - (1 << (_HALF - bits)))
