"""The members of an influencer or a bucket, counted over all pairs of the bucket, with or without a written record.

``max_records_per_bucket`` limits the records that are written; it doesn't limit these counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_
from typing import Any

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

    @cached_property
    def _by_entity(self) -> NDArray[np.intp]:
        """intp[n pairs]: the pairs in order of their entities; an entity's counted and least probable ones first."""
        return self._sorted(self.scored.pairs.entity)

    @cached_property
    def _by_ip(self) -> NDArray[np.intp]:
        return self._sorted(self.scored.pairs.ip)

    def _sorted(self, codes: NDArray[np.int32]) -> NDArray[np.intp]:
        return np.lexsort((self.scored.pairs.ln_p, ~self._counts, codes))

    def types_of(self, ips: NDArray[np.integer]) -> list[int]:
        """Return the types (a set each) of some addresses (indexes into the bucket's IPs)."""
        types = self.scored.bucket.network_types
        return [0] * len(ips) if types is None else types[ips].tolist()

    def of_entity(self, entity: int) -> Members:
        """Return the addresses of one entity (an index into the bucket's entities)."""
        rows = _slice(self._by_entity, self.scored.pairs.entity, entity)
        ips = self.scored.pairs.ip[rows]
        return self._members(rows, [self.scored.bucket.ips[i] for i in ips[:NAMED].tolist()], ips[:NAMED])

    def of_ip(self, ip: int) -> Members:
        """Return the entities of one address (an index into the bucket's IPs)."""
        rows = _slice(self._by_ip, self.scored.pairs.ip, ip)
        names = [self.scored.bucket.entities[i] for i in self.scored.pairs.entity[rows[:NAMED]].tolist()]
        return self._members(rows, names, np.array([ip]))

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

    def outcomes_of(self, rows: NDArray[np.intp] | list[int]) -> tuple[tuple[str, int], ...]:
        """Return (outcome, events) of some pairs, the most frequent first; empty if the job scores only one outcome."""
        if self._outcome_counts is None:
            return ()
        counts = self._outcome_counts[rows].sum(axis=0).tolist()
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

    def _members(self, rows: NDArray[np.intp], names: list[str], named_ips: NDArray[Any]) -> Members:
        pairs, context = self.scored.pairs, self.scored.bucket.context
        counts = rows[self._counts[rows]]
        operators = [] if context is None else [each for each in context.operator[named_ips].tolist() if each]
        countries = [] if context is None else [country_text(each) for each in context.country[named_ips].tolist()]
        organizations = [self.organization(each) for each in operators]
        return Members(
            count=len(rows),
            unlearned=int(np.count_nonzero(self._unlearned(counts))),
            repeats=int(np.count_nonzero(self._repeats[rows] & ~self._allowed[rows])),
            allowed=int(np.count_nonzero(self._allowed[rows])),
            names=tuple(names),
            event_count=int(pairs.count[rows].sum()),
            outcomes=self.outcomes_of(rows),
            operators=tuple(dict.fromkeys(operators)),
            organizations=tuple(dict.fromkeys(each for each in organizations if each)),
            countries=tuple(dict.fromkeys(each for each in countries if each)),
            network_types=type_names(reduce(or_, self.types_of(named_ips), 0)),
        )


def _slice(order: NDArray[np.intp], codes: NDArray[np.int32], code: int) -> NDArray[np.intp]:
    """Return the part of ``order`` (the indexes that sort ``codes``) that has the code ``code``."""
    begin, end = np.searchsorted(codes, [code, code + 1], sorter=order)
    return order[begin:end]
