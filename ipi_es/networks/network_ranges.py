"""Networks as arrays: rows as they are read, and the disjoint ranges that addresses are looked up in."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import V4_BITS, Addresses, is_v4, words
from ipi_es.networks.network_types import NETWORK_TYPES, NetworkType

WIDTH_V4, WIDTH_V6 = 32, 64
"""Bits of an address that a table uses: IPv6 networks are never routed longer than /64, so longer prefixes are left
out."""

Network: TypeAlias = tuple[bytes, int] | tuple[bytes, bytes]
"""A network as read: (address, length in its family's bits) of a prefix, or (first, last) of a range; 16 bytes each."""

_IS_RANGE = 255
"""Length that marks a row as a range; no prefix has it."""

_EDGE_V6 = np.uint64(2**64 - 1)


class Found(NamedTuple):
    """Facts about n addresses; 0 means unknown. The lengths are those of the networks that gave the values."""

    operator: NDArray[np.uint32]
    country: NDArray[np.uint16]
    operator_length: NDArray[np.uint8]
    country_length: NDArray[np.uint8]
    types: NDArray[np.uint8]

    @classmethod
    def nothing(cls, n: int) -> Found:
        """Return the facts about n addresses of which nothing is known."""
        operator, country = np.zeros(n, dtype=np.uint32), np.zeros(n, dtype=np.uint16)
        return cls(operator, country, *(np.zeros(n, dtype=np.uint8) for _ in range(3)))

    def take(self, rows: NDArray[np.intp]) -> Found:
        """Return the facts of some of the addresses, given as indexes."""
        operator, country, *rest = self
        return Found(operator[rows], country[rows], *(column[rows] for column in rest))

    def put(self, rows: NDArray[np.intp], facts: Found) -> None:
        """Set the facts of some of the addresses, given as indexes."""
        self.operator[rows], self.country[rows], self.types[rows] = facts.operator, facts.country, facts.types
        self.operator_length[rows], self.country_length[rows] = facts.operator_length, facts.country_length


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """Disjoint ranges that cover the whole space of one address family: range i begins at ``start[i]``."""

    start: NDArray[np.uint64]  # [m], ascending, the first is 0
    facts: Found  # [m]

    @classmethod
    def of(
        cls,
        width: int,
        first: NDArray[np.uint64],
        last: NDArray[np.uint64],
        operator: NDArray[np.uint32],
        country: NDArray[np.uint16],
        types: NDArray[np.uint8],
    ) -> Ranges:
        """Flatten networks [first, last] of ``width`` bits: where they overlap, the smallest wins, and types add.

        Large ones are painted first, smaller ones over them; a field that the smaller one lacks keeps its value. Of
        equal ones the later wins.
        """
        edge = np.uint64((1 << width) - 1)
        start = np.unique(np.concatenate([np.zeros(1, dtype=np.uint64), first, last[last < edge] + np.uint64(1)]))
        begin = np.searchsorted(start, first)
        end = np.searchsorted(start, last, side="right")
        length = _lengths(width, first, last)
        painted = Found.nothing(len(start))
        for bits in np.unique(length):
            at = np.flatnonzero(length == bits)
            at = at[np.argsort(~(last[at] - first[at]), kind="stable")]  # the largest first
            sizes = end[at] - begin[at]
            cells = np.repeat(begin[at] - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
            new_operator, new_country = np.repeat(operator[at], sizes), np.repeat(country[at], sizes)
            painted.operator[cells[new_operator > 0]] = new_operator[new_operator > 0]
            painted.operator_length[cells[new_operator > 0]] = bits
            painted.country[cells[new_country > 0]] = new_country[new_country > 0]
            painted.country_length[cells[new_country > 0]] = bits
        for place in range(len(NETWORK_TYPES)):
            rows = np.flatnonzero(types >> place & 1)
            if len(rows):
                depth = np.bincount(begin[rows], minlength=len(start) + 1)
                depth -= np.bincount(end[rows], minlength=len(start) + 1)
                painted.types[np.cumsum(depth[:-1]) > 0] |= np.uint8(1 << place)
        return cls(start, painted)

    def find(self, values: NDArray[np.uint64]) -> Found:
        """Return the facts of values uint64[n] of the family's width."""
        at = np.searchsorted(self.start, values, side="right") - 1
        return self.facts.take(at)


def _lengths(width: int, first: NDArray[np.uint64], last: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return the length of the longest prefix that is as large as each network: uint8[n]."""
    bits = np.ceil(np.log2((last - first).astype(np.float64) + 1.0))
    lengths: NDArray[np.uint8] = np.clip(width - bits, 0, width).astype(np.uint8)
    return lengths


@dataclass(slots=True)
class NetworkRows:
    """Rows of a file as they are read: 31 bytes for each prefix, 47 for each range."""

    first: bytearray = field(default_factory=bytearray)
    length: bytearray = field(default_factory=bytearray)
    last: bytearray = field(default_factory=bytearray)
    """Of ranges only."""
    operator: array[int] = field(default_factory=lambda: array("I"))
    country: array[int] = field(default_factory=lambda: array("H"))
    types: bytearray = field(default_factory=bytearray)
    names: dict[int, str] = field(default_factory=dict)
    """Names of operators."""

    def __len__(self) -> int:
        return len(self.length)

    def add(self, network: Network, operator: int = 0, country: int = 0, types: int = 0) -> None:
        """Add a network."""
        self.first += network[0]
        if isinstance(network[1], bytes):
            self.length.append(_IS_RANGE)
            self.last += network[1]
        else:
            self.length.append(network[1])
        self.operator.append(operator)
        self.country.append(country)
        self.types.append(types)

    def flattened(self) -> FlatTable:
        """Flatten the rows for each address family."""
        addresses = np.frombuffer(self.first, dtype=np.uint8).reshape(-1, 16)
        four, length = is_v4(addresses), np.frombuffer(self.length, dtype=np.uint8)
        types = np.frombuffer(self.types, dtype=np.uint8)
        v4, v6 = (self._ranges(addresses, np.flatnonzero(family), width) for family, width in _families(four))
        return FlatTable(
            v4,
            v6,
            names=self.names,
            rows=len(self),
            too_long=int(np.count_nonzero(~four & (length != _IS_RANGE) & (length > WIDTH_V6))),
            type_counts={name: int(np.count_nonzero(types >> at & 1)) for at, name in enumerate(NETWORK_TYPES)},
            has_context=bool(np.any(self.operator) or np.any(self.country)),
        )

    def _ranges(self, addresses: Addresses, rows: NDArray[np.intp], width: int) -> Ranges:
        """Flatten the rows of one family."""
        length = np.frombuffer(self.length, dtype=np.uint8)
        number = np.cumsum(length == _IS_RANGE)[rows] - 1  # of the row among the ranges
        high, low = words(addresses[rows])
        length = length[rows]
        first, last = _of_prefixes(width, low & V4_BITS if width == WIDTH_V4 else high, length)
        at = np.flatnonzero(length == _IS_RANGE)
        ends = words(np.frombuffer(self.last, dtype=np.uint8).reshape(-1, 16)[number[at]])
        if width == WIDTH_V4:
            first[at], last[at] = low[at] & V4_BITS, ends[1] & V4_BITS
        else:
            first[at], last[at] = _whole_64(high[at], low[at], *ends)
        keep = np.flatnonzero(((length == _IS_RANGE) | (length <= width)) & (first <= last))
        kept = rows[keep]
        operator = np.frombuffer(self.operator, dtype=np.uint32)[kept]
        country = np.frombuffer(self.country, dtype=np.uint16)[kept]
        types = np.frombuffer(self.types, dtype=np.uint8)[kept]
        return Ranges.of(width, first[keep], last[keep], operator, country, types)


def _families(four: NDArray[np.bool_]) -> tuple[tuple[NDArray[np.bool_], int], ...]:
    return (four, WIDTH_V4), (~four, WIDTH_V6)


def _of_prefixes(
    width: int, base: NDArray[np.uint64], length: NDArray[np.uint8]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the first and the last address of prefixes of ``width`` bits."""
    edge = np.uint64((1 << width) - 1)
    free = np.clip(width - length.astype(np.int16), 0, width).astype(np.uint64)
    # a shift by all 64 bits is undefined: ::/0 is masked by hand
    mask = np.where(length == 0, edge, (np.uint64(1) << np.minimum(free, np.uint64(63))) - np.uint64(1))
    first = base & ~mask
    return first, first | mask


def _whole_64(
    high: NDArray[np.uint64], low: NDArray[np.uint64], last_high: NDArray[np.uint64], last_low: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the first and the last /64 that lie wholly in IPv6 ranges; the first is after the last where none does."""
    begins_within = low > 0
    ends_within = last_low < _EDGE_V6
    # neither end can overflow: a range that would have none is made (1, 0)
    none = (begins_within & (high == _EDGE_V6)) | (ends_within & (last_high == 0))
    first = np.where(none, np.uint64(1), high + begins_within.astype(np.uint64))
    return first, np.where(none, np.uint64(0), last_high - ends_within.astype(np.uint64))


@dataclass(frozen=True, slots=True)
class FlatTable:
    """Networks of a file, flattened for each address family."""

    v4: Ranges
    v6: Ranges
    names: dict[int, str]
    rows: int
    """Networks as listed, before overlaps were resolved."""
    too_long: int
    """Of these, IPv6 prefixes longer than /64, which are left out."""
    type_counts: dict[NetworkType, int]
    has_context: bool
    """Whether any network has an operator or a country."""

    def find(self, addresses: Addresses) -> Found:
        """Return the facts of addresses uint8[n, 16]."""
        high, low = words(addresses)
        four = is_v4(addresses)
        found = Found.nothing(len(addresses))
        for rows, ranges, values in (
            (np.flatnonzero(four), self.v4, low & V4_BITS),
            (np.flatnonzero(~four), self.v6, high),
        ):
            found.put(rows, ranges.find(values[rows]))
        return found
