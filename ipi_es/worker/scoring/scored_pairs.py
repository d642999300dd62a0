"""The unique (entity, IP) pairs of an event bucket with their scores, and which of them succeeded."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from ipi_es.config.rules.allow_list import NO_RULE
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.index_pairs import packed_pairs, unpacked_pairs


@dataclass(frozen=True, slots=True, eq=False)
class ScoredPairs:
    """The unique (entity, IP) pairs of the scored outcomes of one event bucket; all arrays are [n]."""

    entity: NDArray[np.int32]  # index into the event bucket's entities
    ip: NDArray[np.int32]  # index into its ips
    count: NDArray[np.int64]  # documents
    compatibility: NDArray[np.float64]
    history_class: NDArray[np.int8]
    prior_events: NDArray[np.float64]  # of the entity, up to the day's start
    ln_p: NDArray[np.float64]
    plain_ln_p: NDArray[np.float64]  # without a compromised account nearby
    calibrated_ln_p: NDArray[np.float64]  # before warm-up held it back, without a compromised account nearby
    extrapolated: NDArray[np.bool_]
    rule: NDArray[np.int32]  # index of the allow list's rule, or NO_RULE
    failures_only: NDArray[np.bool_]  # none of the pair's outcomes in the bucket is one of ``learn_outcomes``

    def plain(self) -> ScoredPairs:
        """Return the pairs as they would be without compromised accounts nearby."""
        return replace(self, ln_p=self.plain_ln_p)

    def take(self, rows: NDArray[np.intp]) -> ScoredPairs:
        """Return some of the pairs, int[m]: rows in the order wanted."""
        return ScoredPairs(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """bool[n]: which pairs a rule of the allow list suppresses."""
        return np.asarray(self.rule != NO_RULE, dtype=np.bool_)

    @property
    def learnable(self) -> NDArray[np.bool_]:
        """bool[n]: which pairs are learned unless they are held (:attr:`ipi_es.datafeed.row_use.RowUse.learned`)."""
        return ~self.allowed & ~self.failures_only


def unique_pairs(
    bucket: EventBucket, outcomes: tuple[str, ...]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Return (entity int32[n], ip int32[n], count int64[n]): one row for each (entity, IP) with these outcomes."""
    rows = bucket.with_outcome(outcomes)
    entity, ip, count = bucket.entity[rows], bucket.ip[rows], bucket.count[rows]
    if sum(name in outcomes for name in bucket.outcomes) < 2:
        return entity, ip, count  # rows of one outcome are unique already
    pairs, back = np.unique(packed_pairs(entity, ip, len(bucket.ips)), return_inverse=True)
    total = np.bincount(back, weights=count, minlength=len(pairs)).astype(np.int64)
    entities, ips = unpacked_pairs(pairs, len(bucket.ips))
    return entities.astype(np.int32), ips.astype(np.int32), total


def have_outcome(
    bucket: EventBucket, outcomes: tuple[str, ...], entity: NDArray[np.int32], ip: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Return which pairs (entity int32[n], ip int32[n]) have rows of these outcomes in the bucket, bool[n]."""
    rows, width = bucket.with_outcome(outcomes), len(bucket.ips)
    return np.isin(packed_pairs(entity, ip, width), packed_pairs(bucket.entity[rows], bucket.ip[rows], width))
