"""A digest of a history: two processes compare it before one uses what the other has computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xxhash

if TYPE_CHECKING:
    from ipi_es.ipinsights.history.history import History


def history_digest(history: History) -> str:
    """Return 32 hexadecimal digits (XXH3-128) of the history's day and of all its arrays."""
    digest = xxhash.xxh3_128()
    manifest, arrays = history.to_arrays()
    digest.update(repr(sorted(manifest.items())).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.data.cast("B") if array.size else b"")
    return digest.hexdigest()
