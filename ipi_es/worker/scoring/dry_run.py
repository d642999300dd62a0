"""Score a range without writing, and count how many alerts a day each threshold would have raised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ipi_es.results.documents.result_documents import Stamp
from ipi_es.results.words import RESULT_KINDS, SCORE_FIELDS, ResultKind, raises_alarm
from ipi_es.scoring.renormalizer import LastRenormalization
from ipi_es.times import SECONDS, day_of, from_ms
from ipi_es.worker.changed_settings import OnChange, require_unchanged
from ipi_es.worker.history.history_keeper import HistoryId, HistoryKeeper, catch_up
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.repeats.earlier_findings import Repeats
from ipi_es.worker.scoring.batch import Batch, quantiles_id_of
from ipi_es.worker.scoring.scored_bucket import ScoredBucket
from ipi_es.worker.scoring.scoring_pipeline import ScoringPipeline
from ipi_es.worker.training import job_training
from ipi_es.worker.training.training_range import training_range

THRESHOLDS = (25, 50, 75, 90)
"""Scores at which alerts are counted: minor, major, critical, and the most severe critical ones."""


@dataclass(slots=True)
class AlertCounts:
    """Results at or above each threshold by UTC day; interim, suppressed and repeated results raise no alert."""

    alerts: Counter[tuple[int, ResultKind, int]] = field(default_factory=Counter)
    """(day, result type, threshold) → alerts."""
    days: set[int] = field(default_factory=set)
    documents: int = 0

    def stamp(self, end: int) -> Stamp:
        """Return the stamp, see :class:`ipi_es.worker.scoring.batch.Sink`."""
        return Stamp("dry-run", quantiles_id_of(end), end)

    def write(self, batch: Batch) -> None:
        """Count the results of one batch."""
        for each in batch.documents:
            source = each.source
            kind: ResultKind = source["result_type"]
            if kind not in RESULT_KINDS:
                continue  # an annotation
            self.documents += 1
            day = day_of(from_ms(source["timestamp"]))
            self.days.add(day)
            if not raises_alarm(source):
                continue
            for threshold in THRESHOLDS:
                if source[SCORE_FIELDS[kind]] >= threshold:
                    self.alerts[day, kind, threshold] += 1


def count_alerts(
    resources: JobResources,
    start: int,
    end: int,
    on_progress: Callable[[ScoredBucket], None],
    on_training: job_training.TrainingCallbacks,
    on_change: OnChange = OnChange.REFUSE,
) -> AlertCounts:
    """Score [start, end), epoch seconds, without writing; train in memory if the job has no snapshot yet.

    :raises JobChanged: as :func:`ipi_es.worker.open_session.open_session` does.
    """
    job, state = resources.job, resources.stores.states.read(resources.job.job_id)
    require_unchanged(job, state, on_change)
    if state is not None and state.snapshot_id is not None:
        snapshot = resources.snapshot(state.snapshot_id)
        resources.refuse_trained(snapshot, start)
        keeper = resources.keeper(resources.base_of(state.snapshot_id), start)
    else:
        begin, end_of_training = training_range(job, start)
        # results and verdicts of an earlier snapshot may be left: a backfill would hold what they hold
        collector = resources.collector(begin, end_of_training)
        learned = job_training.learn(collector, resources.feed, begin, end_of_training, on_training)
        snapshot, history = learned.snapshot, learned.history
        holds = resources.holds(history.day * SECONDS["d"], start)
        keeper = HistoryKeeper(job, resources.allow_list(), history, HistoryId("dry-run", history.day), holds)
    catch_up(keeper, start, resources.read, lambda _: None)
    sink = AlertCounts()
    levels = snapshot.levels.aged(start - snapshot.trained_to)
    repeats, last = Repeats.of(job), LastRenormalization.at(start, levels.by_name)
    pipeline = ScoringPipeline.of(job, snapshot, keeper, levels, repeats, sink, renormalized=last)
    pipeline.run(resources.read(start, end), on_progress)
    return sink
