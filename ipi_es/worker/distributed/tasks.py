"""What Dask workers run: read a part of the events, and score it by the history of its day."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np

from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.errors import DaskError
from ipi_es.ipinsights.day_scorer import DayScorer, PairScores
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.history.history_digest import history_digest
from ipi_es.ipinsights.storage import delta_from_bytes
from ipi_es.worker.distributed.job_task import JobTask
from ipi_es.worker.history.history_keeper import HistoryId, load_history
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.scoring.scored_pairs import unique_pairs


@dataclass(frozen=True, slots=True)
class HistoryOfDay:
    """The history that a part is scored by."""

    id: HistoryId
    digest: str
    """By :func:`history_digest`, in the process that orders the results."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoredPart:
    """The event buckets of a part, and the scores of their pairs."""

    buckets: list[EventBucket]
    scores: PairScores


def keep(data: bytes) -> bytes:
    """Return ``data``: as the result of a task, Dask copies it to the workers that need it, and again if it is lost."""
    return data


def read_part(task: JobTask, start: int, end: int) -> list[EventBucket]:
    """Read the event buckets of [start, end), epoch seconds."""
    return list(_opened(task).resources.read(start, end))


def score_part(task: JobTask, buckets: list[EventBucket], history: HistoryOfDay, delta: bytes | None) -> ScoredPart:
    """Score the pairs of event buckets of one day. ``delta`` is that of the day before; None: there is none.

    Raises DaskError where this worker's history isn't that of the command.
    """
    opened = _opened(task)
    outcomes = task.job.datafeed_config.score_outcomes
    with opened.lock:  # one history for all threads of this process
        scorer = opened.scorer_at(history, delta)
        scored = [_pair_scores(scorer, bucket, outcomes) for bucket in buckets]
    pairs, first = np.unique(np.concatenate([each.pairs for each in scored]), return_index=True)
    log_odds = np.concatenate([each.log_odds for each in scored])[first]
    network_log_odds = np.concatenate([each.network_log_odds for each in scored])[first]
    return ScoredPart(buckets, PairScores(history.id.day, pairs, log_odds, network_log_odds))


def _pair_scores(scorer: DayScorer, bucket: EventBucket, outcomes: tuple[str, ...]) -> PairScores:
    entity, ip, _ = unique_pairs(bucket, outcomes)
    return scorer.pair_scores(entity_hashes(bucket.entities), bucket.addresses, entity, ip, bucket.context)


@dataclass(slots=True)
class _OpenJob:
    """The job of a run in this process: its stores, its snapshot and its history, which moves day by day."""

    task: JobTask
    resources: JobResources
    lock: threading.Lock = field(default_factory=threading.Lock)
    scorer: DayScorer | None = None
    at: HistoryOfDay | None = None

    def scorer_at(self, wanted: HistoryOfDay, delta: bytes | None) -> DayScorer:
        """Return the scorer with the history of a day: moved on by the delta, or else loaded."""
        if self.scorer is None or self.at != wanted:
            self.scorer = self._moved(wanted, delta) or self._loaded(wanted, delta)
            self.at = wanted
        return self.scorer

    def _moved(self, wanted: HistoryOfDay, delta: bytes | None) -> DayScorer | None:
        scorer, at = self.scorer, self.at
        if scorer is None or at is None or delta is None or at.id.base != wanted.id.base:
            return None
        day = delta_from_bytes(delta)
        if at.id.day != day.day:
            return None
        scorer.history.apply(day)
        scorer.history.skip_to(wanted.id.day)
        return scorer if history_digest(scorer.history) == wanted.digest else None

    def _loaded(self, wanted: HistoryOfDay, delta: bytes | None) -> DayScorer:
        self.scorer = None  # its history would be in memory beside the new one
        blobs, job_id = self.resources.stores.blobs, self.task.job.job_id
        if delta is None:
            history = load_history(blobs, job_id, wanted.id)
        else:  # it may not be stored yet, or only that of an earlier run
            day = delta_from_bytes(delta)
            history = load_history(blobs, job_id, HistoryId(wanted.id.base, day.day))
            history.apply(day)
            history.skip_to(wanted.id.day)
        if history_digest(history) != wanted.digest:
            raise DaskError(
                f"the history of job {job_id} on a Dask worker isn't that of the command",
                hint="do all of them read the same cluster, or the same snapshots.directory?",
            )
        return DayScorer(self.resources.snapshot(self.task.snapshot_id).network, history)


_OPENING = threading.Lock()
_open: dict[str, _OpenJob] = {}
"""The job of the latest run of this process, by the run's name."""


def _opened(task: JobTask) -> _OpenJob:
    with _OPENING:
        if task.run not in _open:
            task.check()
            cluster, snapshots = task.cluster.open()
            _open.clear()
            _open[task.run] = _OpenJob(task, JobResources(cluster, task.job, snapshots=snapshots))
        return _open[task.run]
