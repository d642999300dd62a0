"""Read a job's stored incidents, and the results that they are made of; choose among incidents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ipi_es.cluster.port import Cluster, Document
from ipi_es.config.given_verdict import CLOSING, COMPROMISED
from ipi_es.errors import NotFound, UsageError
from ipi_es.results.reading.incident_grouping import (
    FIELDS,
    KINDS,
    LEAST_SCORE,
    Incident,
    Source,
    group_incidents,
)
from ipi_es.results.reading.queries import Query, ResultFilter, any_of, results_query
from ipi_es.results.words import ALIAS, INCIDENT, SCORE_FIELDS
from ipi_es.times import from_ms, to_ms

PAGE = 10_000
"""Results of a long time that are grouped at once, about 20 MB, beside those of the incidents that reach into it."""


def incidents_query(job_id: str, start: int | None = None, end: int | None = None) -> Query:
    """Select the stored incidents with a moment in [start, end), epoch seconds; None: no limit."""
    filters: list[Query] = [{"term": {"job_id": job_id}}, {"term": {"result_type": INCIDENT}}]
    for field, limit in (("end_timestamp", "gt"), ("timestamp", "lt")):
        time = start if limit == "gt" else end
        if time is not None:
            filters.append({"range": {field: {limit: to_ms(time), "format": "epoch_millis"}}})
    return {"bool": {"filter": filters}}


def stored_incidents(cluster: Cluster, job_id: str, start: int | None = None, end: int | None = None) -> list[Document]:
    """Return the stored incidents with a moment in [start, end), epoch seconds, by index and id; None: no limit."""
    return sorted(_scan(cluster, incidents_query(job_id, start, end)), key=lambda each: (each.index, each.id))


def results_of_incidents(cluster: Cluster, job_id: str, start: int, end: int) -> Iterator[tuple[str, Source]]:
    """Read (id, source) of the results that take part in incidents, of buckets that begin in [start, end)."""
    for each in _scan(cluster, _parts_query(job_id, start, end), source=FIELDS):
        yield each.id, each.source


def first_page_end(cluster: Cluster, job_id: str, start: int, end: int, page: int) -> int:
    """Return a time after ``start``, at most ``end``, up to which there are about ``page`` results of incidents."""
    body = {
        "query": _parts_query(job_id, start, end),
        "sort": [{"timestamp": {"order": "asc"}}],
        "_source": ["timestamp"],
        "size": page,
    }
    try:
        hits = cluster.search(ALIAS, body)["hits"]["hits"]
    except NotFound:
        return end
    return min(from_ms(hits[-1]["_source"]["timestamp"]) + 1, end) if len(hits) == page else end


def require_incident(cluster: Cluster, stored: Document, gap: int) -> Incident:
    """Return a stored incident with all of its results, of which its document may list only the first.

    ``gap``: the job's ``incident_gap``, seconds. Raises UsageError where the document is no incident, or its results
    have changed since.
    """
    source = stored.source
    if source.get("result_type") != INCIDENT:
        raise UsageError(f"{stored.id} is no incident", hint="ids: ipi-es results incidents JOB --format json")
    job_id, start, end = str(source["job_id"]), from_ms(source["timestamp"]), from_ms(source["end_timestamp"])
    for each in group_incidents(results_of_incidents(cluster, job_id, start, end), gap):
        if each.id(job_id) == stored.id:
            return each
    raise UsageError(
        f"the results of {stored.id} have changed since it was made",
        hint=f"the next run of job {job_id} makes it anew; then take its id from `ipi-es results incidents {job_id} "
        "--format json`",
    )


def incident_rows(
    incidents: Iterable[Mapping[str, Any]],
    *,
    min_score: float | None = None,
    entity: str | None = None,
    network: str | None = None,
    closed: bool = True,
) -> list[dict[str, Any]]:
    """Return sources of incidents in the order for people: compromised ones first, then the worst, then the latest.

    ``entity`` and ``network``: only incidents that name them. ``closed``: those too that verdicts closed.
    """
    rows = [
        dict(each)
        for each in incidents
        if each["incident_score"] >= (min_score or 0.0)
        and (entity is None or entity in each["entities"])
        and (network is None or network in each["networks"])
        and (closed or each["state"] not in CLOSING)
    ]
    return sorted(
        rows,
        key=lambda each: (
            each["state"] != COMPROMISED,
            -each["incident_score"],
            -each["timestamp"],
            each["incident_id"],
        ),
    )


def _parts_query(job_id: str, start: int, end: int) -> Query:
    query = results_query(job_id, KINDS, ResultFilter(start, end, interim=False, new=True, closed=True))
    scores = [{"range": {f"initial_{SCORE_FIELDS[kind]}": {"gte": LEAST_SCORE}}} for kind in KINDS]
    query["bool"]["filter"].append(any_of(scores))
    return query


def _scan(cluster: Cluster, query: Query, source: Sequence[str] | bool = True) -> Iterator[Document]:
    try:
        yield from cluster.scan(ALIAS, query, source=source)
    except NotFound:
        return
