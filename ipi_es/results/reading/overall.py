"""Overall buckets: one score per span of time over several jobs, like Elastic's overall buckets.

``overall_score`` is the mean of the ``top_n`` largest job scores; a job's score is its largest bucket score within the
span. With one job it is that job's worst bucket in the span.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ipi_es.cluster.port import Cluster
from ipi_es.results.reading.queries import buckets_query
from ipi_es.results.words import ALIAS
from ipi_es.times import from_ms, to_ms

_FIELDS = ("timestamp", "job_id", "anomaly_score", "is_interim")


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
    """Return the overall buckets of [start, end), in order of time; spans without any bucket are left out.

    Times are in epoch seconds, ``bucket_span`` in seconds, ``timestamp`` of an overall bucket in epoch milliseconds.
    """
    scores: dict[int, dict[str, float]] = defaultdict(dict)
    interim: set[int] = set()
    for bucket in cluster.scan(ALIAS, buckets_query(job_ids, start, end), source=_FIELDS):
        source = bucket.source
        time = to_ms(from_ms(source["timestamp"]) // bucket_span * bucket_span)
        jobs = scores[time]
        jobs[source["job_id"]] = max(jobs.get(source["job_id"], 0.0), source["anomaly_score"])
        if source["is_interim"]:
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
