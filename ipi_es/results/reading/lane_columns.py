"""Scores over time for swim-lanes, aggregated on the cluster: columns of a fixed width, whatever the number of results.

What people expected, and what a verdict closed, doesn't count. Columns begin at multiples of their width since the
epoch; their times, and those of ranges, are epoch seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ipi_es.cluster.answers.answers import all_buckets
from ipi_es.cluster.port import Cluster
from ipi_es.errors import NotFound
from ipi_es.results.reading.queries import CLOSED, Query, ResultFilter, results_query
from ipi_es.results.words import ALIAS, EXPECTED, SCORE_FIELDS
from ipi_es.times import from_ms

_WORST = "worst"
_SCORE = SCORE_FIELDS["influencer"]
_WORST_RECORD = {_WORST: {"max": {"field": SCORE_FIELDS["record"]}}}


class Name(NamedTuple):
    """An entity or an address, and its highest score, 0–100."""

    value: str
    worst: float


def bucket_columns(cluster: Cluster, job_id: str, start: int, end: int, step: int) -> list[dict[str, Any]]:
    """Return the columns of ``step`` seconds in which buckets of [start, end) begin, as if each were one bucket.

    Each has ``timestamp`` (epoch milliseconds), ``event_count`` and ``anomaly_score``, the highest one.
    """
    counted: Query = {"bool": {"must_not": _settled()}}
    inner = {
        "events": {"sum": {"field": "event_count"}},
        "counted": {"filter": counted, "aggs": {_WORST: {"max": {"field": SCORE_FIELDS["bucket"]}}}},
    }
    query = results_query(job_id, ["bucket"], ResultFilter(start, end))
    return [
        {
            "timestamp": int(each["key"]),
            "event_count": int(each["events"]["value"]),
            "anomaly_score": float(each["counted"][_WORST]["value"] or 0.0),
        }
        for each in _search(cluster, query, "columns", _histogram(step, inner))
    ]


def leading_names(cluster: Cluster, job_id: str, field: str, where: ResultFilter, size: int) -> list[Name]:
    """Return the ``size`` values of an influencer's field with the highest scores, the worst first, then by name.

    ``where``: the influencers that count.
    """
    terms: dict[str, Any] = {"field": "influencer_field_value", "size": size, "order": {_WORST: "desc"}}
    query = _influencers(job_id, field, where)
    found = _search(cluster, query, "names", {"terms": terms, "aggs": {_WORST: {"max": {"field": _SCORE}}}})
    return [Name(str(each["key"]), float(each[_WORST]["value"])) for each in found]


def name_columns(
    cluster: Cluster, job_id: str, field: str, names: Sequence[str], where: ResultFilter, step: int
) -> dict[str, list[tuple[int, float]]]:
    """Return the (start, highest score) of each name's columns of ``step`` seconds, in order of time."""
    if not names:
        return {}
    query = _influencers(job_id, field, where)
    query["bool"]["filter"].append({"terms": {"influencer_field_value": list(names)}})
    columns = {"columns": _histogram(step, {_WORST: {"max": {"field": _SCORE}}})}
    terms = {"field": "influencer_field_value", "size": len(names)}
    found = {name: list[tuple[int, float]]() for name in names}
    for each in _search(cluster, query, "names", {"terms": terms, "aggs": columns}):
        found[str(each["key"])] = _points(each["columns"]["buckets"])
    return found


def record_columns(cluster: Cluster, job_id: str, where: ResultFilter, step: int) -> list[tuple[int, float]]:
    """Return the (start, highest score) of the columns of the records that ``where`` selects, in order of time."""
    found = _search(cluster, results_query(job_id, ["record"], where), "columns", _histogram(step, _WORST_RECORD))
    return _points(found)


def pair_columns(
    cluster: Cluster, job_id: str, where: ResultFilter, by: str, size: int, step: int
) -> dict[str, list[tuple[int, float]]]:
    """Return the columns of records by the ``size`` worst values of a field: addresses of an entity, or the reverse.

    ``where`` selects the records, ``by`` is ``by_field_value`` or ``partition_field_value``.
    """
    terms: dict[str, Any] = {"field": by, "size": size, "order": {_WORST: "desc"}}
    inner = {**_WORST_RECORD, "columns": _histogram(step, _WORST_RECORD)}
    query = results_query(job_id, ["record"], where)
    query["bool"]["filter"].append(_indexed(by))
    found = _search(cluster, query, "names", {"terms": terms, "aggs": inner})
    return {str(each["key"]): _points(each["columns"]["buckets"]) for each in found}


def _points(columns: Sequence[Mapping[str, Any]]) -> list[tuple[int, float]]:
    return [(from_ms(each["key"]), float(each[_WORST]["value"])) for each in columns]


def _influencers(job_id: str, field: str, where: ResultFilter) -> Query:
    query = results_query(job_id, ["influencer"], where)
    query["bool"]["filter"] += [{"term": {"influencer_field_name": field}}, _indexed("influencer_field_value")]
    query["bool"]["must_not"] = [*query["bool"].get("must_not", ()), *_settled()]
    return query


def _indexed(field: str) -> Query:
    """Select results whose name is indexed: one of more than 8,191 characters isn't, and has no row."""
    return {"exists": {"field": field}}


def _settled() -> list[Query]:
    """Select what no report counts, as :func:`ipi_es.results.words.is_settled` decides."""
    return [*({"exists": {"field": name}} for name in EXPECTED), CLOSED]


def _histogram(step: int, inner: dict[str, Any]) -> dict[str, Any]:
    return {
        "date_histogram": {"field": "timestamp", "fixed_interval": f"{step}s", "min_doc_count": 1},
        "aggs": inner,
    }


def _search(cluster: Cluster, query: Query, name: str, aggregation: dict[str, Any]) -> list[dict[str, Any]]:
    body = {"query": query, "size": 0, "track_total_hits": True, "aggs": {name: aggregation}}
    try:
        return all_buckets(cluster.search(ALIAS, body), name, cluster.info.url)
    except NotFound:
        return []
