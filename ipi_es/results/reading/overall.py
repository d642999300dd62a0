"""Overall buckets: one score per span of time over several jobs, like Elastic's overall buckets.

``overall_score`` is the mean of the ``top_n`` largest job scores; a job's score is its largest bucket score within the
span. With one job it is that job's worst bucket in the span. A bucket inside a scheduled event counts as 0, as in
Elastic; so does one that a verdict closed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from ipi_es.cluster.port import Cluster
from ipi_es.results.reading.queries import buckets_query
from ipi_es.results.words import ALIAS, SCHEDULED_EVENTS, VERDICT, is_settled
from ipi_es.times import from_ms, to_ms

_FIELDS = ("timestamp", "job_id", "anomaly_score", "is_interim", SCHEDULED_EVENTS, VERDICT)


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
    A job of ``jobs`` has the names of the ``scheduled_events`` that its buckets are inside of, if there are any.
    """
    scores: dict[int, dict[str, float]] = defaultdict(dict)
    interim: set[int] = set()
    scheduled: dict[tuple[int, str], set[str]] = defaultdict(set)
    for bucket in cluster.scan(ALIAS, buckets_query(job_ids, start, end), source=_FIELDS):
        source = bucket.source
        time = to_ms(from_ms(source["timestamp"]) // bucket_span * bucket_span)
        jobs = scores[time]
        score = 0.0 if is_settled(source) else source["anomaly_score"]
        jobs[source["job_id"]] = max(jobs.get(source["job_id"], 0.0), score)
        if SCHEDULED_EVENTS in source:
            scheduled[time, source["job_id"]].update(source[SCHEDULED_EVENTS])
        if source["is_interim"]:
            interim.add(time)
    rows = []
    for time, by_job in sorted(scores.items()):
        largest = sorted(by_job.values(), reverse=True)[:top_n]
        score = sum(largest) / len(largest)
        if score < min_score:
            continue
        rows.append(
            {
                "result_type": "overall_bucket",
                "timestamp": time,
                "bucket_span": bucket_span,
                "overall_score": score,
                "jobs": [_of_job(job, score, scheduled.get((time, job))) for job, score in sorted(by_job.items())],
                "is_interim": time in interim,
            }
        )
    return rows


def _of_job(job_id: str, score: float, scheduled: Collection[str] | None) -> dict[str, Any]:
    of_events = {SCHEDULED_EVENTS: sorted(scheduled)} if scheduled else {}
    return {"job_id": job_id, "max_anomaly_score": score, **of_events}
