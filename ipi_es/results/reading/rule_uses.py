"""What was hidden as expected: by each allow rule (``suppressed_by``), and in each scheduled event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ipi_es.cluster.port import Cluster
from ipi_es.results.words import ALIAS, SCHEDULED_EVENTS, SCORE_FIELDS
from ipi_es.times import from_ms

PAGE = 10_000
"""Rules that one search counts: the servers' limit on buckets is 65,535."""


@dataclass(frozen=True, slots=True)
class HiddenResults:
    """Results that raised no alarm under one name.

    ``records`` counts the records, ``last`` is the time of the last result (epoch seconds), ``worst`` the highest score
    (0–100). Usual sign-ins have no record, so a rule that hid nothing may still have matched.
    """

    records: int
    last: int
    worst: float


def rule_uses(cluster: Cluster, job_id: str | None = None, page_size: int = PAGE) -> dict[str, HiddenResults]:
    """Return ``{rule's name: what it hid}`` in the results of a job; None: of all jobs. Interim results don't count."""
    return _hidden(cluster, "suppressed_by", job_id, page_size)


def event_uses(cluster: Cluster, job_id: str | None = None) -> dict[str, HiddenResults]:
    """Return ``{scheduled event's name: what was hidden in it}``, as :func:`rule_uses` does for rules.

    A bucket in the event counts too, with its score, although nothing in it may be unusual.
    """
    return _hidden(cluster, SCHEDULED_EVENTS, job_id, PAGE)


def _hidden(cluster: Cluster, field: str, job_id: str | None, page_size: int) -> dict[str, HiddenResults]:
    found, after = dict[str, HiddenResults](), None
    while True:
        answer = cluster.search(ALIAS, _body(field, job_id, page_size, after))
        page = answer.get("aggregations", {}).get("names", {})
        rows = page.get("buckets", ())
        for row in rows:
            worst = max(float(row[score]["value"] or 0.0) for score in SCORE_FIELDS.values())
            found[str(row["key"]["name"])] = HiddenResults(
                int(row["records"]["doc_count"]), from_ms(row["last"]["value"]), worst
            )
        after = page.get("after_key")
        if after is None or len(rows) < page_size:
            return found


def _body(field: str, job_id: str | None, size: int, after: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the search body for a page; ``after``: the last page's ``after_key``."""
    filters: list[dict[str, Any]] = [{"exists": {"field": field}}]
    if job_id is not None:
        filters.append({"term": {"job_id": job_id}})
    query = {"bool": {"filter": filters, "must_not": [{"term": {"is_interim": True}}]}}
    inner: dict[str, Any] = {
        "last": {"max": {"field": "timestamp"}},
        "records": {"filter": {"term": {"result_type": "record"}}},
        **{score: {"max": {"field": score}} for score in SCORE_FIELDS.values()},
    }
    composite: dict[str, Any] = {"size": size, "sources": [{"name": {"terms": {"field": field}}}]}
    if after is not None:
        composite["after"] = dict(after)
    names = {"composite": composite, "aggs": inner}
    return {"size": 0, "track_total_hits": False, "query": query, "aggs": {"names": names}}
