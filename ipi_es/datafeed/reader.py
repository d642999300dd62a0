"""Reading of events as event buckets, ahead of the scoring."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any, TypeVar

from ipi_es.cluster.port import Cluster, Json
from ipi_es.datafeed.bucket_context import looked_up
from ipi_es.datafeed.bucket_counts import BucketCounts
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.datafeed.gc_pause import gc_pause
from ipi_es.datafeed.normalize import Normalizer
from ipi_es.datafeed.searches.pages import NO_ROWS, Pages, Rows
from ipi_es.datafeed.searches.proven import ProvenReader, Read
from ipi_es.datafeed.searches.read_plan import (
    NOTHING,
    PLAN_BUCKETS,
    CountedBucket,
    Pace,
    Stretch,
    stretches,
    whole_buckets,
)
from ipi_es.datafeed.searches.recall import read_words, words_body
from ipi_es.datafeed.searches.requests import MS, page_body, time_range_body
from ipi_es.datafeed.spec import SUCCESS, FeedSpec
from ipi_es.errors import NotFound, UsageError
from ipi_es.networks.network_table import NetworkTable

READERS = 2
"""Concurrent searches: the second keeps the cluster busy while an answer is parsed; more would be a load on it."""

AHEAD = 2
"""Stretches per reader that are read, or being read, before the consumer requests them."""


Of = TypeVar("Of")


class Datafeed:
    """The events of one job, read from the cluster as unique (entity, IP, outcome) with counts.

    Raises ConfigError at construction if ``spec`` has settings that the server doesn't support.
    """

    def __init__(
        self, cluster: Cluster, spec: FeedSpec, *, readers: int = READERS, networks: NetworkTable | None = None
    ) -> None:
        """Set up reading. ``networks`` gives operators and countries, with priority over the events' own fields."""
        spec.check_server(cluster.info)
        self._cluster = cluster
        self._wanted = spec
        self.networks = networks
        self.spec = spec
        self._readers = readers
        self._proven = ProvenReader(cluster, spec)
        self._groups = None if spec.of_groups is None else ProvenReader(cluster, spec.of_groups)
        self._normalizer = Normalizer(
            spec.entity_normalize,
            spec.ignore_private,
            spec.only_outcome or SUCCESS,
            spec.translators,
            exclude_entities=spec.exclude_entities,
            ip_pick=spec.ip_pick,
            pseudonyms=spec.pseudonyms,
        )

    def read(self, start: int, end: int, span: int) -> Generator[EventBucket, None, None]:
        """Read the event buckets of [start, end), epoch seconds, in order, the empty ones too.

        Event buckets are aligned to multiples of ``span`` (seconds): ``start`` is rounded down to one, and a last
        event bucket that ``end`` cuts is left out. Reads ahead in the background; an error there is raised here, at
        the event bucket where it occurred. Abandoning (or closing) the iterator stops reading.
        Raises UsageError for a span below 1 s or an end before the start.
        """
        if span < 1:
            raise UsageError(f"a span of {span} s is no time span", hint="bucket_span is at least one second")
        if end < start:
            raise UsageError("the end lies before the start", hint="give --start and --end in this order")
        self._find_fields()
        return self._read(*whole_buckets(start, end, span), span)

    def read_page(self, start: int, end: int, span: int, limit: int) -> list[EventBucket] | None:
        """Read the event buckets of [start, end) that have rows in one search, without counts and groups.

        ``start`` and ``end`` (epoch seconds) are multiples of ``span``. Returns None for more than a page of rows.
        Raises ClusterTimeout where the cluster takes more than ``limit`` seconds.
        """
        self._find_fields()
        pages = Pages.of(self.spec, timed=True)
        found = self._search({**page_body(self.spec, start, end, span=span), "timeout": f"{limit}s"})
        if found and pages.page(found) is not None:
            return None
        rows = sorted(pages.by_bucket(start).items())
        return [looked_up(self._normalizer.bucket(at, span, each), self.networks) for at, each in rows]

    def time_range(self) -> tuple[int, int] | None:
        """Return [first, end) of all the job's events in epoch seconds; None if there are none."""
        found = self._search(time_range_body(self.spec))
        first, last = (found.get(name, {}).get("value") for name in ("first", "last"))
        return None if first is None or last is None else (int(first // MS), int(last // MS) + 1)

    def event_counts(self, start: int, end: int, span: int) -> dict[int, int]:
        """Return ``{event bucket's start: documents}`` of the whole event buckets of [start, end) that have any.

        These are counts as in ``EventBucket.event_count``: a comparison with earlier ones shows late events.
        """
        return self._in_parts(self._proven.events, start, end, span)

    def counted(self, start: int, end: int, span: int) -> dict[int, CountedBucket]:
        """Return ``{event bucket's start: CountedBucket}`` of whole event buckets of [start, end) with documents."""
        return self._in_parts(self._proven.count, start, end, span)

    def _in_parts(
        self, count: Callable[[int, int, int], dict[int, Of]], start: int, end: int, span: int
    ) -> dict[int, Of]:
        first, last = whole_buckets(start, end, span)
        found: dict[int, Of] = {}
        for begin, until in _parts(first, last, span):
            found |= count(begin, until, span)
        return found

    def recalled(self, start: int, end: int, span: int) -> dict[int, BucketCounts]:
        """Return ``{event bucket's start: counts}`` of event buckets with events, without reading rows.

        From these counts the usual rates are restored. Malformed addresses aren't detected, and count as usable.
        """
        return self._in_parts(self._proven.recall, start, end, span)

    def outcome_words(self, start: int, end: int) -> dict[str, int]:
        """Return the most frequent values of the outcome field in [start, end), with their documents; most first."""
        if self.spec.outcome_field is None:
            return {}
        return read_words(self._search(words_body(self.spec, start, end)))

    def _read(self, first: int, last: int, span: int) -> Generator[EventBucket, None, None]:
        stop = Event()
        pace = Pace()
        pool = ThreadPoolExecutor(self._readers, thread_name_prefix="ipi-es-datafeed")
        reading: deque[Future[list[EventBucket]]] = deque()
        try:
            planned = self._planned(pool, first, last, span, pace)
            more = True
            while more or reading:
                while more and len(reading) < self._readers * AHEAD:
                    stretch = next(planned, None)
                    more = stretch is not None
                    if stretch is not None:
                        reading.append(pool.submit(self._fetch, stretch, span, pace, stop))
                if reading:
                    yield from reading.popleft().result()
        finally:
            stop.set()
            # Don't wait: a running search ends by itself, and its answer isn't needed.
            pool.shutdown(wait=False, cancel_futures=True)

    def _planned(self, pool: ThreadPoolExecutor, first: int, last: int, span: int, pace: Pace) -> Iterator[Stretch]:
        """Yield all stretches in order; the next part is counted while the current one is read."""
        counting: deque[tuple[int, int, Future[dict[int, CountedBucket]]]] = deque()
        parts = _parts(first, last, span)
        while True:
            while len(counting) < 2 and (part := next(parts, None)) is not None:
                counting.append((*part, pool.submit(self._proven.count, *part, span)))
            if not counting:
                return
            begin, until, counted = counting.popleft()
            yield from stretches(begin, until, counted.result(), pace=pace, page_size=self.spec.page_size)

    def _fetch(self, stretch: Stretch, span: int, pace: Pace, stop: Event) -> list[EventBucket]:
        """Read one stretch in a reader's thread; return early once ``stop`` is set."""
        with gc_pause():
            read = self._proven.read(stretch, span, stop.is_set)
            pace.learn(read.rows, read.stretch.events)
            groups = self._read_groups(read, span, stop)
            return self._buckets(read.stretch, span, read.by_bucket, groups)

    def _read_groups(self, read: Read, span: int, stop: Event) -> Mapping[int, Rows]:
        """Read the groups of a stretch's entities, by event bucket, with the same proof as their rows."""
        if self._groups is None or not read.by_bucket:
            return {}
        begin, end = read.stretch.filled(span)
        counted = self._groups.count(begin, end, span)
        return self._groups.read(Stretch(begin, end, counted), span, stop.is_set).by_bucket

    def _buckets(
        self, stretch: Stretch, span: int, rows: Mapping[int, Rows], groups: Mapping[int, Rows]
    ) -> list[EventBucket]:
        buckets = (
            self._normalizer.bucket(
                at, span, rows.get(at, NO_ROWS), stretch.counted.get(at, NOTHING), groups.get(at, NO_ROWS)
            )
            for at in range(stretch.start, stretch.end, span)
        )
        return [looked_up(bucket, self.networks) for bucket in buckets]

    def _find_fields(self) -> None:
        """Read operators and countries where the indices have these fields now; they may get them at any time."""
        if self._wanted.context_fields:
            spec = self._wanted.with_fields_of(self._field_types(self._wanted.context_fields))
            if spec != self.spec:
                self.spec, self._proven = spec, ProvenReader(self._cluster, spec)

    def _field_types(self, names: tuple[str, ...]) -> Mapping[str, Mapping[str, Any]]:
        """Return types by field; without those of indices where no index matches: then there are no events to read."""
        runtime = {name: self._wanted.runtime_mappings[name] for name in names if name in self._wanted.runtime_mappings}
        try:
            found: Mapping[str, Mapping[str, Any]] = self._cluster.field_types(self.spec.indices, names)
        except NotFound:
            found = {}
        return {**found, **{name: {str(field.get("type", "keyword")): ()} for name, field in runtime.items()}}

    def _search(self, body: Json) -> Mapping[str, Any]:
        """Return one search's aggregations; empty where no index matched."""
        answer = self._cluster.search(self.spec.indices, body, options=self.spec.options)
        found: Mapping[str, Any] = answer.get("aggregations", {})
        return found


def _parts(first: int, last: int, span: int) -> Iterator[tuple[int, int]]:
    """Cut [first, last) into parts of as many event buckets as one counting request covers."""
    step = PLAN_BUCKETS * span
    for begin in range(first, last, step):
        yield begin, min(begin + step, last)
