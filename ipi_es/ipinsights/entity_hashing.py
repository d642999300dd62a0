"""Entities (users, accounts, services) as stable 64-bit hashes and as rows of the entity table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xxhash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

UNKNOWN_ROW = 0
"""The row of entities that are not in the training rows; entity dropout trains it."""


def entity_hashes(entities: Sequence[str]) -> NDArray[np.uint64]:
    """Return uint64[n]: XXH3-64 of the names in UTF-8. Any string is valid, also an empty one or lone surrogates."""
    digest = xxhash.xxh3_64_intdigest
    try:
        return np.fromiter(map(digest, map(str.encode, entities)), dtype=np.uint64, count=len(entities))
    except UnicodeEncodeError:
        encoded = (name.encode("utf-8", "surrogatepass") for name in entities)
        return np.fromiter(map(digest, encoded), dtype=np.uint64, count=len(entities))


def hashed_rows(hashes: NDArray[np.uint64], num_entity_vectors: int) -> NDArray[np.int32]:
    """Return int32[n] in [1, num_entity_vectors]: the row of each entity, whether it was trained or not."""
    return (hashes % np.uint64(num_entity_vectors)).astype(np.int32) + 1
