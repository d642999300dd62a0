"""One page of a job's stored incidents, selected and sorted on the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeAlias

from ipi_es.cluster.port import Cluster, Document
from ipi_es.config.given_verdict import CLOSING, COMPROMISED
from ipi_es.errors import NotFound
from ipi_es.results.documents.phrases import plural
from ipi_es.results.reading.incident_grouping import LISTED, OPEN
from ipi_es.results.reading.incidents_there import incidents_query
from ipi_es.results.reading.queries import Query, any_of, matching
from ipi_es.results.words import ALIAS, INCIDENT_SCORE

Answered: TypeAlias = Literal["open", "unanswered", "closed", "all"]
STATES: dict[Answered, tuple[str, ...]] = {
    "open": (OPEN, COMPROMISED),
    "unanswered": (OPEN,),
    "closed": CLOSING,
    "all": (OPEN, COMPROMISED, *CLOSING),
}
"""Choice of incidents → their states."""

DEEPEST = 10_000
"""The last entry that a page can reach: the servers' ``index.max_result_window``."""

IDS_AT_ONCE = 10_000
"""Ids of results in one query; the servers take 65,536 terms."""


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """A selection of incidents: with a moment in [start, end), epoch seconds, under every given condition."""

    start: int | None = None
    end: int | None = None
    min_score: float = 0.0
    answered: Answered = "open"
    entity: str | None = None
    """As results spell it; with ``*`` a pattern."""
    address: str | None = None
    """A canonical address."""
    network: Query | None = None
    """Only incidents that this query selects (:class:`ipi_es.results.reading.network_filter.IncidentNames`)."""
    reported_after: int | None = None
    """Only incidents that reached their level after this time, epoch milliseconds."""


class IncidentPage(NamedTuple):
    """The incidents of one page, and the number of all that the filter selects."""

    rows: list[dict[str, Any]]
    total: int


def read_incidents(
    cluster: Cluster,
    job_id: str,
    where: IncidentFilter,
    *,
    first: int = 0,
    size: int,
    states: Mapping[str, str] | None = None,
) -> IncidentPage:
    """Return a page of incidents, the worst first, then the latest; of open ones the compromised first.

    ``states``: the states of incidents, by id, that differ from the stored ones because of verdicts that no worker has
    marked yet. They are what the rows have as ``state``.
    """
    states = states or {}
    body = {
        "query": _query(job_id, where, states),
        "sort": _order(where.answered),
        "from": first,
        "size": size,
        "track_total_hits": True,
    }
    try:
        hits = cluster.search(ALIAS, body)["hits"]
    except NotFound:
        return IncidentPage([], 0)
    rows = [{**hit["_source"], "state": states.get(hit["_id"], hit["_source"]["state"])} for hit in hits["hits"]]
    return IncidentPage(rows, int(hits["total"]["value"]))


def partly_listed(cluster: Cluster, job_id: str, where: IncidentFilter) -> str | None:
    """Return the note that a search for a name may miss incidents, as they list some of their names; None: it doesn't.

    Whether these were answered doesn't matter.
    """
    fields = () if where.entity is None else ("entity_count",)
    if where.address is not None or where.network is not None:
        fields = ("address_count", "network_count", *fields)
    if not fields:
        return None
    others = replace(where, entity=None, address=None, network=None, answered="all")
    query = _query(job_id, others, {})
    query["bool"]["filter"].append(any_of([{"range": {field: {"gt": LISTED}}} for field in fields]))
    try:
        number = cluster.count(ALIAS, query)
    except NotFound:
        return None
    had = f"{plural(number, 'finding')} with more than {LISTED:,} accounts or networks"
    return f"{had}: only the worst {LISTED:,} of each are searched" if number else None


def results_there(
    cluster: Cluster, result_ids: Sequence[str], source: Sequence[str] | bool = True
) -> Iterator[Document]:
    """Read results by their ids, in no order; those that aren't there any more are left out."""
    for first in range(0, len(result_ids), IDS_AT_ONCE):
        try:
            yield from cluster.scan(
                ALIAS, {"ids": {"values": list(result_ids[first : first + IDS_AT_ONCE])}}, source=source
            )
        except NotFound:
            return


def of_results(cluster: Cluster, job_id: str, result_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return ``{id: source}`` of the stored incidents that list any of these results."""
    found: dict[str, dict[str, Any]] = {}
    for first in range(0, len(result_ids), IDS_AT_ONCE):
        query = incidents_query(job_id)
        query["bool"]["filter"].append({"terms": {"results": list(result_ids[first : first + IDS_AT_ONCE])}})
        try:
            found |= {each.id: each.source for each in cluster.scan(ALIAS, query)}
        except NotFound:
            return {}
    return found


def _query(job_id: str, where: IncidentFilter, states: Mapping[str, str]) -> Query:
    query = incidents_query(job_id, where.start, where.end)
    filters = query["bool"]["filter"]
    filters.append({"range": {INCIDENT_SCORE: {"gte": where.min_score}}})
    if where.entity is not None:
        is_pattern = "*" in where.entity
        filters.append(matching("entities", where.entity) if is_pattern else {"term": {"entities": where.entity}})
    if where.address is not None:
        filters.append({"term": {"addresses": where.address}})
    if where.network is not None:
        filters.append(where.network)
    if where.reported_after is not None:
        filters.append({"range": {"event.ingested": {"gt": where.reported_after, "format": "epoch_millis"}}})
    filters.append(_answered(where.answered, states))
    return query


def _answered(answered: Answered, states: Mapping[str, str]) -> Query:
    wanted = STATES[answered]
    stored: Query = {"terms": {"state": list(wanted)}}
    if not states:
        return stored
    known: Query = {"bool": {"filter": [stored], "must_not": [{"ids": {"values": sorted(states)}}]}}
    return any_of([known, {"ids": {"values": sorted(place for place, state in states.items() if state in wanted)}}])


def _order(answered: Answered) -> list[dict[str, Any]]:
    compromised_first = [{"state": {"order": "asc", "unmapped_type": "keyword"}}]  # “compromised” before “open”
    return [
        *(compromised_first if answered == "open" else ()),
        {INCIDENT_SCORE: {"order": "desc", "unmapped_type": "double"}},
        {"timestamp": {"order": "desc"}},
        {"incident_id": {"order": "asc", "unmapped_type": "keyword"}},
    ]


def open_ones(cluster: Cluster, job_id: str, states: Mapping[str, str] | None = None) -> IncidentPage:
    """Return the number of a job's open incidents, and the first of them."""
    return read_incidents(cluster, job_id, IncidentFilter(), size=1, states=states)
