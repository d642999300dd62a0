"""Conversion of columns of strings to distinct values and their numbers, with C loops and NumPy only.

Measured on a million rows: the cost is not the computation but access to memory outside the processor's cache. So rows
are processed in order, and a comparison with the neighbour replaces a look-up in a dict of strings where possible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from operator import ne
from socket import AF_INET, AF_INET6, inet_pton
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import V4_PREFIX, Addresses, IpPick, canonical, is_v4, packed_as_written, picked, words
from ipi_es.embedded_addresses import Embedding, unwrap
from ipi_es.index_pairs import packed_pairs

Numbers: TypeAlias = NDArray[np.int32]
"""int32[rows]: each row's index in a list of distinct values."""

MALFORMED = -1
"""The number of a row with a malformed address."""


def number_texts(values: list[Any], spell: Callable[[list[Any]], list[str]]) -> tuple[list[str], Numbers, bool]:
    """Return distinct names by first appearance, each row's number, and whether different spellings became one name.

    ``spell`` converts distinct values to names. ``values`` must not be empty. Fastest where equal values are
    neighbours, as the cluster sorts them.
    """
    changes = np.fromiter(map(ne, values[1:], values), dtype=np.bool_, count=len(values) - 1)
    heads = [values[0], *compress(values[1:], changes.tolist())]
    spellings = list(dict.fromkeys(heads))
    names = spell(spellings)
    distinct = list(dict.fromkeys(names))
    place = dict(zip(distinct, range(len(distinct)), strict=True))
    lookup = dict(zip(spellings, map(place.__getitem__, names), strict=True))
    numbers = np.fromiter(map(lookup.__getitem__, heads), dtype=np.int32, count=len(heads))
    lengths = np.diff(np.flatnonzero(changes), prepend=-1, append=len(values) - 1)
    return distinct, np.repeat(numbers, lengths), len(distinct) < len(spellings)


def number_ips(
    values: list[Any], own: Sequence[Embedding] = (), pick: IpPick | None = None
) -> tuple[list[str], Addresses, Numbers, bool]:
    """Return distinct addresses, as canonical text and as bytes by first appearance, and each row's number.

    Embedded IPv4 addresses are extracted; ``own`` are prefixes of translators in addition to the well-known ones;
    ``pick`` chooses in a text with several addresses. The last value is True where different spellings may have become
    one address. A malformed address has the number MALFORMED. Addresses are compared as bytes: parsing each row is
    faster than looking up its text.
    """
    blobs = _pack(values)
    if blobs is None:  # some are malformed or spelled unusually: the slow path, for the whole event bucket
        found = [packed_as_written(text) if isinstance(text, str) else None for text in _picked(values, pick)]
        valid = np.fromiter((blob is not None for blob in found), dtype=np.bool_, count=len(found))
        _, addresses, numbers = _distinct([blob for blob in found if blob is not None], own)
        result = np.full(len(values), MALFORMED, dtype=np.int32)
        result[valid] = numbers
        return _canonical(addresses), addresses, result, True
    first, addresses, numbers = _distinct(blobs, own)
    if ":" in "".join(values):
        return _canonical(addresses), addresses, numbers, True
    # The IPv4 texts that inet_pton accepts are canonical: no leading zeros, spaces, shortened or hexadecimal forms.
    return [values[at] for at in first.tolist()], addresses, numbers, False


def _picked(values: list[Any], pick: IpPick | None) -> list[Any]:
    if pick is None:
        return values
    return [picked(value, pick) if isinstance(value, str) else value for value in values]


def _pack(values: list[Any]) -> list[bytes] | None:
    """Pack each value into 16 bytes; return None if one isn't an address in standard notation."""
    v4, v6, pton, prefix = AF_INET, AF_INET6, inet_pton, V4_PREFIX
    try:
        return [pton(v6, text) if ":" in text else prefix + pton(v4, text) for text in values]
    except (OSError, TypeError, ValueError):
        return None


def _distinct(blobs: list[bytes], own: Sequence[Embedding]) -> tuple[NDArray[np.intp], Addresses, Numbers]:
    """Return the distinct addresses by first appearance, as first rows and as bytes, and each row's number."""
    rows = np.frombuffer(b"".join(blobs), dtype=np.uint8).reshape(-1, 16)
    all_v4 = bool(is_v4(rows).all())
    if not all_v4:
        rows = unwrap(rows, own)
        all_v4 = bool(is_v4(rows).all())
    high, low = words(rows)
    if all_v4:
        _, first, inverse = np.unique(low, return_index=True, return_inverse=True)
    else:
        # Sorting integers is much faster than sorting byte strings: number the upper half, then both halves together.
        _, upper = np.unique(high, return_inverse=True)
        _, lower = np.unique(low, return_inverse=True)
        keys = packed_pairs(upper, lower, len(rows))
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order, numbers = by_appearance(first, inverse)
    return first[order], rows[first[order]], numbers


def _canonical(addresses: Addresses) -> list[str]:
    raw = addresses.tobytes()
    return [canonical(raw[at : at + 16]) for at in range(0, len(raw), 16)]


def by_appearance(first: NDArray[np.intp], inverse: NDArray[np.intp]) -> tuple[NDArray[np.intp], Numbers]:
    """Reorder the output of np.unique: return the distinct values' order by first appearance, and new row numbers."""
    order = np.argsort(first)
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    return order, place[inverse]


def compact(names: list[str], numbers: Numbers) -> tuple[list[str], Numbers, NDArray[np.intp]]:
    """Return only the names that rows use, the rows renumbered by appearance, and the kept names' old indices."""
    used, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    order, renumbered = by_appearance(first, inverse)
    kept = used[order].astype(np.intp)
    return [names[at] for at in kept.tolist()], renumbered, kept


def merge(key: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return the first row of each distinct key, in order of rows, and the sum of the key's counts."""
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    totals = np.zeros(len(first), dtype=np.int64)
    np.add.at(totals, inverse, counts)
    order = np.argsort(first)
    return first[order], totals[order]
