"""Input of the trainer: pairs with their negatives as table rows, sorted so that gradients are summed in one pass.

An address is the list of its parts: rows of the networks that have a vector, from the shortest prefix on; then *one*
row for all unseen levels below; then operator and country. Networks are nested, and so are those that have a vector;
hence the list of a random address ends after one or two levels and costs little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.index_pairs import packed_pairs, unpacked_pairs
from ipi_es.ipinsights.network.network import SLOTS
from ipi_es.sorted_runs import run_starts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NO_PART = -1
"""Marks an empty place in a list of parts."""


@dataclass(frozen=True, slots=True, eq=False)
class ChunkRows:
    """T steps of B pairs with K sampled negatives each; all numbering is within a step.

    A step has A = (1 + K) · B addresses: the real ones of its pairs, then those of the first negative, and so on.
    Arrays whose length varies by step (parts, rows) are concatenated over the steps; ``…_bounds`` are the offsets.
    """

    entity: NDArray[np.int32]  # [T · B] entity rows
    shifts: NDArray[np.int32]  # [T, shuffled]: how far each shuffled negative rolls the batch
    parts: int  # maximum number of parts of an address
    entity_row: NDArray[np.int32]  # distinct entity rows, ascending within a step
    entity_member: NDArray[np.int32]  # [T · B] pairs, ordered by their entity row
    entity_group: NDArray[np.int32]  # [T · B] index of that pair's row among the step's distinct rows
    entity_bounds: NDArray[np.int32]  # [T + 1] of entity_row
    place: NDArray[np.int32]  # for each part of each address: its index among the step's distinct part rows
    segment: NDArray[np.int32]  # for each part: its address, ascending within a step
    member: NDArray[np.int32]  # for the same parts ordered by their row: the address
    group: NDArray[np.int32]  # for the parts in that order: the index among the distinct part rows
    part_bounds: NDArray[np.int32]  # [T + 1] of the four above
    part_row: NDArray[np.int32]  # distinct part rows of a step: the SLOTS sums of unseen vectors, then its other rows
    part_count: NDArray[np.float32]  # number of addresses that have the part
    row_bounds: NDArray[np.int32]  # [T + 1] of the two above

    @property
    def steps(self) -> int:
        """Number of steps T."""
        return len(self.shifts)


def chunk_rows(
    entity: NDArray[np.int32],
    parts: Sequence[NDArray[np.int32]],
    shifts: NDArray[np.int32],
) -> ChunkRows:
    """Lay out T steps: entity int32[T · B]; parts [T · B, S] of the real addresses, of each negative; shifts [T, J]."""
    steps = len(shifts)
    batch = len(entity) // steps
    of_entities, of_parts = [], []
    for step in range(steps):
        at = slice(step * batch, (step + 1) * batch)
        of_entities.append(_grouped(entity[at], 0))
        lists = np.concatenate([each[at] for each in parts])
        there = lists != NO_PART
        segment = np.repeat(np.arange(len(lists), dtype=np.int32), there.sum(axis=1))
        flat = lists[there]
        grouped = _grouped(flat, SLOTS)
        place = np.empty(len(flat), dtype=np.int32)
        place[grouped.order] = grouped.group
        of_parts.append((grouped, place, segment, segment[grouped.order]))
    return ChunkRows(
        entity=entity,
        shifts=shifts,
        parts=parts[0].shape[1],
        entity_row=np.concatenate([one.rows for one in of_entities]),
        entity_member=np.concatenate([one.order for one in of_entities]),
        entity_group=np.concatenate([one.group for one in of_entities]),
        entity_bounds=_bounds([len(one.rows) for one in of_entities]),
        place=np.concatenate([place for _, place, _, _ in of_parts]),
        segment=np.concatenate([segment for _, _, segment, _ in of_parts]),
        member=np.concatenate([member for _, _, _, member in of_parts]),
        group=np.concatenate([one.group for one, _, _, _ in of_parts]),
        part_bounds=_bounds([len(place) for _, place, _, _ in of_parts]),
        part_row=np.concatenate([one.rows for one, _, _, _ in of_parts]),
        part_count=np.concatenate([one.count for one, _, _, _ in of_parts]),
        row_bounds=_bounds([len(one.rows) for one, _, _, _ in of_parts]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Grouped:
    """Grouping of n rows by their value, in ascending order."""

    rows: NDArray[np.int32]  # the distinct ones
    count: NDArray[np.float32]  # number of occurrences of each
    order: NDArray[np.int32]  # [n] the indexes that sort the rows
    group: NDArray[np.int32]  # [n] for the sorted rows: the index among the distinct ones


def _grouped(rows: NDArray[np.int32], always: int) -> _Grouped:
    """Group rows int32[n]; the rows 0 to ``always`` - 1 are among the distinct ones even if they don't occur."""
    # sorting integers is much faster than argsort
    codes = np.sort(packed_pairs(rows, np.arange(len(rows), dtype=np.int64), len(rows)))
    ascending, order = (each.astype(np.int32) for each in unpacked_pairs(codes, len(rows)))
    few = int(np.searchsorted(ascending, always))
    starts = run_starts(ascending[few:])
    group = np.empty(len(rows), dtype=np.int32)
    group[:few] = ascending[:few]
    np.cumsum(starts, dtype=np.int32, out=group[few:])
    group[few:] += always - 1
    distinct = np.concatenate([np.arange(always, dtype=np.int32), ascending[few:][starts]])
    count = np.bincount(group, minlength=len(distinct)).astype(np.float32)
    return _Grouped(distinct, count, order, group)


def _bounds(lengths: list[int]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
