"""The members of an influencer or a bucket, counted over all pairs of the bucket, with or without a written record.

``max_records_per_bucket`` limits the records that are written; it doesn't limit these counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ipi_es.index_pairs import packed_pairs
from ipi_es.ipinsights.history.history import History
from ipi_es.ipinsights.pair_explanation import unlearned
from ipi_es.networks.network_types import type_names
from ipi_es.networks.network_values import country_text
from ipi_es.results.documents.members import NAMED, Members, Unusual
from ipi_es.worker.scoring.record_selection import chosen_records
from ipi_es.worker.scoring.scored_bucket import ScoredBucket

Organization = Callable[[int], str | None]
"""Returns an operator's name by its number."""

Outcomes: TypeAlias = tuple[tuple[str, int], ...]
"""(outcome, events)."""


@dataclass(frozen=True)
class BucketMembers:
    """Counts over the pairs of one scored bucket. ``outcomes``: the outcomes that the job scores."""

    scored: ScoredBucket
    history: History
    outcomes: tuple[str, ...]
    organization: Organization = lambda _: None

    @cached_property
    def _repeats(self) -> NDArray[np.bool_]:
        """bool[n pairs]: which pairs repeat an earlier finding."""
        rows = ~self.scored.takes_part & ~self._allowed
        rows[list(self.scored.record_repeat_of)] = True
        rows[self.scored.moved.new_rows] = False  # they are the finding
        return rows

    @cached_property
    def _allowed(self) -> NDArray[np.bool_]:
        return self.scored.pairs.allowed

    @cached_property
    def _counts(self) -> NDArray[np.bool_]:
        """bool[n pairs]: which pairs are neither a repeat nor allowed."""
        return ~self._repeats & ~self._allowed

    def types_of(self, ips: NDArray[np.integer]) -> list[int]:
        """Return the types (a set each) of some addresses (indexes into the bucket's IPs)."""
        types = self.scored.bucket.network_types
        return [0] * len(ips) if types is None else types[ips].tolist()

    def of_entities(self, entities: NDArray[np.integer]) -> list[Members]:
        """Return the addresses of each of some entities (ascending indexes into the bucket's entities)."""
        pairs, bucket = self.scored.pairs, self.scored.bucket
        groups = _Groups.of(pairs.entity, entities, (pairs.ln_p, ~self._counts))
        ips = [pairs.ip[rows] for rows in groups.first(NAMED)]
        return self._members(groups, [[bucket.ips[i] for i in each.tolist()] for each in ips], ips)

    def of_ips(self, ips: NDArray[np.integer]) -> list[Members]:
        """Return the entities of each of some addresses (ascending indexes into the bucket's IPs)."""
        pairs, bucket = self.scored.pairs, self.scored.bucket
        groups = _Groups.of(pairs.ip, ips, (pairs.ln_p, ~self._counts))
        names = [[bucket.entities[i] for i in pairs.entity[rows].tolist()] for rows in groups.first(NAMED)]
        return self._members(groups, names, np.split(ips, len(ips)) if len(ips) else [])

    def unusual(self) -> Unusual:
        """Count the pairs that would be records without a limit, except repeats and allowed ones."""
        pairs = self.scored.pairs
        scored = self.scored
        rows, _ = chosen_records(pairs, scored.entities.groups, scored.ips.groups, scored.takes_part, len(pairs.entity))
        rows = rows[self._counts[rows]]
        return Unusual(
            pairs=len(rows),
            entities=len(np.unique(pairs.entity[rows])),
            ips=len(np.unique(pairs.ip[rows])),
            unlearned=int(np.count_nonzero(self._unlearned(rows))),
        )

    def outcomes_of(self, row: int) -> Outcomes:
        """Return (outcome, events) of a pair, the most frequent first; empty if the job scores only one outcome."""
        return () if self._outcome_counts is None else self._most_first(self._outcome_counts[row].tolist())

    def _most_first(self, counts: list[int]) -> Outcomes:
        named = zip(self.scored.bucket.outcomes, counts, strict=True)
        return tuple(sorted(((name, count) for name, count in named if count), key=lambda one: (-one[1], one[0])))

    @cached_property
    def _outcome_counts(self) -> NDArray[np.int64] | None:
        """int64[n pairs, n outcomes]: documents of the scored outcomes; None if the job scores only one."""
        bucket, pairs = self.scored.bucket, self.scored.pairs
        if len(self.outcomes) < 2:
            return None
        rows, width = np.flatnonzero(bucket.with_outcome(self.outcomes)), len(bucket.ips)
        keys = packed_pairs(pairs.entity, pairs.ip, width)
        order = np.argsort(keys)
        place = order[np.searchsorted(keys[order], packed_pairs(bucket.entity[rows], bucket.ip[rows], width))]
        counts = np.zeros((len(keys), len(bucket.outcomes)), dtype=np.int64)
        np.add.at(counts, (place, bucket.outcome[rows]), bucket.count[rows])
        return counts

    def _unlearned(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which pairs aren't in the history, bool[len(rows)]."""
        if not len(rows):
            return np.zeros(0, dtype=np.bool_)
        entity, ip = self.scored.pairs.entity[rows], self.scored.pairs.ip[rows]
        return unlearned(self.history, self.scored.hashes[entity], self.scored.bucket.addresses[ip])

    def _members(self, groups: _Groups, names: list[list[str]], ips: Sequence[NDArray[np.integer]]) -> list[Members]:
        """Return the members of each group; ``ips``: the addresses whose networks are named."""
        counted = self._counts[groups.rows]
        unlearned_rows = np.zeros(len(counted), dtype=np.bool_)
        unlearned_rows[counted] = self._unlearned(groups.rows[counted])
        columns = zip(
            groups.sizes.tolist(),
            groups.total(unlearned_rows),
            groups.total(self._repeats[groups.rows] & ~self._allowed[groups.rows]),
            groups.total(self._allowed[groups.rows]),
            groups.total(self.scored.pairs.count[groups.rows]),
            self._outcomes_of(groups),
            strict=True,
        )
        return [
            Members(
                count=count,
                unlearned=unlearned,
                repeats=repeats,
                allowed=allowed,
                names=tuple(named),
                event_count=events,
                outcomes=outcomes,
                **self._places(where),
            )
            for (count, unlearned, repeats, allowed, events, outcomes), named, where in zip(
                columns, names, ips, strict=True
            )
        ]

    def _outcomes_of(self, groups: _Groups) -> list[Outcomes]:
        if self._outcome_counts is None:
            return [()] * len(groups.sizes)
        columns = [groups.total(each) for each in self._outcome_counts[groups.rows].T]
        return [self._most_first(list(counts)) for counts in zip(*columns, strict=True)]

    def _places(self, ips: NDArray[np.integer]) -> dict[str, Any]:
        """Return what is known of the networks of some addresses, under the names that Members has, each once."""
        context = self.scored.bucket.context
        found: dict[str, Any] = {}
        if context is not None:
            operators = dict.fromkeys(each for each in context.operator[ips].tolist() if each)
            countries = dict.fromkeys(country_text(each) for each in context.country[ips].tolist())
            organizations = dict.fromkeys(self.organization(each) for each in operators)
            found["operators"] = tuple(operators)
            found["organizations"] = tuple(each for each in organizations if each)
            found["countries"] = tuple(each for each in countries if each)
        if self.scored.bucket.network_types is not None:
            found["network_types"] = type_names(reduce(or_, self.types_of(ips), 0))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """Rows of a bucket's pairs by some of the codes that they have, such as an entity's index."""

    rows: NDArray[np.intp]
    """Those with one of the codes, a group after the other."""
    group: NDArray[np.intp]
    """[len(rows)]: the index of each row's code."""
    sizes: NDArray[np.intp]
    """[codes]: rows of each."""

    @classmethod
    def of(
        cls, codes: NDArray[np.int32], chosen: NDArray[np.integer], keys: tuple[NDArray[Any], NDArray[Any]]
    ) -> _Groups:
        """Group the rows of ``codes`` by the ``chosen`` ones, ascending; each sorted as :func:`np.lexsort` does."""
        rows = np.flatnonzero(np.isin(codes, chosen))
        rows = rows[np.lexsort((*(each[rows] for each in keys), codes[rows]))]
        group = np.searchsorted(chosen, codes[rows])
        return cls(rows, group, np.bincount(group, minlength=len(chosen)))

    def total(self, values: NDArray[Any]) -> list[int]:
        """Return the sum of each group's ``values``, [len(rows)]."""
        sums: list[int] = np.bincount(self.group, weights=values, minlength=len(self.sizes)).astype(np.int64).tolist()
        return sums

    def first(self, most: int) -> list[NDArray[np.intp]]:
        """Return the first rows of each group, at most so many."""
        begins = np.cumsum(self.sizes) - self.sizes
        return [
            self.rows[begin : begin + min(size, most)]
            for begin, size in zip(begins.tolist(), self.sizes.tolist(), strict=True)
        ]
