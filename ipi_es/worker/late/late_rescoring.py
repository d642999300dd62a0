"""Late events: a final bucket whose events changed since is scored again, as it was scored then. Elastic only warns.

How such buckets are found is in :mod:`ipi_es.worker.late.event_changes`. One is scored with the snapshot and the
history that it had, what was known of repeats and holds before it, and the job's quantiles of now, which take nothing
from it; later buckets stay as they are. Where it lost events, what was found in it stays. The order of writing:

    what it teaches, where its day is over (blob, then state) → records and influencers → deletion of ids that vanished
    → annotation → the bucket, whose ``event_count`` and ``events_digest`` say that all is done

Killed anywhere in between, the bucket still looks changed, and all of it is written again under the same ids.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.errors import IpiEsError, SnapshotError
from ipi_es.results.documents.annotations import Annotation
from ipi_es.results.documents.ids import bucket_id
from ipi_es.results.documents.rescored import beside_stored, with_moments
from ipi_es.results.documents.result_documents import ResultDocument, Stamp
from ipi_es.results.store import FinalBucket
from ipi_es.times import day_of, iso
from ipi_es.worker.history.history_keeper import HistoryId, Rows
from ipi_es.worker.late import late_rows
from ipi_es.worker.late.event_changes import (
    REREAD,
    ChangedBucket,
    RereadBudget,
    bucket_changes,
    differs,
    note_seq_no,
    read_again,
)
from ipi_es.worker.late.late_rows import LateRows
from ipi_es.worker.late.late_warnings import warn_of_late_changes
from ipi_es.worker.late.replay import Replay, ReplayedBucket
from ipi_es.worker.scoring.batch import LATE_ROWS, quantiles_id_of
from ipi_es.worker.scoring.repeats import Repeats
from ipi_es.worker.scoring.scoring_pipeline import ScoringPipeline

if TYPE_CHECKING:
    from ipi_es.worker.job_session import JobSession, ScoringState

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RescoredBucket:
    """A bucket whose events changed after it was scored."""

    start: int
    """Epoch seconds."""
    late_events: int
    """Documents more than were known before; negative: so many vanished; 0: as many, but others."""
    event_count: int
    anomaly_score_before: float
    anomaly_score: float
    new_records: int = 0
    """Records that are news: alerts see them anew."""
    revision: int = 0
    unable: str | None = None
    """Why it could not be scored again; everything of it is as it was."""


def rescore_late(claim: JobSession, now: int, stopping: Callable[[], bool] = lambda: False) -> list[RescoredBucket]:
    """Score again what changed within the job's ``late_window``, in order of time; tell of later changes.

    ``now``: epoch seconds, when it was looked. ``stopping`` ends it after the bucket in hand; the next call goes on.
    LostJob where another worker took the job over.
    """
    mender = LateRescorer(claim, now)
    mended = []
    for look in mender.changed():
        if stopping():
            break
        done = mender.mend(look)
        if done is not None:
            mended.append(done)
    mender.carry_on()
    if not stopping() and mender.budget is not None:
        warn_of_late_changes(claim, now, mender.budget)
    if mender.budget is not None:
        claim.leaving[REREAD] = mender.budget.to_details()
    return mended


class LateRescorer:
    """Scores changed buckets again, one by one."""

    def __init__(self, claim: JobSession, now: int) -> None:
        """``now`` in epoch seconds."""
        self._claim, self._now = claim, now
        self._work, self._job, self._stores = claim.work, claim.work.job, claim.work.stores
        self._standing: ScoringState | None = None
        self._carried: list[tuple[EventBucket, NDArray[np.uint64], list[ResultDocument]]] = []
        self._anew = False  # what stands at the checkpoint has to be loaded again
        self._aside: Replay | None = None  # of the last bucket: the next one is often of the same day
        self.budget: RereadBudget | None = None
        """Of reading again; None until :meth:`changed`, and where nothing is looked for."""

    def changed(self) -> list[ChangedBucket]:
        """Final buckets of the late window whose events changed, or may have, in order of time."""
        claim, checkpoint, window = self._claim, self._claim.state.checkpoint, self._job.late_window_seconds()
        if checkpoint is None or not window:
            return []
        looks = bucket_changes(claim, checkpoint - window, checkpoint)
        details = {**claim.state.details, **claim.leaving}
        self.budget = RereadBudget.of(details, checkpoint, looks)
        recounted = [each for each in looks if each.recounted]
        rewritten = self.budget.rewritten(looks)
        swept = self.budget.swept(looks, checkpoint - window + self._job.bucket_span)
        return sorted([*recounted, *rewritten, *swept], key=lambda look: look.found.start)

    def mend(self, look: ChangedBucket) -> RescoredBucket | None:
        """Score one again and write it; None where its events turned out to be the same."""
        found, bucket = look.found, None
        if not look.recounted:
            bucket = self._changed_rows(found)
            if bucket is None:
                return None
        blocked = self._stores.results.indices.write_block(found.start)
        if blocked is not None:
            return self._unable(look, blocked, bucket)
        levels = self._follower().scorer.levels  # outside: what is wrong with the job itself is no bucket's trouble
        try:
            aside = self._aside_of(found)
        except SnapshotError as error:
            return self._unable(look, error, bucket)
        bucket = bucket or self._changed_rows(found)
        if bucket is None:
            return None
        began = time.perf_counter()
        judged = aside.judge(bucket, levels)
        self._claim.at_work = None  # its rows, window and repeats are those from before
        self._teach(bucket, judged)
        return self._write(found, aside, judged, began)

    def _changed_rows(self, found: FinalBucket) -> EventBucket | None:
        """The bucket's events as they are now; None where they are those that it was scored with."""
        bucket = read_again(self._work, found)
        if differs(found, bucket):
            return bucket
        note_seq_no(self._claim, found, bucket)
        return None

    def carry_on(self) -> None:
        """Let what stands at the checkpoint know of the mended buckets: then the day's events need not be read again.

        Afterwards it is as if it were loaded now. After an error nobody calls this, and everything is loaded.
        """
        claim, job, standing = self._claim, self._job, self._standing
        if standing is None or self._anew or not self._carried:
            return
        follower, checkpoint = standing.follower, int(claim.state.checkpoint or 0)
        for bucket, hashes, made in self._carried:
            if day_of(bucket.start) >= follower.keeper.id.day:
                follower.keeper.gather(bucket, hashes)
            standing.sink.rescored(bucket.start, made)
        follower.keeper.late = late_rows.waiting(self._stores.blobs, claim.state)
        follower.scorer.repeats = Repeats(job.repeat_window)
        recent = self._stores.results.recent(checkpoint - job.repeat_window, checkpoint, job.ip_field)
        follower.scorer.repeats.load(*recent)
        claim.at_work = standing

    def _follower(self) -> ScoringPipeline:
        """What stands at the checkpoint, with the levels of now."""
        if self._standing is None:
            follower = self._claim.follower()
            self._standing = self._claim.at_work
            return follower
        return self._standing.follower

    def _aside_of(self, found: FinalBucket) -> Replay:
        day = day_of(found.start)
        if self._aside is None or (self._aside.snapshot_id, self._aside.day) != (found.snapshot_id, day):
            self._aside = Replay.of(self._work, found.snapshot_id, day, self._follower())
        return self._aside

    def _teach(self, bucket: EventBucket, judged: ReplayedBucket) -> None:
        """Let the day that is being gathered take in what came too late for the bucket's own.

        Of the current day nothing needs to be kept: its events are read again before its delta is made.
        """
        claim, state, day = self._claim, self._claim.state, day_of(bucket.start)
        history = HistoryId.parse(str(state.history_id))
        if day >= history.day:
            return
        before = late_rows.load(self._stores.blobs, state)
        rows = judged.teaches(self._job)
        new = LateRows.of(rows, history.day, bucket.start).take(~self._known(history, day, rows))
        taken = before.take((before.bucket == bucket.start) & (before.into < history.day))
        new = new.take(~np.isin(_keys(new), _keys(taken)))
        if not len(new) and not ((before.bucket == bucket.start) & (before.into == history.day)).any():
            return
        keep_from = int(state.checkpoint or 0) - self._job.late_window_seconds() - bucket.span
        blob = before.replaced(new, history.day, bucket.start, keep_from=keep_from).to_bytes()
        blob_id, old_id = late_rows.blob_id_of(history.base, blob), state.details.get(LATE_ROWS)
        if blob_id == old_id:
            return
        claim.held.check()
        self._stores.blobs.write(
            state.job_id,
            blob_id,
            "history_late",
            blob,
            created=self._stores.clock.now(),
            attributes={"base": history.base, "into": history.day},
        )
        claim.held.save(claim.state.advanced(details={**claim.state.details, LATE_ROWS: blob_id}))
        if old_id:
            self._stores.blobs.delete(state.job_id, str(old_id))

    def _known(self, history: HistoryId, day: int, rows: Rows) -> NDArray[np.bool_]:
        """bool[n]: which rows' pairs the job's history has of that day already.

        A day before the history's base was read by a training, perhaps with the late events, perhaps before they came:
        there a pair that is in history at all is taken as known.
        """
        if day >= self._work.base_of(str(self._claim.state.snapshot_id)).day:
            return late_rows.in_delta(self._stores.blobs, self._job.job_id, history, day, rows)
        return late_rows.in_history(self._follower().keeper.history, rows)

    def _write(self, found: FinalBucket, aside: Replay, judged: ReplayedBucket, began: float) -> RescoredBucket:
        claim, results, job = self._claim, self._stores.results, self._job
        held, start, scored = claim.held, found.start, judged.scored
        stored = results.of_bucket(start, found.span)
        revision = found.revision + 1
        stamp = Stamp(
            found.snapshot_id,
            self._quantiles_id(),
            self._stores.clock.now(),
            revision=revision,
            rescored_at=self._now,
        )
        took = round((time.perf_counter() - began) * 1_000)
        made = aside.describer.documents(scored, stamp, processing_time_ms=took)
        made, news = with_moments(made, stored)
        before = float(stored.get(bucket_id(job.job_id, start, found.span), {}).get("anomaly_score", 0.0))
        mended = RescoredBucket(
            start,
            scored.bucket.event_count - found.event_count,
            scored.bucket.event_count,
            before,
            scored.anomaly_score,
            news,
            revision,
        )
        made, kept = beside_stored(made, stored) if mended.late_events < 0 else (made, [])
        mended = replace(mended, anomaly_score=float(made[-1].source["anomaly_score"]))
        version = claim.state.external_version
        held.check()
        results.write(made[:-1], version)
        held.check()
        results.drop_vanished(start, start + found.span, {each.id for each in (*made, *kept)}, version)
        claim.annotate([_annotation(mended, found)])
        held.check()
        results.write(made[-1:], version)
        whole = [*kept, *made]
        self._carried.append((scored.bucket, scored.hashes, whole))
        self._anew |= _holds(whole, stored) or self._between(start)
        level = logging.WARNING if mended.late_events < 0 else logging.INFO
        log.log(level, "job %s: bucket %s: %s", job.job_id, iso(start), _said(mended))
        return mended

    def _between(self, start: int) -> bool:
        """Whether the state is behind what stands: before the first batch, and right after a training."""
        state = self._claim.state
        history = HistoryId.parse(str(state.history_id))
        return state.renormalized_to is None or history.day <= day_of(start) < self._follower().keeper.id.day

    def _unable(self, look: ChangedBucket, error: IpiEsError, bucket: EventBucket | None) -> RescoredBucket:
        """Say that a bucket's events changed and why it stays as it is; once for as many events.

        ``bucket``: its events, if they were read.
        """
        found, events = look.found, look.events
        mended = RescoredBucket(found.start, events - found.event_count, events, 0.0, 0.0, unable=error.message)
        if self._claim.annotate([_annotation(mended, found)]):
            log.warning("job %s: bucket %s: %s", self._job.job_id, iso(found.start), _said(mended))
        if bucket is not None:
            note_seq_no(self._claim, found, bucket)
        return mended

    def _quantiles_id(self) -> str:
        state = self._claim.state
        return state.quantiles_id or quantiles_id_of(int(state.checkpoint or 0))


def _keys(rows: LateRows) -> NDArray[np.uint64]:
    return late_rows.pair_keys(rows.entity, rows.address)


def _holds(made: list[ResultDocument], stored: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the bucket holds something else than before: then rows of later buckets may not teach, or may again."""
    return _held_back(stored.items()) != _held_back((each.id, each.source) for each in made)


def _held_back(results: Iterable[tuple[str, Mapping[str, Any]]]) -> set[tuple[str, str]]:
    """What results say that isn't learned: of records until when, of buckets of whom."""
    fields = ("held_until", "unlearned_entities")
    return {(place, f"{name} {source[name]}") for place, source in results for name in fields if name in source}


def _annotation(mended: RescoredBucket, found: FinalBucket) -> Annotation:
    return Annotation("delayed_data", found.start, found.start + found.span, _said(mended))


def _said(mended: RescoredBucket) -> str:
    """For people. The same when it is said again after a kill: it rests on the bucket alone."""
    late, count = mended.late_events, mended.event_count
    if late > 0:
        events = f"{late:,} of {count:,} events came late"
    elif late < 0:
        events = f"{-late:,} of {count - late:,} events vanished after the bucket was scored"
    else:
        events = f"the {count:,} events were changed after the bucket was scored"
    if mended.unable is not None:
        return f"{events}; not scored again: {mended.unable}"
    scores = f"anomaly_score {mended.anomaly_score_before:.1f} → {mended.anomaly_score:.1f}"
    said = f"{events}; scored again (revision {mended.revision}), {scores}"
    return f"{said}; what had been found stays" if late < 0 else said
