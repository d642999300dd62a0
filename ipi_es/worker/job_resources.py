"""One job in one cluster: its stores, its lease, and a dry run that needs neither."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ipi_es.cluster.port import Cluster
from ipi_es.config.allow_list import AllowList
from ipi_es.config.job_config import Job
from ipi_es.datafeed.bucket_context import networks_of
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.datafeed.reader import Datafeed
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import IpiEsError, SnapshotForeign, SnapshotMissing, UsageError
from ipi_es.results.store import ResultStore
from ipi_es.state.blobs import BlobStore
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.directory_blobs import DirectoryBlobs
from ipi_es.state.job_state import JobState, StateStore
from ipi_es.state.leased_state import LeasedState
from ipi_es.state.owner import owner_alive, this_process
from ipi_es.state.quantiles_store import QuantilesStore
from ipi_es.state.verdict_store import VerdictStore
from ipi_es.times import SECONDS, iso
from ipi_es.worker.changed_settings import OnChange, new_details, require_unchanged
from ipi_es.worker.clock import Clock, SystemClock
from ipi_es.worker.history.history_keeper import HistoryId, HistoryKeeper, catch_up, load_history
from ipi_es.worker.history.holds import Holds
from ipi_es.worker.job_session import SCORING, JobSession, ScoringState
from ipi_es.worker.lease_wait import PATIENCE, acquire_lease
from ipi_es.worker.scoring.batch import Stores
from ipi_es.worker.scoring.bucket_scorer import ScoredBucket
from ipi_es.worker.scoring.describer import context_of
from ipi_es.worker.scoring.dry_run import AlertCounts
from ipi_es.worker.scoring.normalizer_state import fields_of
from ipi_es.worker.scoring.repeats import Repeats
from ipi_es.worker.scoring.scoring_pipeline import ScoringPipeline
from ipi_es.worker.timing import OnStep, ignore_step
from ipi_es.worker.training import job_training
from ipi_es.worker.training.job_snapshot import JobSnapshot

log = logging.getLogger(__name__)

LEASE = 24
"""Seconds that a lease lasts without a renewal; `worker.lease` is another for the worker."""


class JobResources:
    """Everything that is done for a job begins here; what needs the lease is a :class:`JobSession`'s."""

    def __init__(
        self,
        cluster: Cluster,
        job: Job,
        *,
        snapshots: Path | None = None,
        clock: Clock | None = None,
        lease: int = LEASE,
        owner: str | None = None,
    ) -> None:
        """``snapshots``: a directory for snapshots and history; None: the cluster.

        ``lease`` in seconds; ``owner`` is who holds it, None: this process.
        """
        self.job = job
        self.feed = Datafeed(cluster, FeedSpec.from_job(job), networks=networks_of(job))
        self._lease, self._owner = lease, owner
        self._snapshot: tuple[str, JobSnapshot] | None = None  # the last one read: it is asked for again
        self._left: tuple[JobState, ScoringState] | None = None  # by the last claim
        blobs: BlobStore = ClusterBlobs(cluster) if snapshots is None else DirectoryBlobs(snapshots)
        fields = context_of(job).flat_fields
        self.took: OnStep = ignore_step
        """Hears how long the steps of the work take."""
        self.stores = Stores(
            results=ResultStore(cluster, job.job_id, job.results_index_name, flat_fields=fields),
            states=StateStore(cluster),
            quantiles=QuantilesStore(cluster, job.job_id),
            verdicts=VerdictStore(cluster, job.job_id),
            blobs=blobs,
            clock=clock or SystemClock(),
        )

    @property
    def owner(self) -> str:
        """Who holds the lease while it is claimed from here."""
        return this_process() if self._owner is None else self._owner

    def read(self, start: int, end: int) -> Generator[EventBucket, None, None]:
        """The event buckets of [start, end), epoch seconds."""
        return self.feed.read(start, end, self.job.bucket_span)

    @contextmanager
    def claimed(
        self,
        alive: Callable[[str], bool] | None = None,
        *,
        doing: str = SCORING,
        patience: float = PATIENCE,
        on_change: OnChange = OnChange.REFUSE,
    ) -> Iterator[JobSession]:
        """Hold the job's lease, renewed in the background; ``doing`` is what for, for people who find it held.

        Given back at the end, also after an error. JobBusy while another holds it who is ``alive`` (None: who may be,
        as far as this host can tell), after waiting ``patience`` seconds for it. What the last claim left at work
        (history, levels) is taken up where nobody else has touched the job since.
        JobChanged where the job's settings aren't those that it was made with, and ``on_change`` doesn't take that.
        """
        stores, job_id = self.stores, self.job.job_id
        state = acquire_lease(
            stores.states,
            job_id,
            self.owner,
            stores.clock,
            self._lease,
            alive=alive or owner_alive,
            doing=doing,
            patience=patience,
        )
        held = LeasedState(stores.states, state, now=stores.clock.now, lease=self._lease)
        claim = JobSession(self, held)
        try:
            with held.renewed():
                claim.take_up(self._taken_up(state))
                details = new_details(self.job, state, on_change)
                if details is not None:
                    held.save(held.state.advanced(details=details))
                yield claim
        finally:
            try:
                left = held.release(**claim.leaving)
                if claim.at_work is not None:
                    claim.at_work.sink.rest()
                    self._left = left, claim.at_work
            except IpiEsError as error:
                # the lease ends by itself, and what went wrong before matters more
                log.debug("job %s: not given back: %s", self.job.job_id, error)
            # of use within a run; kept by hundreds of live jobs it grows for weeks, and others may rewrite it meanwhile
            self.stores.results.forget()

    def _taken_up(self, state: JobState) -> ScoringState | None:
        """What the last claim left, if it is still so: nobody claimed in between, and no verdict was given."""
        left, self._left = self._left, None
        if left is not None:
            before, at_work = left
            as_ours = replace(
                before,
                lease_epoch=before.lease_epoch + 1,
                version=state.version,
                lease_owner=state.lease_owner,
                lease_expires=state.lease_expires,
                lease_for=state.lease_for,
                lease_since=state.lease_since,
            )
            holds = at_work.follower.keeper.holds
            if state == as_ours and (holds.probability <= 0.0 or holds.confirmed == self.stores.verdicts.confirmed()):
                return at_work
        return None

    def snapshot(self, snapshot_id: str | None) -> JobSnapshot:
        """The snapshot that a state points to. SnapshotMissing, SnapshotDamaged, SnapshotForeign."""
        if self._snapshot is not None and self._snapshot[0] == snapshot_id:
            return self._snapshot[1]
        if snapshot_id is None:
            raise SnapshotMissing(
                f"job {self.job.job_id} has no snapshot yet", hint=f"train it: ipi-es train {self.job.job_id}"
            )
        snapshot = JobSnapshot.from_bytes(self.stores.blobs.read(self.job.job_id, snapshot_id), self.job.job_id)
        job = self.job
        if not snapshot.levels.are_of((job.entity_field, job.ip_field)):
            fields = " and ".join(sorted(fields_of(snapshot.levels)))
            raise SnapshotForeign(
                f"snapshot {snapshot_id} of job {job.job_id} was trained on the fields {fields}, and the job's file "
                f"names {job.entity_field} and {job.ip_field}",
                hint=f"train it on these: ipi-es train {job.job_id}",
            )
        self._snapshot = snapshot_id, snapshot
        return snapshot

    def base_of(self, snapshot_id: str) -> HistoryId:
        """The history that a snapshot was made with."""
        base = job_training.history_base(snapshot_id)
        return HistoryId(base, int(self.stores.blobs.info(self.job.job_id, base).attributes["day"]))

    def keeper(self, history: HistoryId, start: int | None = None) -> HistoryKeeper:
        """The history with this id, ready to move on; with what is held at and before ``start``, epoch seconds."""
        loaded = load_history(self.stores.blobs, self.job.job_id, history)
        begin = loaded.day * SECONDS["d"]
        holds = Holds.of(self.job) if start is None else self.holds(begin, start)
        return HistoryKeeper(self.job, AllowList.of(self.job), loaded, history, holds)

    def holds(self, start: int, end: int) -> Holds:
        """What is held in [start, end), epoch seconds, and how it will go on, by the records and people's verdicts."""
        holds = Holds.of(self.job, self.stores.verdicts.confirmed())
        if holds.probability > 0.0:
            # those that ended are looked at too: their networks may teach for as long as the hold was
            results = self.stores.results
            found = results.held(start - 2 * holds.length, end)
            holds.load(found, results.unlearned(start, end))
        return holds

    def refuse_trained(self, snapshot: JobSnapshot, start: int) -> None:
        """UsageError if ``start`` lies in what the snapshot was trained on: it would find its own past usual."""
        if start < snapshot.trained_to:
            job_id = self.job.job_id
            raise UsageError(
                f"job {job_id} was trained on events up to {iso(snapshot.trained_to)}, after the start {iso(start)}",
                hint=f"begin there, or train on what lies before: ipi-es train {job_id} --end {iso(start)}",
            )

    def dry_run(
        self,
        start: int,
        end: int,
        told: Callable[[ScoredBucket], None],
        told_training: job_training.TrainingCallbacks,
        on_change: OnChange = OnChange.REFUSE,
    ) -> AlertCounts:
        """Score [start, end) and write nothing; trains in memory where the job has no snapshot yet.

        JobChanged as in :meth:`claimed`.
        """
        job, state = self.job, self.stores.states.read(self.job.job_id)
        require_unchanged(job, state, on_change)
        if state is not None and state.snapshot_id is not None:
            snapshot = self.snapshot(state.snapshot_id)
            self.refuse_trained(snapshot, start)
            keeper = self.keeper(self.base_of(state.snapshot_id), start)
        else:
            learned = job_training.learn(job, self.feed, *job_training.training_range(job, start), told_training)
            snapshot, history = learned.snapshot, learned.history
            keeper = HistoryKeeper(job, AllowList.of(job), history, HistoryId("dry-run", history.day), Holds.of(job))
        catch_up(keeper, start, self.read, lambda _: None)
        sink = AlertCounts()
        follower = ScoringPipeline.of(
            job,
            snapshot,
            keeper,
            snapshot.levels.aged(start - snapshot.trained_to),
            Repeats(job.repeat_window),
            sink,
            renormalized_to=start,
        )
        follower.follow(self.read(start, end), told)
        return sink
