"""Entities (users, accounts, services) as stable 64-bit hashes and as rows of the entity table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xxhash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

UNKNOWN_ROW = 0
"""The row of an entity that no training saw; it is trained by entity dropout."""


def entity_hashes(entities: Sequence[str]) -> NDArray[np.uint64]:
    """uint64[n]: XXH3-64 of the names' UTF-8 (lone surrogates pass). Any string is a name, the empty one too."""
    digest = xxhash.xxh3_64_intdigest
    try:
        hashes = [digest(name.encode()) for name in entities]
    except UnicodeEncodeError:
        hashes = [digest(name.encode("utf-8", "surrogatepass")) for name in entities]
    return np.array(hashes, dtype=np.uint64)


def hashed_rows(hashes: NDArray[np.uint64], num_entity_vectors: int) -> NDArray[np.int32]:
    """int32[n] in [1, num_entity_vectors]: the row of each entity, whether it was trained or not."""
    return (hashes % np.uint64(num_entity_vectors)).astype(np.int32) + 1


def found_in(sorted_keys: NDArray[np.uint64], keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Positions of ``keys`` in ``sorted_keys`` (0 where absent), and bool: which are there."""
    if len(sorted_keys) == 0:
        return np.zeros(keys.shape, dtype=np.intp), np.zeros(keys.shape, dtype=np.bool_)
    position = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    found = sorted_keys[position] == keys
    return np.where(found, position, 0), found
