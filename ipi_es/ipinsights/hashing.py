"""64-bit mixing of keys: the same on every machine and in every process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MULTIPLY_1 = np.uint64(0xBF58476D1CE4E5B9)  # the two multipliers and shifts of splitmix64's finalizer
_MULTIPLY_2 = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S32 = (np.uint64(bits) for bits in (27, 30, 31, 32))
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd: spreads values that differ in few bits


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Apply splitmix64's finalizer (Steele, Lea, Flood 2014) to uint64[...]: a bijection that spreads every bit."""
    z = values ^ (values >> _S30)
    z *= _MULTIPLY_1
    z ^= z >> _S27
    z *= _MULTIPLY_2
    z ^= z >> _S31
    return z


def joined(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Combine two keys that are mixed already (they broadcast) into one; not symmetric."""
    z = (left * _GOLDEN) ^ right
    z ^= z >> _S32
    z *= _MULTIPLY_1
    return z
