"""One page of a job's records, selected and sorted on the cluster, by default without those that raise no alarm."""

from __future__ import annotations

from dataclasses import dataclass

from ipi_es.cluster.port import Cluster, Document
from ipi_es.errors import NotFound
from ipi_es.results.reading.queries import CLOSED, Query, ResultFilter, matching, results_query, sort_by
from ipi_es.results.words import ALIAS, SCHEDULED_EVENTS

LEFT_OUT: dict[str, Query] = {
    "repeats": {"exists": {"field": "repeat_of"}},
    "allowed": {"exists": {"field": "suppressed_by"}},
    "scheduled": {"exists": {"field": SCHEDULED_EVENTS}},
    "closed": CLOSED,
    "interim": {"term": {"is_interim": True}},
}
"""Kind of records that are left out unless asked for → the query for it."""


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """A selection of records: of buckets that begin in [start, end), epoch seconds, under every given condition."""

    start: int
    end: int
    min_score: float = 0.0
    entity: str | None = None
    """With ``*`` a pattern."""
    ip: str | None = None
    network: Query | None = None
    """See :class:`ipi_es.results.reading.queries.ResultFilter`."""
    shown: frozenset[str] = frozenset()
    """The kinds of :data:`LEFT_OUT` that aren't left out."""


def read_records(
    cluster: Cluster, job_id: str, where: RecordFilter, *, first: int = 0, size: int
) -> tuple[list[Document], int]:
    """Return a page of records, the worst first, and the number of all that the filter selects."""
    pattern = where.entity if where.entity is not None and "*" in where.entity else None
    entity = None if pattern is not None else where.entity
    chosen = ResultFilter(
        where.start, where.end, min_score=where.min_score or None, entity=entity, ip=where.ip, network=where.network
    )
    query = results_query(job_id, ["record"], chosen)
    if pattern is not None:
        query["bool"]["filter"].append(matching("partition_field_value", pattern))
    query["bool"]["must_not"] = [without for name, without in LEFT_OUT.items() if name not in where.shown]
    body = {
        "query": query,
        "sort": sort_by("record", None, desc=True),
        "from": first,
        "size": size,
        "track_total_hits": True,
    }
    try:
        hits = cluster.search(ALIAS, body)["hits"]
    except NotFound:
        return [], 0
    found = [Document(each["_id"], each["_index"], each["_source"]) for each in hits["hits"]]
    return found, int(hits["total"]["value"])
