"""A batch: some buckets, scored, then written in one fixed order: a crash anywhere re-runs it from the old state.

    quantiles (new id) → history delta → results → deletion of ids that vanished → state

Where a batch ends follows from the data alone (number of buckets and pairs, a UTC day's end, a renormalization that is
due), never from the clock: a run that was killed and started again makes the same batches, and the same documents.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ipi_es.ipinsights.history.deltas import DayDelta
from ipi_es.results.documents.result_documents import ResultDocument, Stamp
from ipi_es.scoring.renormalizer import largest_of
from ipi_es.state.details import LARGEST, NOT_RENORMALIZED
from ipi_es.state.job_state import JobState
from ipi_es.state.quantiles_store import SavedQuantiles
from ipi_es.times import iso
from ipi_es.worker.fenced_writer import FencedWriter
from ipi_es.worker.history.history_keeper import HistoryId, store_delta
from ipi_es.worker.scoring.normalizer_state import NormalizerState
from ipi_es.worker.scoring.renormalization import ResultWindow, renormalize
from ipi_es.worker.stores import Stores
from ipi_es.worker.timing import OnStep, ignore_step, timed

log = logging.getLogger(__name__)

MAX_BUCKETS = 64
"""Buckets in a batch."""
MAX_PAIRS = 200_000
"""Unique pairs in a batch: about two seconds of work, and what is done again at most after a crash."""
MONTH = len("2026.05")
"""Characters at the end of a result index's name that say of which month it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What a batch has to say; [start, end) in epoch seconds."""

    start: int
    end: int
    documents: list[ResultDocument]
    levels: NormalizerState
    history: HistoryId
    """Where the next batch begins."""
    delta: DayDelta | None
    """The day's delta, if the batch ends a day."""
    renormalize_due: bool


class Sink(Protocol):
    """Where batches go."""

    def stamp(self, end: int) -> Stamp:
        """How the results of a batch that ends at ``end`` are stamped."""

    def write(self, batch: Batch) -> None:
        """Take one batch; when this returns it is safe."""


def quantiles_id_of(time: int) -> str:
    """The id of the quantiles as of an event time: the same batch writes the same id."""
    return iso(time).replace("-", "").replace(":", "")


def renormalization_details(state: JobState, levels: NormalizerState) -> dict[str, Any]:
    """The state's details, with what the next renormalization is measured against."""
    return {**state.details, LARGEST: largest_of(levels.by_name)}


class StoredSink:
    """Writes batches to the cluster, and renormalizes between two of them when that is due."""

    def __init__(
        self,
        stores: Stores,
        writer: FencedWriter,
        load: Callable[[int], ResultWindow],
        *,
        rewriting: bool,
        first: Mapping[str, Any] | None = None,
        took: OnStep = ignore_step,
    ) -> None:
        """``load`` gives the window of results before a time, epoch seconds.

        ``rewriting``: results of an earlier run may lie ahead; what isn't produced again is deleted.
        ``first``: changes of the state that the first batch brings besides its own.
        ``took`` hears how long writing and renormalizing take.
        """
        self._results, self._clock, self._writer, self._rewriting = stores.results, stores.clock, writer, rewriting
        self._load, self._first, self._took = load, dict(first or {}), took
        self._window: ResultWindow | None = None

    @property
    def state(self) -> JobState:
        """The job's state as it was written last."""
        return self._writer.state

    def window(self) -> ResultWindow:
        """What a renormalization looks at; loaded when it is first asked for, and kept up to date from then on."""
        if self._window is None:
            self._window = self._load(int(self.state.checkpoint or 0))
        return self._window

    def write_with(self, writer: FencedWriter) -> None:
        """Go on under the lease of another session."""
        self._writer = writer

    def expect_leftovers(self) -> None:
        """Delete what the next bucket's results lack of those that are stored: interim ones were written."""
        self._rewriting = True

    def rest(self) -> None:
        """Keep nothing that the next renormalization can load: weeks of results, of each job of a worker."""
        self._window = None

    def stamp(self, end: int) -> Stamp:
        """As in :class:`Sink`."""
        return Stamp(str(self.state.snapshot_id), quantiles_id_of(end), self._clock.now())

    def write(self, batch: Batch) -> None:
        """As in :class:`Sink`; LostJob if another worker took the job over."""
        with timed(self._took, "write"):
            self._write(batch)
        if batch.renormalize_due:
            self.renormalize(batch.levels)

    def _write(self, batch: Batch) -> None:
        writer, quantiles_id = self._writer, quantiles_id_of(batch.end)
        after = writer.state.advanced(
            **self._first,
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

    def rescored(self, start: int, documents: list[ResultDocument]) -> None:
        """Take note that the bucket at ``start`` was scored again, and written as ``documents`` by somebody else."""
        if self._window is not None:
            self._window.forget_bucket(start)
            self._take_note(documents)

    def _take_note(self, documents: list[ResultDocument]) -> None:
        if self._window is not None:
            for each in documents:
                self._window.add(each.id, each.index, each.source)

    def sweep(self) -> None:
        """Delete the quantiles of batches that never came to their end; what results were scored with is kept."""
        self._writer.sweep_later_quantiles(str(self.state.quantiles_id))

    def renormalize(self, levels: NormalizerState) -> int:
        """Score the window again with ``levels`` (those that the state points to); how many results changed."""
        with timed(self._took, "renormalize"):
            return self._renormalize(levels)

    def _renormalize(self, levels: NormalizerState) -> int:
        blocked = self._left_out()
        changed = renormalize(self.window(), self._results, levels, self._writer, self._clock.now(), blocked)
        state = self.state
        details = {
            name: value for name, value in renormalization_details(state, levels).items() if name != NOT_RENORMALIZED
        }
        if blocked:
            details[NOT_RENORMALIZED] = blocked
        self._writer.save(
            state.advanced(
                renormalize_due=False,
                renormalized_to=state.checkpoint,
                details=details,
            )
        )
        return changed

    def _left_out(self) -> list[str]:
        """The indices of older months whose results keep their scores, because nothing may be written there.

        Each is logged once: the state remembers it. The newest index isn't among them: what can't be written there is
        an error.
        """
        window, state = self.window(), self.state
        indices = window.indices()
        newest = max((index[-MONTH:] for index in indices), default="")
        blocked = self._results.indices.write_blocks(each for each in indices if each[-MONTH:] < newest)
        for index in sorted(blocked.keys() - set(state.details.get(NOT_RENORMALIZED, ()))):
            log.warning(
                "job %s: scores in %s stay as they are: it may not be written to (%s)",
                state.job_id,
                index,
                blocked[index],
            )
        return sorted(blocked)
