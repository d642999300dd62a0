"""What each allow rule hid: the records with its name as ``suppressed_by``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ipi_es.cluster.port import Cluster
from ipi_es.results.words import ALIAS
from ipi_es.times import from_ms

PAGE = 10_000
"""Rules that one search counts: the servers' limit on buckets is 65,535."""


@dataclass(frozen=True, slots=True)
class RuleUse:
    """The records that a rule hid: their number, the time of the last (epoch seconds), and the highest score, 0–100.

    Usual sign-ins have no record, so a rule that hid nothing may still have matched.
    """

    records: int
    last: int
    worst: float


def rule_uses(cluster: Cluster, job_id: str | None = None, page_size: int = PAGE) -> dict[str, RuleUse]:
    """Return ``{rule's name: what it hid}`` in the results of a job; None: of all jobs. Interim results don't count."""
    found, after = dict[str, RuleUse](), None
    while True:
        answer = cluster.search(ALIAS, uses_body(job_id, page_size, after))
        page = answer.get("aggregations", {}).get("rules", {})
        rows = page.get("buckets", ())
        for row in rows:
            found[str(row["key"]["rule"])] = RuleUse(
                int(row["doc_count"]), from_ms(row["last"]["value"]), float(row["worst"]["value"] or 0.0)
            )
        after = page.get("after_key")
        if after is None or len(rows) < page_size:
            return found


def uses_body(job_id: str | None, size: int, after: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the search body for a page of :func:`rule_uses`; ``after``: the last page's ``after_key``."""
    filters: list[dict[str, Any]] = [{"term": {"result_type": "record"}}, {"exists": {"field": "suppressed_by"}}]
    if job_id is not None:
        filters.append({"term": {"job_id": job_id}})
    query = {"bool": {"filter": filters, "must_not": [{"term": {"is_interim": True}}]}}
    inner = {"last": {"max": {"field": "timestamp"}}, "worst": {"max": {"field": "record_score"}}}
    composite: dict[str, Any] = {"size": size, "sources": [{"rule": {"terms": {"field": "suppressed_by"}}}]}
    if after is not None:
        composite["after"] = dict(after)
    rules = {"composite": composite, "aggs": inner}
    return {"size": 0, "track_total_hits": False, "query": query, "aggs": {"rules": rules}}
