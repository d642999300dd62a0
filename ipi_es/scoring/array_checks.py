"""Names of this package's array types, and the argument checks of its public functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Class8 = npt.NDArray[np.int8]
Counts = npt.NDArray[np.int64]
AnyArray = npt.NDArray[Any]


def as_f64(values: npt.ArrayLike, name: str) -> F64:
    """Give ``values`` as float64[n], without a copy where they already are; ``name`` is for the message.

    Raises ValueError for anything but one dimension: a scalar that broadcasts would hide a mistake of the caller.
    """
    out = np.asarray(values, dtype=np.float64)
    if out.ndim != 1:
        raise ValueError(f"{name} must have one dimension, it has {out.ndim}")
    return out


def same_length(**arrays: npt.NDArray[Any]) -> int:
    """Give the common length of the named arrays; raises ValueError if they differ."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"arrays of one length expected: {lengths}")
    return next(iter(lengths.values()))


def checked_codes(codes: npt.ArrayLike, count: int, name: str) -> Counts:
    """Give group codes as int64[n]; raises ValueError if one lies outside [0, ``count``)."""
    out = np.asarray(codes, dtype=np.int64)
    if out.ndim != 1:
        raise ValueError(f"{name} must have one dimension, it has {out.ndim}")
    if out.size and (int(out.min()) < 0 or int(out.max()) >= count):
        raise ValueError(f"{name} must lie in [0, {count}), it spans [{out.min()}, {out.max()}]")
    return out
