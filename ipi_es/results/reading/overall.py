"""Overall buckets: one score per span of time over several jobs, as Elastic computes them.

In each span of the longest ``bucket_span`` of the jobs a job's score is its largest bucket score, and ``overall_score``
is the mean of the ``top_n`` largest job scores, or of all where fewer jobs have a bucket there. A wider span has the
largest of these overall scores, not a new mean. A bucket inside a scheduled event counts as 0, as in Elastic; so does
one that a verdict closed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ipi_es.cluster.port import Cluster
from ipi_es.errors import NotFound, UsageError
from ipi_es.results.reading.queries import buckets_query
from ipi_es.results.words import ALIAS, SCHEDULED_EVENTS, VERDICT, is_settled
from ipi_es.times import format_span, from_ms, to_ms

_FIELDS = ("timestamp", "job_id", "anomaly_score", "is_interim", SCHEDULED_EVENTS, VERDICT)


@dataclass(frozen=True, slots=True)
class OverallFilter:
    """A selection of overall buckets; times and spans in seconds."""

    start: int | None = None
    """Only spans that begin here or later; None: no limit."""
    end: int | None = None
    """Only spans that end here or earlier; None: no limit."""
    bucket_span: int | None = None
    """None: the longest of the jobs."""
    top_n: int = 1
    """Jobs whose scores are averaged."""
    min_score: float = 0.0
    """The lowest overall score, 0–100."""
    interim: bool = True
    """With interim buckets."""

    def span_of(self, longest: int) -> int:
        """Return the span of the overall buckets, ``longest`` being that of the jobs.

        Raises UsageError for a span that is shorter, and for a ``top_n`` that isn't positive.
        """
        if self.top_n < 1:
            raise UsageError(
                f"[topN] parameter must be positive, found [{self.top_n}]", hint="ask for the mean of at least one job"
            )
        if self.bucket_span is not None and self.bucket_span < longest:
            raise UsageError(
                f"Param [bucket_span] must be greater or equal to the max bucket_span [{format_span(longest)}]",
                hint="ask for a longer span, or for other jobs",
            )
        return self.bucket_span or longest


@dataclass(slots=True)
class _Span:
    """What the jobs' buckets of one span give."""

    score: float = 0.0
    scores: dict[str, float] = field(default_factory=dict)
    scheduled: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    is_interim: bool = False

    def add(self, job_id: str, score: float, scheduled: Iterable[str], *, is_interim: bool) -> None:
        self.scores[job_id] = max(self.scores.get(job_id, 0.0), score)
        self.is_interim |= is_interim
        if scheduled:
            self.scheduled[job_id].update(scheduled)

    def average(self, top_n: int) -> None:
        """Set the score to the mean of the largest job scores."""
        largest = sorted(self.scores.values(), reverse=True)[:top_n]
        self.score = sum(largest) / len(largest)

    def widen(self, other: _Span) -> None:
        """Include a shorter span."""
        self.score = max(self.score, other.score)
        for job_id, score in other.scores.items():
            self.add(job_id, score, other.scheduled.get(job_id, ()), is_interim=other.is_interim)


def overall(cluster: Cluster, spans: Mapping[str, int], where: OverallFilter = OverallFilter()) -> list[dict[str, Any]]:
    """Return the overall buckets in order of time; spans without any bucket are left out.

    ``spans``: job id → ``bucket_span``. The ``timestamp`` of an overall bucket is in epoch milliseconds. A job of
    ``jobs`` has the names of the ``scheduled_events`` that its buckets are inside of, if there are any. Raises
    UsageError as :meth:`OverallFilter.span_of`.
    """
    longest = max(spans.values(), default=1)
    span = where.span_of(longest)
    start = None if where.start is None else -(-where.start // span) * span
    end = None if where.end is None else where.end // span * span
    if not spans or (start is not None and end is not None and end <= start):
        return []
    wide: dict[int, _Span] = defaultdict(_Span)
    for time, found in _narrow(cluster, spans, longest, start, end, interim=where.interim).items():
        found.average(where.top_n)
        wide[time // span * span].widen(found)
    return [_row(time, span, found) for time, found in sorted(wide.items()) if found.score >= where.min_score]


def _narrow(
    cluster: Cluster, spans: Mapping[str, int], longest: int, start: int | None, end: int | None, *, interim: bool
) -> dict[int, _Span]:
    """Return the jobs' scores in each span of the longest one, by its start."""
    made: dict[int, _Span] = defaultdict(_Span)
    try:
        for bucket in cluster.scan(ALIAS, buckets_query(list(spans), start, end, interim=interim), source=_FIELDS):
            source = bucket.source
            made[from_ms(source["timestamp"]) // longest * longest].add(
                source["job_id"],
                0.0 if is_settled(source) else float(source["anomaly_score"]),
                source.get(SCHEDULED_EVENTS, ()),
                is_interim=bool(source.get("is_interim")),
            )
    except NotFound:
        return {}
    return made


def _row(time: int, span: int, found: _Span) -> dict[str, Any]:
    return {
        "result_type": "overall_bucket",
        "timestamp": to_ms(time),
        "bucket_span": span,
        "overall_score": found.score,
        "jobs": [
            {"job_id": job_id, "max_anomaly_score": score}
            | ({SCHEDULED_EVENTS: sorted(found.scheduled[job_id])} if job_id in found.scheduled else {})
            for job_id, score in sorted(found.scores.items())
        ],
        "is_interim": found.is_interim,
    }
