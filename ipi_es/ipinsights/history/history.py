"""History of a job: counts per (entity, network) and per network, and each entity's profile.

History moves once per UTC day by a :class:`~ipi_es.ipinsights.history.deltas.DayDelta`; between two moves it doesn't
change, so scoring is a pure function. Every number depends only on the deltas and the order of their days, never on the
order of events within a day: updated live or replayed from a base, the arrays are equal bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ipi_es.ipinsights.address_context import CONTEXT_LEVELS, AddressContext
from ipi_es.ipinsights.hashing import joined
from ipi_es.ipinsights.history.profiles import DISTINCT_SLOTS, Profiles
from ipi_es.ipinsights.history.sketches import Sketch, cells_exponent
from ipi_es.ipinsights.prefixes import LEVELS, LINE, SITE, prefix_keys
from ipi_es.sorted_runs import run_starts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.ipinsights.history.deltas import DayDelta

MAX_ROW_WEIGHT = 8.0
"""An entity's events of a day from one address weigh log2(1 + events), at most this: 255 sign-ins on one day weigh as
much as one sign-in on each of 8 days."""
_WITHIN = ((SITE, slice(0, SITE)), (LINE, slice(SITE, LINE)))
"""(level of the counted networks, levels that they are counted in): how many smaller networks an entity uses within a
network."""
_BLOCK_ROWS = 1 << 16
"""Rows of a delta processed at a time: bounds the working memory (16 keys per row)."""


@dataclass(slots=True)
class History:
    """Everything seen before the start of ``day`` (days since the epoch)."""

    day: int
    origin: int
    """The day that forward decay counts from: the first day of the base."""
    half_life_days: float
    pairs: Sketch
    """Keys are (entity, network), (entity, operator) and (entity, country). Members are the smaller networks within it
    that the entity used: sites for levels above a site (also operators and countries), lines for levels from the site
    to above a line."""
    networks: Sketch
    """Keys are networks, operators and countries; members are entities."""
    profiles: Profiles

    @classmethod
    def empty(cls, day: int, *, pair_keys: int, network_keys: int, half_life_days: float = 60.0) -> History:
        """Return an empty history at ``day``, sized for so many distinct keys over all levels."""
        return cls(
            day=day,
            origin=day,
            half_life_days=half_life_days,
            pairs=Sketch.empty(cells_exponent(pair_keys), members=True),
            networks=Sketch.empty(cells_exponent(network_keys), members=True),
            profiles=Profiles.empty(),
        )

    @property
    def age(self) -> int:
        """Days from its first day to the start of ``day``."""
        return self.day - self.origin

    def scale(self) -> float:
        """Return the factor that turns a stored (forward-decayed) count into its weight as of ``day``."""
        return float(2.0 ** (-self.age / self.half_life_days))

    def skip_to(self, day: int) -> None:
        """Move to the start of ``day`` (days since the epoch) without adding events."""
        self.day = day

    def apply(self, delta: DayDelta) -> None:
        """Add one day; ``day`` becomes the day after it. Days may be skipped; raises ValueError for an earlier day."""
        if delta.day < self.day:
            raise ValueError(f"history stands before day {self.day}; the delta is of day {delta.day}")
        self.day = delta.day + 1
        if not len(delta):
            return
        mark = delta.day - self.origin + 1
        unit = 2.0 ** ((delta.day - self.origin) / self.half_life_days)
        begin = np.flatnonzero(run_starts(delta.entity))
        self.profiles.insert(delta.entity[begin], mark)
        rows, _ = self.profiles.find(delta.entity[begin])
        row = np.repeat(rows, np.diff(np.append(begin, len(delta))))
        weight = np.minimum(np.log2(1.0 + delta.count), MAX_ROW_WEIGHT) * unit
        for start in range(0, len(delta), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            entity, address = delta.entity[block], delta.address[block]
            context = delta.context.take(block) if delta.context else AddressContext.none(len(entity))
            new_site = self._apply_block(
                entity, address, context, weight=weight[block], unit=unit, row=row[block], mark=mark
            )
            if context:
                self._apply_context(
                    entity,
                    context,
                    weight=weight[block],
                    unit=unit,
                    row=row[block],
                    mark=mark,
                    new_site=new_site,
                )
        profiles = self.profiles
        profiles.events[rows] += np.add.reduceat(delta.count.astype(np.float64), begin)
        profiles.rows[rows] += np.diff(np.append(begin, len(delta)))
        profiles.recent_rows[rows] += np.diff(np.append(begin, len(delta))) * unit
        profiles.days[rows] += 1.0
        profiles.weight[rows] += np.add.reduceat(weight, begin)
        profiles.last[rows] = mark
        profiles.evict()

    def _apply_block(
        self,
        entity: NDArray[np.uint64],
        address: NDArray[np.uint8],
        context: AddressContext,
        *,
        weight: NDArray[np.float64],
        unit: float,
        row: NDArray[np.intp],
        mark: int,
    ) -> NDArray[np.intp]:
        """Update counts, distinct networks and usual networks with some rows of one day.

        Return the indexes of the rows of new (entity, site) pairs, each pair once.
        """
        networks = prefix_keys(address)
        pairs = joined(entity[:, None], networks)
        pair_cells, network_cells = self.pairs.cells(pairs), self.networks.cells(networks)
        fresh = np.minimum.accumulate(self.pairs.read_count(pair_cells), axis=1) == 0
        new_site = fresh[:, SITE]
        fresh_row, fresh_level = np.nonzero(fresh)
        _, once = np.unique(pairs[fresh_row, fresh_level], return_index=True)
        once_row, once_level = fresh_row[once], fresh_level[once]
        self.networks.add_members(self.networks.cells(networks[once_row, once_level]))
        profiles = self.profiles
        for column, slot in enumerate(DISTINCT_SLOTS):
            np.add.at(profiles.distinct[:, column], row[once_row[once_level == slot]], 1.0)
        np.add.at(profiles.recent_new, row[new_site], unit)
        each = np.broadcast_to(weight.astype(np.float32)[:, None], (len(weight), LEVELS))
        for child, parents in _WITHIN:
            at = once_row[once_level == child]
            self.pairs.add_members(self.pairs.cells(pairs[at, parents]))
        self.pairs.add(pair_cells, each, mark)
        self.networks.add(network_cells, each, mark)
        profiles.merge_usual(row, networks[:, SITE], address, context, weight=weight, day_mark=mark)
        new: NDArray[np.intp] = once_row[once_level == SITE]
        return new

    def _apply_context(
        self,
        entity: NDArray[np.uint64],
        context: AddressContext,
        *,
        weight: NDArray[np.float64],
        unit: float,
        row: NDArray[np.intp],
        mark: int,
        new_site: NDArray[np.intp],
    ) -> None:
        """Update the same for the rows' operators and countries, where known; ``new_site``: :meth:`_apply_block`'s."""
        profiles, keys, known = self.profiles, context.keys(), context.known()
        for level in range(CONTEXT_LEVELS):
            at = np.flatnonzero(known[:, level])
            key, owner, each = keys[at, level], row[at], weight[at].astype(np.float32)
            pair = joined(entity[at], key)
            pair_cells, cells = self.pairs.cells(pair), self.networks.cells(key)
            fresh = np.flatnonzero(self.pairs.read_count(pair_cells) == 0)
            once = fresh[np.unique(pair[fresh], return_index=True)[1]]
            self.networks.add_members(self.networks.cells(key[once]))
            sites = new_site[known[new_site, level]]
            self.pairs.add_members(self.pairs.cells(joined(entity[sites], keys[sites, level])))
            np.add.at(profiles.context_distinct[:, level], owner[once], 1.0)
            np.add.at(profiles.context_new[:, level], owner[fresh], unit)
            np.add.at(profiles.context_rows[:, level], owner, unit)
            self.pairs.add(pair_cells, each, mark)
            self.networks.add(cells, each, mark)

    def copy(self) -> History:
        """Return an independent copy."""
        return History(
            day=self.day,
            origin=self.origin,
            half_life_days=self.half_life_days,
            pairs=self.pairs.copy(),
            networks=self.networks.copy(),
            profiles=self.profiles.copy(),
        )

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return (manifest, arrays) for :func:`ipi_es.ipinsights.trained_network.pack`; the arrays are not copied."""
        manifest = {"day": self.day, "origin": self.origin, "half_life_days": self.half_life_days}
        arrays = self.pairs.to_arrays("pairs") | self.networks.to_arrays("networks") | self.profiles.to_arrays()
        return manifest, arrays

    @classmethod
    def from_arrays(cls, manifest: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> History:
        """Restore from :meth:`to_arrays`' manifest and arrays."""
        return cls(
            day=int(manifest["day"]),
            origin=int(manifest["origin"]),
            half_life_days=float(manifest["half_life_days"]),
            pairs=Sketch.from_arrays("pairs", arrays),
            networks=Sketch.from_arrays("networks", arrays),
            profiles=Profiles.from_arrays(arrays),
        )
