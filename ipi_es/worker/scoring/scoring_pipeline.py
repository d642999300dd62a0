"""Score event buckets one by one and write them to a sink in batches: the common loop of backfill and worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field

from ipi_es.config.job_config import Job
from ipi_es.datafeed.bucket_context import networks_of
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.datafeed.gc_pause import gc_pause
from ipi_es.ipinsights.day_scorer import DayScorer
from ipi_es.ipinsights.pair_explanation import Explainer
from ipi_es.scoring.renormalizer import LastRenormalization
from ipi_es.times import day_of
from ipi_es.worker.history.history_keeper import HistoryKeeper
from ipi_es.worker.job_annotations import of_warm_up
from ipi_es.worker.repeats.earlier_findings import Repeats
from ipi_es.worker.scoring.batch import MAX_BUCKETS, MAX_PAIRS, Batch, Sink
from ipi_es.worker.scoring.bucket_scorer import BucketScorer
from ipi_es.worker.scoring.describer import Describer, context_of
from ipi_es.worker.scoring.normalizer_state import NormalizerState
from ipi_es.worker.scoring.scored_bucket import ScoredBucket
from ipi_es.worker.timing import OnStep, ignore_step
from ipi_es.worker.training.job_snapshot import JobSnapshot


@dataclass(slots=True)
class ScoringPipeline:
    """The scoring of one job: the state that every bucket changes, and the batch that isn't written yet."""

    job: Job
    keeper: HistoryKeeper
    pairs: DayScorer
    scorer: BucketScorer
    describer: Describer
    sink: Sink
    renormalized: LastRenormalization
    scored: list[tuple[ScoredBucket, int]] = field(default_factory=list)
    """Buckets that are scored and not written yet, with the milliseconds that scoring took."""
    took: OnStep = ignore_step
    """Called with the time that scoring a batch took."""

    @classmethod
    def of(
        cls,
        job: Job,
        snapshot: JobSnapshot,
        keeper: HistoryKeeper,
        levels: NormalizerState,
        repeats: Repeats,
        sink: Sink,
        *,
        renormalized: LastRenormalization,
        took: OnStep = ignore_step,
    ) -> ScoringPipeline:
        """Make a pipeline from its parts."""
        pairs = DayScorer(snapshot.network, keeper.history)
        return cls(
            job=job,
            keeper=keeper,
            pairs=pairs,
            scorer=BucketScorer(job, keeper.allow, pairs, snapshot.references, levels, repeats, keeper.holds),
            describer=Describer(
                job,
                keeper.allow,
                context_of(job),
                Explainer(pairs),
                snapshot.references,
                networks_of(job),
                keeper.holds.verdicts,
            ),
            sink=sink,
            renormalized=renormalized,
            took=took,
        )

    def run(
        self,
        buckets: Iterable[EventBucket],
        on_progress: Callable[[ScoredBucket], None] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Score and write ``buckets``, given in order and without gaps; batches written before an error stay.

        A batch is written while the next one is scored; when this returns or raises, no write is in progress. If
        ``stopping`` returns True, it ends early, after a batch: the end of a batch must not depend on the time of a
        stop.
        """
        writing: Future[None] | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="ipi-es-writer") as writer:
            for bucket in buckets:
                began = time.perf_counter()
                self.keeper.settle()
                scored = self.scorer.score(bucket)
                self.keeper.gather(bucket, scored.hashes)
                self.scored.append((scored, round((time.perf_counter() - began) * 1_000)))
                on_progress(scored)
                due = self._renormalization_due(bucket.end)
                if due or self._full() or day_of(bucket.end) > self.keeper.id.day:
                    writing = self._handed_over(self._batch(renormalize=due), writer, writing)
                    if stopping():
                        break
            if self.scored:
                writing = self._handed_over(self._batch(renormalize=False), writer, writing)
            if writing is not None:
                writing.result()

    def _handed_over(self, batch: Batch, writer: ThreadPoolExecutor, writing: Future[None] | None) -> Future[None]:
        """Begin to write a batch once the previous one is stored; raise the previous one's error, if it had one."""
        if writing is not None:
            writing.result()
        # in a copy of this thread's context, so that log lines and rejections there belong to this job too
        return writer.submit(copy_context().run, self.sink.write, batch)

    def _full(self) -> bool:
        return len(self.scored) >= MAX_BUCKETS or sum(len(each.pairs.entity) for each, _ in self.scored) >= MAX_PAIRS

    def _renormalization_due(self, now: int) -> bool:
        if not self.job.renormalization_window():
            return False
        return self.renormalized.next_is_due(now, self.scorer.levels.by_name)

    def _batch(self, *, renormalize: bool) -> Batch:
        """Return a batch of the buckets scored since the last one; advance the history if the batch ends a day."""
        began, spent = time.perf_counter(), sum(took for _, took in self.scored) / 1_000
        start, end = self.scored[0][0].bucket.start, self.scored[-1][0].bucket.end
        stamp = self.sink.stamp(end)
        # before history advances: a record is explained with the history that it was scored with
        with gc_pause():
            documents = [
                document
                for each, took in self.scored
                for document in self.describer.documents(each, stamp, processing_time_ms=took)
            ]
        self.scored.clear()
        age = self.keeper.age
        delta = self.keeper.advance(day_of(end))
        warm_up = of_warm_up(self.job, end, age, self.keeper.age)
        if warm_up is not None:
            documents.append(warm_up.document(self.describer.context, stamp))
        levels = self.scorer.levels
        self.scorer.repeats.forget_before(end)
        if delta is not None:  # once a day: a month of holds may be many
            self.scorer.holds.forget_before(end)
        if renormalize:
            self.renormalized = LastRenormalization.at(end, levels.by_name)
        self.took("score", spent + time.perf_counter() - began)
        return Batch(start, end, documents, levels, self.keeper.id, delta, renormalize_due=renormalize)
