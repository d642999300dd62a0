"""Arrays in documents: ``{"dtype", "shape", "data"}`` with the little-endian bytes deflated and in base64.

A histogram is mostly zeros, so deflating reduces it to a tenth; deflate also has a checksum.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipi_es.errors import SnapshotDamaged

_KINDS = "biuf"
"""Kinds of dtype that can be stored: booleans, integers and floats."""


def encode(array: NDArray[Any]) -> dict[str, Any]:
    """Encode an array of numbers of any shape, without loss. Raises ValueError for any other dtype."""
    dtype = array.dtype.newbyteorder("<")
    if dtype.kind not in _KINDS:
        raise ValueError(f"arrays of {array.dtype} can't be stored")
    blob = np.ascontiguousarray(array, dtype=dtype).tobytes()
    return {
        "dtype": dtype.str,
        "shape": list(array.shape),
        "data": base64.b64encode(zlib.compress(blob)).decode("ascii"),
    }


def decode(body: Mapping[str, Any]) -> NDArray[Any]:
    """Decode an array into the machine's own byte order; it is writable.

    Raises SnapshotDamaged where it isn't complete.
    """
    try:
        dtype = np.dtype(body["dtype"])
        if dtype.kind not in _KINDS:
            raise SnapshotDamaged(f"a stored array is of {dtype}")
        blob = zlib.decompress(base64.b64decode(body["data"], validate=True))
        array = np.frombuffer(blob, dtype=dtype).reshape([int(length) for length in body["shape"]])
    except (KeyError, TypeError, ValueError, OverflowError, SyntaxError, binascii.Error, zlib.error) as error:
        raise SnapshotDamaged(f"a stored array can't be read: {error}") from error
    return array.astype(dtype.newbyteorder("="))
