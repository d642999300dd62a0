"""Events that come later than the job's ``late_window``: their buckets stay as they are, but somebody is told."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING

from ipi_es.datafeed.plan import PLAN_BUCKETS
from ipi_es.results.annotations import Annotation
from ipi_es.results.store import FinalBucket
from ipi_es.times import SECONDS, day_of, format_span

if TYPE_CHECKING:
    from ipi_es.worker.claim import Claim

log = logging.getLogger(__name__)

LOOKED_AT = "too_late_looked_at"
"""Key in the state's details: when it was looked at last, epoch seconds."""

LOOK_AGAIN = SECONDS["h"]
"""Seconds until it is looked at again: nothing can be done about it, so a question an hour is enough."""

BACK = 7 * SECONDS["d"]
"""Seconds before the checkpoint in which it is looked for, or as far as one counting request reaches."""


def outgrown(claim: Claim, start: int, end: int) -> list[tuple[FinalBucket, int]]:
    """Final buckets of [start, end) for which there are more events now than they know, and how many there are."""
    job, span = claim.work.job, claim.work.job.bucket_span
    known = [
        each for each in claim.work.stores.results.final_buckets(max(start, 0) // span * span, end) if each.span == span
    ]
    if not known:
        return []
    counts = claim.work.feed.event_counts(known[0].start, known[-1].start + job.bucket_span, span)
    return [(each, counts[each.start]) for each in known if counts.get(each.start, 0) > each.event_count]


def tell_of_too_late(claim: Claim, now: int) -> int:
    """Annotate the days that got events later than ``late_window``; how many such events are known of.

    Looks once an hour, whichever worker it is; ``now`` in epoch seconds. LostJob.
    """
    job, state = claim.work.job, claim.state
    window = job.late_window_seconds()
    since = now - int(state.details.get(LOOKED_AT, 0))
    if state.checkpoint is None or not window or 0 <= since < LOOK_AGAIN:
        return 0
    back = min(BACK, PLAN_BUCKETS * job.bucket_span)
    days: dict[int, list[int]] = defaultdict(list)
    for found, events in outgrown(claim, state.checkpoint - back, state.checkpoint - window):
        days[day_of(found.start)].append(events - found.event_count)
    said = [_annotation(day, late, window) for day, late in sorted(days.items())]
    if claim.annotate(said):
        log.warning("job %s: %s", job.job_id, "; ".join(each.text for each in said))
    claim.leaving[LOOKED_AT] = now
    return sum(sum(late) for late in days.values())


def _annotation(day: int, late: list[int], window: int) -> Annotation:
    start = day * SECONDS["d"]
    text = (
        f"{sum(late):,} events of this day, in {len(late):,} of its buckets, came later than late_window "
        f"({format_span(window)}); they were not scored, and the next training learns them"
    )
    return Annotation("delayed_data", start, start + SECONDS["d"], text, ("too_late",))
