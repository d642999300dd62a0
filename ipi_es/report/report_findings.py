"""Reading the results for a report. Only final ones: a page that was mailed can't be corrected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ipi_es.config.job_config import Job
from ipi_es.errors import UsageError
from ipi_es.results.reading.incidents_there import incident_rows
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.results.reading.result_reader import ResultReader
from ipi_es.results.words import is_settled
from ipi_es.times import format_span

Source = dict[str, Any]
"""The fields of one result document."""

MAX_BUCKETS = 50_000
"""Maximum of buckets on a page: more than a year of 15 minutes each. With more, a lane shows too little."""

MAX_INFLUENCERS = 50_000
"""Maximum of influencers that are read, the worst first."""

MAX_RECORDS = 5_000
"""Maximum of records that are read, the worst first; far more than cards, because repeats of a pair share a card."""

MAX_ANNOTATIONS = 200
"""Maximum of annotations, the newest."""

MAX_LEADERS = 10
"""Entities, and addresses, in the lanes and lists."""

MAX_OF_LEADER = 100
"""Records of each of these that are read, whatever their score: pairs can be unusual only together."""

SHOWN_FROM = 1.0
"""Results with lower scores are stored for look-ups and not shown."""

DEFAULT_DAYS = 7
"""Default length of a report in days, up to the newest bucket."""


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
    incidents: Sequence[Source] = ()
    """Those with a moment in the range, in the order for people; without what verdicts closed."""

    @property
    def counted_buckets(self) -> list[Source]:
        """The buckets whose scores count: those outside of scheduled events that no verdict closed."""
        return [each for each in self.buckets if not is_settled(each)]

    @property
    def record_count(self) -> int:
        """Records of all buckets, including those that a bucket's limit left out."""
        return sum(int(each["record_count"]) + int(each.get("omitted_record_count", 0)) for each in self.buckets)

    @property
    def event_count(self) -> int:
        """Events that the job's query matched."""
        return sum(int(each["event_count"]) for each in self.buckets)


def read_findings(results: ResultReader, job: Job, start: int, end: int, incidents: Iterable[Source] = ()) -> Findings:
    """Read the results for [start, end), epoch seconds; ``incidents`` are the stored ones of that time.

    Raises UsageError if the range is too long or empty.
    """
    if end <= start:
        raise UsageError("the report's end is not after its start", hint="give --start and --end, or neither")
    if (end - start) // job.bucket_span > MAX_BUCKETS:
        raise UsageError(
            f"a report takes at most {MAX_BUCKETS:,} buckets of {format_span(job.bucket_span)}",
            hint="choose a shorter time with --start and --end",
        )
    final = ResultFilter(start, end, interim=False)
    shown = replace(final, min_score=SHOWN_FROM)
    buckets = results.read("bucket", final, sort="timestamp", desc=False, size=MAX_BUCKETS)
    influencers = results.read("influencer", shown, size=MAX_INFLUENCERS)
    found = [each.source for each in influencers]
    records = results.read("record", shown, size=MAX_RECORDS)
    by_id = {each.id: each.source for each in records}
    entities: list[tuple[str | None, str | None]] = [(name, None) for name in leaders(found, job.entity_field)]
    for entity, ip in [*entities, *((None, name) for name in leaders(found, job.ip_field))]:
        theirs = results.read("record", replace(final, entity=entity, ip=ip), size=MAX_OF_LEADER)
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
        incidents=incident_rows(incidents, closed=False),
    )


def leaders(influencers: Sequence[Mapping[str, Any]], field_name: str) -> list[str]:
    """Return the ten worst values of a field by their highest influencer score, then by the sum; the worst first.

    Influencers that are allowed, or that a verdict closed, don't count.
    """
    scores: dict[str, list[float]] = defaultdict(list)
    for each in influencers:
        if each["influencer_field_name"] == field_name and not is_settled(each):
            scores[str(each["influencer_field_value"])].append(float(each["influencer_score"]))
    return sorted(scores, key=lambda name: (-max(scores[name]), -sum(scores[name]), name))[:MAX_LEADERS]
