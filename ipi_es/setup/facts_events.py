"""The events of a job, counted: how many, since when, what they lack, their outcomes and addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ipi_es.cluster.port import Cluster, Json
from ipi_es.config.job import Job
from ipi_es.datafeed.reader import Datafeed, FeedCounts
from ipi_es.datafeed.requests import MS, window
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.ipinsights.split import MIN_DAYS, MIN_ROWS
from ipi_es.times import day_of

TOP_ADDRESSES = 1_000
"""Addresses with the most events that are looked at: enough to see a proxy, and one small answer."""

TOP_OUTCOMES = 20
"""Outcomes with the most events; ECS knows three."""

CLOCK_TOLERANCE = 3_600
"""Seconds that an event may lie ahead of this machine's clock: shippers' clocks and time zones are never exact."""


@dataclass(frozen=True, slots=True)
class Teaching:
    """What a training would have, counted no further than is enough. ``enough``: counting stopped for that reason."""

    rows: int
    """Unique (bucket, entity, IP) of ``learn_outcomes``."""
    days: int
    """UTC days that have some."""
    enough: bool


@dataclass(frozen=True, slots=True)
class EventFacts:
    """The events. Times in epoch seconds; [start, end) is the part that was looked at, as long as a training's window.

    ``stored`` counts all documents of the indices, ``counts`` those in [start, end) that match the query; where
    nothing matches there is no more than ``stored`` and ``stored_range``.
    """

    stored: int
    stored_range: tuple[int, int] | None = None
    first: int = 0
    last: int = 0
    start: int = 0
    end: int = 0
    counts: FeedCounts = field(default_factory=lambda: FeedCounts(0, 0, 0, 0, 0))
    future: int = 0
    """Events that lie ahead of the clock by more than :data:`CLOCK_TOLERANCE`."""
    outcomes: Mapping[str, int] = field(default_factory=dict)
    missing_outcome: int = 0
    addresses: Mapping[str, int] = field(default_factory=dict)
    """The :data:`TOP_ADDRESSES` with the most events, with their counts."""
    teaching: Teaching = field(default_factory=lambda: Teaching(0, 0, enough=False))


def event_facts(cluster: Cluster, job: Job, now: int) -> EventFacts:
    """Look at the events of the last training window that there is."""
    spec = FeedSpec.from_job(job)
    feed = Datafeed(cluster, spec, readers=1)
    stored = cluster.count(spec.indices, {"match_all": {}}, options=spec.options)
    found = feed.time_range() if stored else None
    if found is None:
        return EventFacts(stored, stored_range=_stored_range(cluster, spec) if stored else None)
    first, last = found
    ahead = last > now + CLOCK_TOLERANCE
    end = now if ahead and first < now else last
    start = max(first, end - job.training.window)
    answer = cluster.search(spec.indices, _body(spec, start, end), options=spec.options)
    aggregations = answer.get("aggregations", {})
    return EventFacts(
        stored=stored,
        first=first,
        last=last,
        start=start,
        end=end,
        counts=feed.counts(start, end),
        future=feed.counts(now + CLOCK_TOLERANCE, last).events if ahead else 0,
        outcomes=_terms(aggregations, "outcomes"),
        missing_outcome=int(aggregations.get("missing_outcome", {}).get("doc_count", 0)),
        addresses=_terms(aggregations, "addresses"),
        teaching=teaching(feed, job, start, end),
    )


def teaching(feed: Datafeed, job: Job, start: int, end: int) -> Teaching:
    """Read [start, end) until there is enough to train on; most jobs have that after a few event buckets a day."""
    span, wanted = job.bucket_span, max(job.training.min_events, MIN_ROWS)
    rows, days = 0, set()
    buckets = feed.read(start, -(-end // span) * span, span)
    for bucket in buckets:
        learns = [index for index, name in enumerate(bucket.outcomes) if name in job.datafeed_config.learn_outcomes]
        count = sum(int((bucket.outcome == index).sum()) for index in learns)
        if count:
            rows += count
            days.add(day_of(bucket.start))
        if rows >= wanted and len(days) >= MIN_DAYS:
            return Teaching(rows, len(days), enough=True)
    return Teaching(rows, len(days), enough=False)


def _body(spec: FeedSpec, start: int, end: int) -> Json:
    aggregations: Json = {"addresses": {"terms": {"field": spec.ip_field, "size": TOP_ADDRESSES}}}
    if spec.outcome_field is not None:
        aggregations["outcomes"] = {"terms": {"field": spec.outcome_field, "size": TOP_OUTCOMES}}
        aggregations["missing_outcome"] = {"missing": {"field": spec.outcome_field}}
    body: Json = {"size": 0, "track_total_hits": False, "query": window(spec, start, end), "aggs": aggregations}
    if spec.runtime_mappings:
        body["runtime_mappings"] = dict(spec.runtime_mappings)
    return body


def _terms(aggregations: Mapping[str, Json], name: str) -> dict[str, int]:
    buckets = aggregations.get(name, {}).get("buckets", ())
    return {str(each.get("key_as_string", each["key"])): int(each["doc_count"]) for each in buckets}


def _stored_range(cluster: Cluster, spec: FeedSpec) -> tuple[int, int] | None:
    """[first, end) of all documents, whatever the query."""
    field_ = {"field": spec.time_field}
    body = {"size": 0, "track_total_hits": False, "aggs": {"first": {"min": field_}, "last": {"max": field_}}}
    found = cluster.search(spec.indices, body, options=spec.options).get("aggregations", {})
    first, last = (found.get(name, {}).get("value") for name in ("first", "last"))
    return None if first is None or last is None else (int(first // MS), int(last // MS) + 1)
