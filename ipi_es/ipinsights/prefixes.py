"""An address as the chain of networks that contain it: eight levels, the same slots for IPv4 and IPv6.

| slot | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 |
|---|---|---|---|---|---|---|---|---|
| IPv4 | /8 | /12 | /16 | /20 | /24 | /28 | /32 | the address |
| IPv6 | /20 | /28 | /32 | /40 | /48 | /56 | /64 | the address |

A slot means about the same in both families (2: a provider's block, 4: a site, 6: a line), so that both share what is
learned. An IPv6 host changes its last 64 bits every day (privacy addresses); this affects slot 7 alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.addresses import V4_BITS, V4_PREFIX, Addresses, canonical, v4_words, words
from ipi_es.index_pairs import packed_pairs
from ipi_es.ipinsights.hashing import joined, mix

if TYPE_CHECKING:
    from numpy.typing import NDArray

V4_LENGTHS = (8, 12, 16, 20, 24, 28, 32, 32)
V6_LENGTHS = (20, 28, 32, 40, 48, 56, 64, 128)
LEVELS = len(V4_LENGTHS)
BLOCK, SITE, LINE, ADDRESS = 2, 4, 6, 7
"""Named slots: provider's block (/16, /32), site (/24, /48), line (/32, /64), exact address."""

_SLOT_SALT = mix(np.arange(1, 2 * LEVELS + 1, dtype=np.uint64))
REMEMBERED_SITES = 1 << 16
"""Cached texts of sites, about 10 MB: from hour to hour entities use the same networks."""

_ONES = (1 << 64) - 1
_V4_MASKS = np.array([(_ONES << (32 - length)) & int(V4_BITS) for length in V4_LENGTHS], dtype=np.uint64)
_V6_MASKS = np.array([(_ONES << (64 - min(length, 64))) & _ONES for length in V6_LENGTHS], dtype=np.uint64)


def prefix_keys(addresses: Addresses) -> NDArray[np.uint64]:
    """Return uint64[n, LEVELS]: well mixed keys of the networks that contain each address, equal for equal networks."""
    high, low = words(addresses)
    v4 = v4_words(high, low)
    keys = np.empty((len(high), LEVELS), dtype=np.uint64)
    if v4.any():
        keys[v4] = mix((low[v4, None] & _V4_MASKS) ^ _SLOT_SALT[:LEVELS])
    if not v4.all():
        v6 = ~v4
        keys[v6] = mix((high[v6, None] & _V6_MASKS) ^ _SLOT_SALT[LEVELS:])
        keys[v6, ADDRESS] = joined(keys[v6, ADDRESS], mix(low[v6]))
    return keys


def level_keys(
    high: NDArray[np.uint64], low: NDArray[np.uint64], v4: NDArray[np.bool_], slot: int
) -> NDArray[np.uint64]:
    """Return uint64[n]: the column ``slot`` of :func:`prefix_keys` from the addresses' words; not for slot 7."""
    return mix(
        np.where(
            v4,
            (low & _V4_MASKS[slot]) ^ _SLOT_SALT[slot],
            (high & _V6_MASKS[slot]) ^ _SLOT_SALT[LEVELS + slot],
        )
    )


def address_keys(addresses: Addresses) -> NDArray[np.uint64]:
    """Return uint64[n]: the last column of :func:`prefix_keys`, the exact addresses' keys."""
    high, low = words(addresses)
    v4 = v4_words(high, low)
    keys = mix((low & _V4_MASKS[ADDRESS]) ^ _SLOT_SALT[ADDRESS])
    if not v4.all():
        keys[~v4] = joined(mix((high[~v4] & _V6_MASKS[ADDRESS]) ^ _SLOT_SALT[LEVELS + ADDRESS]), mix(low[~v4]))
    return keys


def network_text(address: bytes, slot: int) -> str:
    """Return the network of an address at a slot as CIDR text: ``192.0.2.0/24``, ``2001:db8::/48``."""
    v4 = address.startswith(V4_PREFIX)
    length = (V4_LENGTHS if v4 else V6_LENGTHS)[slot]
    keep = length + 96 if v4 else length
    value = int.from_bytes(address, "big") >> (128 - keep) << (128 - keep)
    return f"{canonical(value.to_bytes(16, 'big'))}/{length}"


@lru_cache(maxsize=REMEMBERED_SITES)
def site_text(address: bytes) -> str:
    """Return the site (/24, /48) of an address as CIDR text: the network that a hold and a verdict apply to."""
    return network_text(address, SITE)


def network_numbers(addresses: Addresses, slot: int) -> NDArray[np.int64]:
    """Return int64[n] in [0, n): equal numbers for the addresses (uint8[n, 16]) that share a network at a slot.

    Unlike :func:`prefix_keys`, the numbers are compared within one call only, and never collide.
    """
    high, low = words(addresses)
    v4 = v4_words(high, low)
    kept_low = np.where(v4, low & (_V4_MASKS[slot] | ~V4_BITS), low if slot == ADDRESS else np.uint64(0))
    _, upper = np.unique(np.where(v4, high, high & _V6_MASKS[slot]), return_inverse=True)
    _, lower = np.unique(kept_low, return_inverse=True)
    _, numbers = np.unique(packed_pairs(upper, lower, len(addresses)), return_inverse=True)
    return numbers.astype(np.int64)


def shared_bits(left: bytes, right: bytes) -> int:
    """Return the length of the longest prefix that two addresses share; 0 for different families."""
    v4 = left.startswith(V4_PREFIX)
    if v4 != right.startswith(V4_PREFIX):
        return 0
    differ = int.from_bytes(left, "big") ^ int.from_bytes(right, "big")
    same = 128 - differ.bit_length()
    return same - 96 if v4 else same
