"""The unique (entity, IP) pairs of an event bucket with their scores, and which of them succeeded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ipi_es.config.allow_list import NO_RULE
from ipi_es.datafeed.event_bucket import EventBucket


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
    calibrated_ln_p: NDArray[np.float64]  # before warm-up held it back
    extrapolated: NDArray[np.bool_]
    rule: NDArray[np.int32]  # index of the allow list's rule, or NO_RULE
    failures_only: NDArray[np.bool_]  # none of the pair's outcomes in the bucket is one of ``learn_outcomes``

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """bool[n]: which pairs a rule of the allow list suppresses."""
        return np.asarray(self.rule != NO_RULE, dtype=np.bool_)


def unique_pairs(
    bucket: EventBucket, outcomes: tuple[str, ...]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Return (entity int32[n], ip int32[n], count int64[n]): one row for each (entity, IP) with these outcomes."""
    wanted = np.array([name in outcomes for name in bucket.outcomes], dtype=np.bool_)
    rows = wanted[bucket.outcome] if len(wanted) else np.zeros(0, dtype=np.bool_)
    entity, ip, count = bucket.entity[rows], bucket.ip[rows], bucket.count[rows]
    if wanted.sum() < 2:
        return entity, ip, count  # rows of one outcome are unique already
    width = max(len(bucket.ips), 1)
    keys, back = np.unique(entity.astype(np.int64) * width + ip, return_inverse=True)
    total = np.bincount(back, weights=count, minlength=len(keys)).astype(np.int64)
    return (keys // width).astype(np.int32), (keys % width).astype(np.int32), total


def teaching(
    bucket: EventBucket, outcomes: tuple[str, ...], entity: NDArray[np.int32], ip: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Return which pairs (entity int32[n], ip int32[n]) have rows of these outcomes in the bucket, bool[n]."""
    seen_entity, seen_ip, _ = unique_pairs(bucket, outcomes)
    width = max(len(bucket.ips), 1)
    return np.isin(entity.astype(np.int64) * width + ip, seen_entity.astype(np.int64) * width + seen_ip)
