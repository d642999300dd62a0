"""Progress of long steps: bars on a terminal, elsewhere a log line per bucket."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import TYPE_CHECKING

from ipi_es.cli.shared.shell import progress_bar
from ipi_es.times import iso

if TYPE_CHECKING:
    from rich.progress import TaskID

    from ipi_es.datafeed.event_bucket import EventBucket
    from ipi_es.ipinsights.network.network_fitting import TrainingProgress
    from ipi_es.worker.scoring.scored_bucket import ScoredBucket

log = logging.getLogger("ipi_es")


class ProgressReporter:
    """A context manager that reports the progress of reading, training and scoring."""

    def __init__(self, span: int) -> None:
        """``span``: the job's bucket_span, seconds."""
        self._span = span
        self._bars = progress_bar()
        self._terminal = self._bars.drawn
        self._tasks: dict[str, TaskID] = {}
        self.events = 0
        """Documents in the event buckets that were scored."""
        self.buckets = 0

    def __enter__(self) -> ProgressReporter:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def reading(self, start: int, end: int) -> None:
        """Begin the bar of a training that will read [start, end), epoch seconds."""
        self._tasks["read"] = self._bars.add_task("Reading", total=(end - start) // self._span, note="")

    def read(self, bucket: EventBucket) -> None:
        """Report an event bucket that was read for a training."""
        if "read" in self._tasks:
            self._bars.advance(self._tasks["read"])
        log.debug("read %s: %d events", iso(bucket.start), bucket.event_count)

    def training(self, report: TrainingProgress) -> None:
        """Report the progress of a training."""
        if report.epochs and report.epoch:
            name = f"Training the {report.stage}"
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(name, total=report.epochs, note="")
            done = report.epoch - 1 + (report.batch or 0) / max(report.batches or 1, 1)
            note = f"loss {report.loss:.4f}" if report.loss is not None else ""
            self._bars.update(self._tasks[name], completed=done, note=note)
        # an epoch's last batch may be reported twice: only the report that ends the epoch has the AUC
        ended = report.batch is None or (report.batch == report.batches and report.discriminator_auc is not None)
        if not self._terminal and report.epoch and ended:
            loss = "" if report.loss is None else f", loss {report.loss:.4f}"
            log.info("training the %s: epoch %s of %s%s", report.stage, report.epoch, report.epochs, loss)
        if report.discriminator_auc is not None:
            log.info("validation: discriminator_auc=%.5f (%s)", report.discriminator_auc, report.stage)

    def scoring(self, start: int, end: int) -> None:
        """Begin the bar of scoring [start, end), epoch seconds."""
        self._tasks["score"] = self._bars.add_task("Scoring", total=(end - start) // self._span, note="")

    def scored(self, scored: ScoredBucket) -> None:
        """Report a scored bucket."""
        bucket = scored.bucket
        self.events += bucket.event_count
        self.buckets += 1
        if "score" in self._tasks:
            self._bars.advance(self._tasks["score"])
        if not self._terminal:
            log.info(
                "bucket %s: %d events, %d pairs, anomaly_score %.1f, %d records",
                iso(bucket.start),
                bucket.event_count,
                len(scored.pairs.entity),
                scored.anomaly_score,
                len(scored.records),
            )
