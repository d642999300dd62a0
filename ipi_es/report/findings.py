"""What a report is made of, read from a job's results. Final results alone: a page that was mailed must stay true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ipi_es.config.job import Job
from ipi_es.errors import UsageError
from ipi_es.results.store import ResultStore
from ipi_es.times import format_span

Source = dict[str, Any]
"""The fields of one result document."""

MAX_BUCKETS = 50_000
"""Buckets that a page takes: a year and more of quarters of an hour; beyond, nobody can see anything in a lane."""

MAX_INFLUENCERS = 50_000
"""Influencers that are looked at, the worst first."""

MAX_RECORDS = 5_000
"""Records that are looked at, the worst first: repeats of one pair become one card, so many more than cards."""

MAX_ANNOTATIONS = 200
"""Annotations shown, the newest."""

SHOWN_FROM = 1.0
"""Scores below are of results that were kept to be looked up, not to be read."""

DEFAULT_DAYS = 7
"""Days up to the newest bucket that a report is of unless told."""


@dataclass(frozen=True, slots=True)
class Findings:
    """A job's results in [start, end), epoch seconds. Buckets in order of time, the others the worst first."""

    job: Job
    start: int
    end: int
    buckets: Sequence[Source] = ()
    influencers: Sequence[Source] = ()
    records: Sequence[Source] = ()
    annotations: Sequence[Source] = field(default=())

    @property
    def record_count(self) -> int:
        """Records of all buckets, those too that the limit of a bucket left out."""
        return sum(int(each["record_count"]) + int(each.get("omitted_record_count", 0)) for each in self.buckets)

    @property
    def event_count(self) -> int:
        """Events that the job's query matched."""
        return sum(int(each["event_count"]) for each in self.buckets)


def newest_end(results: ResultStore, span: int) -> int | None:
    """The exclusive end of the newest final bucket, epoch seconds; None where there is none. ``span`` in seconds."""
    for newest in results.read("bucket", sort="timestamp", size=1, interim=False):
        return int(newest.source["timestamp"]) // 1_000 + int(newest.source.get("bucket_span", span))
    return None


def read_findings(results: ResultStore, job: Job, start: int, end: int) -> Findings:
    """Read what a report of [start, end), epoch seconds, is made of; UsageError where that is too long or empty."""
    if end <= start:
        raise UsageError("the report's end is not after its start", hint="give --start and --end, or neither")
    if (end - start) // job.bucket_span > MAX_BUCKETS:
        raise UsageError(
            f"a report takes at most {MAX_BUCKETS:,} buckets of {format_span(job.bucket_span)}",
            hint="choose a shorter time with --start and --end",
        )
    buckets = results.read("bucket", start, end, sort="timestamp", desc=False, size=MAX_BUCKETS, interim=False)
    influencers = results.read("influencer", start, end, min_score=SHOWN_FROM, size=MAX_INFLUENCERS, interim=False)
    records = results.read("record", start, end, min_score=SHOWN_FROM, size=MAX_RECORDS, interim=False)
    annotations = results.annotations(start, end, size=MAX_ANNOTATIONS)
    return Findings(
        job,
        start,
        end,
        buckets=[each.source for each in buckets],
        influencers=[each.source for each in influencers],
        records=[each.source for each in records],
        annotations=[each.source for each in annotations],
    )
