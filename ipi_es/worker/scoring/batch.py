"""A batch: some buckets, scored, then written in a fixed order: after a crash it is run again from the old state.

    quantiles (new id) → history delta → results → deletion of vanished ids → state

The end of a batch depends on the data alone (number of buckets and pairs, a UTC day's end, a renormalization that is
due), never on the clock: a run that was killed and restarted makes the same batches and the same documents.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ipi_es.ipinsights.history.deltas import DayDelta
from ipi_es.results.documents.result_documents import ResultDocument, Stamp
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.results.store import ResultStore
from ipi_es.scoring.renormalizer import largest_of
from ipi_es.state.details import JobDetails
from ipi_es.state.job_state import JobState
from ipi_es.state.quantiles_store import SavedQuantiles
from ipi_es.times import from_ms, iso
from ipi_es.worker.fenced_writer import FencedWriter
from ipi_es.worker.history.history_keeper import HistoryId, store_delta
from ipi_es.worker.incidents.incident_updates import IncidentUpdates
from ipi_es.worker.scoring.normalizer_state import NormalizerState
from ipi_es.worker.scoring.renormalization import ResultWindow, renormalize
from ipi_es.worker.stores import Stores
from ipi_es.worker.timing import OnStep, ignore_step, timed

log = logging.getLogger(__name__)

MAX_BUCKETS = 64
"""Buckets in a batch."""
MAX_PAIRS = 200_000
"""Unique pairs in a batch: about two seconds of work, which is the most that a crash repeats."""
MONTH = len("2026.05")
"""Characters at the end of a result index's name that give its month."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The results of a batch of buckets, to be written; [start, end) in epoch seconds."""

    start: int
    end: int
    documents: list[ResultDocument]
    levels: NormalizerState
    history: HistoryId
    """The history with which the next batch begins."""
    delta: DayDelta | None
    """The day's delta, if the batch ends a day."""
    renormalize_due: bool


class Sink(Protocol):
    """A destination of batches."""

    def stamp(self, end: int) -> Stamp:
        """Return the stamp for the results of a batch that ends at ``end``, epoch seconds."""

    def write(self, batch: Batch) -> None:
        """Write one batch; when this returns, it is stored."""


def quantiles_id_of(time: int) -> str:
    """Return the id of the quantiles at an event time, epoch seconds: the same batch writes the same id."""
    return iso(time).replace("-", "").replace(":", "")


def renormalization_details(state: JobState, levels: NormalizerState) -> JobDetails:
    """Return the state's details with the largest scores by level, to which the next renormalization is compared."""
    return replace(state.details, largest=largest_of(levels.by_name))


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Results at or after the first batch that an earlier run wrote; those that aren't produced again are deleted."""

    exist: bool = False
    """Whether there may be any, interim ones too."""
    final_to: int = 0
    """A time after the start of the last final one, epoch seconds: incidents may be made of them."""

    @classmethod
    def of(cls, results: ResultStore, start: int) -> Leftovers:
        """Read which results there are at or after ``start``, epoch seconds."""
        results.show()
        if not results.any(start):
            return cls()
        newest = results.read("bucket", ResultFilter(start, interim=False), sort="timestamp", size=1)
        return cls(exist=True, final_to=max((from_ms(each.source["timestamp"]) + 1 for each in newest), default=0))


class StoredSink:
    """Writes batches to the cluster; renormalizes, and updates incidents, between two of them when that is due."""

    def __init__(
        self,
        stores: Stores,
        writer: FencedWriter,
        load: Callable[[int], ResultWindow],
        incidents: IncidentUpdates,
        *,
        leftovers: Leftovers = Leftovers(),
        first: Mapping[str, Any] | None = None,
        took: OnStep = ignore_step,
    ) -> None:
        """Set up the sink. ``load`` returns the window of results before a time, epoch seconds.

        ``first``: further changes of the state that are saved with the first batch.
        ``took`` is called with the durations of writing and renormalizing.
        """
        self._results, self._clock, self._writer, self._incidents = stores.results, stores.clock, writer, incidents
        self._rewriting, self._final_to = leftovers.exist, leftovers.final_to
        self._load, self._first, self._took = load, dict(first or {}), took
        self._window: ResultWindow | None = None

    @property
    def state(self) -> JobState:
        """The job's last saved state."""
        return self._writer.state

    def window(self) -> ResultWindow:
        """Return the results that a renormalization covers; loaded at the first call, and then kept up to date."""
        if self._window is None:
            self._window = self._load(self.state.trained.checkpoint)
        return self._window

    def write_with(self, writer: FencedWriter) -> None:
        """Continue under the lease of another session."""
        self._writer = writer

    def expect_leftovers(self) -> None:
        """From the next batch on, delete stored results that aren't produced again: interim results were written."""
        self._rewriting = True

    def rest(self) -> None:
        """Free the window, which the next renormalization can load again: it has weeks of results for each job."""
        self._window = None

    def stamp(self, end: int) -> Stamp:
        """Return the stamp, see :class:`Sink`."""
        return Stamp(self.state.trained.snapshot_id, quantiles_id_of(end), self._clock.now())

    def write(self, batch: Batch) -> None:
        """Write one batch, and renormalize if that is due. Raises LostJob if another worker took the job over."""
        with timed(self._took, "write"):
            self._write(batch)
        # at most once a day of buckets: a backfill would write the same incidents often
        if batch.delta is not None and self._incidents.due(self.state.details):
            with timed(self._took, "incidents"):
                self._incidents.update(self._writer)
        if batch.renormalize_due:
            self.renormalize(batch.levels)

    def _write(self, batch: Batch) -> None:
        writer, quantiles_id = self._writer, quantiles_id_of(batch.end)
        changes = {**self._first, "details": self._details(batch)}
        after = writer.state.advanced(
            **changes,
            checkpoint=batch.end,
            history_id=str(batch.history),
            quantiles_id=quantiles_id,
            renormalize_due=batch.renormalize_due,
        )
        version = after.external_version
        writer.save_quantiles(SavedQuantiles(quantiles_id, batch.end, batch.levels.to_arrays()), version)
        if batch.delta is not None:
            store_delta(writer.blobs, after.job_id, batch.history, batch.delta, self._clock.now())
        writer.write(batch.documents, version)
        if self._rewriting:
            writer.drop_vanished(batch.start, batch.end, {each.id for each in batch.documents}, version)
        writer.save(after)
        self._first = {}
        self._take_note(batch.documents)
        log.debug("job %s: written to %s, %d documents", after.job_id, iso(batch.end), len(batch.documents))

    def _details(self, batch: Batch) -> JobDetails:
        """Return the state's details after a batch: incidents are due if they may be made of its results."""
        details: JobDetails = self._first.get("details", self.state.details)
        details = replace(details, incidents=self.state.details.incidents)  # may have changed since `first` was made
        replaced = batch.start < self._final_to
        sources = [each.source for each in batch.documents]
        return self._incidents.with_due(details, batch.start, batch.end, None if replaced else sources)

    def rescored(self, start: int, documents: list[ResultDocument]) -> None:
        """Update the window: the bucket at ``start`` was rescored, and written as ``documents`` outside this sink."""
        if self._window is not None:
            self._window.forget_bucket(start)
            self._take_note(documents)

    def _take_note(self, documents: list[ResultDocument]) -> None:
        if self._window is not None:
            for each in documents:
                self._window.add(each.id, each.index, each.source)

    def sweep(self) -> None:
        """Delete the quantiles of unfinished batches; those that results were scored with are kept."""
        self._writer.sweep_later_quantiles(str(self.state.quantiles_id))

    def renormalize(self, levels: NormalizerState) -> int:
        """Renormalize the window by ``levels`` (those that the state points to); return how many results changed."""
        with timed(self._took, "renormalize"):
            return self._renormalize(levels)

    def _renormalize(self, levels: NormalizerState) -> int:
        blocked = self._left_out()
        changed = renormalize(self.window(), self._results, levels, self._writer, self._clock.now(), blocked)
        state = self.state
        self._writer.save(
            state.advanced(
                renormalize_due=False,
                renormalized_to=state.checkpoint,
                details=replace(renormalization_details(state, levels), not_renormalized=tuple(blocked)),
            )
        )
        return changed

    def _left_out(self) -> list[str]:
        """Return the indices of older months whose results keep their scores because the indices are write-blocked.

        Each is logged once: the state remembers it. The newest month is never included: a write block there is an
        error.
        """
        window, state = self.window(), self.state
        indices = window.indices()
        newest = max((index[-MONTH:] for index in indices), default="")
        blocked = self._results.indices.write_blocks(each for each in indices if each[-MONTH:] < newest)
        for index in sorted(blocked.keys() - set(state.details.not_renormalized)):
            log.warning(
                "job %s: scores in %s stay as they are: it may not be written to (%s)",
                state.job_id,
                index,
                blocked[index],
            )
        return sorted(blocked)
