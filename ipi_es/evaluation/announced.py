"""The announced part of the address space, where random addresses are drawn; with or without a file of networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.addresses import V4_PREFIX, V4_WORD, from_words, is_private, v4_words, words
from ipi_es.errors import UsageError
from ipi_es.networks.layouts import PREFIX_COLUMNS
from ipi_es.networks.opening import is_table_with_header
from ipi_es.networks.text_files import prefix_of, table_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses

_ONES = np.uint64((1 << 64) - 1)
_UNICAST_V4 = (1 << 24, 224 << 24)
"""1.0.0.0 to 223.255.255.255, [first, stop): the range without a file; private addresses are excluded when drawing."""
_MAX_V6_LENGTH = 64
_MAX_DRAWS = 100
"""Maximum number of draws for a public address. A table of a company's own networks may have private ones only."""
_OBSERVED_V6_LENGTH = 32
"""Length of the observed addresses' IPv6 prefixes, used without a table: a provider's usual allocation."""


@dataclass(frozen=True, slots=True, eq=False)
class Announced:
    """IPv4 as disjoint ranges, IPv6 as prefixes of at most 64 bits."""

    start_v4: NDArray[np.int64]  # [m] ascending
    size_v4: NDArray[np.int64]  # [m] addresses in each range
    base_v6: NDArray[np.uint64]  # [k] high 64 bits
    length_v6: NDArray[np.int64]  # [k]

    @classmethod
    def of(cls, networks: Sequence[Path], observed: Addresses) -> Announced:
        """Build it from the first table with a header among the files of networks, else from the observed addresses.

        Databases in MaxMind's format list no prefixes, and other files only those of a kind, such as Tor's exits.
        """
        table = next((path for path in networks if is_table_with_header(path)), None)
        return cls.of_observed(observed) if table is None else cls.of_file(table)

    @classmethod
    def of_file(cls, path: Path) -> Announced:
        """Read the prefixes of a table of networks (.csv, .tsv, .gz of them). Raises UsageError where it has none."""
        v4, v6 = [], []
        for blob, length in _prefixes(path):
            if blob.startswith(V4_PREFIX):
                v4.append((int.from_bytes(blob[12:], "big"), length))
            elif length <= _MAX_V6_LENGTH:
                v6.append((int.from_bytes(blob[:8], "big"), length))
        start = np.array([base >> (32 - bits) << (32 - bits) for base, bits in v4], dtype=np.int64)
        size = np.array([1 << (32 - bits) for _, bits in v4], dtype=np.int64)
        base = np.array([base for base, _ in v6], dtype=np.uint64)
        return cls(*_merged(start, size), base, np.array([length for _, length in v6], dtype=np.int64))

    @classmethod
    def of_observed(cls, observed: Addresses) -> Announced:
        """Build it without a file: all unicast IPv4, and the /32 of the observed IPv6 addresses uint8[n, 16]."""
        first, stop = _UNICAST_V4
        high, low = words(observed)
        base = np.unique(high[~v4_words(high, low)] >> np.uint64(64 - _OBSERVED_V6_LENGTH))
        return cls(
            np.array([first], dtype=np.int64),
            np.array([stop - first], dtype=np.int64),
            base << np.uint64(64 - _OBSERVED_V6_LENGTH),
            np.full(len(base), _OBSERVED_V6_LENGTH, dtype=np.int64),
        )

    def draw(self, v4: NDArray[np.bool_], rng: np.random.Generator) -> Addresses:
        """Draw uint8[n, 16]: IPv4 uniform over the ranges where ``v4`` bool[n], else uniform over the IPv6 prefixes.

        Where a family has no announced networks, addresses of the other family are drawn.
        """
        n = len(v4)
        v4 = v4 if len(self.base_v6) else np.ones(n, dtype=np.bool_)
        v4 = v4 if len(self.start_v4) else np.zeros(n, dtype=np.bool_)
        low_4 = self._draw_v4(n, rng) if len(self.start_v4) else np.zeros(n, dtype=np.uint64)
        prefix = rng.integers(0, max(len(self.base_v6), 1), n)
        fresh, host = (rng.integers(0, _ONES, n, dtype=np.uint64, endpoint=True) for _ in range(2))
        high_6 = np.zeros(n, dtype=np.uint64)
        if len(self.base_v6):
            length = self.length_v6[prefix].astype(np.uint64)
            # a shift by all 64 bits is undefined
            mask = np.where(length < 64, _ONES >> np.minimum(length, np.uint64(63)), np.uint64(0))
            high_6 = (self.base_v6[prefix] & ~mask) | (fresh & mask)
        return from_words(np.where(v4, np.uint64(0), high_6), np.where(v4, low_4 | V4_WORD, host))

    def _draw_v4(self, n: int, rng: np.random.Generator) -> NDArray[np.uint64]:
        ends = np.cumsum(self.size_v4)
        result = np.zeros(n, dtype=np.uint64)
        left = np.arange(n)
        for _ in range(_MAX_DRAWS):  # private addresses are drawn again
            if not len(left):
                break
            at = rng.integers(0, ends[-1], len(left))
            place = np.searchsorted(ends, at, side="right")
            value = self.start_v4[place] + at - (ends[place] - self.size_v4[place])
            result[left] = value.astype(np.uint64)
            left = left[is_private(from_words(np.zeros(len(left), dtype=np.uint64), result[left] | V4_WORD))]
        return result


def _merged(start: NDArray[np.int64], size: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Merge ranges that overlap or adjoin; return the disjoint (start, size), ascending."""
    if not len(start):
        return start, size
    order = np.argsort(start, kind="stable")
    start, stop = start[order], (start + size)[order]
    reach = np.maximum.accumulate(stop)
    begins = np.concatenate([[True], start[1:] > reach[:-1]])
    ends = np.append(np.flatnonzero(begins)[1:] - 1, len(start) - 1)
    return start[begins], reach[ends] - start[begins]


def _prefixes(path: Path) -> Iterator[tuple[bytes, int]]:
    """Yield (16 bytes, length in the family's own bits) of each valid prefix of the file.

    Raises UsageError where the header has no prefix column.
    """
    rows = table_rows(path)
    header = [name.strip().lower() for name in next(rows, [])]
    at = next((header.index(name) for name in PREFIX_COLUMNS if name in header), None)
    if at is None:
        raise UsageError(f"{path} names no prefix", hint=f"its header needs one of {', '.join(PREFIX_COLUMNS)}")
    for row in rows:
        prefix = prefix_of(row[at]) if len(row) > at else None
        if prefix is not None:
            yield prefix
