"""Final buckets whose events changed after scoring: found by counts, by sequence numbers, and by reading again.

One counting request gives each bucket's number of documents, and the largest and the sum of their sequence numbers,
which change whenever a document is written again, deleted or added. A bucket where they differ from those that it was
scored with is read again, and compared by the digest of its rows. Without sequence numbers, and in case that they
don't tell (an index restored or built again under the same numbers), each second bucket is read again right before it
leaves the late window. Reading grows by at most a half, see :class:`RereadBudget`; where the count differs, the bucket
is read in any case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from ipi_es.cluster.port import Document
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.datafeed.read_plan import NOTHING
from ipi_es.results.store import FinalBucket
from ipi_es.state.details import REREAD
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.job_session import JobSession

SHARE = 0.5
"""Events that may be read again for each event that was scored."""

RESERVE = 0.5
"""Share of the budget that only buckets with other sequence numbers may use up."""


@dataclass(frozen=True, slots=True)
class ChangedBucket:
    """One final bucket, and what the index has of its events now."""

    found: FinalBucket
    events: int
    """Documents."""
    seq_no: str | None = None

    @property
    def recounted(self) -> bool:
        """Whether there are more or fewer documents than when it was scored."""
        return self.events != self.found.event_count

    @property
    def rewritten(self) -> bool:
        """Whether documents were written since, by the sequence numbers, so that its rows may differ."""
        known = self.found.events_digest is not None and self.found.events_seq_no is not None
        return known and self.seq_no is not None and self.seq_no != self.found.events_seq_no


@dataclass(slots=True)
class RereadBudget:
    """How many events may be read again: half of those that were scored, saved up for half a late window at most."""

    counted_to: int
    """Buckets that begin before are counted in; epoch seconds."""
    swept_to: int
    """Start of the last bucket that was read again because it leaves the window."""
    left: float
    most: float

    @classmethod
    def of(cls, details: Mapping[str, Any], checkpoint: int, window: Sequence[ChangedBucket]) -> RereadBudget:
        """The budget that the state's ``details`` have, and what the buckets of the late window add to it."""
        most = SHARE * sum(each.found.event_count for each in window)
        kept = details.get(REREAD)
        if not isinstance(kept, Mapping):
            return cls(checkpoint, -1, most, most)
        since = int(kept["counted_to"])
        new = SHARE * sum(each.found.event_count for each in window if each.found.start >= since)
        return cls(max(checkpoint, since), int(kept["swept_to"]), min(float(kept["left"]) + new, most), most)

    def to_details(self) -> dict[str, Any]:
        """As the state keeps it."""
        return {"counted_to": self.counted_to, "swept_to": self.swept_to, "left": self.left}

    def rewritten(self, looks: Sequence[ChangedBucket]) -> list[ChangedBucket]:
        """Those with other sequence numbers that may be read again now, the oldest first; they are paid for."""
        return [each for each in looks if each.rewritten and not each.recounted and self._pay(each, 0.0)]

    def swept(self, looks: Sequence[ChangedBucket], before: int) -> list[ChangedBucket]:
        """Those that begin before ``before`` (epoch seconds) and are read again to be sure; they are paid for."""
        chosen = []
        for each in looks:
            if self.swept_to < each.found.start < before and each.found.events_digest is not None:
                if each.recounted or each.rewritten or not self._pay(each, RESERVE * self.most):
                    continue
                self.swept_to = each.found.start
                chosen.append(each)
        return chosen

    def _pay(self, look: ChangedBucket, reserve: float) -> bool:
        """Take a bucket's events from what is left; the last one may cost more than that."""
        if self.left <= reserve:
            return False
        self.left -= max(look.found.event_count, 1)
        return True


def bucket_changes(session: JobSession, start: int, end: int) -> list[ChangedBucket]:
    """The job's final buckets of [start, end), epoch seconds, and what the index has of their events now."""
    span = session.resources.job.bucket_span
    first = max(start, 0) // span * span
    known = [each for each in session.resources.stores.results.final_buckets(first, end) if each.span == span]
    if not known:
        return []
    counted = session.resources.feed.counted(known[0].start, known[-1].start + span, span)
    now = ((each, counted.get(each.start, NOTHING)) for each in known)
    return [ChangedBucket(each, there.events, there.seq_no) for each, there in now]


def read_again(resources: JobResources, found: FinalBucket) -> EventBucket:
    """The bucket's events as they are now."""
    with closing(resources.read(found.start, found.start + found.span)) as reading:
        return next(reading)


def differs(found: FinalBucket, bucket: EventBucket) -> bool:
    """Whether the events are others than those that the bucket was scored with."""
    if bucket.event_count != found.event_count:
        return True
    return found.events_digest is not None and found.events_digest != bucket.digest()


def note_seq_no(session: JobSession, found: FinalBucket, bucket: EventBucket) -> None:
    """Keep the sequence numbers that ``bucket`` was read with, so that it isn't read again for them."""
    if bucket.seq_no is None or bucket.seq_no == found.events_seq_no or found.events_digest is None:
        return
    results = session.resources.stores.results
    if results.indices.write_block(found.start) is not None:
        return
    stored = results.read("bucket", found.start, found.start + 1, interim=False)
    session.writer.rewrite(
        [Document(each.id, each.index, {**each.source, "events_seq_no": bucket.seq_no}) for each in stored]
    )
