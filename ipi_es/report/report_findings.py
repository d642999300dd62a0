"""What a report is made of, read from a job's results. Final results alone: a page that was mailed must stay true."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ipi_es.config.job_config import Job
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

MAX_LEADERS = 10
"""Entities, and addresses, in the lanes and the lists."""

MAX_OF_LEADER = 100
"""Records of each of these that are looked at, whatever their score: what is unusual together need not be alone."""

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
    annotations: Sequence[Source] = ()

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
    found = [each.source for each in influencers]
    records = results.read("record", start, end, min_score=SHOWN_FROM, size=MAX_RECORDS, interim=False)
    by_id = {each.id: each.source for each in records}
    entities: list[tuple[str | None, str | None]] = [(name, None) for name in leaders(found, job.entity_field)]
    for entity, ip in [*entities, *((None, name) for name in leaders(found, job.ip_field))]:
        theirs = results.read("record", start, end, entity=entity, ip=ip, size=MAX_OF_LEADER, interim=False)
        by_id |= {each.id: each.source for each in theirs}
    annotations = results.annotations(start, end, size=MAX_ANNOTATIONS)
    return Findings(
        job,
        start,
        end,
        buckets=[each.source for each in buckets],
        influencers=found,
        records=sorted(by_id.values(), key=lambda each: -float(each["record_score"])),
        annotations=[each.source for each in annotations],
    )


def leaders(influencers: Sequence[Mapping[str, Any]], field_name: str) -> list[str]:
    """The ten worst values of a field by their highest influencer score, then by the sum; the worst first.

    What an allow-list rule allows takes no part.
    """
    scores: dict[str, list[float]] = defaultdict(list)
    for each in influencers:
        if each["influencer_field_name"] == field_name and not each.get("suppressed_by"):
            scores[str(each["influencer_field_value"])].append(float(each["influencer_score"]))
    return sorted(scores, key=lambda name: (-max(scores[name]), -sum(scores[name]), name))[:MAX_LEADERS]
