"""Warn of events that change later than the job's ``late_window``: their buckets are not rescored.

Warnings cover events that were added, events that vanished, and rows that were changed. Events that a retention deletes
don't count: if the oldest checked buckets, one after the other, lost events, a retention is assumed.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence

from ipi_es.datafeed.searches.read_plan import PLAN_BUCKETS
from ipi_es.results.documents.annotations import Annotation
from ipi_es.times import SECONDS, day_of, format_span, iso
from ipi_es.worker.job_session import JobSession
from ipi_es.worker.late.event_changes import (
    ChangedBucket,
    RereadBudget,
    bucket_changes,
    differs,
    note_seq_no,
    read_again,
)

log = logging.getLogger(__name__)

LOOK_AGAIN = SECONDS["h"]
"""Seconds until the next check: the buckets can't be rescored, so a check an hour is enough."""

BACK = 7 * SECONDS["d"]
"""Seconds before the checkpoint that are checked, or as far as one counting request reaches."""


def warn_of_late_changes(session: JobSession, now: int, budget: RereadBudget) -> int:
    """Annotate changes later than ``late_window``; return the number of added and vanished events that were found.

    Checks once an hour, whichever worker has the job, and returns 0 in between. ``now`` is in epoch seconds; ``budget``
    limits reading again. Raises LostJob if another worker took the job over.
    """
    job, state = session.resources.job, session.state
    window = job.late_window_seconds()
    since = now - (state.details.late_checked_at or 0)
    if state.checkpoint is None or not window or 0 <= since < LOOK_AGAIN:
        return 0
    back = min(BACK, PLAN_BUCKETS * job.bucket_span)
    looks = bucket_changes(session, state.checkpoint - back, state.checkpoint - window)
    came, gone = _by_day(looks), _by_day(vanished(looks))
    late = [_of_late(day, [n for n in counts if n > 0], window) for day, counts in came.items() if max(counts) > 0]
    lost = [_of_vanished(day, [-n for n in counts]) for day, counts in gone.items()]
    said = [*late, *lost]
    if session.annotate(said):
        log.warning("job %s: %s", job.job_id, "; ".join(each.text for each in said))
    for each in budget.rewritten(looks):
        _warn_of_changed_rows(session, each, window)
    session.note(late_checked_at=now)
    return sum(max(n, 0) for counts in came.values() for n in counts) - sum(sum(counts) for counts in gone.values())


def vanished(looks: Sequence[ChangedBucket]) -> list[ChangedBucket]:
    """Return the buckets that lost events other than by a retention, in order of time.

    A retention deletes the oldest events first: all buckets up to some time have lost events, or never had any.
    """
    kept_from = next((n for n, each in enumerate(looks) if each.events >= each.found.event_count > 0), None)
    if kept_from is None:
        return []  # no bucket is complete, so the cause isn't known here; losses in the late window are reported anyway
    return [each for each in looks[kept_from:] if each.events < each.found.event_count]


def _by_day(looks: Sequence[ChangedBucket]) -> dict[int, list[int]]:
    """Return ``{day since the epoch: [documents more (or fewer) than known, for each bucket where they differ]}``."""
    days: dict[int, list[int]] = defaultdict(list)
    for each in looks:
        if each.recounted:
            days[day_of(each.found.start)].append(each.events - each.found.event_count)
    return days


def _warn_of_changed_rows(session: JobSession, look: ChangedBucket, window: int) -> None:
    """Read a bucket again whose documents were written since, and annotate it if its rows have changed."""
    found, job = look.found, session.resources.job
    bucket = read_again(session.resources, found)
    if differs(found, bucket):
        text = (
            f"the {bucket.event_count:,} events of this bucket were changed later than late_window "
            f"({format_span(window)}) after scoring; they were not scored again, and the next training learns them"
        )
        warning = Annotation("delayed_data", found.start, found.start + found.span, text, ("changed_too_late",))
        if session.annotate([warning]):
            log.warning("job %s: bucket %s: %s", job.job_id, iso(found.start), text)
    note_seq_no(session, found, bucket)


def _of_late(day: int, late: Sequence[int], window: int) -> Annotation:
    text = (
        f"{sum(late):,} events of this day, in {len(late):,} of its buckets, came later than late_window "
        f"({format_span(window)}); they were not scored, and the next training learns them"
    )
    return _of_day(day, text, "too_late")


def _of_vanished(day: int, gone: Sequence[int]) -> Annotation:
    text = (
        f"{sum(gone):,} events of this day, in {len(gone):,} of its buckets, vanished after they were scored; "
        "results keep what was found in them. If they were not deleted on purpose, find out who deleted them"
    )
    return _of_day(day, text, "vanished")


def _of_day(day: int, text: str, part: str) -> Annotation:
    start = day * SECONDS["d"]
    return Annotation("delayed_data", start, start + SECONDS["d"], text, (part,))
