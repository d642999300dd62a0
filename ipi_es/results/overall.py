"""Overall buckets: one score a span of time over several jobs, as Elastic's overall buckets.

``overall_score`` is the mean of the ``top_n`` largest job scores; a job's score is its largest bucket score within the
span. With one job it is that job's worst bucket in the span.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from ipi_es.cluster.port import Cluster
from ipi_es.errors import NotFound
from ipi_es.results.queries import overall_body
from ipi_es.results.words import ALIAS

_PAGE = 10_000
"""Composite buckets a request; both servers' limit is six times as much."""


def overall(
    cluster: Cluster,
    job_ids: Sequence[str],
    start: int,
    end: int,
    *,
    bucket_span: int,
    top_n: int = 1,
    min_score: float = 0.0,
) -> list[dict[str, Any]]:
    """Overall buckets of [start, end), in order of time; spans without any bucket are left out.

    Times in epoch seconds, ``bucket_span`` in seconds; ``timestamp`` of an overall bucket in epoch milliseconds.
    """
    scores: dict[int, dict[str, float]] = defaultdict(dict)
    interim: set[int] = set()
    for time, job, score, is_interim in _largest(cluster, job_ids, start, end, bucket_span):
        scores[time][job] = score
        if is_interim:
            interim.add(time)
    rows = []
    for time in sorted(scores):
        largest = sorted(scores[time].values(), reverse=True)[:top_n]
        score = sum(largest) / len(largest)
        if score < min_score:
            continue
        rows.append(
            {
                "result_type": "overall_bucket",
                "timestamp": time,
                "bucket_span": bucket_span,
                "overall_score": score,
                "jobs": [{"job_id": job, "max_anomaly_score": scores[time][job]} for job in sorted(scores[time])],
                "is_interim": time in interim,
            }
        )
    return rows


def _largest(
    cluster: Cluster, job_ids: Sequence[str], start: int, end: int, bucket_span: int
) -> Iterator[tuple[int, str, float, bool]]:
    after = None
    while True:
        body = overall_body(job_ids, start, end, bucket_span=bucket_span, after=after, page=_PAGE)
        try:
            spans = cluster.search(ALIAS, body).get("aggregations", {}).get("spans", {})
        except NotFound:
            return
        for each in spans.get("buckets", ()):
            yield (
                int(each["key"]["start"]),
                each["key"]["job"],
                float(each["score"]["value"]),
                each["interim"]["doc_count"] > 0,
            )
        after = spans.get("after_key")
        if after is None or len(spans["buckets"]) < _PAGE:
            return
