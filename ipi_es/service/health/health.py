"""How the jobs of a worker are: told by those who do the work, asked by `/readyz`, `/metrics` and the log.

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
from ipi_es.service.due import complete_to
from ipi_es.service.health.job_report import JobActivity, JobReport, LastError, NotReadyReason, Reason
from ipi_es.times import iso
from ipi_es.worker.scoring.bucket_scorer import ScoredBucket

RECENT = 96
"""Buckets over which the share of unparsable events is taken: a day of quarter hours."""

DEAD_AFTER = 900
"""Seconds for which a destination must have taken no alert to be a reason: a restart of a service takes minutes."""

FAILING_AFTER = 3
"""Ticks in a row that failed, for whatever reason, before the job counts as failing; the next tick mends most."""


class JobHealth:
    """One job, as this worker sees it."""

    def __init__(self, job: Job) -> None:
        self._lock = threading.Lock()
        self._job = job
        self._report = JobReport(job.job_id)
        self._blindness = _blindness_of(job)
        self._words: Mapping[str, int] = {}
        self._recent: deque[tuple[int, int]] = deque(maxlen=RECENT)

    # --- told by who does the work ---

    def tick_began(self, now: int) -> None:
        """The scheduler has come to the job."""
        with self._lock:
            self._report.ticks += 1
            self._report.last_tick = now
            if self._report.doing is JobActivity.STARTING:
                self._report.doing = JobActivity.RUNNING

    def tick_ended(self, now: int) -> None:
        """Everything that was due is done, without an error (or nothing was due)."""
        with self._lock:
            self._report.last_tick = now
            self._report.failures_in_a_row, self._report.cluster_away = 0, None

    def nothing_due(self, now: int, checkpoint: int | None) -> None:
        """The job's state was looked at, and there was nothing to do: whoever did the last work came so far."""
        with self._lock:
            report = self._report
            report.last_tick, report.checkpoint = now, checkpoint
            if report.doing is JobActivity.PAUSED:
                report.doing = JobActivity.RUNNING

    def claimed(self, now: int, checkpoint: int | None) -> None:
        """The lease is ours."""
        with self._lock:
            report = self._report
            report.last_tick, report.doing, report.lease_held = now, JobActivity.RUNNING, True
            report.holder = report.waits_for = report.cluster_away = None
            report.checkpoint = checkpoint

    def stands_by(self, now: int, holder: str) -> None:
        """Another worker holds the lease; that is no error, and its lag is that worker's to tell."""
        with self._lock:
            self._rests(now, JobActivity.STANDING_BY)
            self._report.holder = holder

    def waits(self, now: int, what_for: str) -> None:
        """Nothing can be done yet; that is no error."""
        with self._lock:
            self._rests(now, JobActivity.WAITING)
            self._report.waits_for = what_for

    def paused(self, now: int) -> None:
        """A person has paused the job."""
        with self._lock:
            self._rests(now, JobActivity.PAUSED)

    def _rests(self, now: int, doing: JobActivity) -> None:
        report = self._report
        report.last_tick, report.doing, report.lease_held = now, doing, False
        report.holder = report.waits_for = report.cluster_away = None
        report.failures_in_a_row, report.checkpoint = 0, None  # what was known of it grows old

    def heard(self, scored: ScoredBucket) -> BlindChange | None:
        """One final bucket was scored: :meth:`read` and :meth:`scored` at once, from what the follower tells."""
        bucket = scored.bucket
        self.read(bucket.event_count, bucket.dropped)
        severities = Counter(str(severity(float(score))) for score in scored.record_scores.score)
        return self.scored(bucket.end, counts_of(bucket), severities)

    def read(self, events: int, dropped: Dropped) -> None:
        """Documents of one event bucket, and those of them that can't be scored."""
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
        """One final bucket; whether with it the job became blind or half blind, or is neither again."""
        with self._lock:
            self._report.buckets += 1
            self._report.records.update(records_by_severity)
            change = self._blindness.note(bucket_end, counts)
            if change is not None:
                self._words = {}
            return change

    def recall(self, counts: Iterable[tuple[int, BucketCounts]]) -> None:
        """Earlier buckets, (end, counts) in order of time: all that is known of what is usual before the next bucket.

        :func:`ipi_es.service.blindness.count_recall.recalled` gives them.
        """
        blindness = _blindness_of(self._job)
        blindness.recall(counts)
        with self._lock:
            self._blindness, self._words = blindness, {}

    def blind(self) -> BlindChange | None:
        """By which change the job became blind or half blind; None: it is neither, or was before what is recalled."""
        with self._lock:
            return self._blindness.begun

    def explain(self, words: Mapping[str, int]) -> None:
        """The values of the outcome field, with their documents, where an outcome is missing."""
        with self._lock:
            self._words = words

    def took(self, step: str, seconds: float) -> None:
        """A step of the work has taken so long (``train``, ``read``, ``score``, ``write``, …)."""
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
        """The worker looked for alerts to send to a destination; ``waiting`` None: another worker is at it.

        ``failing_since``: when it began to take nothing (epoch seconds), because of ``error``; None: it takes them.
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
        """Everything up to ``checkpoint`` is safe in the cluster."""
        with self._lock:
            self._report.last_tick, self._report.checkpoint = now, checkpoint
            self._report.failures_in_a_row, self._report.cluster_away = 0, None

    def uses(self, snapshot_id: str, trained_to: int) -> None:
        """The network that the job scores with, and the end of what it has learned.

        Another one than before means that somebody trained it: a failure of ours is over.
        """
        with self._lock:
            if self._report.snapshot_id not in (None, snapshot_id):
                self._report.training_failed = None
            self._report.snapshot_id, self._report.trained_to = snapshot_id, trained_to

    def trained(self, now: int, snapshot_id: str, metrics: Mapping[str, Any], trained_to: int | None = None) -> None:
        """A training came to its end; ``metrics`` as the snapshot has them, of which the numbers are kept."""
        with self._lock:
            report = self._report
            report.last_tick, report.snapshot_id, report.training_failed = now, snapshot_id, None
            report.trained_to = now if trained_to is None else trained_to
            report.trainings += 1
            report.training_metrics = {
                name: float(value) for name, value in metrics.items() if isinstance(value, int | float)
            }

    def training_failed(self, now: int, error: BaseException) -> None:
        """A training failed; the job goes on with what it has."""
        with self._lock:
            self._failed(now, error)
            self._report.training_failed = self._report.last_error

    def failed(self, now: int, error: BaseException) -> None:
        """A tick ended with an error."""
        with self._lock:
            self._failed(now, error)
            self._report.failures_in_a_row += 1

    def _failed(self, now: int, error: BaseException) -> None:
        report = self._report
        report.last_tick, report.last_error = now, LastError.of(now, error)
        report.errors[type(error).__name__] += 1
        report.cluster_away = report.last_error if isinstance(error, ClusterError) else None

    def bulk_rejected(self, why: Rejection, documents: int) -> None:
        """The cluster rejected so many documents of a bulk; of those that are sent again, each time is counted."""
        with self._lock:
            self._report.bulk_rejections[why] += documents

    # --- asked ---

    def lag_buckets(self, now: int) -> int | None:
        """Complete buckets that aren't scored; None where nothing was scored yet, or another worker knows."""
        with self._lock:
            return self._lag(now)[0]

    def report(self, now: int) -> JobReport:
        """A copy of everything, as of ``now``."""
        with self._lock:
            made = deepcopy(self._report)
            made.blind, made.outcome_words = self._blindness.current, self._words
            made.lag_buckets, made.lag_seconds = self._lag(now)
            return made

    def reasons(self, now: int) -> list[Reason]:
        """What keeps the job from being as it should.

        Where another worker has it, or a person paused it: only alerts that this worker can't deliver.
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
        # with a frequency longer than the bucket span, so many are normal
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
    """Destinations that have taken nothing for :data:`DEAD_AFTER`, with host and error."""
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
    """The jobs of a worker."""

    def __init__(self, jobs: Iterable[Job] = (), bad: Iterable[BadFile] = ()) -> None:
        """``bad``: files of jobs that can't be used; each is a reason not to be ready until a new start."""
        self._bad = [Reason(each.path.name, NotReadyReason.BAD_FILE, each.error.message) for each in bad]
        self._lock = threading.Lock()
        self._jobs: dict[str, JobHealth] = {}
        for job in jobs:
            self.add(job)

    def add(self, job: Job) -> JobHealth:
        """The health of a job; made where it is new, or where its configuration is another."""
        with self._lock:
            known = self._jobs.get(job.job_id)
            if known is None or known._job != job:  # noqa: SLF001  (the same module)
                known = self._jobs[job.job_id] = JobHealth(job)
            return known

    def remove(self, job_id: str) -> None:
        """The worker no longer has the job."""
        with self._lock:
            self._jobs.pop(job_id, None)

    def __getitem__(self, job_id: str) -> JobHealth:
        with self._lock:
            return self._jobs[job_id]

    def __iter__(self) -> Iterator[JobHealth]:
        """By job id."""
        with self._lock:
            found = sorted(self._jobs.items())
        return iter(health for _, health in found)

    def reports(self, now: int) -> list[JobReport]:
        """Of every job, by job id."""
        return [health.report(now) for health in self]

    def reasons(self, now: int) -> list[Reason]:
        """What keeps the worker from being ready; empty: it is."""
        return [*self._bad, *(reason for health in self for reason in health.reasons(now))]
