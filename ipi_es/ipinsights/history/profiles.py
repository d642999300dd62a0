"""Each entity's totals and its usual networks, in one exact table sorted by entity hash.

Bounded: :data:`USUAL` networks per entity and ``max_entities`` entities; the entities inactive for the longest time are
evicted first. About 400 bytes per entity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ipi_es.ipinsights.address_context import CONTEXT_LEVELS
from ipi_es.ipinsights.key_index import found_in
from ipi_es.ipinsights.prefixes import BLOCK, LINE, SITE
from ipi_es.sorted_runs import ranks_in_runs, run_starts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.ipinsights.address_context import AddressContext

USUAL = 8
"""Networks (/24, /48) in an entity's profile: as many as fit into an explanation."""
DISTINCT_SLOTS = (BLOCK, SITE, LINE)
"""Levels whose distinct networks are counted for each entity."""
MAX_ENTITIES = 1 << 21
"""Maximum number of entities in a history (800 MB); beyond it those inactive for the longest time are evicted."""


_COLUMNS: dict[str, tuple[type, tuple[int, ...]]] = {
    "hash": (np.uint64, ()),
    "events": (np.float64, ()),
    "rows": (np.float64, ()),
    "days": (np.float64, ()),
    "weight": (np.float64, ()),
    "recent_rows": (np.float64, ()),
    "recent_new": (np.float64, ()),
    "distinct": (np.float64, (len(DISTINCT_SLOTS),)),
    "first": (np.uint16, ()),
    "last": (np.uint16, ()),
    "usual_key": (np.uint64, (USUAL,)),
    "usual_count": (np.float64, (USUAL,)),
    "usual_last": (np.uint16, (USUAL,)),
    "usual_address": (np.uint8, (USUAL, 16)),
    "usual_operator": (np.uint32, (USUAL,)),
    "usual_country": (np.uint16, (USUAL,)),
    "context_rows": (np.float64, (CONTEXT_LEVELS,)),
    "context_new": (np.float64, (CONTEXT_LEVELS,)),
    "context_distinct": (np.float64, (CONTEXT_LEVELS,)),
}
_LATER_COLUMNS = frozenset(["usual_operator", "usual_country", "context_rows", "context_new", "context_distinct"])
"""Columns that the first histories of format version 1 lack; they are read as zeros."""


@dataclass(slots=True, eq=False)
class Profiles:
    """Columns of n entities; row i belongs to ``hash[i]``."""

    hash: NDArray[np.uint64]  # [n], ascending
    events: NDArray[np.float64]  # [n] ever, not decayed
    rows: NDArray[np.float64]  # [n] (address, day) rows, ever
    days: NDArray[np.float64]  # [n] days with an event, ever
    weight: NDArray[np.float64]  # [n] forward-decayed weight of all rows
    recent_rows: NDArray[np.float64]  # [n] forward-decayed rows
    recent_new: NDArray[np.float64]  # [n] those of recent_rows from a new site (/24, /48)
    distinct: NDArray[np.float64]  # [n, 3] distinct networks ever, by DISTINCT_SLOTS
    first: NDArray[np.uint16]  # [n] days from the origin, plus 1
    last: NDArray[np.uint16]  # [n]
    usual_key: NDArray[np.uint64]  # [n, USUAL] the site's prefix key; 0 = empty
    usual_count: NDArray[np.float64]  # [n, USUAL] forward-decayed weight
    usual_last: NDArray[np.uint16]  # [n, USUAL]
    usual_address: Addresses  # [n, USUAL, 16] the last seen address of the site
    usual_operator: NDArray[np.uint32]  # [n, USUAL] of that address; 0 = unknown
    usual_country: NDArray[np.uint16]  # [n, USUAL]
    context_rows: NDArray[np.float64]  # [n, 2] those of recent_rows whose operator, country is known
    context_new: NDArray[np.float64]  # [n, 2] those of context_rows from a new operator, country
    context_distinct: NDArray[np.float64]  # [n, 2] distinct operators, countries ever
    max_entities: int = MAX_ENTITIES

    @classmethod
    def empty(cls) -> Profiles:
        """Return a table without entities."""
        columns: dict[str, Any] = {name: np.zeros((0, *shape), dtype) for name, (dtype, shape) in _COLUMNS.items()}
        return cls(**columns)

    def __len__(self) -> int:
        return len(self.hash)

    def find(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the row of each hash (0 where absent), and bool: which hashes are present."""
        return found_in(self.hash, hashes)

    def events_of(self, hashes: NDArray[np.uint64]) -> NDArray[np.float64]:
        """Return float64[n]: the number of events of each hash, 0 where absent."""
        row, found = self.find(hashes)
        return np.where(found, self.events[row], 0.0) if len(self) else np.zeros(len(hashes))

    def insert(self, hashes: NDArray[np.uint64], day_mark: int) -> None:
        """Insert empty rows for those of ``hashes`` (ascending, unique) that are absent."""
        _, found = self.find(hashes)
        fresh = hashes[~found]
        if not len(fresh):
            return
        place = np.searchsorted(self.hash, fresh)
        for name, (dtype, _) in _COLUMNS.items():
            values = {"hash": fresh, "first": np.uint16(day_mark)}.get(name, dtype(0))
            setattr(self, name, np.insert(getattr(self, name), place, values, axis=0))

    def remove(self, hashes: NDArray[np.uint64]) -> None:
        """Drop the rows of ``hashes``."""
        keep = ~np.isin(self.hash, hashes)
        for name in _COLUMNS:
            setattr(self, name, getattr(self, name)[keep])

    def evict(self) -> None:
        """Drop the entities inactive for longest (ties: fewest events, then hash) beyond ``max_entities``."""
        if len(self) <= self.max_entities:
            return
        keep = np.sort(np.lexsort((self.hash, -self.events, -self.last.astype(np.int64)))[: self.max_entities])
        for name in _COLUMNS:
            setattr(self, name, getattr(self, name)[keep])

    def merge_usual(
        self,
        row: NDArray[np.intp],
        site: NDArray[np.uint64],
        address: Addresses,
        context: AddressContext,
        *,
        weight: NDArray[np.float64],
        day_mark: int,
    ) -> None:
        """Merge a day's (entity row, site key, address, weight) into the usual networks.

        Equal (row, site) must be adjacent. A site that is present grows in place. For a new one, the entity keeps the
        seven heaviest and, in the eighth place, the most recently seen of the others, so that a new network can grow
        although every old one outweighs it.
        """
        begin = np.flatnonzero(run_starts(row, site))
        end = np.append(begin[1:], len(row)) - 1
        row, site, address, weight = row[begin], site[begin], address[end], np.add.reduceat(weight, begin)
        context = context.take(end)
        match = self.usual_key[row] == site[:, None]
        there = match.any(axis=1)
        at, slot = row[there], match[there].argmax(axis=1)
        self.usual_count[at, slot] += weight[there]
        self.usual_last[at, slot] = day_mark
        self.usual_address[at, slot] = address[there]
        self.usual_operator[at, slot] = context.operator[there]
        self.usual_country[at, slot] = context.country[there]
        if not there.all():
            new = ~there
            self._insert_usual(
                row[new], site[new], address[new], context.take(new), weight=weight[new], day_mark=day_mark
            )

    def _insert_usual(
        self,
        row: NDArray[np.intp],
        site: NDArray[np.uint64],
        address: Addresses,
        context: AddressContext,
        *,
        weight: NDArray[np.float64],
        day_mark: int,
    ) -> None:
        """Insert (row, site) pairs that are not among the usual networks; unique, ``row`` ascending."""
        rank = ranks_in_runs(run_starts(row))
        if rank.max() >= USUAL:  # sites beyond the eight heaviest can't stay
            order = np.lexsort((site, -weight, row))
            kept = np.sort(order[ranks_in_runs(run_starts(row[order])) < USUAL])
            row, site, address, weight, context = row[kept], site[kept], address[kept], weight[kept], context.take(kept)
            rank = ranks_in_runs(run_starts(row))
        for turn in range(int(rank.max()) + 1):
            at = np.flatnonzero(rank == turn)
            slot = self._place_of_new(row[at], site[at], weight[at], day_mark)
            at, slot = at[slot < USUAL], slot[slot < USUAL]
            owner = row[at]
            self.usual_key[owner, slot] = site[at]
            self.usual_count[owner, slot] = weight[at]
            self.usual_last[owner, slot] = day_mark
            self.usual_address[owner, slot] = address[at]
            self.usual_operator[owner, slot] = context.operator[at]
            self.usual_country[owner, slot] = context.country[at]

    def _place_of_new(
        self, row: NDArray[np.intp], site: NDArray[np.uint64], weight: NDArray[np.float64], day_mark: int
    ) -> NDArray[np.intp]:
        """Return the slot that each new site takes, USUAL for none; ``row`` is unique.

        An empty slot if there is one. Otherwise, of the eight sites and the new one, the seven heaviest stay, and the
        most recently seen of the other two.
        """
        place: NDArray[np.intp] = np.count_nonzero(self.usual_key[row], axis=1)
        full = np.flatnonzero(place == USUAL)
        owner, each = row[full], np.arange(len(full))
        count, last, key = self.usual_count[owner], self.usual_last[owner], self.usual_key[owner]
        light = _lightest(count, last, key)
        least = count[each, light]
        count[each, light] = np.inf
        second = _lightest(count, last, key)
        heavier = (weight[full] > count[each, second]) | (
            (weight[full] == count[each, second]) & ((last[each, second] < day_mark) | (site[full] < key[each, second]))
        )
        older = np.where(last[each, light] <= last[each, second], light, second)
        stays = (last[each, light] == day_mark) & (
            (least > weight[full]) | ((least == weight[full]) & (key[each, light] < site[full]))
        )
        place[full] = np.where(heavier, older, np.where(stays, USUAL, light))
        return place

    def copy(self) -> Profiles:
        """Return an independent copy."""
        columns: dict[str, Any] = {name: getattr(self, name).copy() for name in _COLUMNS}
        return Profiles(**columns, max_entities=self.max_entities)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, under ``profiles.…``."""
        return {f"profiles.{name}": getattr(self, name) for name in _COLUMNS}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Profiles:
        """Restore from :meth:`to_arrays`' arrays; columns that early histories lack are zeros."""
        entities = len(arrays["profiles.hash"])
        columns: dict[str, Any] = {}
        for name, (dtype, shape) in _COLUMNS.items():
            saved = arrays.get(f"profiles.{name}") if name in _LATER_COLUMNS else arrays[f"profiles.{name}"]
            columns[name] = np.zeros((entities, *shape), dtype) if saved is None else saved
        return cls(**columns)


def _lightest(count: NDArray[np.float64], last: NDArray[np.uint16], key: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Return intp[n]: the column of [n, USUAL] with the smallest count; of equals the oldest, then the largest key."""
    least = count == count.min(axis=1, keepdims=True)
    age = np.where(least, last, np.uint16(2**16 - 1))
    least &= age == age.min(axis=1, keepdims=True)
    result: NDArray[np.intp] = np.where(least, key, np.uint64(0)).argmax(axis=1)
    return result
