"""Reading of a stretch with the proof that its rows are complete.

The rows must match the counts: in each event bucket the rows' documents add up to the documents that have an entity, an
IP and a wanted outcome. Where they don't, the stretch is counted again, and read again. A difference may come from

- fields with several values in a document, which gives a row for each combination: their values are counted;
- events that arrived or vanished between counting and reading: a later attempt matches. Where events keep arriving,
  the count from before the reading is kept. It is too small, so that late-data detection finds the rest;
- a server that can't combine a composite aggregation with the time (Elasticsearch 9.4.0 to 9.4.4 answers without rows
  for ``logsdb`` indices): each event bucket is then read by itself.

Any other difference raises AnswerIncomplete: no event bucket of the stretch is returned.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ipi_es.cluster.port import Cluster, Json
from ipi_es.datafeed.bucket_counts import BucketCounts
from ipi_es.datafeed.searches.pages import NO_ROWS, Pages, Rows, lacking, not_whole
from ipi_es.datafeed.searches.read_plan import NOTHING, CountedBucket, Stretch, counts_of, read_plan
from ipi_es.datafeed.searches.recall import outcomes_of, read_recall, recall_body
from ipi_es.datafeed.searches.requests import (
    BUCKETS,
    LACKING,
    MS,
    PAIRS,
    TIME,
    VALUES,
    combinations_body,
    events_body,
    page_body,
    plan_body,
)
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import AnswerIncomplete, RequestRejected
from ipi_es.times import iso

TRIES = 3
"""Attempts at reading a stretch, and at a count: events rarely arrive in between three times in a row."""

METADATA = "meta"
"""A part that OpenSearch adds to each aggregation whose query names an unmapped field."""

OFTEN = 2
"""Stretches whose rows were complete only when read without their time; then each event bucket is read alone."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Read:
    """A stretch with its proven counts, and its rows by event bucket."""

    stretch: Stretch
    by_bucket: dict[int, Rows] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """The number of all rows."""
        return sum(len(rows.entities) for rows in self.by_bucket.values())

    def documents(self, at: int) -> int:
        """Return the documents of an event bucket's rows; a document counts in each of its rows."""
        return int(self.by_bucket[at].counts.sum()) if at in self.by_bucket else 0

    def wrong(self, counted: Mapping[int, CountedBucket], span: int) -> list[int]:
        """Return the starts of the event buckets whose rows don't match the counts."""
        return [
            at
            for at in range(self.stretch.start, self.stretch.end, span)
            if not _explained(self.documents(at), counted.get(at, NOTHING))
        ]


def _explained(documents: int, counted: CountedBucket) -> bool:
    return documents == counted.least and counted.exact


class ProvenReader:
    """Counts and reads the events of one datafeed. May be used by several threads."""

    def __init__(self, cluster: Cluster, spec: FeedSpec) -> None:
        self._cluster, self._spec = cluster, spec
        self._gives_seq_no = True  # until the server refuses it
        self._several = False  # some field had several values in a document; then each count includes values
        self._short = 0  # consecutive stretches whose rows came only without their time

    def events(self, start: int, end: int, span: int) -> dict[int, int]:
        """Return ``{event bucket's start: documents}`` of [start, end), as the cluster counts them now."""
        found: dict[int, int] = self._asked(events_body, (start, end, span), counts_of)
        return found

    def count(self, start: int, end: int, span: int, *, values: bool = False) -> dict[int, CountedBucket]:
        """Return ``{event bucket's start: CountedBucket}`` of [start, end).

        Raises AnswerIncomplete where the counts contradict each other.
        """
        values = values or self._several
        seq_no = self._gives_seq_no
        found: dict[int, CountedBucket]
        try:
            found = self._asked(partial(plan_body, values=values, seq_no=seq_no), (start, end, span), self._plan)
        except RequestRejected:
            if not seq_no:
                raise
            # if the cause wasn't the sequence numbers, this request is refused too
            found = self._asked(partial(plan_body, values=values), (start, end, span), self._plan)
            self._gives_seq_no = False
        self._several = self._several or any(one.several for one in found.values())
        return found

    def recall(self, start: int, end: int, span: int) -> dict[int, BucketCounts]:
        """Return ``{event bucket's start: BucketCounts}`` of [start, end), as the cluster counts them now."""
        taken = partial(read_recall, outcomes=outcomes_of(self._spec))
        found: dict[int, BucketCounts] = self._asked(recall_body, (start, end, span), taken)
        return found

    def read(self, stretch: Stretch, span: int, unwanted: Callable[[], bool]) -> Read:
        """Read all rows of a stretch. Raises AnswerIncomplete unless they match the counts.

        Once ``unwanted`` returns True, the rows may be missing or incomplete.
        """
        for attempt in range(TRIES):
            last = attempt == TRIES - 1
            try:
                read = self._read(stretch, span, unwanted)
            except AnswerIncomplete:
                if last:
                    raise
                continue
            if unwanted():
                return Read(stretch)
            if not read.wrong(stretch.counted, span):
                self._short = 0 if self._is_timed(stretch, span) else self._short
                return read
            short = any(read.documents(at) < one.least for at, one in stretch.counted.items())
            stretch = read.stretch = self._counted_again(stretch, span)
            wrong = read.wrong(stretch.counted, span)
            if wrong:
                wrong = self._read_apart(read, wrong, span, unwanted)
                if short and not (wrong or unwanted()):
                    self._worked_around()
            if unwanted() or not wrong:
                return read
            if last and _only_grew(read, wrong, self._counted_again(stretch, span)):
                return read
        at = wrong[0]
        raise not_whole(
            f"of the bucket from {iso(at)} rows of {read.documents(at):,} documents were read, but "
            f"{stretch.counted.get(at, NOTHING).least:,} were counted"
        )

    def _counted_again(self, stretch: Stretch, span: int) -> Stretch:
        """Count the stretch again; keep the sequence numbers from before the reading, as EventBucket defines them."""
        now = self.count(stretch.start, stretch.end, span, values=True)
        before = {at: stretch.counted.get(at, NOTHING).seq_no for at in now}
        return replace(stretch, counted={at: replace(one, seq_no=before[at]) for at, one in now.items()})

    def _read_apart(self, read: Read, wrong: Iterable[int], span: int, unwanted: Callable[[], bool]) -> list[int]:
        """Read event buckets again, each alone, and put their rows into ``read``; return those that are still wrong."""
        still = []
        for at in wrong:
            read.by_bucket[at] = self._pages(at, at + span, None, unwanted).get(at, NO_ROWS)
            if unwanted():
                return []
            one, documents = read.stretch.counted.get(at, NOTHING), read.documents(at)
            if not (_explained(documents, one) if one.exact else documents == self._combinations(at, span, one)):
                still.append(at)
        return still

    def _combinations(self, at: int, span: int, counted: CountedBucket) -> int:
        """Return the documents that an event bucket's rows must have where several fields have several values."""
        found = 0
        after: Mapping[str, Any] | None = None
        try:
            while True:
                answer = self._search(combinations_body(self._spec, at, at + span, counted.several, after))
                if "aggregations" not in answer:
                    return found  # no index exists any longer
                pairs = answer["aggregations"][PAIRS]
                for bucket in pairs["buckets"]:
                    found += int(bucket[VALUES]["value"]) + int(bucket[LACKING]["doc_count"])
                if len(pairs["buckets"]) < self._spec.page_size:
                    return found
                if pairs["after_key"] == after:
                    raise not_whole("a page does not go on where the one before ended")
                after = pairs["after_key"]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise lacking("a page", error) from error

    def _worked_around(self) -> None:
        """Count a stretch whose rows were complete only when each event bucket was read alone; warn the first time."""
        if not self._short:
            _log.warning(
                "%s left out rows of events that were asked for together with their time; they were read again, each "
                "bucket by itself",
                self._cluster.info.text,
            )
        self._short += 1

    def _read(self, stretch: Stretch, span: int, unwanted: Callable[[], bool]) -> Read:
        begin, end = stretch.filled(span)
        if begin == end:
            return Read(stretch)
        if self._is_timed(stretch, span):
            return Read(stretch, self._pages(begin, end, span, unwanted))
        read = Read(stretch)
        for at in stretch.counted:
            read.by_bucket |= self._pages(at, at + span, None, unwanted)
        return read

    def _is_timed(self, stretch: Stretch, span: int) -> bool:
        """Return whether rows are read together with their time, several event buckets at once."""
        begin, end = stretch.filled(span)
        return end - begin > span and self._short < OFTEN

    def _pages(self, begin: int, end: int, span: int | None, unwanted: Callable[[], bool]) -> dict[int, Rows]:
        """Read the rows of [begin, end) by event bucket; without ``span``, it is a single event bucket."""
        spec, start = self._spec, begin
        pages = Pages.of(spec, timed=span is not None)
        after: Mapping[str, Any] | None = None
        while not unwanted():
            answer = self._search(page_body(spec, begin, end, span=span, after=after))
            if "aggregations" not in answer:
                break  # no index exists any longer
            after = pages.page(answer["aggregations"])
            if after is None:
                break
            if span is not None:
                # earlier event buckets were read: the cluster can skip them
                begin = max(begin, int(after[TIME]) // MS)
        return pages.by_bucket(start)

    def _asked(
        self,
        body: Callable[[FeedSpec, int, int, int], Json],
        stretch: tuple[int, int, int],
        taken: Callable[[Mapping[str, Any]], Any],
    ) -> Any:
        """Return ``taken`` applied to the counts that ``body`` requests; ``stretch`` is (start, end, span).

        Counts that contradict each other are requested again; raises AnswerIncomplete after the last attempt.
        """
        asked = body(self._spec, *stretch)
        for attempt in range(TRIES):
            answer = self._search(asked)
            try:
                total = answer["hits"]["total"]["value"]
                if "aggregations" not in answer and not total:
                    return {}  # no index matches
                return taken(_counts_within({**answer["aggregations"], "doc_count": total}, *stretch))
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                if attempt == TRIES - 1:
                    raise lacking("a count", error) from error
            except AnswerIncomplete:
                if attempt == TRIES - 1:
                    raise
        raise AssertionError("unreachable")  # the last attempt returns or raises

    def _plan(self, aggregations: Mapping[str, Any]) -> dict[int, CountedBucket]:
        found = read_plan(aggregations)
        for at, one in found.items():
            lacking = one.events - one.readable  # without entity or IP, or with an outcome that isn't wanted
            fewest, most = max(one.missing_entity, one.missing_ip), one.missing_entity + one.missing_ip
            if (
                one.readable < 0
                or lacking < fewest
                or (not self._spec.outcomes and lacking > most)
                or min(one.more.values(), default=0) < 0
            ):
                raise not_whole(
                    f"of the {one.events:,} events from {iso(at)} on, {one.missing_entity:,} lack the entity and "
                    f"{one.missing_ip:,} the IP, but {one.readable:,} can be read"
                )
        return found

    def _search(self, body: Json) -> Json:
        return self._cluster.search(self._spec.indices, body, options=self._spec.options)


def _counts_within(part: Mapping[str, Any], start: int, end: int, span: int, name: str = "") -> dict[str, Any]:
    """Return a part of an answer with its histograms cut to [start, end).

    A document with several times is also in buckets outside. Raises AnswerIncomplete where the buckets inside count
    fewer documents than the part has.
    """
    found: dict[str, Any] = {
        inner: _counts_within(each, start, end, span, inner)
        for inner, each in part.items()
        if inner not in (BUCKETS, METADATA) and isinstance(each, Mapping)
    }
    found[BUCKETS] = _cut(part[BUCKETS], start, end, span)
    if sum(counts_of(found).values()) < part["doc_count"]:
        of = f" of “{name}”" if name else ""
        raise not_whole(f"the buckets' counts{of} are less than all {part['doc_count']:,} events")
    return found


def _cut(histogram: Mapping[str, Any], start: int, end: int, span: int) -> Mapping[str, Any]:
    """Return the buckets of [start, end). Raises AnswerIncomplete for one that isn't at a multiple of ``span``."""
    buckets = histogram["buckets"]
    if any(bucket["key"] % (span * MS) for bucket in buckets):
        raise not_whole(f"a count is of no bucket of {span:,} s")
    return {"buckets": [bucket for bucket in buckets if start * MS <= bucket["key"] < end * MS]}


def _only_grew(read: Read, wrong: Iterable[int], after: Stretch) -> bool:
    """Return whether events that arrived meanwhile explain the wrong counts: all events counted before were read.

    The event bucket then keeps the count from before. It is too small, so that late-data detection finds the rest.
    """
    pairs = [(at, read.stretch.counted.get(at, NOTHING), after.counted.get(at, NOTHING)) for at in wrong]
    return all(one.exact and other.exact and one.least <= read.documents(at) <= other.least for at, one, other in pairs)
