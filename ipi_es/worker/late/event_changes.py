"""Find final buckets whose events changed after scoring: by counts, by sequence numbers, and by reading again.

One counting request gives each bucket's number of documents, and the largest and the sum of their sequence numbers,
which change whenever a document is rewritten, deleted or added. If they differ from those that a bucket was scored
with, it is read again, and compared by the digest of its rows. Sequence numbers may be missing, or may not show a
change (an index that was restored or rebuilt under the same numbers): so about every second bucket is read again right
before it leaves the late window. Reading grows by at most a half, see :class:`RereadBudget`; a bucket whose count
differs is read in any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from ipi_es.cluster.port import Document
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.datafeed.searches.read_plan import NOTHING
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.results.reading.result_reader import FinalBucket
from ipi_es.state.details import SavedRereadBudget
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.job_session import JobSession

SHARE = 0.5
"""Events that may be read again for each event that was scored."""

RESERVE = 0.5
"""Share of the budget that is reserved for buckets with changed sequence numbers."""


@dataclass(frozen=True, slots=True)
class ChangedBucket:
    """One final bucket, with the current count and sequence numbers of its events in the index."""

    found: FinalBucket
    events: int
    """Number of documents."""
    seq_no: str | None = None

    @property
    def recounted(self) -> bool:
        """Whether there are more or fewer documents than when it was scored."""
        return self.events != self.found.event_count

    @property
    def rewritten(self) -> bool:
        """Whether the sequence numbers show documents written since it was scored, so that its rows may differ."""
        known = self.found.events_digest is not None and self.found.events_seq_no is not None
        return known and self.seq_no is not None and self.seq_no != self.found.events_seq_no


@dataclass(slots=True)
class RereadBudget:
    """How many events may be read again: half of the scored events, at most half of those of a late window."""

    counted_to: int
    """Buckets that begin before this time, in epoch seconds, are included."""
    swept_to: int
    """Start of the last bucket that was read again because it was about to leave the window."""
    left: float
    most: float

    @classmethod
    def of(cls, saved: SavedRereadBudget | None, checkpoint: int, window: Sequence[ChangedBucket]) -> RereadBudget:
        """Return the budget of the state's details, with what new buckets of the late window add to it."""
        most = SHARE * sum(each.found.event_count for each in window)
        if saved is None:
            return cls(checkpoint, -1, most, most)
        since = saved.counted_to
        new = SHARE * sum(each.found.event_count for each in window if each.found.start >= since)
        return cls(max(checkpoint, since), saved.swept_to, min(saved.left + new, most), most)

    def saved(self) -> SavedRereadBudget:
        """Return what the state's details keep of it."""
        return SavedRereadBudget(self.counted_to, self.swept_to, self.left)

    def rewritten(self, looks: Sequence[ChangedBucket]) -> list[ChangedBucket]:
        """Choose buckets with changed sequence numbers to read again, the oldest first; pay for them."""
        return [each for each in looks if each.rewritten and not each.recounted and self._pay(each, 0.0)]

    def swept(self, looks: Sequence[ChangedBucket], before: int) -> list[ChangedBucket]:
        """Choose buckets that begin before ``before`` (epoch seconds) to read again as a check; pay for them."""
        chosen = []
        for each in looks:
            if self.swept_to < each.found.start < before and each.found.events_digest is not None:
                if each.recounted or each.rewritten or not self._pay(each, RESERVE * self.most):
                    continue
                self.swept_to = each.found.start
                chosen.append(each)
        return chosen

    def _pay(self, look: ChangedBucket, reserve: float) -> bool:
        """Pay for a bucket's events; return False if no more than ``reserve`` is left. The last may overdraw."""
        if self.left <= reserve:
            return False
        self.left -= max(look.found.event_count, 1)
        return True


def bucket_changes(session: JobSession, start: int, end: int) -> list[ChangedBucket]:
    """Return the job's final buckets of [start, end), epoch seconds, with the current counts of their events."""
    span = session.resources.job.bucket_span
    first = max(start, 0) // span * span
    known = [each for each in session.resources.stores.results.final_buckets(first, end) if each.span == span]
    if not known:
        return []
    counted = session.resources.feed.counted(known[0].start, known[-1].start + span, span)
    now = ((each, counted.get(each.start, NOTHING)) for each in known)
    return [ChangedBucket(each, there.events, there.seq_no) for each, there in now]


def read_again(resources: JobResources, found: FinalBucket) -> EventBucket:
    """Read the bucket's current events."""
    with closing(resources.read(found.start, found.start + found.span)) as reading:
        return next(reading)


def differs(found: FinalBucket, bucket: EventBucket) -> bool:
    """Decide whether the events differ from those that the bucket was scored with."""
    if bucket.event_count != found.event_count:
        return True
    return found.events_digest is not None and found.events_digest != bucket.digest()


def note_seq_no(session: JobSession, found: FinalBucket, bucket: EventBucket) -> None:
    """Store the sequence numbers that ``bucket`` was read with, so that they don't cause another reading."""
    if bucket.seq_no is None or bucket.seq_no == found.events_seq_no or found.events_digest is None:
        return
    results = session.resources.stores.results
    if results.indices.write_block(found.start) is not None:
        return
    stored = results.read("bucket", ResultFilter(found.start, found.start + 1, interim=False))
    session.writer.rewrite(
        [Document(each.id, each.index, {**each.source, "events_seq_no": bucket.seq_no}) for each in stored]
    )
