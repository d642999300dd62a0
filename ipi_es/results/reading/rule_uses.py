"""What each allow rule hid: the records with its name as ``suppressed_by``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ipi_es.cluster.port import Cluster
from ipi_es.results.words import ALIAS
from ipi_es.times import from_ms

MOST_NAMES = 10_000
"""The most rules that one search counts: the servers' limit on buckets is 65,535."""


@dataclass(frozen=True, slots=True)
class RuleUse:
    """The records that a rule hid: their number, the time of the last (epoch seconds), and the highest score, 0–100.

    Usual sign-ins have no record, so a rule that hid nothing may still have matched.
    """

    records: int
    last: int
    worst: float


def rule_uses(cluster: Cluster, job_id: str | None = None) -> dict[str, RuleUse]:
    """Return ``{rule's name: what it hid}`` in the results of a job; None: of all jobs. Interim results don't count."""
    answer = cluster.search(ALIAS, uses_body(job_id))
    rows = answer.get("aggregations", {}).get("rules", {}).get("buckets", ())
    return {
        str(row["key"]): RuleUse(
            int(row["doc_count"]), from_ms(row["last"]["value"]), float(row["worst"]["value"] or 0.0)
        )
        for row in rows
    }


def uses_body(job_id: str | None) -> dict[str, Any]:
    """Return the search body for :func:`rule_uses`."""
    filters: list[dict[str, Any]] = [{"term": {"result_type": "record"}}, {"exists": {"field": "suppressed_by"}}]
    if job_id is not None:
        filters.append({"term": {"job_id": job_id}})
    query = {"bool": {"filter": filters, "must_not": [{"term": {"is_interim": True}}]}}
    inner = {"last": {"max": {"field": "timestamp"}}, "worst": {"max": {"field": "record_score"}}}
    rules = {"terms": {"field": "suppressed_by", "size": MOST_NAMES}, "aggs": inner}
    return {"size": 0, "track_total_hits": False, "query": query, "aggs": {"rules": rules}}
