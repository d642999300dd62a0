"""Pairs in a temporary file: 8 bytes each, read in blocks; in memory a pair takes one byte.

The file is in the directory for temporary files (`TMPDIR`), has no name, and is removed when the process ends.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.ipinsights.address_context import AddressContext
    from ipi_es.ipinsights.network.pairs import Rows

ROW_BYTES = 8
"""Two int32: entity, address."""
BLOCK_ROWS = 1 << 14
"""Consecutive rows that are read together before they are mixed with those of other blocks: 128 KiB."""
MIXED_BLOCKS = 64
"""Blocks, drawn from the whole file, whose rows are shuffled together: a million pairs, 8 MiB."""


class PairFile:
    """n pairs (entity, address), int32 numbers of vocabularies that the caller keeps."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="ipi-es-pairs-")  # noqa: SIM115  (open as long as this object)
        self._rows = 0

    def __del__(self) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._rows

    def extend(self, rows: NDArray[np.int32]) -> None:
        """Add rows int32[k, 2] at the end."""
        self._file.write(rows.tobytes())
        self._rows += len(rows)

    def read(self, start: int, stop: int) -> NDArray[np.int32]:
        """Read int32[stop - start, 2]: the rows [start, stop), up to the end of the file."""
        self._file.flush()
        stop = min(stop, self._rows)
        blob = os.pread(self._file.fileno(), (stop - start) * ROW_BYTES, start * ROW_BYTES)
        return np.frombuffer(blob, dtype=np.int32).reshape(-1, 2)

    def blocks(self, rows: int = BLOCK_ROWS * MIXED_BLOCKS) -> Iterator[tuple[int, NDArray[np.int32]]]:
        """Yield (number of the block's first row, int32[…, 2]) for all rows in file order, ``rows`` at a time."""
        for start in range(0, self._rows, rows):
            yield start, self.read(start, start + rows)

    def take(self, rows: NDArray[np.intp]) -> NDArray[np.int32]:
        """Read int32[len(rows), 2]: the rows with these indexes, which must ascend."""
        found = [np.zeros((0, 2), dtype=np.int32)]
        for start, block in self.blocks():
            low, high = np.searchsorted(rows, [start, start + len(block)])
            found.append(block[rows[low:high] - start])
        return np.concatenate(found)


@dataclass(frozen=True, slots=True, eq=False)
class FilePairs:
    """A :class:`~ipi_es.ipinsights.network.pairs.PairSource` over the rows of a file that are ``kept``."""

    file: PairFile
    kept: NDArray[np.bool_]  # [n]
    most: int  # approximate maximum of an entity's rows per epoch; beyond it each row is drawn with equal probability
    hashes: NDArray[np.uint64]  # [e]
    entity_count: NDArray[np.int64]  # [e] rows of each entity in an epoch, at most ``most``
    addresses: Addresses  # uint8[m, 16]
    address_count: NDArray[np.int64]  # [m]
    context: AddressContext | None
    entity: NDArray[np.int32]  # for each entity number of the file: its index in ``hashes``, or -1
    address: NDArray[np.int32]  # for each address number of the file: its index in ``addresses``, or -1
    share: NDArray[np.float32]  # [e] share of each entity's rows that are in an epoch
    block_rows: int = BLOCK_ROWS  # rows that are read together
    mixed_blocks: int = MIXED_BLOCKS  # blocks whose rows are shuffled together

    @classmethod
    def of(
        cls, file: PairFile, kept: NDArray[np.bool_], hashes: NDArray[np.uint64], addresses: Addresses, most: int
    ) -> FilePairs:
        """Create the source; ``hashes`` and ``addresses`` are those of the file's numbers."""
        entities, places = counts(file, kept, len(hashes), len(addresses))
        people, used = np.flatnonzero(entities), np.flatnonzero(places)
        return cls(
            file=file,
            kept=kept,
            most=most,
            hashes=hashes[people],
            entity_count=np.minimum(entities[people], most),
            addresses=addresses[used],
            address_count=places[used],
            context=None,
            entity=_numbered(people, len(hashes)),
            address=_numbered(used, len(addresses)),
            share=np.minimum(most / np.maximum(entities[people], 1), 1.0).astype(np.float32),
        )

    def __len__(self) -> int:
        return int(self.entity_count.sum())

    def epoch(self, rng: np.random.Generator, most: int) -> Iterator[Rows]:
        """Yield an epoch's pairs, ``most`` at a time: blocks in a new order, a million pairs shuffled together.

        See :class:`~ipi_es.ipinsights.network.pairs.PairSource`.
        """
        order = rng.permutation(-(-len(self.file) // self.block_rows))
        rest = np.zeros((0, 2), dtype=np.int32)
        for start in range(0, len(order), self.mixed_blocks):
            parts = [self._block(int(block), rng) for block in order[start : start + self.mixed_blocks]]
            rows = np.concatenate([rest, rng.permutation(np.concatenate(parts))])
            whole = len(rows) // most * most
            for first in range(0, whole, most):
                yield self.entity[rows[first : first + most, 0]], self.address[rows[first : first + most, 1]]
            rest = rows[whole:]
        if len(rest):
            yield self.entity[rest[:, 0]], self.address[rest[:, 1]]

    def _block(self, number: int, rng: np.random.Generator) -> NDArray[np.int32]:
        start = number * self.block_rows
        rows = self.file.read(start, start + self.block_rows)
        keep = self.kept[start : start + len(rows)].copy()
        share = self.share.take(self.entity[rows[:, 0]], mode="clip")
        if (share < 1.0).any():
            keep &= rng.random(len(rows)) < share
        return rows[keep]


def counts(
    file: PairFile, kept: NDArray[np.bool_], entities: int, addresses: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (int64[entities], int64[addresses]): the kept rows of each number."""
    of_entities, of_addresses = np.zeros(entities, dtype=np.int64), np.zeros(addresses, dtype=np.int64)
    for start, rows in file.blocks():
        own = rows[kept[start : start + len(rows)]]
        of_entities += np.bincount(own[:, 0], minlength=entities)
        of_addresses += np.bincount(own[:, 1], minlength=addresses)
    return of_entities, of_addresses


def _numbered(used: NDArray[np.intp], n: int) -> NDArray[np.int32]:
    place = np.full(n, -1, dtype=np.int32)
    place[used] = np.arange(len(used), dtype=np.int32)
    return place
