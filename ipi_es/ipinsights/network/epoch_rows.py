"""What the trainer takes: pairs with their negatives, as rows of tables, sorted to add gradients up in one pass.

An address is the list of its parts: rows of the networks that have a vector, from the shortest prefix on; then, where
they end, *one* row for all unseen levels below; then operator and country. Networks lie within each other and so do
those that have a vector, hence random addresses end after one or two levels and cost little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.ipinsights.network.network import SLOTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NO_PART = -1
"""In a list of parts: nothing."""
_LOW = np.int64((1 << 32) - 1)


@dataclass(frozen=True, slots=True, eq=False)
class ChunkRows:
    """T steps of B pairs with K sampled negatives each; everything of a step is numbered within the step.

    A step has A = (1 + K) · B addresses: the real ones of its pairs, then those of the first negative, and so on. What
    steps have more or less of (parts, rows) is laid out one step after the other; ``…_bounds`` say where each begins.
    """

    entity: NDArray[np.int32]  # [T · B] entity rows
    shifts: NDArray[np.int32]  # [T, shuffled]: how far each shuffled negative rolls the batch
    parts: int  # levels that an address has a part of
    entity_row: NDArray[np.int32]  # distinct entity rows, ascending within a step
    entity_member: NDArray[np.int32]  # [T · B] pairs, ordered by their entity row
    entity_group: NDArray[np.int32]  # [T · B] whose row is this one of the step's distinct rows
    entity_bounds: NDArray[np.int32]  # [T + 1] of entity_row
    place: NDArray[np.int32]  # of each part of each address: its place among the step's distinct part rows
    segment: NDArray[np.int32]  # of each part: its address, ascending within a step
    member: NDArray[np.int32]  # the same parts ordered by their row: their address
    group: NDArray[np.int32]  # and their place
    part_bounds: NDArray[np.int32]  # [T + 1] of the four above
    part_row: NDArray[np.int32]  # distinct part rows of a step: the SLOTS sums of unseen vectors, then those it has
    part_count: NDArray[np.float32]  # how many addresses have it
    row_bounds: NDArray[np.int32]  # [T + 1] of the two above

    @property
    def steps(self) -> int:
        """T."""
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
    """n rows in ascending order."""

    rows: NDArray[np.int32]  # the distinct ones
    count: NDArray[np.float32]  # how often each is there
    order: NDArray[np.int32]  # [n] which row is at this place
    group: NDArray[np.int32]  # [n] and which of the distinct ones it is


def _grouped(rows: NDArray[np.int32], always: int) -> _Grouped:
    """``always``: so many of the smallest rows are among the distinct ones, whether they are there or not."""
    # whole numbers are sorted much faster than an order of theirs is found
    keys = np.sort((rows.astype(np.int64) << 32) | np.arange(len(rows), dtype=np.int64))
    ascending = (keys >> 32).astype(np.int32)
    few = int(np.searchsorted(ascending, always))
    starts = np.ones(len(rows) - few, dtype=np.bool_)
    starts[1:] = ascending[few + 1 :] != ascending[few:-1]
    group = np.empty(len(rows), dtype=np.int32)
    group[:few] = ascending[:few]
    np.cumsum(starts, dtype=np.int32, out=group[few:])
    group[few:] += always - 1
    distinct = np.concatenate([np.arange(always, dtype=np.int32), ascending[few:][starts]])
    count = np.bincount(group, minlength=len(distinct)).astype(np.float32)
    return _Grouped(distinct, count, (keys & _LOW).astype(np.int32), group)


def _bounds(lengths: list[int]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
