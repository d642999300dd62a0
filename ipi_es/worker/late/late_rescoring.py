"""Rescore final buckets whose events changed after they were scored (late events). Elastic only warns of them.

:mod:`ipi_es.worker.late.event_changes` finds such buckets. A bucket is rescored with the snapshot and the history that
it was scored with, the repeats and holds known before it, and the job's current quantiles, which don't count it again;
later buckets stay unchanged. If the bucket lost events, its earlier results stay. The order of writing:

    rows to be learned, if the day is over (blob, then state) → records and influencers → deletion of vanished ids
    → annotation → the bucket, whose ``event_count`` and ``events_digest`` mark it as done

After a kill in between, the bucket still counts as changed, and everything is written again under the same ids.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.errors import IpiEsError, SnapshotError
from ipi_es.ipinsights.pair_explanation import unlearned
from ipi_es.results.documents.annotations import Annotation
from ipi_es.results.documents.ids import bucket_id
from ipi_es.results.documents.rescored import beside_stored, with_moments
from ipi_es.results.documents.result_documents import ResultDocument, Stamp
from ipi_es.results.reading.result_reader import FinalBucket
from ipi_es.times import day_of, iso
from ipi_es.worker.history import late_rows
from ipi_es.worker.history.history_keeper import HistoryId, Rows
from ipi_es.worker.history.late_rows import LateRows
from ipi_es.worker.job_session import JobSession
from ipi_es.worker.late.event_changes import (
    ChangedBucket,
    RereadBudget,
    bucket_changes,
    differs,
    note_seq_no,
    read_again,
)
from ipi_es.worker.late.late_warnings import warn_of_late_changes
from ipi_es.worker.late.replay import Replay, ReplayedBucket
from ipi_es.worker.scoring.batch import quantiles_id_of
from ipi_es.worker.scoring.scoring_pipeline import ScoringPipeline
from ipi_es.worker.scoring.scoring_state import LoadedScoring, RescoredRows

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RescoredBucket:
    """A bucket that was rescored, or could not be, since its events changed."""

    start: int
    """Epoch seconds."""
    span: int
    """Seconds."""
    late_events: int
    """Documents more than when it was scored; negative: that many vanished; 0: the same number, but changed."""
    event_count: int
    anomaly_score_before: float
    anomaly_score: float
    new_records: int = 0
    """Records that alerts see as new."""
    revision: int = 0
    unable: str | None = None
    """Why it could not be rescored; its results are unchanged."""


def rescore_late(session: JobSession, now: int, stopping: Callable[[], bool] = lambda: False) -> list[RescoredBucket]:
    """Rescore buckets that changed within the job's ``late_window``, in order of time; warn of later changes.

    ``now``: the current time in epoch seconds. ``stopping`` ends it after the current bucket; the next call continues.
    Raises LostJob if another worker took the job over.
    """
    rescorer = LateRescorer(session, now)
    rescored = []
    for change in rescorer.changed():
        if stopping():
            break
        done = rescorer.rescore(change)
        if done is not None:
            rescored.append(done)
    rescorer.apply()
    if not stopping() and rescorer.budget is not None:
        warn_of_late_changes(session, now, rescorer.budget)
    if rescorer.budget is not None:
        session.note(reread=rescorer.budget.saved())
    return rescored


class LateRescorer:
    """Rescores changed buckets, one by one."""

    def __init__(self, session: JobSession, now: int) -> None:
        """Use a session on the job; ``now`` is in epoch seconds."""
        self._session, self._now = session, now
        self._resources, self._job, self._stores = session.resources, session.resources.job, session.resources.stores
        self._loaded: LoadedScoring | None = None  # at the checkpoint, before any bucket was rescored
        self._rescored: list[RescoredRows] = []
        self._reload = False  # the scoring state at the checkpoint has to be loaded again
        self._replay: Replay | None = None  # of the last bucket: the next one is often of the same day
        self.budget: RereadBudget | None = None
        """Budget for reading again; None before :meth:`changed`, and if the job has no checkpoint or late window."""

    def changed(self) -> list[ChangedBucket]:
        """Return final buckets of the late window whose events changed, or may have, in order of time."""
        session, checkpoint, window = self._session, self._session.state.checkpoint, self._job.late_window_seconds()
        if checkpoint is None or not window:
            return []
        looks = bucket_changes(session, checkpoint - window, checkpoint)
        self.budget = RereadBudget.of(session.details.reread, checkpoint, looks)
        recounted = [each for each in looks if each.recounted]
        rewritten = self.budget.rewritten(looks)
        swept = self.budget.swept(looks, checkpoint - window + self._job.bucket_span)
        return sorted([*recounted, *rewritten, *swept], key=lambda look: look.found.start)

    def rescore(self, look: ChangedBucket) -> RescoredBucket | None:
        """Rescore a bucket and write it; return None if its events turned out to be the same."""
        found, bucket = look.found, None
        if not look.recounted:
            bucket = self._changed_rows(found)
            if bucket is None:
                return None
        blocked = self._stores.results.indices.write_block(found.start)
        if blocked is not None:
            return self._unable(look, blocked, bucket)
        levels = self._pipeline().scorer.levels  # outside of try: an error of the job itself is none of this bucket
        try:
            replay = self._replay_of(found)
        except SnapshotError as error:
            return self._unable(look, error, bucket)
        bucket = bucket or self._changed_rows(found)
        if bucket is None:
            return None
        began = time.perf_counter()
        judged = replay.judge(bucket, levels)
        self._session.scoring.invalidate()  # its rows, window and repeats are now out of date
        self._teach(bucket, judged)
        return self._write(found, replay, judged, began)

    def rescore_rows(
        self, found: FinalBucket, bucket: EventBucket, annotate: Callable[[RescoredBucket], Annotation]
    ) -> RescoredBucket | None:
        """Rescore a bucket whose rules changed, and write it with the annotation; return None if that can't be done.

        Nothing of it is learned now, since history is immutable, except for the current day's events.
        """
        error: IpiEsError | None = self._stores.results.indices.write_block(found.start)
        levels = self._pipeline().scorer.levels
        replay = None
        if error is None and self._has_events_of(found, bucket):
            try:
                replay = self._replay_of(found)
            except SnapshotError as lost:
                error = lost
        if replay is None:
            why = "its events are no longer all there" if error is None else error.message
            count = found.event_count
            self._session.annotate([annotate(RescoredBucket(found.start, found.span, 0, count, 0.0, 0.0, unable=why))])
            return None
        began = time.perf_counter()
        judged = replay.judge(bucket, levels)
        self._session.scoring.invalidate()
        return self._write(found, replay, judged, began, annotate)

    def _changed_rows(self, found: FinalBucket) -> EventBucket | None:
        """Return the bucket's current events; None if they are those that it was scored with."""
        bucket = read_again(self._resources, found)
        if differs(found, bucket):
            return bucket
        note_seq_no(self._session, found, bucket)
        return None

    def _has_events_of(self, found: FinalBucket, bucket: EventBucket) -> bool:
        """Decide whether all pairs that have a record are still among the events, and no fewer events than were scored.

        Records can be older than the bucket's count: they stay where events vanished.
        """
        if bucket.event_count < found.event_count:
            return False
        pairs = {
            (bucket.entities[entity], bucket.ips[ip])
            for entity, ip in zip(bucket.entity.tolist(), bucket.ip.tolist(), strict=True)
        }
        stored = self._stores.results.of_bucket(found.start, found.span).values()
        records = (each for each in stored if each["result_type"] == "record")
        return all((each["partition_field_value"], each["by_field_value"]) in pairs for each in records)

    def apply(self) -> None:
        """Update the scoring state that is loaded at the checkpoint, so that the day's events need not be read again.

        The result is the same as loading it now. Don't call it after an error: then the state is loaded again.
        """
        session, job, loaded = self._session, self._job, self._loaded
        if loaded is None or self._reload or not self._rescored:
            return
        checkpoint = session.state.trained.checkpoint
        late = late_rows.waiting(self._stores.blobs, session.state)
        recent = loaded.pipeline.scorer.repeats.read(self._stores.results, checkpoint, job.ip_field)
        session.scoring.apply_rescored(loaded, self._rescored, late, recent)

    def _pipeline(self) -> ScoringPipeline:
        """Return the pipeline at the checkpoint, with the current levels."""
        if self._loaded is None:
            self._loaded = self._session.loaded_scoring()
        return self._loaded.pipeline

    def _replay_of(self, found: FinalBucket) -> Replay:
        day = day_of(found.start)
        if self._replay is None or (self._replay.snapshot_id, self._replay.day) != (found.snapshot_id, day):
            self._replay = Replay.of(self._resources, found.snapshot_id, day, self._pipeline())
        return self._replay

    def _teach(self, bucket: EventBucket, judged: ReplayedBucket) -> None:
        """Add the rows that came too late for the delta of the bucket's day to the late rows of the current day.

        For a bucket of the current day nothing is stored: its events are read again before its delta is made.
        """
        session, state, day = self._session, self._session.state, day_of(bucket.start)
        history = HistoryId.parse(state.trained.history_id)
        if day >= history.day:
            return
        before = late_rows.load(self._stores.blobs, state)
        rows = judged.teaches(self._job)
        new = LateRows.of(rows, history.day, bucket.start).take(~self._known(history, day, rows))
        taken = before.take((before.bucket == bucket.start) & (before.into < history.day))
        new = new.take(~np.isin(_keys(new), _keys(taken)))
        if not len(new) and not ((before.bucket == bucket.start) & (before.into == history.day)).any():
            return
        keep_from = state.trained.checkpoint - self._job.late_window_seconds() - bucket.span
        blob = before.replaced(new, history.day, bucket.start, keep_from=keep_from).to_bytes()
        blob_id, old_id = late_rows.blob_id_of(history.base, blob), state.details.late_rows
        if blob_id == old_id:
            return
        session.writer.blobs.write(
            state.job_id,
            blob_id,
            "history_late",
            blob,
            created=self._stores.clock.now(),
            attributes={"base": history.base, "into": history.day},
        )
        session.writer.save(session.state.advanced(details=replace(session.state.details, late_rows=blob_id)))
        if old_id:
            session.writer.blobs.delete(state.job_id, old_id)

    def _known(self, history: HistoryId, day: int, rows: Rows) -> NDArray[np.bool_]:
        """Return which rows' pairs the job's history has already for that day, bool[n].

        A day before the history's base was read by a training, with or without the late events: for such a day, any
        pair in the history counts as known.
        """
        if day >= self._resources.base_of(self._session.state.trained.snapshot_id).day:
            return late_rows.in_delta(self._stores.blobs, self._job.job_id, history, day, rows)
        return ~unlearned(self._pipeline().keeper.history, rows[0], rows[1])

    def _write(
        self,
        found: FinalBucket,
        replay: Replay,
        judged: ReplayedBucket,
        began: float,
        annotate: Callable[[RescoredBucket], Annotation] | None = None,
    ) -> RescoredBucket:
        session, results, job = self._session, self._stores.results, self._job
        writer, start, scored = session.writer, found.start, judged.scored
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
        made = replay.describer.documents(scored, stamp, processing_time_ms=took)
        made, news = with_moments(made, stored)
        before = float(stored.get(bucket_id(job.job_id, start, found.span), {}).get("anomaly_score", 0.0))
        rescored = RescoredBucket(
            start,
            found.span,
            late_events=scored.bucket.event_count - found.event_count,
            event_count=scored.bucket.event_count,
            anomaly_score_before=before,
            anomaly_score=scored.anomaly_score,
            new_records=news,
            revision=revision,
        )
        made, kept = beside_stored(made, stored) if rescored.late_events < 0 else (made, [])
        made = replay.describer.marked([*kept, *made])[len(kept) :]  # what stays is open perhaps
        rescored = replace(rescored, anomaly_score=float(made[-1].source["anomaly_score"]))
        sources = [*stored.values(), *(each.source for each in made)]
        self._resources.incidents.mark_due(writer, start, start + found.span, sources)
        writer.write(made[:-1])
        writer.drop_vanished(start, start + found.span, {each.id for each in (*made, *kept)})
        session.annotate([(annotate or _annotation)(rescored)])
        writer.write(made[-1:])
        whole = [*kept, *made]
        self._rescored.append(RescoredRows(scored.bucket, scored.hashes, whole))
        self._reload |= _holds(whole, stored) or self._between(start)
        level = logging.WARNING if rescored.late_events < 0 else logging.INFO
        log.log(level, "job %s: bucket %s: %s", job.job_id, iso(start), _said(rescored))
        return rescored

    def _between(self, start: int) -> bool:
        """Decide whether the saved state lags behind the loaded one: before the first batch, or after a training."""
        state = self._session.state
        history = HistoryId.parse(state.trained.history_id)
        return state.renormalized_to is None or history.day <= day_of(start) < self._pipeline().keeper.id.day

    def _unable(self, look: ChangedBucket, error: IpiEsError, bucket: EventBucket | None) -> RescoredBucket:
        """Report that a bucket's events changed and why it isn't rescored, once for the same number of events.

        ``bucket``: its events, if they were read.
        """
        found, events = look.found, look.events
        late = events - found.event_count
        rescored = RescoredBucket(found.start, found.span, late, events, 0.0, 0.0, unable=error.message)
        if self._session.annotate([_annotation(rescored)]):
            log.warning("job %s: bucket %s: %s", self._job.job_id, iso(found.start), _said(rescored))
        if bucket is not None:
            note_seq_no(self._session, found, bucket)
        return rescored

    def _quantiles_id(self) -> str:
        state = self._session.state
        return state.quantiles_id or quantiles_id_of(state.trained.checkpoint)


def _keys(rows: LateRows) -> NDArray[np.uint64]:
    return late_rows.pair_keys(rows.entity, rows.address)


def _holds(made: list[ResultDocument], stored: Mapping[str, Mapping[str, Any]]) -> bool:
    """Decide whether the bucket's holds changed: that changes which rows of later buckets are learned."""
    return _held_back(stored.items()) != _held_back((each.id, each.source) for each in made)


def _held_back(results: Iterable[tuple[str, Mapping[str, Any]]]) -> set[tuple[str, str]]:
    """Return what isn't learned because of the results: (id, "held_until …" or "unlearned_entities …")."""
    fields = ("held_until", "unlearned_entities")
    return {(place, f"{name} {source[name]}") for place, source in results for name in fields if name in source}


def _annotation(rescored: RescoredBucket) -> Annotation:
    return Annotation("delayed_data", rescored.start, rescored.start + rescored.span, _said(rescored))


def _said(rescored: RescoredBucket) -> str:
    """Describe it for people. The text depends on the bucket alone, so it is the same again after a kill."""
    late, count = rescored.late_events, rescored.event_count
    if late > 0:
        events = f"{late:,} of {count:,} events came late"
    elif late < 0:
        events = f"{-late:,} of {count - late:,} events vanished after the bucket was scored"
    else:
        events = f"the {count:,} events were changed after the bucket was scored"
    if rescored.unable is not None:
        return f"{events}; not scored again: {rescored.unable}"
    scores = f"anomaly_score {rescored.anomaly_score_before:.1f} → {rescored.anomaly_score:.1f}"
    said = f"{events}; scored again (revision {rescored.revision}), {scores}"
    return f"{said}; what had been found stays" if late < 0 else said
