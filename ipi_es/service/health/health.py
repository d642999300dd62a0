"""The health of a worker's jobs: updated by the code that does the work, read by `/readyz`, `/metrics` and the log.

Nothing here reads a clock or does IO; every method may be called from any thread. Times are epoch seconds.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from ipi_es.cluster.transport.pressure import Rejection
from ipi_es.config.files.loading import BadFile
from ipi_es.config.job_config import Job
from ipi_es.datafeed.bucket_counts import BucketCounts, counts_of
from ipi_es.datafeed.event_bucket import Dropped
from ipi_es.errors import ClusterError
from ipi_es.scoring.probability import severity
from ipi_es.service.blindness.blind_change import BlindChange, BlindState
from ipi_es.service.blindness.blindness import Blindness
from ipi_es.service.blindness.blindness_annotations import blind_text
from ipi_es.service.health.job_report import JobActivity, JobReport, NotReadyReason, Reason
from ipi_es.state.details import LastError
from ipi_es.times import iso
from ipi_es.worker.job_status import complete_to
from ipi_es.worker.scoring.scored_bucket import ScoredBucket

RECENT = 96
"""Buckets over which the share of unparsable events is taken: a day of quarter hours."""

DEAD_AFTER = 900
"""Seconds without an accepted alert after which a destination counts as dead: a service restarts within minutes."""

FAILING_AFTER = 3
"""Failed ticks in a row, of any cause, after which the job counts as failing: most errors are gone at the next tick."""


class JobHealth:
    """The health of one job, as this worker sees it."""

    def __init__(self, job: Job) -> None:
        self._lock = threading.Lock()
        self._job = job
        self._report = JobReport(job.job_id)
        self._blindness = _blindness_of(job)
        self._words: Mapping[str, int] = {}
        self._recent: deque[tuple[int, int]] = deque(maxlen=RECENT)

    # --- updates by the code that does the work ---

    def tick_began(self, now: int) -> None:
        """Record that a tick of the job began."""
        with self._lock:
            self._report.last_tick = now
            if self._report.doing is JobActivity.STARTING:
                self._report.doing = JobActivity.RUNNING

    def tick_ended(self, now: int) -> None:
        """Record that a tick ended without an error: all due work is done, or nothing was due."""
        with self._lock:
            self._report.last_tick = now
            self._report.failures_in_a_row, self._report.cluster_away = 0, None

    def nothing_due(self, now: int, checkpoint: int | None) -> None:
        """Record that no work is due: ``checkpoint`` is the end of the last work, by this worker or another."""
        with self._lock:
            report = self._report
            report.last_tick, report.checkpoint = now, checkpoint
            if report.doing is JobActivity.PAUSED:
                report.doing = JobActivity.RUNNING

    def lease_acquired(self, now: int, checkpoint: int | None) -> None:
        """Record that this worker holds the lease."""
        with self._lock:
            report = self._report
            report.last_tick, report.doing, report.lease_held = now, JobActivity.RUNNING, True
            report.holder = report.waits_for = report.cluster_away = None
            report.checkpoint = checkpoint

    def stands_by(self, now: int, holder: str) -> None:
        """Record that another worker has the job; that is no error, and that worker reports the lag."""
        with self._lock:
            self._rests(now, JobActivity.STANDING_BY)
            self._report.holder = holder

    def waits(self, now: int, what_for: str) -> None:
        """Record that the job waits for something before it can work; that is no error."""
        with self._lock:
            self._rests(now, JobActivity.WAITING)
            self._report.waits_for = what_for

    def paused(self, now: int) -> None:
        """Record that a person has paused the job."""
        with self._lock:
            self._rests(now, JobActivity.PAUSED)

    def _rests(self, now: int, doing: JobActivity) -> None:
        report = self._report
        report.last_tick, report.doing, report.lease_held = now, doing, False
        report.holder = report.waits_for = report.cluster_away = None
        report.failures_in_a_row, report.checkpoint = 0, None  # the known checkpoint would soon be out of date

    def heard(self, scored: ScoredBucket) -> BlindChange | None:
        """Record one final bucket that was scored: :meth:`read` and :meth:`scored` in one call."""
        bucket = scored.bucket
        self.read(bucket.event_count, bucket.dropped)
        severities = Counter(str(severity(float(score))) for score in scored.record_scores.score)
        return self.scored(bucket.end, counts_of(bucket), severities)

    def read(self, events: int, dropped: Dropped) -> None:
        """Record the documents of one event bucket, and those of them that can't be scored."""
        bad = dropped.unparsable
        with self._lock:
            self._report.events += events
            self._report.dropped.update({name: count for name, count in dropped.counts().items() if count})
            self._recent.append((events, min(bad, events)))
            total = sum(each for each, _ in self._recent)
            share = sum(each for _, each in self._recent) / total if total else None
            self._report.unparsable_share = share

    def scored(
        self, bucket_end: int, counts: BucketCounts, records_by_severity: Mapping[str, int]
    ) -> BlindChange | None:
        """Record one final bucket; return the change if with it the job became blind or half blind, or recovered."""
        with self._lock:
            self._report.buckets += 1
            self._report.records.update(records_by_severity)
            change = self._blindness.note(bucket_end, counts)
            if change is not None:
                self._words = {}
            return change

    def recall(self, counts: Iterable[tuple[int, BucketCounts]]) -> None:
        """Replace the memory of usual counts by earlier buckets, (end, counts) in order of time.

        :func:`ipi_es.service.blindness.count_recall.recalled` gives them.
        """
        blindness = _blindness_of(self._job)
        blindness.recall(counts)
        with self._lock:
            self._blindness, self._words = blindness, {}

    def blind(self) -> BlindChange | None:
        """Return the change by which the job is blind or half blind.

        None: it is neither, or it began with the first recalled bucket.
        """
        with self._lock:
            return self._blindness.begun

    def explain(self, words: Mapping[str, int]) -> None:
        """Record the values of the outcome field, with their number of documents, when an outcome is missing."""
        with self._lock:
            self._words = words

    def took(self, step: str, seconds: float) -> None:
        """Record how long a step of the work took (``train``, ``read``, ``score``, ``write``, …)."""
        with self._lock:
            times, total = self._report.steps.get(step, (0, 0.0))
            self._report.steps[step] = (times + 1, total + seconds)

    def notified(
        self,
        destination: str,
        *,
        sent: int,
        refused: int,
        given_up: int,
        waiting: int | None,
        failing_since: int | None = None,
        error: str = "",
    ) -> None:
        """Record a delivery of alerts to a destination; ``waiting`` None: another worker delivers to it.

        ``failing_since``: when the destination stopped taking alerts (epoch seconds), because of ``error``; None: it
        takes them.
        """
        with self._lock:
            report = self._report
            report.alerts_sent[destination] += sent
            report.alerts_refused[destination] += refused
            report.alerts_given_up[destination] += given_up
            if waiting is not None:
                report.alerts_waiting[destination] = waiting
                report.alerts_failing.pop(destination, None)
                if failing_since is not None:
                    report.alerts_failing[destination] = LastError(failing_since, "NotSent", error)

    def batch_written(self, now: int, checkpoint: int) -> None:
        """Record that all results up to ``checkpoint`` are written to the cluster."""
        with self._lock:
            self._report.last_tick, self._report.checkpoint = now, checkpoint
            self._report.failures_in_a_row, self._report.cluster_away = 0, None

    def uses(self, snapshot_id: str, trained_to: int) -> None:
        """Record the snapshot that the job scores with, and the end of the events that it was trained on.

        A new snapshot means that a later training succeeded: an earlier failed training no longer counts.
        """
        with self._lock:
            if self._report.snapshot_id not in (None, snapshot_id):
                self._report.training_failed = None
            self._report.snapshot_id, self._report.trained_to = snapshot_id, trained_to

    def trained(self, now: int, snapshot_id: str, metrics: Mapping[str, Any], trained_to: int | None = None) -> None:
        """Record a finished training; of ``metrics``, as the snapshot has them, the numbers are kept."""
        with self._lock:
            report = self._report
            report.last_tick, report.snapshot_id, report.training_failed = now, snapshot_id, None
            report.trained_to = now if trained_to is None else trained_to
            report.trainings += 1
            report.training_metrics = {
                name: float(value) for name, value in metrics.items() if isinstance(value, int | float)
            }

    def training_failed(self, now: int, error: BaseException) -> None:
        """Record a failed training; the job continues with its current network."""
        with self._lock:
            self._failed(now, error)
            self._report.training_failed = self._report.last_error

    def failed(self, now: int, error: BaseException) -> None:
        """Record that a tick ended with an error."""
        with self._lock:
            self._failed(now, error)
            self._report.failures_in_a_row += 1

    def _failed(self, now: int, error: BaseException) -> None:
        report = self._report
        report.last_tick, report.last_error = now, LastError.of(now, error)
        report.errors[type(error).__name__] += 1
        report.cluster_away = report.last_error if isinstance(error, ClusterError) else None

    def bulk_rejected(self, why: Rejection, documents: int) -> None:
        """Record rejected documents of a bulk; a document that is sent again counts at each rejection."""
        with self._lock:
            self._report.bulk_rejections[why] += documents

    # --- readers ---

    def lag_buckets(self, now: int) -> int | None:
        """Return the number of complete buckets that aren't scored.

        None: nothing was scored yet, the job is paused, or another worker has it.
        """
        with self._lock:
            return self._lag(now)[0]

    def report(self, now: int) -> JobReport:
        """Return a copy of all that is known of the job, as of ``now``."""
        with self._lock:
            made = deepcopy(self._report)
            made.blind, made.outcome_words = self._blindness.current, self._words
            made.lag_buckets, made.lag_seconds = self._lag(now)
            return made

    def reasons(self, now: int) -> list[Reason]:
        """Return the reasons why the job isn't ready.

        If another worker has the job, or a person paused it, only alerts that this worker can't deliver are a reason.
        """
        report, job = self.report(now), self._job
        found: dict[NotReadyReason, str] = _dead_destinations(report, now)
        if report.doing in (JobActivity.PAUSED, JobActivity.STANDING_BY):
            return [Reason(job.job_id, trouble, text) for trouble, text in found.items()]
        if report.doing is JobActivity.STARTING:
            found[NotReadyReason.STARTING] = "not looked at yet"
        if report.cluster_away is not None:
            found[NotReadyReason.CLUSTER_AWAY] = f"{report.cluster_away.kind}: {report.cluster_away.text}"
        elif report.failures_in_a_row >= FAILING_AFTER and report.last_error is not None:
            failures = f"the last {report.failures_in_a_row} ticks failed"
            found[NotReadyReason.FAILING] = f"{failures}: {report.last_error.kind}: {report.last_error.text}"
        # with a frequency longer than the bucket span, a lag of that many buckets is normal
        if report.lag_buckets is not None and report.lag_buckets > max(
            job.max_lag, -(-job.frequency // job.bucket_span)
        ):
            scored = f"scored up to {iso(report.checkpoint or 0)}"
            found[NotReadyReason.LAGGING] = f"{report.lag_buckets} complete buckets are not scored ({scored})"
        if report.training_failed is not None:
            failed = report.training_failed
            found[NotReadyReason.TRAINING_FAILED] = (
                f"the training of {iso(failed.at)} failed: {failed.kind}: {failed.text}"
            )
        if report.blind is not None:
            trouble = NotReadyReason.BLIND if report.blind.state is BlindState.BLIND else NotReadyReason.HALF_BLIND
            found[trouble] = blind_text(job, report.blind, report.outcome_words)
        return [Reason(job.job_id, trouble, text) for trouble, text in found.items()]

    def _lag(self, now: int) -> tuple[int | None, int | None]:
        report, span = self._report, self._job.bucket_span
        if report.checkpoint is None or report.doing in (JobActivity.PAUSED, JobActivity.STANDING_BY):
            return None, None
        buckets = max(complete_to(self._job, now) - report.checkpoint, 0) // span
        first_complete = report.checkpoint + span + self._job.query_delay
        return buckets, max(now - first_complete, 0)


def _dead_destinations(report: JobReport, now: int) -> dict[NotReadyReason, str]:
    """Return the reason for destinations that have taken nothing for :data:`DEAD_AFTER`, with host and error."""
    dead = [
        f"{destination} has taken no alert since {iso(failing.at)}, and {report.alerts_waiting[destination]} wait "
        f"(the last error: {failing.text})"
        for destination, failing in sorted(report.alerts_failing.items())
        if now - failing.at >= DEAD_AFTER
    ]
    return {NotReadyReason.DESTINATION_DEAD: "; ".join(dead)} if dead else {}


def _blindness_of(job: Job) -> Blindness:
    feed = job.datafeed_config
    return Blindness(job.bucket_span, job.blind_after, feed.score_outcomes, feed.outcomes)


class Fleet:
    """The health of all jobs of a worker."""

    def __init__(self, jobs: Iterable[Job] = (), bad: Iterable[BadFile] = ()) -> None:
        """Add the jobs. ``bad``: job files that can't be used; each is a reason not to be ready until a restart."""
        self._bad = [Reason(each.path.name, NotReadyReason.BAD_FILE, each.error.message) for each in bad]
        self._lock = threading.Lock()
        self._jobs: dict[str, JobHealth] = {}
        for job in jobs:
            self.add(job)

    def add(self, job: Job) -> JobHealth:
        """Return the health of a job; a new one if the job is new or its configuration has changed."""
        with self._lock:
            known = self._jobs.get(job.job_id)
            if known is None or known._job != job:  # noqa: SLF001  (the same module)
                known = self._jobs[job.job_id] = JobHealth(job)
            return known

    def remove(self, job_id: str) -> None:
        """Remove a job that the worker no longer has."""
        with self._lock:
            self._jobs.pop(job_id, None)

    def __getitem__(self, job_id: str) -> JobHealth:
        with self._lock:
            return self._jobs[job_id]

    def __iter__(self) -> Iterator[JobHealth]:
        """Iterate over the jobs' health, in order of job id."""
        with self._lock:
            found = sorted(self._jobs.items())
        return iter(health for _, health in found)

    def reports(self, now: int) -> list[JobReport]:
        """Return the report of every job, in order of job id."""
        return [health.report(now) for health in self]

    def reasons(self, now: int) -> list[Reason]:
        """Return the reasons why the worker isn't ready; empty: it is ready."""
        return [*self._bad, *(reason for health in self for reason in health.reasons(now))]
