"""Reading a job's results back.

Reads use the alias and always filter by ``job_id``; before the first write they find nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from ipi_es.cluster.answers.answers import all_buckets
from ipi_es.cluster.port import Cluster, Document
from ipi_es.errors import NotFound
from ipi_es.results.documents.annotations import annotations_query
from ipi_es.results.reading import queries, reported
from ipi_es.results.reading.day_counts import DayCounts, daily_body, read_daily
from ipi_es.results.reading.queries import EVERY_RESULT, ResultFilter
from ipi_es.results.reading.reported import BucketEntity, HeldRecord, Recent, ReportedIp, ReportedMove, ReportedPair
from ipi_es.results.words import ALIAS, RESULT_KINDS, VERDICT, AnnotationType, ResultKind
from ipi_es.times import from_ms

MAX_PAGE = 10_000
"""Hits per search (``index.max_result_window``); a scan reads more hits page by page."""

MAX_SNAPSHOTS = 1_000
"""The most snapshots that the results of a few days can name."""


class FinalBucket(NamedTuple):
    """How a final bucket was scored, read from its document; ``start`` in epoch seconds, ``span`` in seconds."""

    start: int
    span: int
    event_count: int
    snapshot_id: str
    revision: int
    events_digest: str | None = None
    """Digest of the rows that were scored; None where an earlier version of ipi-es wrote the bucket."""
    events_seq_no: str | None = None
    """Largest and sum of the documents' sequence numbers when they were last known to give these rows."""


class ResultReader:
    """Results of one job, read only."""

    def __init__(self, cluster: Cluster, job_id: str, *, page: int = MAX_PAGE) -> None:
        """``page``: hits of a search; more are scanned."""
        self._cluster = cluster
        self._job_id = job_id
        self._page = page

    def read(
        self,
        kind: ResultKind,
        where: ResultFilter = EVERY_RESULT,
        *,
        sort: str | None = None,
        desc: bool = True,
        size: int = 100,
    ) -> list[Document]:
        """Return at most ``size`` of the results that ``where`` selects, by default worst first.

        :raises UsageError: results of this kind can't be sorted by the field ``sort``.
        """
        query = queries.results_query(self._job_id, [kind], where)
        order = queries.sort_by(kind, sort, desc=desc)
        if size <= self._page:
            return self._hits({"query": query, "sort": order, "size": size})
        return list(islice(self._scan(query, sort=order), size))

    def every(self) -> Iterator[Document]:
        """Read all results and annotations of the job, in no order."""
        self._cluster.refresh(ALIAS)
        return self._scan({"term": {"job_id": self._job_id}})

    def scan_window(self, start: int, end: int) -> Iterator[Document]:
        """Read all final records, influencers and buckets of [start, end), in no order, for a renormalization."""
        self._cluster.refresh(ALIAS)
        return self._scan(queries.results_query(self._job_id, RESULT_KINDS, ResultFilter(start, end, interim=False)))

    def of_bucket(self, start: int, span: int) -> dict[str, dict[str, Any]]:
        """Return ``{id: source}`` of the bucket at ``start``, its records and its influencers, as last made visible."""
        found = self._scan(queries.results_query(self._job_id, RESULT_KINDS, ResultFilter(start, start + span)))
        return {each.id: each.source for each in found}

    def final_buckets(self, start: int, end: int) -> list[FinalBucket]:
        """Return the final buckets of [start, end), each start once, in order."""
        self._cluster.refresh(ALIAS)
        query = queries.results_query(self._job_id, ["bucket"], ResultFilter(start, end, interim=False))
        names = ["timestamp", "bucket_span", *FinalBucket._fields[2:]]
        found = self._hits({"query": query, "_source": names, "size": self._page})
        if len(found) == self._page:
            found = list(self._scan(query, source=names))
        newest: dict[int, FinalBucket] = {}
        for each in found:
            source = each.source
            one = FinalBucket(
                start=_seconds(each),
                span=int(source["bucket_span"]),
                event_count=int(source["event_count"]),
                snapshot_id=str(source["snapshot_id"]),
                revision=int(source.get("revision", 0)),
                events_digest=source.get("events_digest"),
                events_seq_no=source.get("events_seq_no"),
            )
            # two documents of one start: results_index_name was changed, and the bucket rescored afterwards
            other = newest.get(one.start)
            if other is None or (other.revision, other.event_count) < (one.revision, one.event_count):
                newest[one.start] = one
        return [newest[at] for at in sorted(newest)]

    def counts_of_buckets(self, start: int, end: int) -> list[Mapping[str, Any]]:
        """Return the counts (`queries.COUNT_FIELDS`) of the final buckets of [start, end), the oldest first."""
        self._cluster.refresh(ALIAS)
        query = queries.results_query(self._job_id, ["bucket"], ResultFilter(start, end, interim=False))
        found = self._scan(query, source=["timestamp", "bucket_span", *queries.COUNT_FIELDS])
        return sorted((each.source for each in found), key=lambda source: int(source["timestamp"]))

    def of_entities(self, entities: Sequence[str], start: int, end: int) -> Iterator[Document]:
        """Read names, time and verdict of the final records of some entities in [start, end), in no order."""
        self._cluster.refresh(ALIAS)
        for first in range(0, len(entities), queries.MOST_TERMS):
            names = entities[first : first + queries.MOST_TERMS]
            query = queries.records_of_entities_query(self._job_id, names, start, end)
            yield from self._scan(query, source=["timestamp", "partition_field_value", "by_field_value", VERDICT])

    def repeating(self, place: str) -> Iterator[Document]:
        """Read the final records that repeat the result of an id, in no order."""
        self._cluster.refresh(ALIAS)
        query = queries.results_query(self._job_id, ["record"], ResultFilter(interim=False))
        query["bool"]["filter"].append({"term": {"repeat_of": place}})
        return self._scan(query)

    def suppressible(self, start: int, end: int) -> Iterator[Document]:
        """Read of the final records of [start, end) what rules are matched with, and what suppressed them."""
        self._cluster.refresh(ALIAS)
        query = queries.results_query(self._job_id, ["record"], ResultFilter(start, end, interim=False))
        yield from self._scan(query, source=queries.MATCHED_FIELDS)

    def recent(self, start: int, end: int, ip_field: str, moves_from: int | None = None) -> Recent:
        """Return first records of pairs, and first critical influencers of ``ip_field``, of buckets in [start, end).

        Also those that report moves of groups, of buckets in [``moves_from``, end); None: from ``start`` on.
        """
        self._cluster.refresh(ALIAS)
        pairs = self._scan(queries.first_records_query(self._job_id, start, end), source=reported.OF_PAIR)
        ips = self._scan(queries.critical_influencers_query(self._job_id, ip_field, start, end), source=reported.OF_IP)
        begin = start if moves_from is None else moves_from
        moves = self._scan(queries.moves_query(self._job_id, begin, end), source=reported.OF_MOVE)
        return Recent(
            sorted(map(ReportedPair.of, pairs)), sorted(map(ReportedIp.of, ips)), sorted(map(ReportedMove.of, moves))
        )

    def held(self, start: int, end: int) -> list[HeldRecord]:
        """Return the held records of [start, end), epoch seconds."""
        self._cluster.refresh(ALIAS)
        found = self._scan(queries.held_records_query(self._job_id, start, end), source=reported.OF_HELD)
        return sorted(map(HeldRecord.of, found), key=lambda each: each[:5])

    def unlearned(self, start: int, end: int) -> list[BucketEntity]:
        """Return the entities that aren't learned from buckets of [start, end), epoch seconds; without held pairs."""
        query = queries.with_omitted_records_query(self._job_id, start, end)
        found = self._scan(query, source=["timestamp", "unlearned_entities"])
        return sorted(
            BucketEntity(_seconds(each), entity)
            for each in found
            for entity in each.source.get("unlearned_entities", ())
        )

    def annotations(
        self,
        start: int | None = None,
        end: int | None = None,
        types: Sequence[AnnotationType] = (),
        *,
        size: int = 100,
    ) -> list[Document]:
        """Return annotations that overlap [start, end), epoch seconds, newest first; only of ``types`` if given."""
        order = [{"timestamp": {"order": "desc"}}, {"annotation_type": {"order": "asc"}}]
        query = annotations_query(self._job_id, start, end, types)
        return self._hits({"query": query, "sort": order, "size": size})

    def newest_end(self, span: int) -> int | None:
        """Return the exclusive end of the newest final bucket, epoch s, or None. ``span``: its default length."""
        for newest in self.read("bucket", ResultFilter(interim=False), sort="timestamp", size=1):
            return _seconds(newest) + int(newest.source.get("bucket_span", span))
        return None

    def count(self, kind: ResultKind, where: ResultFilter = EVERY_RESULT) -> int:
        """Return the number of results that ``where`` selects."""
        query = queries.results_query(self._job_id, [kind], where)
        try:
            return self._cluster.count(ALIAS, query)
        except NotFound:
            return 0

    def daily_counts(self, start: int, end: int) -> dict[int, DayCounts]:
        """Return ``{day since the epoch: counts of its final results}`` of [start, end), epoch seconds."""
        self._cluster.refresh(ALIAS)
        return read_daily(self._buckets("days", daily_body(self._job_id, start, end)))

    def any(self, start: int) -> bool:
        """Return whether there are results of buckets at or after ``start``."""
        query = queries.results_query(self._job_id, RESULT_KINDS, ResultFilter(start))
        return bool(self._hits({"query": query, "_source": False, "size": 1}))

    def snapshot_ids(self, start: int) -> set[str]:
        """Return the ids of the snapshots with which buckets at or after ``start`` were scored."""
        query = queries.results_query(self._job_id, ["bucket"], ResultFilter(start))
        aggs = {"snapshots": {"terms": {"field": "snapshot_id", "size": MAX_SNAPSHOTS}}}
        body = {"query": query, "size": 0, "track_total_hits": True, "aggs": aggs}
        return {str(each["key"]) for each in self._buckets("snapshots", body)}

    def show(self) -> None:
        """Make everything written so far visible to reads (refresh)."""
        self._cluster.refresh(ALIAS)

    def _hits(self, body: Mapping[str, Any]) -> list[Document]:
        """Return the hits; with the servers' default ``track_total_hits`` they are proven complete, up to a page."""
        try:
            answer = self._cluster.search(ALIAS, body)
        except NotFound:
            return []
        return [Document(hit["_id"], hit["_index"], hit.get("_source", {})) for hit in answer["hits"]["hits"]]

    def _ids(self, query: Mapping[str, Any]) -> Iterator[Document]:
        """Read ids and indices of all hits: in one search where they fit in a page, which is nearly always so."""
        hits = self._hits({"query": query, "_source": False, "size": self._page})
        return iter(hits) if len(hits) < self._page else self._scan(query, source=False)

    def _scan(
        self,
        query: Mapping[str, Any],
        *,
        source: Sequence[str] | bool = True,
        sort: Sequence[Mapping[str, Any]] = (),
    ) -> Iterator[Document]:
        try:
            yield from self._cluster.scan(ALIAS, query, source=source, sort=sort)
        except NotFound:
            return

    def _buckets(self, name: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Read the buckets of an aggregation in which each hit is in exactly one bucket."""
        try:
            return all_buckets(self._cluster.search(ALIAS, body), name, self._cluster.info.url)
        except NotFound:
            return []


def _seconds(found: Document) -> int:
    return from_ms(found.source["timestamp"])
