"""Negatives of the network's training: addresses that an entity did not use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ipi_es.addresses import V4_BITS, V4_WORD, from_words, v4_words, words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses

NEAR_V4 = (6, 16)
"""Bits of a real IPv4 address that a near negative keeps, [low, high): longer ones look like ordinary churn."""
NEAR_V6 = (20, 32)
"""The same for IPv6, at the corresponding levels."""
_RESERVED_FIRST_BYTES = np.array([0, 10, 127], dtype=np.uint64)
_ONES = np.uint64((1 << 64) - 1)


def _random_words(rng: np.random.Generator, n: int) -> NDArray[np.uint64]:
    return rng.integers(0, _ONES, n, dtype=np.uint64, endpoint=True)


def _low_bits(keep: NDArray[np.int64], width: int) -> NDArray[np.uint64]:
    """Return masks of the ``width - keep`` low bits; 1 <= keep <= width - 1."""
    result: NDArray[np.uint64] = (np.uint64(1) << (width - keep).astype(np.uint64)) - np.uint64(1)
    return result


def random_addresses(observed: Addresses, rng: np.random.Generator) -> Addresses:
    """Draw one random address of the same family for each of ``observed`` uint8[n, 16].

    IPv4: half uniform over unicast space, half within the /8 of an observed address. IPv6: the first 12 to 32 bits
    of an observed address, the rest random (most of the 2^128 is unused; nothing is learned from a uniform address).
    """
    n = len(observed)
    high, low = words(observed)
    v4 = v4_words(high, low)
    fresh, host = _random_words(rng, n), _random_words(rng, n)
    # IPv4: 1.0.0.0 to 223.255.255.255 without the reserved first bytes
    first = rng.integers(1, 224, n, dtype=np.uint64)
    first[np.isin(first, _RESERVED_FIRST_BYTES)] = 41
    near = rng.random(n) < 0.5
    first = np.where(near, (low >> np.uint64(24)) & np.uint64(0xFF), first)
    v4_low = V4_WORD | (first << np.uint64(24)) | (fresh & np.uint64(0xFFFFFF))
    mask = _low_bits(rng.integers(12, 33, n), 64)
    v6_high = (high & ~mask) | (fresh & mask)
    return from_words(np.where(v4, np.uint64(0), v6_high), np.where(v4, v4_low, host))


def near_addresses(
    observed: Addresses,
    rng: np.random.Generator,
    bits_v4: tuple[int, int] = NEAR_V4,
    bits_v6: tuple[int, int] = NEAR_V6,
) -> Addresses:
    """Draw a near negative of each address uint8[n, 16]: its first L bits, the next one flipped, the rest random.

    L is uniform in ``bits_v4`` or ``bits_v6``, each [low, high).
    """
    n = len(observed)
    high, low = words(observed)
    v4 = v4_words(high, low)
    fresh, host = _random_words(rng, n), _random_words(rng, n)
    keep_v4, keep_v6 = rng.integers(*bits_v4, n), rng.integers(*bits_v6, n)
    v4_low = _flipped(low & V4_BITS, keep_v4, fresh, 32) | V4_WORD
    v6_high = _flipped(high, keep_v6, fresh, 64)
    return from_words(np.where(v4, np.uint64(0), v6_high), np.where(v4, v4_low, host))


def _flipped(
    value: NDArray[np.uint64], keep: NDArray[np.int64], fresh: NDArray[np.uint64], width: int
) -> NDArray[np.uint64]:
    """Keep the first ``keep`` of ``width`` bits, flip the next, and take the rest from ``fresh``."""
    mask = _low_bits(keep, width)
    bit = np.uint64(1) << (width - 1 - keep).astype(np.uint64)
    result: NDArray[np.uint64] = (value & ~mask) | ((value & bit) ^ bit) | (fresh & (mask ^ bit))
    return result
