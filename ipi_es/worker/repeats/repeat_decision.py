"""Decide which findings of a bucket only repeat earlier reported ones.

An unusual pair that was a record within the repeat window, or falls into a hold, *may* be a repeat. It is a repeat
unless something is new: its entity, with all of its unusual pairs, has a higher severity than was reported, or more
unusual addresses or networks. Groups by address are decided separately, by severity and number of accounts. So an
attack can't be muted by a milder one before it, nor a large one by a small one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses
from ipi_es.index_pairs import packed_pairs, unpacked_pairs
from ipi_es.ipinsights.prefixes import LINE, SITE, network_numbers
from ipi_es.results.reading.reported import Extent, First
from ipi_es.scoring.array_checks import F64
from ipi_es.scoring.probability import LN_TAKES_PART, severity_levels
from ipi_es.worker.scoring.outcome_views import Bools, OutcomeView, Participation, ViewScores
from ipi_es.worker.scoring.scored_pairs import ScoredPairs


@dataclass(frozen=True, slots=True, eq=False)
class KnownFindings:
    """The earlier findings that the unusual pairs and the addresses of a bucket may repeat."""

    pairs: Mapping[int, First]
    """First records, by row of the pair, ascending."""
    ips: Mapping[tuple[int, bool], First]
    """First critical influencers, by (index of the IP, failures only)."""

    def __bool__(self) -> bool:
        return bool(self.pairs or self.ips)

    @property
    def rows(self) -> NDArray[np.int64]:
        """int64[n]: the keys of ``pairs``."""
        return np.fromiter(self.pairs, dtype=np.int64, count=len(self.pairs))

    def ips_of(self, *, failures_only: bool) -> NDArray[np.int64]:
        """Return int64[m]: the IPs of one kind in ``ips``, in its order."""
        return np.array([ip for ip, failed in self.ips if failed == failures_only], dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class MutedFindings:
    """The groups that repeat, each bool[2, n]: by 0 for successes or 1 for failures, and index."""

    entities: Bools
    """Entities whose possible repeats are repeats."""
    ips: Bools

    @classmethod
    def nothing(cls, n_entities: int, n_ips: int) -> MutedFindings:
        """Return that no group repeats."""
        return cls(np.zeros((2, n_entities), dtype=np.bool_), np.zeros((2, n_ips), dtype=np.bool_))


NO_FINDINGS = KnownFindings({}, {})
"""Nothing was reported before."""


class Extents:
    """The number of unusual addresses, networks and accounts of each entity and each IP of one view."""

    def __init__(self, n_entities: int, addresses: Addresses, pairs: ScoredPairs, rows: Bools) -> None:
        """Count the unusual pairs of ``rows`` (bool[n]: the view's pairs) that aren't allowed.

        ``addresses`` uint8[n_ips, 16] are those of the IPs.
        """
        odd = np.flatnonzero(rows & (pairs.ln_p <= LN_TAKES_PART) & ~pairs.allowed)
        entity, ip = pairs.entity[odd], pairs.ip[odd]
        self._addresses = _distinct(entity, network_numbers(addresses[ip], LINE), n_entities)
        self._networks = _distinct(entity, network_numbers(addresses[ip], SITE), n_entities)
        self._accounts = _distinct(ip, entity, len(addresses))

    def of(self, score: float, entity: int | None, ip: int | None) -> Extent:
        """Return the extent of an entity, of an IP, or of a pair (both); ``score`` is its reported score."""
        addresses, networks = (0, 0) if entity is None else (self._addresses[entity], self._networks[entity])
        return Extent(score, int(addresses), int(networks), 0 if ip is None else int(self._accounts[ip]))

    def of_entities(self, score: F64) -> F64:
        """Return the extents of all entities, float64[n_entities, 4] in the order of Extent; ``score`` [n_entities]."""
        return np.column_stack([score, self._addresses, self._networks, np.zeros(len(score))])

    def of_ips(self, score: F64) -> F64:
        """Return the extents of all IPs, float64[n_ips, 4] in the order of Extent; ``score`` float64[n_ips]."""
        return np.column_stack([score, np.zeros((len(score), 2)), self._accounts])


def muted(
    pairs: ScoredPairs,
    known: KnownFindings,
    views: Sequence[OutcomeView],
    scores: Sequence[ViewScores],
    extents: Sequence[Extents],
) -> MutedFindings:
    """Decide which groups repeat; ``scores`` are those of the bucket with all possible repeats included."""
    rows, reported = known.rows, _as_rows(known.pairs.values())
    decided = MutedFindings.nothing(len(scores[0].entities.score), len(scores[0].ips.score))
    for view, score, extent in zip(views, scores, extents, strict=True):
        failed = view.failures_only
        mine = view.rows[rows]
        most = score.entities.score.copy()
        np.maximum.at(most, pairs.entity[view.rows], score.records.score[view.rows])
        decided.entities[int(failed)] = _covered(extent.of_entities(most), pairs.entity[rows[mine]], reported[mine])
        ips = np.concatenate([pairs.ip[rows[mine]], known.ips_of(failures_only=failed)])
        of_ips = _as_rows(first for (_, each), first in known.ips.items() if each == failed)
        decided.ips[int(failed)] = _covered(
            extent.of_ips(score.ips.score), ips, np.concatenate([reported[mine], of_ips])
        )
    return decided


def takes_part(pairs: ScoredPairs, known: KnownFindings, decided: MutedFindings) -> Participation:
    """Return what counts in the bucket if the ``decided`` groups are muted."""
    rows, by_entity, by_ip = known.rows, ~pairs.allowed, ~pairs.allowed
    failed = pairs.failures_only[rows].astype(np.intp)
    by_entity[rows] &= ~decided.entities[failed, pairs.entity[rows]]
    by_ip[rows] &= ~decided.ips[failed, pairs.ip[rows]]
    ips = np.ones_like(decided.ips)
    for kind in (False, True):
        at = known.ips_of(failures_only=kind)
        ips[int(kind), at] = ~decided.ips[int(kind), at]
    return Participation(by_entity, by_ip, (ips[0], ips[1]))


@dataclass(frozen=True, slots=True, eq=False)
class OpenQuestion:
    """The part of a bucket that :func:`muted` decides on; its groups are numbered anew.

    The work is then proportional to the findings that may repeat, not to the bucket.
    """

    entities: NDArray[np.intp]
    """int[m]: index in the bucket of each entity, ascending."""
    ips: NDArray[np.intp]
    """int[k]: index in the bucket of each IP, ascending."""
    pairs: ScoredPairs
    part: Participation
    known: KnownFindings

    @classmethod
    def of(cls, pairs: ScoredPairs, part: Participation, known: KnownFindings) -> OpenQuestion:
        """Choose the pairs of all groups that have a known finding; ``part`` is what counts if nothing repeats."""
        rows = known.rows
        known_ips = np.array([ip for ip, _ in known.ips], dtype=np.intp)
        by_entity = part.by_entity & np.isin(pairs.entity, pairs.entity[rows])
        by_ip = part.by_ip & np.isin(pairs.ip, np.concatenate([pairs.ip[rows], known_ips]))
        asked = by_entity | by_ip
        asked[rows] = True
        kept = np.flatnonzero(asked)
        entities = np.unique(pairs.entity[kept]).astype(np.intp)
        ips = np.union1d(pairs.ip[kept], known_ips).astype(np.intp)
        renumbered = replace(
            pairs.take(kept),
            entity=np.searchsorted(entities, pairs.entity[kept]).astype(np.int32),
            ip=np.searchsorted(ips, pairs.ip[kept]).astype(np.int32),
        )
        firsts = zip(np.searchsorted(kept, rows).tolist(), known.pairs.values(), strict=True)
        of_ips = zip(np.searchsorted(ips, known_ips).tolist(), known.ips.items(), strict=True)
        return cls(
            entities,
            ips,
            renumbered,
            Participation(by_entity[kept], by_ip[kept], (part.ips[0][ips], part.ips[1][ips])),
            KnownFindings(dict(firsts), {(ip, failed): first for ip, ((_, failed), first) in of_ips}),
        )

    def answered(self, decided: MutedFindings, n_entities: int, n_ips: int) -> MutedFindings:
        """Return what was ``decided`` on these groups, numbered as in the bucket."""
        found = MutedFindings.nothing(n_entities, n_ips)
        found.entities[:, self.entities] = decided.entities
        found.ips[:, self.ips] = decided.ips
        return found


def _as_rows(firsts: Iterable[First]) -> F64:
    """Return the reported extents as float64[n, 4], in the order of Extent."""
    return np.array([first.extent for first in firsts], dtype=np.float64).reshape(-1, len(Extent._fields))


def _covered(now: F64, group: NDArray[np.integer], reported: F64) -> Bools:
    """Decide (bool[g]) which groups were reported, and exceed nothing that was.

    now: float64[g, 4], the groups' extents; group: int[n] and reported: float64[n, 4], the extents reported for them.
    """
    most = np.full_like(now, -1.0)  # less than any extent: a group that was not reported is not covered
    np.maximum.at(most, group, reported)
    milder: Bools = severity_levels(now[:, 0]) <= severity_levels(most[:, 0])
    return milder & (now[:, 1:] <= most[:, 1:]).all(axis=1)


def _distinct(group: NDArray[np.int32], value: NDArray[np.integer], n_groups: int) -> NDArray[np.int64]:
    """Return how many different values each group has, int64[n_groups]; arrays [n]."""
    values = int(value.max(initial=-1)) + 1
    groups, _ = unpacked_pairs(np.unique(packed_pairs(group, value, values)), values)
    return np.bincount(groups, minlength=n_groups).astype(np.int64)
