"""Renormalize stored results: decide in memory which ones change, and read and write only those completely."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipi_es.cluster.port import Document
from ipi_es.results.documents.renormalized import Caps, renormalized, renormalized_bucket
from ipi_es.results.store import ResultStore
from ipi_es.results.words import raises_alarm
from ipi_es.scoring import renormalizer
from ipi_es.scoring.normalizer import Normalized
from ipi_es.scoring.probability import ln_written
from ipi_es.scoring.renormalizer import Renormalized
from ipi_es.times import from_ms
from ipi_es.worker.fenced_writer import FencedWriter
from ipi_es.worker.scoring.normalizer_state import (
    NormalizerState,
    bucket_influencer_level,
    influencer_level,
    record_level,
)

_PAGE = 1_000
"""Documents that are read completely and written at a time."""
_MAX_CAP = 100.0


@dataclass(slots=True)
class _Column:
    """Results of one level; the lists are parallel."""

    place: list[tuple[str, str]] = field(default_factory=list)  # (index, id)
    time: list[int] = field(default_factory=list)  # the bucket's start, epoch s
    probability: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    counts: list[bool] = field(default_factory=list)  # neither repeat nor suppressed

    def outside(self, blocked: Collection[str]) -> NDArray[np.bool_]:
        """Return which results are in none of these indices, bool[n]."""
        return np.array([index not in blocked for index, _ in self.place], dtype=np.bool_)

    def keep(self, wanted: NDArray[np.bool_]) -> None:
        chosen = np.flatnonzero(wanted).tolist()
        for name in self.__slots__:
            column = getattr(self, name)
            setattr(self, name, [column[i] for i in chosen])


@dataclass(slots=True)
class ResultWindow:
    """The data that renormalization needs of the job's final results of the last ``length`` seconds."""

    length: int
    entity_field: str
    ip_field: str
    columns: dict[str, _Column] = field(default_factory=dict)
    max_record_score: dict[int, tuple[tuple[str, str], float]] = field(default_factory=dict)
    """Bucket's start → (its document's place, its ``max_record_score``)."""

    def add(self, id_: str, index: str, source: Mapping[str, Any]) -> None:
        """Add one stored result; annotations and interim results are left out."""
        if not self.length or source.get("is_interim"):
            return
        kind, place, time = source["result_type"], (index, id_), from_ms(source["timestamp"])
        counts = raises_alarm(source)
        failed = "failures_only" in source
        if kind == "record":
            level = record_level(failures_only=failed)
            self._append(level, place, time, source["probability"], source["record_score"], counts)
        elif kind == "influencer":
            level = influencer_level(source["influencer_field_name"], failures_only=failed)
            self._append(level, place, time, source["probability"], source["influencer_score"], counts)
        elif kind == "bucket":
            self.max_record_score[time] = place, float(source["max_record_score"])
            for each in source["bucket_influencers"]:
                failed = "failures_only" in each
                level = bucket_influencer_level(each["influencer_field_name"], failures_only=failed)
                self._append(level, place, time, each["probability"], each["anomaly_score"], counts)

    def _append(
        self, level: str, place: tuple[str, str], time: int, probability: float, score: float, counts: bool
    ) -> None:
        column = self.columns.get(level)
        if column is None:
            column = self.columns[level] = _Column()
        column.place.append(place)
        column.time.append(time)
        column.probability.append(probability)
        column.score.append(score)
        column.counts.append(counts)

    def forget_before(self, time: int) -> None:
        """Drop results of buckets before ``time``, epoch seconds."""
        for column in self.columns.values():
            column.keep(np.array(column.time, dtype=np.int64) >= time)
        self.max_record_score = {start: found for start, found in self.max_record_score.items() if start >= time}

    def forget_bucket(self, time: int) -> None:
        """Drop the results of the bucket at ``time``, epoch seconds."""
        for column in self.columns.values():
            column.keep(np.array(column.time, dtype=np.int64) != time)
        self.max_record_score.pop(time, None)

    def indices(self) -> set[str]:
        """Return the indices that its results are in."""
        places = {place[0] for column in self.columns.values() for place in column.place}
        return places | {place[0] for place, _ in self.max_record_score.values()}

    def load(self, store: ResultStore, end: int) -> None:
        """Add the stored results of [end - length, end), epoch seconds."""
        if self.length:
            for found in store.scan_window(end - self.length, end):
                self.add(found.id, found.index, found.source)


@dataclass(slots=True)
class Changes:
    """New scores, by the place (index, id) of their document."""

    results: dict[tuple[str, str], tuple[float, Caps]] = field(default_factory=dict)
    buckets: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)
    max_record_scores: dict[tuple[str, str], float] = field(default_factory=dict)

    def places(self) -> list[tuple[str, str]]:
        """Return the places of all documents that change, each once."""
        return sorted({*self.results, *self.buckets, *self.max_record_scores})


def decide(window: ResultWindow, levels: NormalizerState, blocked: Collection[str] = ()) -> Changes:
    """Decide which documents of the window change, and update the window's own scores.

    Results in the ``blocked`` indices keep their scores, in the window too.
    """
    changes = Changes()
    # results of other fields, which the job had before a new training, keep their scores
    bucket_levels = {level: name for level, name in _bucket_fields(window).items() if level in levels.by_name}
    for level, column in window.columns.items():
        if not column.place or level in bucket_levels or level not in levels.by_name:
            continue
        new = _renormalize(column, levels, level)
        for i in np.flatnonzero(new.write & column.outside(blocked)).tolist():
            column.score[i] = float(new.normalized.score[i])
            changes.results[column.place[i]] = column.score[i], _caps(new.normalized, i, levels[level].warming_up)
    _decide_buckets(window, levels, bucket_levels, changes, blocked)
    _decide_largest(window, changes, blocked)
    return changes


def _renormalize(column: _Column, levels: NormalizerState, level: str) -> Renormalized:
    return renormalizer.renormalize(
        ln_written(column.probability), column.score, partial(levels.score, level, counted=True)
    )


def _decide_buckets(
    window: ResultWindow, levels: NormalizerState, fields: Mapping[str, str], changes: Changes, blocked: Collection[str]
) -> None:
    """Update all scores of a bucket if a score of any of its influencers, and so perhaps its own, changes visibly."""
    new = {}
    for level in fields:
        column = window.columns[level]
        new[level] = _renormalize(column, levels, level)
        for i in np.flatnonzero(new[level].write & column.outside(blocked)).tolist():
            changes.buckets.setdefault(column.place[i], {})
    for level, name in fields.items():
        column = window.columns[level]
        for i, place in enumerate(column.place):
            if place in changes.buckets:
                column.score[i] = float(new[level].normalized.score[i])
                changes.buckets[place][name] = column.score[i]


def _decide_largest(window: ResultWindow, changes: Changes, blocked: Collection[str]) -> None:
    """Update ``max_record_score`` from the records' scores if the change is visible or the bucket is written anyway."""
    largest: dict[int, float] = {}
    for failed in (False, True):
        records = window.columns.get(record_level(failures_only=failed), _Column())
        for time, score, counts in zip(records.time, records.score, records.counts, strict=True):
            if counts:
                largest[time] = max(largest.get(time, 0.0), score)
    for time, (place, before) in list(window.max_record_score.items()):
        now = largest.get(time, 0.0)
        if place[0] in blocked:
            continue
        if now != before and (place in changes.buckets or bool(renormalizer.visible([before], [now])[0])):
            window.max_record_score[time] = place, now
            changes.max_record_scores[place] = now


def renormalize(
    window: ResultWindow,
    store: ResultStore,
    levels: NormalizerState,
    writer: FencedWriter,
    now: int,
    blocked: Collection[str] = (),
) -> int:
    """Renormalize the window before the state's checkpoint by ``levels``; return the number of written documents.

    ``levels`` are the quantiles that the state points to; ``now`` is in epoch seconds. ``blocked``: indices of older
    months that may not be written to; their results keep their scores. Raises LostJob if another worker took the job
    over.
    """
    state = writer.state
    window.forget_before(state.trained.checkpoint - window.length)
    changes = decide(window, levels, blocked)
    places = changes.places()
    if not places:
        return 0
    for start in range(0, len(places), _PAGE):
        found = store.by_place(places[start : start + _PAGE])
        writer.rewrite(_rewritten(found, changes, str(state.quantiles_id), now))
    return len(places)


def _rewritten(found: list[Document], changes: Changes, quantiles_id: str, at: int) -> Iterator[Document]:
    for document in found:
        place = document.index, document.id
        if place in changes.results:
            score, caps = changes.results[place]
            source = renormalized(document.source, score=score, quantiles_id=quantiles_id, at=at, caps=caps)
        else:
            source = renormalized_bucket(
                document.source,
                scores=changes.buckets.get(place, {}),
                quantiles_id=quantiles_id,
                at=at,
                max_record_score=changes.max_record_scores.get(place),
            )
        yield replace(document, source=source)


def _bucket_fields(window: ResultWindow) -> dict[str, str]:
    prefixes = [bucket_influencer_level("", failures_only=failed) for failed in (False, True)]
    return {
        level: level.removeprefix(prefix) for level in window.columns for prefix in prefixes if level.startswith(prefix)
    }


def _caps(normalized: Normalized, i: int, warming_up: bool) -> Caps:
    return Caps(
        c1=float(normalized.c1[i]),
        c2=float(normalized.c2[i]),
        c3=min(float(normalized.c3[i]), _MAX_CAP),
        bound=str(normalized.bound[i]),
        warming_up=warming_up,
    )
