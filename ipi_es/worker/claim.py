"""What may be done with a job while its lease is held: train, backfill, renormalize."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING

from ipi_es.errors import SnapshotError, UsageError
from ipi_es.ipinsights.deltas import DayDelta
from ipi_es.state.job_state import JobState
from ipi_es.times import iso
from ipi_es.worker import training
from ipi_es.worker.batch import LARGEST, LEASE, StoredSink, renormalization_details
from ipi_es.worker.bucket_scorer import ScoredBucket
from ipi_es.worker.following import Follower
from ipi_es.worker.history_keeper import HistoryId, catch_up, store_delta
from ipi_es.worker.job_snapshot import JobSnapshot
from ipi_es.worker.levels import Levels
from ipi_es.worker.renormalization import Window
from ipi_es.worker.repeats import Repeats
from ipi_es.worker.retraining import NONE, Previous

if TYPE_CHECKING:
    from ipi_es.worker.job_work import JobWork

TRAINING_LEASE = 3_600
"""Seconds of lease while a training goes on, which renews nothing; a dead one of this host is recognized at once."""


@dataclass(frozen=True, slots=True)
class Range:
    """What a backfill will do: [start, end) in epoch seconds, and whether it goes on from an earlier run."""

    start: int
    end: int
    resumed: bool = False
    never_scored: int = 0
    """Buckets between the start that was asked for and ``start`` that have no results."""


class Claim:
    """A job whose lease is held; ``state`` is its latest."""

    def __init__(self, work: JobWork, state: JobState) -> None:
        self._work, self.state = work, state

    def train(
        self, start: int, end: int, told: training.Told | None = None, *, from_scratch: bool = False
    ) -> training.Learned:
        """Train on [start, end), store the snapshot, and let the job go on from it: scoring begins at ``end``.

        The network goes on from the job's last one unless ``from_scratch``, and takes its place unless it is worse.
        """
        work, stores = self._work, self._work.stores
        self.state = stores.states.renew(self.state, stores.clock.now(), TRAINING_LEASE)
        learned = training.learn(
            work.job,
            work.feed,
            start,
            end,
            told,
            holds=work.holds(start, end),
            previous=self._previous(),
            from_scratch=from_scratch,
        )
        snapshot_id, history = training.store(stores.blobs, learned, stores.clock.now())
        self._restart(snapshot_id, history, learned.snapshot.trained_to)
        return learned

    def plan(self, start: int, end: int, *, again: bool = False) -> Range:
        """Where a backfill of [start, end) begins: there, or where an earlier one stopped.

        UsageError where nothing is left to do, or where the range was trained on.
        """
        work, state = self._work, self.state
        snapshot = work.snapshot(state.snapshot_id)
        begun = state.quantiles_id is not None and state.checkpoint is not None
        if again or not begun or int(state.checkpoint or 0) <= start:
            work.refuse_trained(snapshot, start)
            return Range(start, end)
        checkpoint = int(state.checkpoint or 0)
        if checkpoint >= end and state.renormalize_due:
            return Range(checkpoint, checkpoint, resumed=True)  # killed before that, after its last bucket
        if checkpoint >= end:
            raise UsageError(
                f"job {state.job_id} is scored up to {iso(checkpoint)} already",
                hint="--again scores the range anew and replaces its results",
            )
        return Range(checkpoint, end, resumed=True, never_scored=self._never_scored(start, checkpoint))

    def backfill(self, planned: Range, told: Callable[[ScoredBucket], None], *, again: bool = False) -> None:
        """Score and write the planned range; what is finished when it is stopped stays, and the next run goes on."""
        work = self._work
        snapshot = work.snapshot(self.state.snapshot_id)
        if again:
            snapshot_id = str(self.state.snapshot_id)
            self._restart(snapshot_id, work.base_of(snapshot_id), snapshot.trained_to)
        elif self.state.renormalize_due:
            # a killed run didn't come to it: now as then, with the levels and the window of its last batch
            self.renormalize()
        with closing(work.read(planned.start, planned.end)) as reading, ThreadPoolExecutor(1) as beside:
            preparing = beside.submit(self._prepared, snapshot, planned.start)
            first = list(islice(reading, 1))  # from here on it reads ahead, while history is loaded
            sink, follower = preparing.result()
            try:
                follower.follow(chain(first, reading), told)
                sink.sweep()
            finally:
                self.state = sink.state

    def renormalize(self) -> int:
        """Bring the stored results of the window to the job's current levels; how many changed."""
        stores, state = self._work.stores, self.state
        if state.quantiles_id is None:
            raise UsageError(
                f"job {state.job_id} has scored nothing yet", hint=f"ipi-es backfill {state.job_id} --start …"
            )
        levels = Levels.from_arrays(stores.quantiles.read(state.quantiles_id).levels)
        sink = StoredSink(stores, state, self._window(int(state.checkpoint or 0)), rewriting=False)
        try:
            return sink.renormalize(levels)
        finally:
            self.state = sink.state

    def _previous(self) -> Previous:
        """The network in use; one that can't be read must not keep a job from being trained."""
        snapshot_id = self.state.snapshot_id
        if snapshot_id is None:
            return NONE
        try:
            return Previous(snapshot_id, self._work.snapshot(snapshot_id).network)
        except SnapshotError as error:
            return Previous(unusable=error.message)

    def _restart(self, snapshot_id: str, history: HistoryId, checkpoint: int) -> None:
        """Let the job begin at ``checkpoint`` with this snapshot and history, and the snapshot's own levels."""
        self.state = self._work.stores.states.save(
            self.state.advanced(
                snapshot_id=snapshot_id,
                history_id=str(history),
                quantiles_id=None,
                checkpoint=checkpoint,
                renormalize_due=False,
                renormalized_to=None,
                details={},
                lease_expires=self._work.stores.clock.now() + LEASE,
            )
        )

    def _prepared(self, snapshot: JobSnapshot, start: int) -> tuple[StoredSink, Follower]:
        """Everything as it was after the last batch, brought to ``start``."""
        work, job, stores = self._work, self._work.job, self._work.stores
        state = self.state
        if state.quantiles_id is None:
            levels, known_to = snapshot.levels, snapshot.trained_to
        else:
            saved = stores.quantiles.read(state.quantiles_id)
            levels, known_to = Levels.from_arrays(saved.levels), saved.time
        keeper = work.keeper(HistoryId.parse(str(state.history_id)), start)

        def stored(delta: DayDelta) -> None:
            store_delta(stores.blobs, job.job_id, keeper.id, delta, stores.clock.now())

        catch_up(keeper, start, work.read, stored)
        repeats = Repeats(job.repeat_window)
        repeats.load(*stores.results.recent(start - job.repeat_window, start, job.ip_field))
        levels = levels.aged(start - known_to)
        if state.renormalized_to is None:
            # saved with the first batch: a run that goes on must know from where the first one counted
            state = replace(state, renormalized_to=start, details=renormalization_details(state, levels))
        sink = StoredSink(stores, state, self._window(start), rewriting=self._has_results(start))
        follower = Follower.of(
            job,
            snapshot,
            keeper,
            levels,
            repeats,
            sink,
            renormalized_to=int(state.renormalized_to or 0),
            largest=state.details.get(LARGEST),
        )
        return sink, follower

    def _window(self, end: int) -> Window:
        job = self._work.job
        window = Window(job.renormalization_window(), job.entity_field, job.ip_field)
        window.load(self._work.stores.results, end)
        return window

    def _never_scored(self, start: int, end: int) -> int:
        results = self._work.stores.results
        results.show()
        return max((end - start) // self._work.job.bucket_span - results.count("bucket", start, end), 0)

    def _has_results(self, start: int) -> bool:
        """Whether an earlier run left results at or after ``start``."""
        results = self._work.stores.results
        results.show()
        return results.any(start)
