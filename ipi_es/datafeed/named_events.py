"""The events of one entity or one address in columns of time, to show them: one page, however many events there are."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ipi_es.cluster.port import Cluster, Json
from ipi_es.config.job_config import Job
from ipi_es.datafeed.bucket_context import networks_of
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.datafeed.reader import Datafeed
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import NotFound, UsageError

MOST_ROWS = 10_000
"""Rows (column, entity, address, outcome) of an answer: some 2 MB."""

SEARCH_SECONDS = 5
"""Seconds that one search may take: people wait for it."""

SHORTER = (1, 4, 16)
"""The time is divided by these until its rows fit: three searches at most."""


@dataclass(frozen=True, slots=True)
class NamedEvents:
    """Events in columns, from ``start`` on (epoch seconds); earlier ones weren't read where there are too many."""

    start: int
    columns: list[EventBucket]
    """Those with events, in order of time. The query may match events of other names too."""


def ip_types(cluster: Cluster, job: Job) -> frozenset[str]:
    """Return the types that the job's field of addresses has in its indices; none where no index has it."""
    runtime = job.datafeed_config.runtime_mappings.get(job.ip_field)
    if runtime is not None:
        return frozenset({str(runtime.get("type", "keyword"))})
    try:
        found = cluster.field_types(list(job.datafeed_config.indices), [job.ip_field])
    except NotFound:
        return frozenset()
    return frozenset(found.get(job.ip_field, ()))


def read_named(
    cluster: Cluster, job: Job, query: Json, start: int, end: int, step: int, most: int = MOST_ROWS
) -> NamedEvents:
    """Return the events that a query matches in [start, end), epoch seconds, in columns of ``step`` seconds.

    ``start`` and ``end`` are multiples of ``step``; ``most`` is the number of rows of an answer. Reads what the job
    reads, with the cluster's credentials. Raises UsageError where even the shortest time has too many rows, and
    ClusterTimeout where a search takes too long.
    """
    spec = FeedSpec.from_job(job)
    selected = {"bool": {"filter": [query, dict(spec.query)]}}
    spec = replace(spec, query=selected, page_size=most, group_field=None)
    feed = Datafeed(cluster, spec, networks=networks_of(job))
    for parts in SHORTER:
        begin = end - max((end - start) // step // parts, 1) * step
        found = feed.read_page(begin, end, step, SEARCH_SECONDS)
        if found is not None:
            return NamedEvents(begin, found)
    raise UsageError(
        f"there are more than {most:,} different sign-ins even from the last days",
        hint="choose an earlier end, or look at the events in the console",
    )
