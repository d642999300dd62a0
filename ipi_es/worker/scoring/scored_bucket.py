"""What was decided on one event bucket."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.results.reading.reported import Extent
from ipi_es.scoring.aggregate import BucketView
from ipi_es.scoring.normalizer import Normalized
from ipi_es.worker.repeats.moved_pairs import MovedPairs
from ipi_es.worker.scoring.outcome_views import MergedGroups
from ipi_es.worker.scoring.scored_pairs import ScoredPairs
from ipi_es.worker.verdicts.endangered_pairs import CompromisedSource


@dataclass(frozen=True, slots=True, eq=False)
class ScoredBucket:
    """The decisions on one event bucket; scores are 0–100, high = unusual."""

    bucket: EventBucket
    hashes: NDArray[np.uint64]  # of the bucket's entities
    pairs: ScoredPairs
    endangered_by: dict[int, CompromisedSource]  # row of ``pairs`` → the compromised account nearby
    takes_part: NDArray[np.bool_]  # [n_pairs], not suppressed, and new for its entity or for its IP
    entities: MergedGroups  # groups by entity, with their scores
    ips: MergedGroups
    written_entities: NDArray[np.bool_]  # [n_entities], which get an influencer's document
    written_ips: NDArray[np.bool_]
    wholes: dict[str, tuple[BucketView, bool]]  # by bucket influencer's field; whether it consists of failures only
    ip_repeat_of: dict[int, str]  # index of an IP → id of the critical influencer that its influencer repeats
    ip_extents: dict[int, Extent]  # index of an IP with a critical influencer that repeats nothing
    moved: MovedPairs
    records: NDArray[np.int64]  # rows of ``pairs`` to write, the least probable first
    record_repeat_of: dict[int, str]  # row of ``records`` → id of the record that it repeats
    record_extents: dict[int, Extent]  # row of ``records`` that repeats nothing and isn't suppressed
    held_until: dict[int, int]  # row of ``records`` → end of its hold, epoch seconds
    left_out: list[str]  # entities that aren't learned from the bucket, because not all of their holds have a record
    omitted: int  # records beyond max_records_per_bucket
    record_scores: Normalized  # [len(records)]
    bucket_scores: dict[str, float]  # by bucket influencer's field
    warming_up: bool
    young: bool
    """Whether the job's history is too short to know a week."""
    scheduled_events: tuple[str, ...]
    """Those that the bucket is inside of: then nothing of it counts, is held, or can be repeated."""

    @property
    def anomaly_score(self) -> float:
        """The largest score of the bucket influencers."""
        return max(self.bucket_scores.values(), default=0.0)
