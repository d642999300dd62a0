"""Counts of a job's events: their number, time range, missing fields, outcomes and addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ipi_es.cluster.port import Cluster, Json
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import AllowList
from ipi_es.datafeed.reader import Datafeed
from ipi_es.datafeed.row_use import row_use
from ipi_es.datafeed.searches.folded_fields import with_folded_fields
from ipi_es.datafeed.searches.requests import chosen_sources, entity_keys, missing_entity
from ipi_es.datafeed.spec import MATCH_ALL, FeedSpec
from ipi_es.errors import PermissionDenied
from ipi_es.index_pairs import packed_pairs
from ipi_es.ipinsights.training.time_split import MIN_DAYS, MIN_ROWS
from ipi_es.setup.facts.document_sample import Scope
from ipi_es.setup.facts.field_roles import ENTITY, IP, OUTCOME, TIME
from ipi_es.state.calendar_store import CalendarStore
from ipi_es.state.rule_store import RuleStore
from ipi_es.times import day_of

TOP_ADDRESSES = 1_000
"""Maximum number of addresses examined, those with the most events: enough to see a proxy, and one small answer."""

TOP_OUTCOMES = 20
"""Maximum number of outcomes that are counted, those with the most events; ECS knows three."""

TOP_INDICES = 200
"""Maximum number of indices whose documents without a time are counted one by one, those with the most events."""

CLOCK_TOLERANCE = 3_600
"""Seconds that an event may be ahead of this machine's clock: the clocks of shippers are never exact."""


UNIQUE_PRECISION = 3_000
"""Distinct values up to which the cluster's counts are nearly exact (its documented default; more costs memory)."""


@dataclass(frozen=True, slots=True)
class FeedCounts:
    """Totals of an interval; ``entities`` and ``ips`` are approximate numbers of distinct values as spelled."""

    events: int
    missing_entity: int
    missing_ip: int
    entities: int
    ips: int


@dataclass(frozen=True, slots=True)
class Teaching:
    """The rows and days that a training would have. ``enough``: counting stopped early, because they suffice."""

    rows: int
    """Unique (bucket, entity, IP) that are learned; held ones are included, because there are few."""
    days: int
    """UTC days that have such rows."""
    enough: bool


@dataclass(frozen=True, slots=True)
class Timeless:
    """Counts of documents that match the query but lack the time field, so that no time range ever finds them."""

    documents: int
    of: int
    """All documents that match the query."""
    indices: Mapping[str, tuple[int, int]]
    """``{index: (without a time, all)}`` of the indices with such documents, the most first."""


@dataclass(frozen=True, slots=True)
class EventFacts:
    """Facts about the events. Times are epoch seconds; [start, end) was examined, at most a training's window.

    ``stored`` counts all documents of the indices, ``counts`` those in [start, end) that match the query. Where
    nothing matches, only ``stored``, ``stored_range`` and ``timeless`` are filled in.
    """

    stored: int
    stored_range: tuple[int, int] | None = None
    first: int = 0
    last: int = 0
    start: int = 0
    end: int = 0
    counts: FeedCounts = field(default_factory=lambda: FeedCounts(0, 0, 0, 0, 0))
    older: int = 0
    """Events before ``start``, which no training with the job's window sees."""
    future: int = 0
    """Events that are ahead of the clock by more than :data:`CLOCK_TOLERANCE`."""
    outcomes: Mapping[str, int] = field(default_factory=dict)
    missing_outcome: int = 0
    addresses: Mapping[str, int] = field(default_factory=dict)
    """The :data:`TOP_ADDRESSES` addresses with the most events, with their numbers of events."""
    teaching: Teaching | None = field(default_factory=lambda: Teaching(0, 0, enough=False))
    """None: not counted, because a field can't be read, or it wasn't asked for."""
    unreadable: frozenset[str] = frozenset()
    """Roles of the fields that can't be read (``entity``, ``time`` …); these fields weren't counted."""
    timeless: Timeless | None = None
    entity_values: int = 0
    """Values of the entity field; more than documents with the field, where a document has several."""
    ip_values: int = 0


def event_facts(
    cluster: Cluster, job: Job, now: int, unreadable: frozenset[str] = frozenset(), *, count_teaching: bool = True
) -> tuple[EventFacts, Scope | None]:
    """Count the events of the newest training window; return the counts and the scope of the counted documents.

    ``unreadable``: roles of the fields that can't be read; the other fields are still counted. If the time can't be
    read, all matching documents are. The scope is None where nothing matches. ``now`` is epoch seconds. Without
    ``count_teaching`` a few small requests are enough: what teaches is read page by page.
    """
    spec = FeedSpec.from_job(job)
    feed = Datafeed(cluster, spec, readers=1)
    stored = cluster.count(spec.indices, {"match_all": {}}, options=spec.options)
    if TIME.what in unreadable:
        scope = Scope(spec, timed=False)
        matching = scope.count(cluster) if stored else 0
        found = _counted(cluster, scope, unreadable, matching) if matching else {}
        return EventFacts(stored, unreadable=unreadable, teaching=None, **found), scope if matching else None
    timeless = _timeless(cluster, Scope(spec, timed=False)) if stored else None
    ranged = feed.time_range() if stored else None
    if ranged is None:
        range_ = _stored_range(cluster, spec) if stored else None
        return EventFacts(stored, stored_range=range_, timeless=timeless, unreadable=unreadable), None
    first, last = ranged
    ahead = last > now + CLOCK_TOLERANCE
    end = now if ahead and first < now else last
    scope = Scope(spec, max(first, end - job.training.window), end)
    future = Scope(spec, now + CLOCK_TOLERANCE, last)
    facts = EventFacts(
        stored=stored,
        first=first,
        last=last,
        start=scope.start,
        end=end,
        older=Scope(spec, first, scope.start).count(cluster) if first < scope.start else 0,
        future=future.count(cluster) if ahead else 0,
        teaching=None
        if unreadable or not count_teaching
        else teaching(feed, job, _allow_list(cluster, job, now), scope.start, end),
        unreadable=unreadable,
        timeless=timeless,
        **_counted(cluster, scope, unreadable, scope.count(cluster)),
    )
    return facts, scope


def _counted(cluster: Cluster, scope: Scope, unreadable: frozenset[str], events: int) -> dict[str, Any]:
    """Count with one search what the readable fields hold; return the values for :class:`EventFacts` by name."""
    spec, aggregations = scope.spec, dict[str, Json]()
    if ENTITY.what not in unreadable:
        aggregations |= _of_entity(spec)
    if IP.what not in unreadable:
        aggregations["missing_ip"] = {"missing": {"field": spec.ip_field}}
        aggregations["ip_values"] = {"value_count": {"field": spec.ip_field}}
        aggregations["ip"] = _distinct(spec.ip_field)
        aggregations["addresses"] = {"terms": {"field": spec.ip_field, "size": TOP_ADDRESSES}}
    if spec.outcome_field is not None and OUTCOME.what not in unreadable:
        aggregations["outcomes"] = {"terms": {"field": spec.outcome_field, "size": TOP_OUTCOMES}}
        aggregations["missing_outcome"] = {"missing": {"field": spec.outcome_field}}
    found = scope.aggregate(cluster, aggregations) if aggregations else {}

    def number(name: str, key: str) -> int:
        return int(found.get(name, {}).get(key) or 0)

    counts = FeedCounts(
        events=events,
        missing_entity=number("missing_entity", "doc_count"),
        missing_ip=number("missing_ip", "doc_count"),
        entities=sum(_entities_of(found.get(f"source_{place}", {})) for place in range(len(spec.entity_sources))),
        ips=number("ip", "value"),
    )
    return {
        "counts": counts,
        "outcomes": terms_of(found, "outcomes"),
        "missing_outcome": number("missing_outcome", "doc_count"),
        "addresses": terms_of(found, "addresses"),
        "entity_values": events - counts.missing_entity + sum(_more_values(found, name) for name in entity_keys(spec)),
        "ip_values": number("ip_values", "value"),
    }


def _distinct(name: str) -> Json:
    return {"cardinality": {"field": name, "precision_threshold": UNIQUE_PRECISION}}


def _of_entity(spec: FeedSpec) -> dict[str, Json]:
    """Request the documents without an entity, the values of each of its fields, and the entities of each source."""
    found: dict[str, Json] = {"missing_entity": missing_entity(spec)}
    for name, field_ in entity_keys(spec).items():
        inner = {"values": {"value_count": {"field": field_}}}
        found[f"field_{name}"] = {"filter": {"exists": {"field": field_}}, "aggs": inner}
    for place, (source, query) in enumerate(chosen_sources(spec)):
        inner = {f"part_{part}": _distinct(name) for part, name in enumerate(source.fields)}
        found[f"source_{place}"] = {"filter": query, "aggs": inner}
    return found


def _entities_of(found: Mapping[str, Any]) -> int:
    """Return about how many entities a source names: those of the field of a template that has the most values."""
    return max((int(each["value"]) for name, each in found.items() if name.startswith("part_")), default=0)


def _more_values(found: Mapping[str, Any], name: str) -> int:
    """Return the values of a field beyond one in each document."""
    each = found.get(f"field_{name}")
    return int(each["values"]["value"]) - int(each["doc_count"]) if each else 0


def _timeless(cluster: Cluster, scope: Scope) -> Timeless:
    missing = {"missing": {"field": scope.spec.time_field}}
    by_index = {"terms": {"field": "_index", "size": TOP_INDICES}, "aggs": {"timeless": missing}}
    found = scope.aggregate(cluster, {"timeless": missing, "indices": by_index})
    rows = found.get("indices", {}).get("buckets", ())
    each = {str(row["key"]): (int(row["timeless"]["doc_count"]), int(row["doc_count"])) for row in rows}
    there = sum(of for _, of in each.values()) + int(found.get("indices", {}).get("sum_other_doc_count", 0))
    worst = sorted((name for name in each if each[name][0]), key=lambda name: -each[name][0])
    return Timeless(int(found.get("timeless", {}).get("doc_count", 0)), there, {name: each[name] for name in worst})


def _allow_list(cluster: Cluster, job: Job, now: int) -> AllowList:
    """Return the rules and the calendar of a training; those of the job's file alone where the others can't be read."""
    try:
        folded = with_folded_fields(cluster, job, now)
        return RuleStore(cluster).allow_list(folded, CalendarStore(cluster).of_job(job.job_id))
    except PermissionDenied:  # it is named among the rights
        return AllowList.of(job)


def teaching(feed: Datafeed, job: Job, allow: AllowList, start: int, end: int) -> Teaching:
    """Read [start, end) (epoch seconds) until there is enough to train on; most jobs need only a part of it."""
    span, wanted = job.bucket_span, max(job.training.min_events, MIN_ROWS)
    rows, days = 0, set()
    buckets = feed.read(start, -(-end // span) * span, span)
    for bucket in buckets:
        learned = row_use(bucket, job, allow).learned
        count = len(np.unique(packed_pairs(bucket.entity[learned], bucket.ip[learned], len(bucket.ips))))
        if count:
            rows += count
            days.add(day_of(bucket.start))
        if rows >= wanted and len(days) >= MIN_DAYS:
            return Teaching(rows, len(days), enough=True)
    return Teaching(rows, len(days), enough=False)


def terms_of(aggregations: Mapping[str, Json], name: str) -> dict[str, int]:
    """Return ``{value: documents}`` of a terms aggregation, the most frequent first."""
    buckets = aggregations.get(name, {}).get("buckets", ())
    return {str(each.get("key_as_string", each["key"])): int(each["doc_count"]) for each in buckets}


def _stored_range(cluster: Cluster, spec: FeedSpec) -> tuple[int, int] | None:
    """Return [first, end) of all documents in epoch seconds, whatever the job's query."""
    return Datafeed(cluster, replace(spec, query=MATCH_ALL), readers=1).time_range()
