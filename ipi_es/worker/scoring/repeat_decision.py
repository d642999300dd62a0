"""Decide which findings of a bucket only repeat earlier reported ones.

An unusual pair that was a record within the repeat window, or falls into a hold, *may* be a repeat. It is a repeat
unless something is new: its entity, with all of its unusual pairs, has a higher severity than was reported, or more
unusual addresses or networks. Groups by address are decided separately, by severity and number of accounts. So an
attack can't be muted by a milder one before it, nor a large one by a small one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses, is_v4
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.results.reading.reported import Extent, First
from ipi_es.scoring.probability import LN_TAKES_PART, severity
from ipi_es.worker.scoring.outcome_views import OutcomeView, Participation, ViewScores
from ipi_es.worker.scoring.scored_pairs import ScoredPairs

V4_NETWORK_BYTES, V6_NETWORK_BYTES, V6_LINE_BYTES = 15, 6, 8
"""Leading bytes of 16 that a network (/24, /48) and an IPv6 line (/64) share."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownFindings:
    """The earlier findings that the unusual pairs and the addresses of a bucket may repeat."""

    pairs: Mapping[int, First]
    """First records, by row of the pair."""
    ips: Mapping[tuple[int, bool], First]
    """First critical influencers, by (index of the IP, failures only)."""

    def __bool__(self) -> bool:
        return bool(self.pairs or self.ips)


@dataclass(frozen=True, slots=True, eq=False)
class MutedFindings:
    """The groups that repeat."""

    entities: frozenset[tuple[int, bool]]
    """(index, failures only): entities whose possible repeats are repeats, among successes or among failures."""
    ips: frozenset[tuple[int, bool]]


NOTHING_MUTED = MutedFindings(frozenset(), frozenset())


class Extents:
    """The number of unusual addresses, networks and accounts of each entity and each IP of one view."""

    def __init__(self, bucket: EventBucket, pairs: ScoredPairs, rows: NDArray[np.bool_]) -> None:
        """Count the unusual pairs of ``rows`` (bool[n]: the view's pairs) that aren't allowed."""
        odd = np.flatnonzero(rows & (pairs.ln_p <= LN_TAKES_PART) & ~pairs.allowed)
        entity, ip = pairs.entity[odd], pairs.ip[odd]
        lines, networks = _numbered(bucket.addresses[ip])
        self._addresses = _distinct(entity, lines, len(bucket.entities))
        self._networks = _distinct(entity, networks, len(bucket.entities))
        self._accounts = _distinct(ip, entity, len(bucket.ips))

    def of(self, score: float, entity: int | None, ip: int | None) -> Extent:
        """Return the extent of an entity, of an IP, or of a pair (both); ``score`` is its reported score."""
        addresses, networks = (0, 0) if entity is None else (self._addresses[entity], self._networks[entity])
        return Extent(score, int(addresses), int(networks), 0 if ip is None else int(self._accounts[ip]))


def muted(
    pairs: ScoredPairs,
    known: KnownFindings,
    views: Sequence[OutcomeView],
    scores: Sequence[ViewScores],
    extents: Sequence[Extents],
) -> MutedFindings:
    """Decide which groups repeat; ``scores`` are those of the bucket with all possible repeats included."""
    entities: set[tuple[int, bool]] = set()
    ips: set[tuple[int, bool]] = set()
    for view, score, extent in zip(views, scores, extents, strict=True):
        mine = {row: first for row, first in known.pairs.items() if view.rows[row]}
        by_entity = _grouped((int(pairs.entity[row]), first) for row, first in mine.items())
        by_ip = _grouped((int(pairs.ip[row]), first) for row, first in mine.items())
        for (ip, failed), first in known.ips.items():
            if failed == view.failures_only:
                by_ip.setdefault(ip, []).append(first)
        most = score.entities.score.copy()
        np.maximum.at(most, pairs.entity[view.rows], score.records.score[view.rows])
        for entity, reported in by_entity.items():
            if _covered(extent.of(float(most[entity]), entity, None), reported):
                entities.add((entity, view.failures_only))
        for ip, reported in by_ip.items():
            if _covered(extent.of(float(score.ips.score[ip]), None, ip), reported):
                ips.add((ip, view.failures_only))
    return MutedFindings(frozenset(entities), frozenset(ips))


def takes_part(pairs: ScoredPairs, n_ips: int, known: KnownFindings, decided: MutedFindings) -> Participation:
    """Return what counts in the bucket if the ``decided`` groups are muted."""
    by_entity, by_ip = ~pairs.allowed, ~pairs.allowed
    for row in known.pairs:
        failed = bool(pairs.failures_only[row])
        by_entity[row] &= (int(pairs.entity[row]), failed) not in decided.entities
        by_ip[row] &= (int(pairs.ip[row]), failed) not in decided.ips
    ips = np.ones(n_ips, dtype=np.bool_), np.ones(n_ips, dtype=np.bool_)
    for ip, failed in decided.ips:
        ips[failed][ip] = (ip, failed) not in known.ips
    return Participation(by_entity, by_ip, ips)


def in_question(pairs: ScoredPairs, part: Participation, known: KnownFindings) -> Participation:
    """Return the participation with only the groups that :func:`muted` decides on, to save time."""
    rows = np.array(list(known.pairs), dtype=np.int64)
    ips = np.concatenate([pairs.ip[rows], np.array([ip for ip, _ in known.ips], dtype=np.int32)])
    by_entity = part.by_entity & np.isin(pairs.entity, pairs.entity[rows])
    return Participation(by_entity, part.by_ip & np.isin(pairs.ip, ips), part.ips)


def _covered(now: Extent, reported: Sequence[First]) -> bool:
    most = reported[0].extent
    for each in reported[1:]:
        most = most.widened(each.extent)
    milder = severity(now.score) <= severity(most.score)
    return milder and all(mine <= before for mine, before in zip(now[1:], most[1:], strict=True))


def _grouped(rows: Iterable[tuple[int, First]]) -> dict[int, list[First]]:
    found: dict[int, list[First]] = {}
    for group, first in rows:
        found.setdefault(group, []).append(first)
    return found


def _numbered(addresses: Addresses) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (line int64[n], network int64[n]): equal numbers for an equal IPv4 address or /64, and /24 or /48."""
    v4 = is_v4(addresses)
    lines, networks = addresses.copy(), addresses.copy()
    lines[~v4, V6_LINE_BYTES:] = 0
    networks[v4, V4_NETWORK_BYTES:] = 0
    networks[~v4, V6_NETWORK_BYTES:] = 0
    return _numbers(lines), _numbers(networks)


def _numbers(rows: Addresses) -> NDArray[np.int64]:
    whole = np.ascontiguousarray(rows).view("V16").ravel()
    return np.unique(whole, return_inverse=True)[1].astype(np.int64)


def _distinct(group: NDArray[np.int32], value: NDArray[np.integer], n_groups: int) -> NDArray[np.int64]:
    """Return how many different values each group has, int64[n_groups]; arrays [n]."""
    values = int(value.max(initial=-1)) + 1
    keys = np.unique(group.astype(np.int64) * values + value)
    return np.bincount(keys // max(values, 1), minlength=n_groups).astype(np.int64)
