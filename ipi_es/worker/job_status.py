"""The status of jobs, as `ipi-es status` prints it, from their states, snapshots and newest buckets in the cluster.

No worker is asked, so the status is the same wherever the command is run, also if no worker runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ipi_es.config.job_config import Job
from ipi_es.errors import PermissionDenied, SnapshotError
from ipi_es.results.documents.annotations import GOES_ON
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.results.reading.result_reader import ResultReader
from ipi_es.results.words import AnnotationType
from ipi_es.scoring.history_age import YOUNG_DAYS
from ipi_es.state.blobs import BlobStore
from ipi_es.state.details import LastError
from ipi_es.state.job_state import JobState
from ipi_es.times import from_ms, iso
from ipi_es.worker.changed_settings import changed, kept
from ipi_es.worker.history.history_keeper import HistoryId, history_base

LOOKED_BACK = 100
"""Newest buckets that are checked for silence: one page, and enough for any reasonable ``blind_after``."""

SHOWN_ANNOTATIONS: tuple[AnnotationType, ...] = ("blind", "delayed_data", "model_snapshot", "warm_up")
"""Annotation types that show a job's status; people's own annotations and verdicts don't."""


def complete_to(job: Job, now: int) -> int:
    """Return the end of the last bucket that is complete at ``now``: its end is at least ``query_delay`` ago."""
    return (now - job.query_delay) // job.bucket_span * job.bucket_span


class StoredStatus(StrEnum):
    """A job's status according to its state."""

    NEW = "new"
    """It has no state: no work was ever done for it."""
    WAITING = "waiting"
    """It waits for history to train on."""
    RUNNING = "running"
    """Its lease is held at this moment."""
    IDLE = "idle"
    """Its lease is free at this moment; its lag shows whether work is due."""
    PAUSED = "paused"
    """A person paused it."""


@dataclass(frozen=True, slots=True)
class NotedBlindness:
    """The newest annotation of type `blind`, while the job is blind or half blind; ``since`` in epoch seconds."""

    state: str
    reason: str
    field: str | None
    since: int
    text: str


@dataclass(frozen=True, slots=True)
class JobStatus:
    """The status of one job. Times in epoch seconds; None: not known, or there is none."""

    job_id: str
    configured: bool
    """Whether there is a file for it here; without one, its lag isn't known."""
    stands: StoredStatus
    holder: str | None = None
    doing: tuple[str, int] | None = None
    """What the owner of the lease is doing, and since when."""
    last_worker: str | None = None
    """Owner that did its last work in `ipi-es run`."""
    checkpoint: int | None = None
    lag_buckets: int | None = None
    snapshot_id: str | None = None
    trained_to: int | None = None
    history_days: int | None = None
    """Days from the first one in its history; with fewer than 14, scores are held back (docs/scores.md)."""
    empty_buckets: int = 0
    """How many of the newest buckets in a row had no events; counted up to 100."""
    noted: tuple[str, int, str] | None = None
    """The newest annotation: (type, start, text)."""
    blindness: NotedBlindness | None = None
    """The latest annotation that the job is blind or half blind; None: it is neither."""
    waits_for: str | None = None
    changed: tuple[str, ...] = ()
    """Settings in the job's file here that differ from those that the job was trained with, in words."""
    last_error: LastError | None = None
    missing_results: str | None = None
    """Results that the last nightly check found to be deleted, in words."""

    @property
    def blind(self) -> bool:
        """Whether no events come, or most of them, or all usable ones, are missing."""
        return self.blindness is not None

    @property
    def warming_up(self) -> bool:
        """Whether the job's history is too short to know a week well."""
        return self.history_days is not None and self.history_days < YOUNG_DAYS

    def to_dict(self, now: int) -> dict[str, Any]:
        """Return plain values under fixed names, for programs."""
        return {
            "job_id": self.job_id,
            "state": str(self.stands),
            "configured": self.configured,
            "holder": self.holder,
            "doing": None if self.doing is None else self.doing[0],
            "doing_since": None if self.doing is None else iso(self.doing[1]),
            "last_worker": self.last_worker,
            "checkpoint": _iso(self.checkpoint),
            "lag_buckets": self.lag_buckets,
            "snapshot_id": self.snapshot_id,
            "trained_to": _iso(self.trained_to),
            "snapshot_age_seconds": None if self.trained_to is None else max(now - self.trained_to, 0),
            "history_days": self.history_days,
            "warming_up": self.warming_up,
            "empty_buckets": self.empty_buckets,
            "blind": self.blind,
            "blind_state": None if self.blindness is None else self.blindness.state,
            "blind_reason": None if self.blindness is None else self.blindness.reason,
            "blind_field": None if self.blindness is None else self.blindness.field,
            "blind_since": None if self.blindness is None else iso(self.blindness.since),
            "blind_text": None if self.blindness is None else self.blindness.text,
            "last_annotation": None
            if self.noted is None
            else {"type": self.noted[0], "timestamp": iso(self.noted[1]), "text": self.noted[2]},
            "waits_for": self.waits_for,
            "missing_results": self.missing_results,
            "settings_changed": list(self.changed),
            "last_error": None
            if self.last_error is None
            else {"at": iso(self.last_error.at), "kind": self.last_error.kind, "text": self.last_error.text},
        }


class JobStatusReader:
    """Reads the status of jobs."""

    def __init__(self, results: Callable[[Job], ResultReader], blobs: BlobStore, now: int) -> None:
        """Set the sources. ``results`` returns the results of a job; ``now`` is in epoch seconds."""
        self._results, self._blobs, self._now = results, blobs, now

    def of(self, jobs: Iterable[Job], states: Iterable[JobState]) -> list[JobStatus]:
        """Return the status of every job with a file here or a state in the cluster, in order of job id."""
        configured = {job.job_id: job for job in jobs}
        known = {state.job_id: state for state in states}
        return [self.one(name, configured.get(name), known.get(name)) for name in sorted(configured.keys() | known)]

    def one(self, job_id: str, job: Job | None, state: JobState | None) -> JobStatus:
        """Return the status of one job; without a state it is new."""
        if state is None:
            return JobStatus(job_id, job is not None, StoredStatus.NEW)
        stands = _stands(state, self._now)
        trained_to, days = self._learned(state)
        return JobStatus(
            job_id=job_id,
            configured=job is not None,
            stands=stands,
            holder=state.lease_owner if stands is StoredStatus.RUNNING else None,
            doing=_doing(state) if stands is StoredStatus.RUNNING else None,
            last_worker=state.details.last_worker,
            checkpoint=state.checkpoint,
            lag_buckets=_lag(job, state, self._now),
            snapshot_id=state.snapshot_id,
            trained_to=trained_to,
            history_days=days,
            empty_buckets=0 if job is None else self._silent(job),
            noted=None if job is None else self._noted(job),
            blindness=None if job is None else self._blindness(job),
            waits_for=state.details.waits_for,
            missing_results=state.details.missing_results,
            changed=() if job is None else tuple(map(str, changed(job, kept(state)))),
            last_error=state.details.last_error,
        )

    def _learned(self, state: JobState) -> tuple[int | None, int | None]:
        """Return (end of what the network has learned, days of history); None if the history can't be read."""
        if state.snapshot_id is None or state.history_id is None:
            return None, None
        try:
            base = self._blobs.info(state.job_id, history_base(state.snapshot_id)).attributes
            day = HistoryId.parse(state.history_id).day
            return int(base["day"]) * 86_400, day - int(base["origin"])
        except (PermissionDenied, SnapshotError, KeyError, TypeError, ValueError):
            return None, None

    def _silent(self, job: Job) -> int:
        newest = self._results(job).read("bucket", ResultFilter(interim=False), sort="timestamp", size=LOOKED_BACK)
        counts = [int(each.source.get("event_count", 0)) for each in newest]
        return next((place for place, count in enumerate(counts) if count), len(counts))

    def _noted(self, job: Job) -> tuple[str, int, str] | None:
        for each in self._results(job).annotations(types=SHOWN_ANNOTATIONS, size=1):
            source = each.source
            return str(source["annotation_type"]), from_ms(source["timestamp"]), str(source["annotation"])
        return None

    def _blindness(self, job: Job) -> NotedBlindness | None:
        for each in self._results(job).annotations(types=("blind",), size=1):
            source = each.source
            state = str(source.get("blind_state"))
            if state in GOES_ON:
                since, field = from_ms(source["timestamp"]), source.get("blind_field")
                return NotedBlindness(state, str(source["blind_reason"]), field, since, str(source["annotation"]))
        return None


def _stands(state: JobState, now: int) -> StoredStatus:
    if state.paused:
        return StoredStatus.PAUSED
    if state.lease_owner is not None and (state.lease_expires or 0) > now:
        return StoredStatus.RUNNING
    if state.snapshot_id is None and state.details.waits_for:
        return StoredStatus.WAITING
    return StoredStatus.IDLE


def _doing(state: JobState) -> tuple[str, int] | None:
    known = state.lease_for is not None and state.lease_since is not None
    return (str(state.lease_for), int(state.lease_since or 0)) if known else None


def _lag(job: Job | None, state: JobState, now: int) -> int | None:
    """Return the number of complete buckets that aren't scored.

    None: nothing was scored yet, or the job has no file here.
    """
    if job is None or state.checkpoint is None:
        return None
    return max(complete_to(job, now) - state.checkpoint, 0) // job.bucket_span


def _iso(seconds: int | None) -> str | None:
    return None if seconds is None else iso(seconds)
