"""Event buckets in order, read and scored ahead by Dask workers.

A range is cut into parts: some consecutive event buckets of one UTC day. Reading a part needs nothing but the cluster,
so parts of the next day are read while those of this one are scored. Scoring a part needs the history of its day, which
is known once all parts of the day before are in the results: then the day's delta goes to all Dask workers.
Everything that depends on the order of event buckets (levels, repeats, holds, history) stays in this process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Future as Loading
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.datafeed.searches.read_plan import whole_buckets
from ipi_es.ipinsights.day_scorer import DayScorer
from ipi_es.ipinsights.history.history_digest import history_digest
from ipi_es.ipinsights.storage import delta_to_bytes
from ipi_es.times import SECONDS, day_of
from ipi_es.worker.distributed.dask_client import as_dask_errors
from ipi_es.worker.distributed.job_task import JobTask
from ipi_es.worker.distributed.tasks import HistoryOfDay, ScoredPart, keep, read_part, score_part
from ipi_es.worker.history.history_keeper import HistoryKeeper
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.scoring.scoring_state import LoadedScoring

if TYPE_CHECKING:
    from distributed import Client, Future

PART_EVENTS = 100_000
"""Events of a part, unless one event bucket has more: about a second of work, and 20 MB of unique pairs."""

AHEAD = 3
"""Parts per thread of Dask's workers that are being read or scored at a time: one is scored, one read, one waits."""


class Part(NamedTuple):
    """Event buckets [start, end), epoch seconds, of one history day (days since the epoch)."""

    day: int
    start: int
    end: int


def parts_of(start: int, end: int, span: int, events: Mapping[int, int], most: int = PART_EVENTS) -> Iterator[Part]:
    """Cut the event buckets of [start, end), epoch seconds, into parts of at most so many ``events`` by bucket.

    An event bucket that has more is a part of its own.
    """
    begin, inside = start, 0
    for at in range(start, end, span):
        here = events.get(at, 0)
        if at > begin and (inside + here > most or day_of(at) > day_of(begin)):
            yield Part(day_of(begin), begin, at)
            begin, inside = at, 0
        inside += here
    if begin < end:
        yield Part(day_of(begin), begin, end)


@dataclass(slots=True)
class DistributedReader:
    """Reads a job's event buckets by Dask workers, and gives the scores of their pairs to the pipeline's scorer."""

    client: Client
    task: JobTask
    resources: JobResources
    part_events: int = PART_EVENTS
    reading: deque[tuple[Part, Future]] = field(default_factory=deque)
    scoring: deque[Future] = field(default_factory=deque)

    def read(self, start: int, end: int, loading: Loading[LoadedScoring]) -> Generator[EventBucket, None, None]:
        """Yield the event buckets of [start, end), epoch seconds, in order.

        The pipeline's history is at the day of each event bucket when that is asked for. Closing the generator cancels
        what is under way. Raises DaskError, and the errors of reading and of snapshots.
        """
        parts = self._parts(start, end)
        try:
            with as_dask_errors():
                self._read_on(parts)
            pipeline = loading.result().pipeline
            with as_dask_errors():
                history, delta = self._next_day(pipeline.keeper)
                while self.reading:
                    if history.id != pipeline.keeper.id:
                        history, delta = self._next_day(pipeline.keeper)
                    yield from self._of_day(history, delta, parts, pipeline.pairs)
        finally:
            with suppress(Exception):  # the scheduler may be gone, and the error that led here matters more
                self.client.cancel([found for _, found in self.reading] + list(self.scoring))

    def _of_day(
        self, history: HistoryOfDay, delta: Future | None, parts: Iterator[Part], scorer: DayScorer
    ) -> Generator[EventBucket, None, None]:
        """Yield the event buckets of one day, from their parts; read on meanwhile."""
        while self.scoring or (self.reading and self.reading[0][0].day == history.id.day):
            while self.reading and self.reading[0][0].day == history.id.day:
                read = self.reading.popleft()[1]
                self.scoring.append(self.client.submit(score_part, self.task, read, history, delta, pure=False))
            scored: ScoredPart = self.scoring.popleft().result()
            self._read_on(parts)
            scorer.expect(scored.scores)
            yield from scored.buckets

    def _read_on(self, parts: Iterator[Part]) -> None:
        """Have the next parts read, as many as the Dask workers there are now may have under way."""
        most = AHEAD * max(sum(self.client.nthreads().values()), 1) - len(self.reading) - len(self.scoring)
        for part in islice(parts, max(most, 0)):
            found = self.client.submit(read_part, self.task, part.start, part.end, pure=False)
            self.reading.append((part, found))

    def _next_day(self, keeper: HistoryKeeper) -> tuple[HistoryOfDay, Future | None]:
        """Return the history that the next parts are scored by, and the delta that leads to it from the last day."""
        behind = keeper.behind
        delta = None if behind is None else self.client.submit(keep, delta_to_bytes(behind), pure=False)
        keeper.settle()
        return HistoryOfDay(keeper.id, history_digest(keeper.history)), delta

    def _parts(self, start: int, end: int) -> Iterator[Part]:
        """Yield the parts of all days; the events of a day are counted when its first part is needed."""
        span = self.resources.job.bucket_span
        first, last = whole_buckets(start, end, span)
        while first < last:
            midnight = (day_of(first) + 1) * SECONDS["d"]
            until = min(-(-midnight // span) * span, last)
            events = self.resources.feed.event_counts(first, until, span)
            yield from parts_of(first, until, span, events, self.part_events)
            first = until
