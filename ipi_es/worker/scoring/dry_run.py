"""A sink that writes nothing and counts: how many alerts a day a threshold would have given."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ipi_es.results.documents.result_documents import Stamp
from ipi_es.results.words import RESULT_KINDS, SCORE_FIELDS, ResultKind
from ipi_es.times import day_of
from ipi_es.worker.scoring.batch import Batch, quantiles_id_of

THRESHOLDS = (25, 50, 75, 90)
"""Scores at which alerts are counted: minor, major, critical, and the worst of them."""


@dataclass(slots=True)
class AlertCounts:
    """Results at or above each threshold by UTC day; interim, suppressed and repeated ones raise no alert."""

    alerts: Counter[tuple[int, ResultKind, int]] = field(default_factory=Counter)
    """(day, result type, threshold) → alerts."""
    days: set[int] = field(default_factory=set)
    documents: int = 0

    def stamp(self, end: int) -> Stamp:
        """As in :class:`ipi_es.worker.scoring.batch.Sink`."""
        return Stamp("dry-run", quantiles_id_of(end), end)

    def write(self, batch: Batch) -> None:
        """Count the results of one batch."""
        for each in batch.documents:
            source = each.source
            kind: ResultKind = source["result_type"]
            if kind not in RESULT_KINDS:
                continue  # an annotation
            self.documents += 1
            day = day_of(source["timestamp"] // 1_000)
            self.days.add(day)
            if {"repeat_of", "suppressed_by"} & source.keys():
                continue
            for threshold in THRESHOLDS:
                if source[SCORE_FIELDS[kind]] >= threshold:
                    self.alerts[day, kind, threshold] += 1
