"""Scoring state that is loaded at the job's checkpoint: history, levels, repeats, and the window of results.

Loading takes seconds, so it is kept from one session of this process to the next. It is valid only as long as just the
session's own batches have changed the job: code that changes the job otherwise calls :meth:`ScoringState.invalidate`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ipi_es.config.rules.allow_list import AllowList
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.results.documents.result_documents import ResultDocument
from ipi_es.results.reading.reported import Recent
from ipi_es.state.job_state import JobState
from ipi_es.times import day_of
from ipi_es.worker.fenced_writer import FencedWriter
from ipi_es.worker.history.history_keeper import Rows
from ipi_es.worker.scoring.batch import StoredSink
from ipi_es.worker.scoring.scoring_pipeline import ScoringPipeline
from ipi_es.worker.verdicts.known_verdicts import KnownVerdicts


@dataclass(frozen=True, slots=True, eq=False)
class LoadedScoring:
    """A pipeline and its sink, between two batches: both are at the state's checkpoint."""

    pipeline: ScoringPipeline
    sink: StoredSink


@dataclass(frozen=True, slots=True, eq=False)
class RescoredRows:
    """A rescored bucket before the checkpoint: its events, its entities' hashes uint64[m], and its new results."""

    bucket: EventBucket
    hashes: NDArray[np.uint64]
    documents: list[ResultDocument]


@dataclass(slots=True)
class ScoringState:
    """The scoring state of a session; ``loaded`` is None if none is loaded, or if it is not at the checkpoint."""

    loaded: LoadedScoring | None = None

    def keep(self, loaded: LoadedScoring) -> None:
        """Keep a scoring state that is at the checkpoint."""
        self.loaded = loaded

    def invalidate(self) -> None:
        """Discard the loaded state: the job was changed other than by its batches."""
        self.loaded = None

    def require_verdicts(self, verdicts: KnownVerdicts) -> None:
        """Discard the loaded state if it scores with other verdicts: some were given since it was loaded."""
        if self.loaded is not None and self.loaded.pipeline.keeper.holds.verdicts != verdicts:
            self.invalidate()

    def mark_interim(self) -> None:
        """Note that interim results were written: those that the final bucket lacks must be deleted then."""
        if self.loaded is not None:
            self.loaded.sink.expect_leftovers()

    def apply_rescored(
        self, loaded: LoadedScoring, rescored: Iterable[RescoredRows], late: Sequence[Rows], recent: Recent
    ) -> None:
        """Update ``loaded`` to what loading would give after buckets before the checkpoint were rescored; keep it.

        ``late``: the rows that wait for the current day's delta; ``recent``: the findings that can be repeated now.
        """
        keeper = loaded.pipeline.keeper
        for each in rescored:
            if day_of(each.bucket.start) >= keeper.id.day:
                keeper.gather(each.bucket, each.hashes)
            loaded.sink.rescored(each.bucket.start, each.documents)
        keeper.replace_late(late)
        loaded.pipeline.scorer.repeats.reload(*recent)
        self.keep(loaded)


@dataclass(slots=True)
class ScoringCache:
    """The scoring state that the last session of this process left loaded, with the job's state at its end."""

    _left: tuple[JobState, LoadedScoring] | None = None

    @property
    def loaded(self) -> LoadedScoring | None:
        """The kept scoring state; None: nothing is kept."""
        return None if self._left is None else self._left[1]

    def keep(self, state: JobState, scoring: ScoringState) -> None:
        """Keep the scoring state of a session that ended with ``state``, except its window of results."""
        if scoring.loaded is not None:
            scoring.loaded.sink.rest()
            self._left = state, scoring.loaded

    def take(self, state: JobState, allow: AllowList, verdicts: KnownVerdicts, writer: FencedWriter) -> ScoringState:
        """Take the kept scoring state out of the cache, for a session that begins with ``state``.

        Return an empty one if another session had the job, or if its rules, groups or verdicts have changed.
        """
        left, self._left = self._left, None
        if left is None:
            return ScoringState()
        before, loaded = left
        as_ours = replace(
            before,
            lease_epoch=before.lease_epoch + 1,
            version=state.version,
            lease_owner=state.lease_owner,
            lease_expires=state.lease_expires,
            lease_for=state.lease_for,
            lease_since=state.lease_since,
        )
        pipeline, holds = loaded.pipeline, loaded.pipeline.keeper.holds
        if state != as_ours or pipeline.describer.allow != allow:
            return ScoringState()
        if holds.verdicts != verdicts:
            return ScoringState()
        loaded.sink.write_with(writer)
        return ScoringState(loaded)
