"""Find deleted results, once a night, by counting them.

Each bucket from the first scored one to the checkpoint has a document with its numbers of records and influencers.
Results that ``results_retention_days`` deletes don't count as missing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from ipi_es.config.job_config import Job
from ipi_es.errors import SnapshotError
from ipi_es.results.documents.annotations import Annotation
from ipi_es.results.reading.day_counts import DayCounts
from ipi_es.times import SECONDS, day_of, from_ms, iso
from ipi_es.worker.job_session import JobSession

log = logging.getLogger(__name__)

DAY = SECONDS["d"]

MOST_SAID = 1_000
"""The most annotations of missing results that are read, one a day: more than two years."""


@dataclass(frozen=True, slots=True)
class MissingResults:
    """The numbers of results that one UTC day (since the epoch) lacks."""

    day: int
    buckets: int
    records: int
    influencers: int

    def __str__(self) -> str:
        parts = {"buckets": self.buckets, "records": self.records, "influencers": self.influencers}
        return ", ".join(f"{count:,} {what}" for what, count in parts.items() if count)


def warn_of_missing(session: JobSession, kept_from: int | None) -> list[MissingResults]:
    """Annotate the days with missing results, and delete such annotations of days that are complete again.

    ``kept_from``: the time before which results were deleted as too old, epoch seconds; None: none were. Raises LostJob
    if another worker took the job over.
    """
    job, state, results = session.resources.job, session.state, session.resources.stores.results
    if state.checkpoint is None or state.renormalized_to is None:
        return []  # the job has scored nothing yet, or was restarted
    known = state.details.scored_from
    # an earlier version didn't store it: then results are counted from the checkpoint on
    start = max(state.checkpoint if known is None else known, kept_from or 0)
    session.note(scored_from=start)
    found = missing(results.daily_counts(start, state.checkpoint), start, state.checkpoint, job.bucket_span)
    said = [_annotation(session, each) for each in found]
    new = session.annotate(said)
    summary = (
        f"results are missing on {len(found)} days, the first is {iso(found[0].day * DAY)[:10]}" if found else None
    )
    if new:
        log.warning("job %s: %s: %s", job.job_id, summary, "; ".join(each.text for each in said))
    days = {each.day for each in found}
    earlier = results.annotations(types=["results_missing"], size=MOST_SAID)
    blocked = results.indices.write_blocks({each.index for each in earlier})
    whole = [each for each in earlier if _day(each.source) not in days and each.index not in blocked]
    if whole:
        ids = {"ids": {"values": [each.id for each in whole]}}
        session.writer.delete_annotations({"bool": {"filter": [{"term": {"job_id": job.job_id}}, ids]}})
    session.note(missing_results=summary)
    return found


def missing(days: Mapping[int, DayCounts], start: int, end: int, span: int) -> list[MissingResults]:
    """Return the days of [start, end), epoch seconds, that lack results, in order; ``days`` by day since the epoch."""
    found = []
    for day in range(day_of(start), day_of(end - 1) + 1):
        there = days.get(day, DayCounts())
        expected = min((day + 1) * DAY, end) - max(day * DAY, start)
        lacks = MissingResults(
            day,
            -(-max(expected - there.seconds, 0) // span),
            max(there.record_count - there.records, 0),
            max(there.influencer_count - there.influencers, 0),
        )
        if str(lacks):
            found.append(lacks)
    return found


def _day(source: Mapping[str, object]) -> int:
    return day_of(from_ms(str(source["timestamp"])))


def _annotation(session: JobSession, lacks: MissingResults) -> Annotation:
    start = lacks.day * DAY
    text = f"results of this day are missing: {lacks}. They were deleted; {_restore(session, start)}"
    return Annotation("results_missing", start, start + DAY, text)


def _restore(session: JobSession, start: int) -> str:
    """Describe how to restore the results."""
    job: Job = session.resources.job
    try:
        trained_to = session.resources.snapshot(session.state.snapshot_id).trained_to
    except SnapshotError:
        trained_to = start + 1
    if start >= trained_to:
        end = iso(session.state.trained.checkpoint)
        return f"`ipi-es backfill {job.job_id} --start {iso(start)} --end {end} --again` scores them again"
    return (
        "restore the index from a backup of the cluster, or score everything since then again: "
        f"`ipi-es snapshots revert {job.job_id} SNAPSHOT` to a snapshot trained to {iso(start)} or before"
    )
