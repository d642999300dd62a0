"""The operations on a job while its lease is held: train, backfill, catch up, renormalize, annotate."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

from ipi_es.config.setting_rules import made_with
from ipi_es.errors import SnapshotError, UsageError
from ipi_es.ipinsights.history.deltas import DayDelta
from ipi_es.results.documents.annotations import OF_SNAPSHOTS, Annotation, annotations_query, said_of
from ipi_es.results.documents.result_documents import Stamp
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.scoring.renormalizer import LastRenormalization
from ipi_es.state.details import JobDetails
from ipi_es.state.job_state import JobState
from ipi_es.state.leased_state import LeasedState
from ipi_es.times import iso
from ipi_es.worker import job_annotations
from ipi_es.worker.changed_settings import changed, kept
from ipi_es.worker.fenced_writer import FencedWriter
from ipi_es.worker.history import late_rows
from ipi_es.worker.history.history_keeper import HistoryId, catch_up, store_delta
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.repeats.earlier_findings import Repeats
from ipi_es.worker.scoring.batch import Leftovers, StoredSink, renormalization_details
from ipi_es.worker.scoring.describer import context_of
from ipi_es.worker.scoring.normalizer_state import NormalizerState
from ipi_es.worker.scoring.renormalization import ResultWindow
from ipi_es.worker.scoring.scored_bucket import ScoredBucket
from ipi_es.worker.scoring.scoring_pipeline import ScoringPipeline
from ipi_es.worker.scoring.scoring_state import LoadedScoring, ScoringCache, ScoringState
from ipi_es.worker.timing import each_timed, timed
from ipi_es.worker.training import job_training
from ipi_es.worker.training.job_snapshot import JobSnapshot
from ipi_es.worker.training.retraining import NONE, PreviousNetwork

log = logging.getLogger(__name__)

SCORING, TRAINING = "scoring", "training"
"""Purposes of a job's lease, in words for people who find it held."""


@dataclass(frozen=True, slots=True)
class BackfillRange:
    """The range of a backfill: [start, end) in epoch seconds, and whether it continues an earlier run."""

    start: int
    end: int
    resumed: bool = False
    never_scored: int = 0
    """Buckets between the requested start and ``start`` that have no results."""


class JobSession:
    """The operations on a job while its lease is held; :func:`ipi_es.worker.open_session.open_session` makes one."""

    def __init__(self, resources: JobResources, lease: LeasedState) -> None:
        self.resources, self.lease = resources, lease
        self.writer = FencedWriter(resources.stores, lease)
        self.scoring = ScoringState()
        """The scoring state that is loaded at the checkpoint."""
        self.notes: dict[str, Any] = {}
        """Fields of the state's details, with the values that are written when the lease is released."""

    def reuse(self, cache: ScoringCache) -> None:
        """Use what the last session of this process left loaded, if it is still valid."""
        self.scoring = cache.take(self.state, self.resources.allow_list(), self.resources.verdicts(), self.writer)
        if self.scoring.loaded is None:
            self.resources.forget_snapshot()

    def note(self, **changes: Any) -> None:
        """Change fields of the state's details when the lease is released."""
        self.notes |= changes

    @property
    def details(self) -> JobDetails:
        """The state's details with the notes of this session."""
        return replace(self.state.details, **self.notes)

    @property
    def state(self) -> JobState:
        """The job's last saved state."""
        return self.lease.state

    def train(
        self,
        start: int,
        end: int,
        on_progress: job_training.TrainingCallbacks | None = None,
        *,
        from_scratch: bool = False,
    ) -> job_training.TrainedJob:
        """Train on [start, end), store the snapshot, and restart the job from it: scoring begins at ``end``.

        Training starts from the job's previous network unless ``from_scratch``, and the new network is used unless it
        is worse.
        """
        learned, snapshot_id, history = self._learn(start, end, on_progress, from_scratch=from_scratch)
        self._say_trained(learned, snapshot_id, learned.snapshot.trained_to)
        details = replace(self.state.details.restarted(), made_with=made_with(self.resources.job), scored_from=None)
        if not Leftovers.of(self.resources.stores.results, 0).exist:
            details = self.resources.incidents.with_none(details)
        self._restart(snapshot_id, history, learned.snapshot.trained_to, details)
        return learned

    def retrain(
        self, start: int, end: int, on_progress: job_training.TrainingCallbacks | None = None
    ) -> job_training.TrainedJob:
        """Train on [start, end) and continue with the new snapshot: checkpoint and levels stay.

        ``end`` is at most the checkpoint. The new history is brought to the checkpoint before scoring continues.
        """
        learned, snapshot_id, history = self._learn(start, end, on_progress, from_scratch=False)
        details = replace(self.state.details, made_with=made_with(self.resources.job))
        changes: dict[str, Any] = {"snapshot_id": snapshot_id, "history_id": str(history), "details": details}
        self._say_trained(learned, snapshot_id, self.state.trained.checkpoint)
        self.scoring.invalidate()
        self.writer.save(self.state.advanced(**changes))
        return learned

    def plan(self, start: int, end: int, *, again: bool = False) -> BackfillRange:
        """Return the range for a backfill of [start, end): it begins at ``start``, or where an earlier run stopped.

        Raises UsageError if nothing is left to do, or if the job was trained on events of the range.
        """
        resources, state = self.resources, self.state
        snapshot = resources.snapshot(state.snapshot_id)
        begun = state.quantiles_id is not None and state.checkpoint is not None
        if again or not begun or state.trained.checkpoint <= start:
            resources.refuse_trained(snapshot, start)
            return BackfillRange(start, end)
        checkpoint = state.trained.checkpoint
        if checkpoint >= end and state.renormalize_due:
            return BackfillRange(checkpoint, checkpoint, resumed=True)  # killed between last bucket and renormalizing
        if checkpoint >= end:
            raise UsageError(
                f"job {state.job_id} is scored up to {iso(checkpoint)} already",
                hint="--again scores the range again and replaces its results",
            )
        return BackfillRange(checkpoint, end, resumed=True, never_scored=self._never_scored(start, checkpoint))

    def backfill(
        self, planned: BackfillRange, on_progress: Callable[[ScoredBucket], None], *, again: bool = False
    ) -> None:
        """Score and write the planned range; when this returns, its results are visible to every search.

        If it is stopped, finished batches stay, and the next run continues.
        """
        if again:
            resources, snapshot_id, state = self.resources, self.state.trained.snapshot_id, self.state
            details = state.details.restarted()
            if state.renormalized_to is None or planned.start > state.trained.checkpoint:
                details = replace(details, scored_from=None)  # the new results may not join the existing ones
            self._restart(
                snapshot_id, resources.base_of(snapshot_id), resources.snapshot(snapshot_id).trained_to, details
            )
        else:
            self.make_good()
        self._follow(planned.start, planned.end, on_progress).sweep()
        self.update_incidents()

    def catch_up(
        self, end: int, on_progress: Callable[[ScoredBucket], None], stopping: Callable[[], bool] = lambda: False
    ) -> None:
        """Score and write from the checkpoint to ``end``, as a backfill does; end after a batch when ``stopping``."""
        self.make_good()
        start = self.state.trained.checkpoint
        if start < end:
            self._follow(start, end, on_progress, stopping)

    def loaded_scoring(self) -> LoadedScoring:
        """Load what scoring needs at the checkpoint, at most once a session.

        To score other buckets than the next ones, use copies of the parts that every bucket changes.
        """
        return self._loaded(self.state.trained.checkpoint)

    def annotate(self, remarked: Iterable[Annotation]) -> int:
        """Write annotations; return the number of new ones: one that is stored in the same words isn't rewritten."""
        return self._annotate(remarked, self.state.snapshot_id)

    def _annotate(self, remarked: Iterable[Annotation], snapshot_id: str | None) -> int:
        said, state, stores = list(remarked), self.state, self.resources.stores
        if not said:
            return 0
        stamp = Stamp(snapshot_id or "", state.quantiles_id or "", stores.clock.now())
        return self.writer.annotate(said, context_of(self.resources.job), stamp)

    def retract_unused(self) -> None:
        """Delete annotations of snapshots that were never used, or that a revert left behind.

        A training writes its annotations before the state points to its snapshot; if it is killed in between, the
        next training may give another snapshot.
        """
        results, state = self.resources.stores.results, self.state
        results.show()
        if state.snapshot_id is None:
            query = annotations_query(state.job_id, None, None, OF_SNAPSHOTS)
        else:
            false = job_annotations.never_used(results.annotations(types=["model_snapshot"]), state.snapshot_id)
            if not false:
                return
            query = said_of(state.job_id, sorted(false))
        self.writer.delete_annotations(query)

    def make_good(self) -> None:
        """Renormalize if a killed run didn't get to it, with the levels of that run's last batch."""
        if self.state.renormalize_due:
            self.renormalize()

    def update_incidents(self, stopping: Callable[[], bool] = lambda: False) -> int:
        """Bring the stored incidents up to date with the results; return how many changed.

        Nothing is read if none is due. ``stopping`` ends it early; the next call does the rest.
        """
        incidents = self.resources.incidents
        if not incidents.due(self.state.details):
            return 0
        with timed(self.resources.took, "incidents"):
            return incidents.update(self.writer, stopping)

    def renormalize(self) -> int:
        """Renormalize the stored results of the window by the job's current levels; return how many changed.

        Raises UsageError if the job has scored nothing yet.
        """
        stores, state = self.resources.stores, self.state
        if state.quantiles_id is None:
            raise UsageError(
                f"job {state.job_id} has scored nothing yet", hint=f"ipi-es backfill {state.job_id} --start …"
            )
        self.scoring.invalidate()
        levels = NormalizerState.from_arrays(stores.quantiles.read(state.quantiles_id).levels)
        sink = StoredSink(stores, self.writer, self._window, self.resources.incidents, took=self.resources.took)
        changed = sink.renormalize(levels)
        stores.results.show()
        return changed

    def _learn(
        self, start: int, end: int, on_progress: job_training.TrainingCallbacks | None, *, from_scratch: bool
    ) -> tuple[job_training.TrainedJob, str, HistoryId]:
        """Train and store; return the training, the snapshot's id and its history. No state points to them yet."""
        resources, stores = self.resources, self.resources.stores
        self.lease.set_purpose(TRAINING)
        try:
            learned = job_training.learn(
                resources.collector(start, end),
                resources.feed,
                start,
                end,
                on_progress,
                previous=self._previous(),
                from_scratch=from_scratch,
            )
        finally:
            self.lease.set_purpose(SCORING)
        return learned, *job_training.store(self.writer.blobs, learned, stores.clock.now())

    def _say_trained(self, learned: job_training.TrainedJob, snapshot_id: str, checkpoint: int) -> None:
        """Annotate a training. Call it before the state points to it: later, a kill could lose the annotation."""
        self.retract_unused()
        age = job_annotations.history_age(self.resources.stores.blobs, self.state)
        self._annotate(
            job_annotations.of_training(self.resources.job, learned, snapshot_id, checkpoint, age), snapshot_id
        )

    def _previous(self) -> PreviousNetwork:
        """Return the network in use; one that can't be read must not prevent a training."""
        snapshot_id = self.state.snapshot_id
        if snapshot_id is None:
            return NONE
        other = [each for each in changed(self.resources.job, kept(self.state)) if each.rule == "train"]
        if other:
            return PreviousNetwork(unusable="; ".join(map(str, other)))
        try:
            return PreviousNetwork(snapshot_id, self.resources.snapshot(snapshot_id).network)
        except SnapshotError as error:
            return PreviousNetwork(unusable=error.message)

    def _restart(self, snapshot_id: str, history: HistoryId, checkpoint: int, details: JobDetails) -> None:
        """Restart the job at ``checkpoint`` with this snapshot and history, and the snapshot's own levels."""
        self.scoring.invalidate()
        self.writer.save(
            self.state.advanced(
                snapshot_id=snapshot_id,
                history_id=str(history),
                quantiles_id=None,
                checkpoint=checkpoint,
                renormalize_due=False,
                renormalized_to=None,
                details=details,
            )
        )

    def _follow(
        self,
        start: int,
        end: int,
        on_progress: Callable[[ScoredBucket], None],
        stopping: Callable[[], bool] = lambda: False,
    ) -> StoredSink:
        """Score and write [start, end); when this returns, the results are visible to every search."""
        with ThreadPoolExecutor(1) as beside:
            loading = beside.submit(self._loaded, start)
            events = each_timed(self.resources.took, "read", self.resources.read_ahead(start, end, loading))
            with closing(events) as reading:
                first = list(islice(reading, 1))  # from here on events are read ahead, while history is loaded
                loaded = loading.result()
                self.scoring.invalidate()  # between two batches, and after an error, it belongs to no checkpoint
                loaded.pipeline.run(chain(first, reading), on_progress, stopping)
        self.scoring.keep(loaded)
        self.resources.stores.results.show()  # a command that follows at once must not miss the last batch
        return loaded.sink

    def _loaded(self, start: int) -> LoadedScoring:
        loaded = self.scoring.loaded
        if loaded is None or start != self.state.checkpoint:
            with timed(self.resources.took, "load"):
                loaded = self._load(start)
            self.scoring.keep(loaded)
        loaded.pipeline.keeper.settle()
        return loaded

    def _load(self, start: int) -> LoadedScoring:
        """Load the scoring state after the last batch, and bring it to ``start``."""
        resources, job, stores = self.resources, self.resources.job, self.resources.stores
        state = self.state
        snapshot = resources.snapshot(state.snapshot_id)
        if state.details.made_with is None:
            log.info("job %s: what it was made with wasn't kept; taken for what its file says", job.job_id)
            self.note(made_with=made_with(job))
        levels = self._levels(snapshot, start)
        keeper = resources.keeper(HistoryId.parse(state.trained.history_id), start)
        keeper.replace_late(late_rows.waiting(stores.blobs, state))

        def stored(delta: DayDelta) -> None:
            store_delta(self.writer.blobs, job.job_id, keeper.id, delta, stores.clock.now())

        catch_up(keeper, start, resources.read, stored)
        repeats = Repeats.of(job)
        repeats.load(*repeats.read(stores.results, start, job.ip_field))
        first: dict[str, Any] = {}
        details = state.details
        if state.renormalized_to is None:
            # saved with the first batch: a run that continues must know from where the first one counted
            scored_from = start if details.scored_from is None else min(details.scored_from, start)
            details = replace(renormalization_details(state, levels), scored_from=scored_from)
            first = {"renormalized_to": start, "details": details}
        elif start > state.trained.checkpoint:  # buckets in between aren't missing: they were never scored
            details = replace(details, scored_from=start)
            first = {"details": details}
        # after bucket_span was changed, the first bucket may begin before the checkpoint: it replaces results there
        begin = start - start % job.bucket_span
        leftovers = Leftovers.of(stores.results, begin)
        sink = StoredSink(
            stores,
            self.writer,
            self._window,
            resources.incidents,
            leftovers=leftovers,
            first=first,
            took=resources.took,
        )
        last = LastRenormalization.at(start if state.renormalized_to is None else state.renormalized_to, levels.by_name)
        if details.largest is not None:
            last = LastRenormalization(last.time, details.largest)
        pipeline = ScoringPipeline.of(
            job, snapshot, keeper, levels, repeats, sink, renormalized=last, took=resources.took
        )
        return LoadedScoring(pipeline, sink)

    def _levels(self, snapshot: JobSnapshot, start: int) -> NormalizerState:
        """Return the job's levels, aged to ``start``; the snapshot's own if the job has none for its current fields."""
        if self.state.quantiles_id is not None:
            saved = self.resources.stores.quantiles.read(self.state.quantiles_id)
            levels = NormalizerState.from_arrays(saved.levels)
            job = self.resources.job
            if levels.are_of((job.entity_field, job.ip_field)):
                return levels.aged(start - saved.time)
        return snapshot.levels.aged(start - snapshot.trained_to)

    def _window(self, end: int) -> ResultWindow:
        job = self.resources.job
        window = ResultWindow(job.renormalization_window(), job.entity_field, job.ip_field)
        window.load(self.resources.stores.results, end)
        return window

    def _never_scored(self, start: int, end: int) -> int:
        results = self.resources.stores.results
        results.show()
        expected = (end - start) // self.resources.job.bucket_span
        return max(expected - results.count("bucket", ResultFilter(start, end)), 0)
