"""The resources of one job: its stores, its datafeed, its snapshots, history and holds."""

from __future__ import annotations

import logging
from collections.abc import Generator
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import AllowList
from ipi_es.datafeed.bucket_context import networks_of
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.datafeed.reader import Datafeed
from ipi_es.datafeed.searches.folded_fields import with_folded_fields
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import SnapshotForeign, UsageError
from ipi_es.results.store import ResultStore
from ipi_es.state.blobs import BlobStore
from ipi_es.state.calendar_store import CalendarStore
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.directory_blobs import DirectoryBlobs
from ipi_es.state.job_state import StateStore, untrained
from ipi_es.state.owner import this_process
from ipi_es.state.quantiles_store import QuantilesStore
from ipi_es.state.rule_store import RuleStore
from ipi_es.state.verdict_store import StoredVerdicts, VerdictStore
from ipi_es.times import LATEST, SECONDS, iso
from ipi_es.worker.clock import Clock, SystemClock
from ipi_es.worker.history.history_keeper import HistoryId, HistoryKeeper, history_base, load_history
from ipi_es.worker.history.holds import Holds
from ipi_es.worker.incidents.incident_updates import IncidentUpdates
from ipi_es.worker.lease_wait import LEASE
from ipi_es.worker.scoring.describer import context_of
from ipi_es.worker.scoring.normalizer_state import fields_of
from ipi_es.worker.scoring.scoring_state import LoadedScoring, ScoringCache
from ipi_es.worker.stores import Stores
from ipi_es.worker.timing import OnStep, ignore_step
from ipi_es.worker.training.job_snapshot import JobSnapshot
from ipi_es.worker.training.training_rows import TrainingRowsCollector
from ipi_es.worker.verdicts.known_verdicts import CLOCKS_APART, KnownVerdicts

FOLDED_FOR = SECONDS["h"]
"""Seconds for which the folding of the indices is taken as known: a new index may be mapped otherwise."""

log = logging.getLogger(__name__)


class ReadAhead(Protocol):
    """Reads the events of a job, and scores them ahead, in other processes."""

    def read(self, start: int, end: int, loading: Future[LoadedScoring]) -> Generator[EventBucket, None, None]:
        """Yield the event buckets of [start, end), epoch seconds, for the pipeline that is being loaded."""


class JobResources:
    """The stores and the datafeed of one job, with methods that read from them. Writing needs a JobSession."""

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
        """Open the stores. ``snapshots``: a directory for snapshots and history; None: the cluster.

        ``lease`` is in seconds; ``owner`` is the owner of leases, None: this process.
        """
        self.job = job
        self._cluster = cluster
        self._folded: tuple[Job, int] | None = None  # see folded_job, and until when that holds
        self.feed = Datafeed(cluster, FeedSpec.from_job(job), networks=networks_of(job))
        self.lease, self._owner = lease, owner
        self._snapshot: tuple[str, JobSnapshot] | None = None  # the last one read: it will be needed again
        self._verdicts: tuple[StoredVerdicts, Job, int, KnownVerdicts] | None = None
        """As they were stored last, the job that spells them, until when that holds, and what they mean."""
        blobs: BlobStore = ClusterBlobs(cluster) if snapshots is None else DirectoryBlobs(snapshots)
        fields = context_of(job).flat_fields
        self.cache = ScoringCache()
        """Scoring state that the last session of this process left loaded."""
        self.distributed: ReadAhead | None = None
        """Reads and scores ahead in other processes; None: this process does it."""
        self.took: OnStep = ignore_step
        """Called with the duration of each step of the work."""
        self.stores = Stores(
            results=ResultStore(cluster, job.job_id, job.results_index_name, flat_fields=fields),
            states=StateStore(cluster),
            quantiles=QuantilesStore(cluster, job.job_id),
            verdicts=VerdictStore(cluster, job.job_id),
            rules=RuleStore(cluster),
            calendars=CalendarStore(cluster),
            blobs=blobs,
            clock=clock or SystemClock(),
        )
        self.incidents = IncidentUpdates(cluster, job, self.stores)

    def report_steps_to(self, took: OnStep) -> None:
        """Call ``took`` with the duration of each step of the work."""
        self.took = took

    @property
    def owner(self) -> str:
        """The owner of the leases that are acquired from here."""
        return this_process() if self._owner is None else self._owner

    def read(self, start: int, end: int) -> Generator[EventBucket, None, None]:
        """Read the event buckets of [start, end), epoch seconds."""
        return self.feed.read(start, end, self.job.bucket_span)

    def distribute(self, reader: ReadAhead | None) -> None:
        """Have events read and scored ahead by ``reader``; None: this process does it again."""
        self.distributed = reader

    def read_ahead(self, start: int, end: int, loading: Future[LoadedScoring]) -> Generator[EventBucket, None, None]:
        """Read the event buckets of [start, end), epoch seconds, for the pipeline that is being loaded."""
        return self.read(start, end) if self.distributed is None else self.distributed.read(start, end, loading)

    def folded_job(self) -> Job:
        """Return the job as it spells the names that people write, which its indices may fold to lower case.

        The indices are asked once in :data:`FOLDED_FOR`.
        """
        if not self.job.fields_that_may_fold:
            return self.job
        now, known = self.stores.clock.now(), self._folded
        if known is None or now >= known[1]:
            found = with_folded_fields(self._cluster, self.job, now)
            self._folded = known = known[0] if known is not None and known[0] == found else found, now + FOLDED_FOR
        return known[0]

    def allow_list(self) -> AllowList:
        """Return the rules of the job's file and, as they are stored now, those of documents and its calendar."""
        return self.stores.rules.allow_list(self.folded_job(), self.stores.calendars.of_job(self.job.job_id))

    def verdicts(self) -> KnownVerdicts:
        """Return the verdicts in force on the job's findings, as they are stored now."""
        stored, now, job = self.stores.verdicts.all(), self.stores.clock.now(), self.folded_job()
        kept = self._verdicts
        latest = now + CLOCKS_APART
        if kept is None or kept[0] is not stored or kept[1] is not job or latest >= kept[2]:
            later = min((each.time for each in stored.verdicts if each.time > latest), default=LATEST)
            self._verdicts = kept = stored, job, later, KnownVerdicts.of(job, stored.verdicts, latest)
        return kept[3]

    def collector(self, start: int, end: int) -> TrainingRowsCollector:
        """Return an empty collector for a training on [start, end), epoch seconds, with the rules and holds of now."""
        return TrainingRowsCollector(self.job, self.allow_list(), self.holds(start, end))

    def snapshot(self, snapshot_id: str | None) -> JobSnapshot:
        """Return the snapshot that a state points to. Raises SnapshotMissing, SnapshotDamaged or SnapshotForeign."""
        if self._snapshot is not None and self._snapshot[0] == snapshot_id:
            return self._snapshot[1]
        if snapshot_id is None:
            raise untrained(self.job.job_id)
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

    def forget_snapshot(self) -> None:
        """Read the snapshot again when it is needed next: another session may have removed an entity from it."""
        self._snapshot = None

    def base_of(self, snapshot_id: str) -> HistoryId:
        """Return the id of the history that a snapshot was made with."""
        base = history_base(snapshot_id)
        return HistoryId(base, int(self.stores.blobs.info(self.job.job_id, base).attributes["day"]))

    def keeper(self, history: HistoryId, start: int | None = None) -> HistoryKeeper:
        """Return a keeper of the history with this id, ready to advance, with the holds up to ``start``.

        ``start`` is in epoch seconds; None: without holds.
        """
        loaded = load_history(self.stores.blobs, self.job.job_id, history)
        begin = loaded.day * SECONDS["d"]
        holds = Holds.of(self.job, self.verdicts()) if start is None else self.holds(begin, start)
        return HistoryKeeper(self.job, self.allow_list(), loaded, history, holds)

    def holds(self, start: int, end: int) -> Holds:
        """Return the holds up to ``end`` that matter from ``start`` on, epoch seconds, by records and verdicts."""
        holds = Holds.of(self.job, self.verdicts())
        if holds.probability > 0.0:
            # holds that ended count too: their networks are learned for as long as the hold lasted
            results = self.stores.results
            found = results.held(start - 2 * holds.length, end)
            holds.load(found, results.unlearned(start, end))
        return holds

    def refuse_trained(self, snapshot: JobSnapshot, start: int) -> None:
        """Raise UsageError if the snapshot was trained on events after ``start``: they would look usual to it."""
        if start < snapshot.trained_to:
            job_id = self.job.job_id
            raise UsageError(
                f"job {job_id} was trained on events up to {iso(snapshot.trained_to)}, after the start {iso(start)}",
                hint=f"begin there, or train on what lies before: ipi-es train {job_id} --end {iso(start)}",
            )
