"""Replay: score one day's buckets again, with the snapshot and the history that they had, without changing state."""

from __future__ import annotations

from dataclasses import dataclass

from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import AllowList
from ipi_es.datafeed.bucket_context import networks_of
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.ipinsights.day_scorer import DayScorer
from ipi_es.ipinsights.pair_explanation import Explainer
from ipi_es.ipinsights.scorer import Scorer
from ipi_es.times import SECONDS
from ipi_es.worker.history.history_keeper import HistoryId, Rows, history_base, learned_rows, load_history
from ipi_es.worker.history.holds import Holds
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.repeats.earlier_findings import Repeats
from ipi_es.worker.scoring.bucket_scorer import BucketScorer
from ipi_es.worker.scoring.describer import Describer, context_of
from ipi_es.worker.scoring.normalizer_state import NormalizerState
from ipi_es.worker.scoring.scored_bucket import ScoredBucket
from ipi_es.worker.scoring.scoring_pipeline import ScoringPipeline


@dataclass(frozen=True, slots=True)
class ReplayedBucket:
    """One bucket scored by a replay."""

    scored: ScoredBucket
    holds: Holds
    """All holds up to the bucket, and those that it begins."""
    allow: AllowList

    def teaches(self, job: Job) -> Rows:
        """Return the rows of the bucket to be learned."""
        return learned_rows(self.scored.bucket, self.scored.hashes, job, self.allow, self.holds)


@dataclass(frozen=True, slots=True)
class Replay:
    """Scores buckets of one UTC day as they were scored then, except for the levels, which the caller gives."""

    resources: JobResources
    snapshot_id: str
    day: int
    """Days since the epoch."""
    pairs: Scorer
    describer: Describer

    @classmethod
    def of(cls, resources: JobResources, snapshot_id: str, day: int, current: ScoringPipeline | None = None) -> Replay:
        """Load what that day's buckets were scored with, or take it from ``current`` if that has the same history.

        Raises SnapshotMissing, SnapshotDamaged or SnapshotForeign if it can't be loaded any more.
        """
        job, snapshot = resources.job, resources.snapshot(snapshot_id)
        wanted = HistoryId(history_base(snapshot_id), day)
        if current is not None and current.keeper.id == wanted:
            current.keeper.settle()
            pairs = current.scorer.scorer
        else:
            pairs = DayScorer(snapshot.network, load_history(resources.stores.blobs, job.job_id, wanted))
        describer = Describer(
            job,
            resources.allow_list(),
            context_of(job),
            Explainer(pairs),
            snapshot.references,
            networks_of(job),
            resources.verdicts(),
        )
        return cls(resources, snapshot_id, day, pairs, describer)

    def judge(self, bucket: EventBucket, levels: NormalizerState) -> ReplayedBucket:
        """Score a bucket of the day with the repeats and holds known before it, and with ``levels``."""
        resources, job = self.resources, self.resources.job
        snapshot = resources.snapshot(self.snapshot_id)
        repeats = Repeats.of(job)
        repeats.load(*repeats.read(resources.stores.results, bucket.start, job.ip_field))
        holds = resources.holds(self.day * SECONDS["d"], bucket.start)
        scorer = BucketScorer(
            job,
            self.describer.allow,
            self.pairs,
            snapshot.references,
            levels,
            repeats,
            holds,
        )
        return ReplayedBucket(scorer.score_detached(bucket), holds, self.describer.allow)
