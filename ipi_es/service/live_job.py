"""One job that is run at regular ticks: a tick does the work that is due and reports errors; the next tick continues.

An error or a kill loses nothing: work continues from the state's checkpoint. If the clock was set back, nothing is due
until it reaches the checkpoint again; no bucket is scored twice.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ipi_es.cluster.transport.pressure import reporting_rejections
from ipi_es.errors import ClusterError, IpiEsError, JobBusy, LostJob
from ipi_es.malloc import give_back
from ipi_es.results.documents.annotations import Annotation
from ipi_es.service import due
from ipi_es.service.blindness import blindness_annotations
from ipi_es.service.blindness.blind_change import BlindChange, BlindReason
from ipi_es.service.blindness.count_recall import recalled
from ipi_es.service.health.health import JobHealth
from ipi_es.service.live_training import LiveTraining, Stopped
from ipi_es.service.log_context import logs_its_job
from ipi_es.service.takeover import TakeoverDecision, TakeoverTurn, holder_of
from ipi_es.service.tick_outcome import TickOutcome, TickResult
from ipi_es.state.details import LastError
from ipi_es.state.job_state import JobState
from ipi_es.state.owner import owner_alive
from ipi_es.times import iso
from ipi_es.worker.changed_settings import OnChange, require_unchanged
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.job_session import JobSession
from ipi_es.worker.job_status import complete_to
from ipi_es.worker.late.late_rescoring import rescore_late
from ipi_es.worker.late.rule_rescoring import rescore_by_rules
from ipi_es.worker.lease_wait import LEASE
from ipi_es.worker.open_session import open_session
from ipi_es.worker.scoring.interim_results import write_interim
from ipi_es.worker.scoring.scored_bucket import ScoredBucket
from ipi_es.worker.upkeep.cleanup import clean
from ipi_es.worker.verdicts.result_marks import mark_results, unmarked

log = logging.getLogger(__name__)

LOOK_ON = 5.0
"""Seconds between two checks of a job that is another worker's turn: with a lease of 24 s, the job of a dead worker is
taken over within 30 s."""

SLICE = 60.0
"""Seconds of catching up after which other jobs get their turn; the next tick, right after theirs, continues."""

GAP = 2.0
"""Seconds until that next tick. A command that waits for the job (`ipi_es.worker.lease_wait`) checks every half second,
so it finds the job free, whatever part of a second the schedule rounds off."""

CLOCKS_APART = 50
"""Seconds by which the clock may be ahead of the cluster's: at most the least default query_delay."""

CLEAN_AGAIN = 20 * 3_600
"""Seconds between two cleanups of a job: one a night, however many workers there are."""

CLEAN_LATER = 300.0
"""Seconds until a cleanup is tried again if the job was at work."""

RETRY = 60.0
"""Seconds until the next tick after an error of the cluster, if the regular tick is later."""


def never() -> bool:
    """Return False: a ``stopping`` callback that never stops the work."""
    return False


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """Settings and checks that a live job gets from its worker; the defaults are for a worker of one job."""

    usable: Callable[[], None] = lambda: None
    """Raises an error if the job's indices or fields can't be used; called before the job's first work."""
    awaited: Callable[[], str | None] = lambda: None
    """Returns what a new job has to wait for before `usable` is called; None: nothing."""
    places: threading.Semaphore | None = None
    """How many jobs may train at a time."""
    lease: int = LEASE
    alive: Callable[[str], bool] = owner_alive
    stopwatch: Callable[[], float] = time.monotonic
    on_change: OnChange = OnChange.REFUSE
    """What to do if the job's settings aren't those that it was trained with."""
    on_scored: Callable[[ScoredBucket], None] = lambda _: None
    """Called with each scored bucket, in order, before its results are written; an error fails the tick."""


class LiveJob:
    """One job of a worker. ``tick`` may be called from any thread; a second call at the same time does nothing."""

    def __init__(self, resources: JobResources, health: JobHealth, context: WorkerContext | None = None) -> None:
        self.resources, self.health, self.job = resources, health, resources.job
        resources.report_steps_to(health.took)
        self._context = context or WorkerContext()
        places = self._context.places or threading.Semaphore()
        self._training = LiveTraining(resources, health, places, self._context.stopwatch)
        self._turns = TakeoverDecision(resources.owner, self._context.lease, self._context.alive)
        self._at_work = threading.Lock()
        self._ready = self._had_state = False
        self._stood: int | None = None  # the checkpoint when this worker last released the job, epoch seconds
        self._blind: list[BlindChange] = []  # not annotated yet

    @logs_its_job
    def tick(self, now: int, stopping: Callable[[], bool] = never, *, patient: bool = True) -> TickOutcome:
        """Do the work that is due at ``now`` (epoch seconds), or as much of it as one turn allows.

        Never raises. ``stopping`` ends the tick after the current batch. ``patient``: leave the job to the worker that
        did its last work, as long as that worker keeps up with it.
        """
        if not self._at_work.acquire(blocking=False):
            return TickOutcome(TickResult.NOTHING)
        try:
            self.health.tick_began(now)
            with reporting_rejections(self.health.bulk_rejected):
                outcome = self._tick(now, stopping, patient=patient)
        except Stopped:
            return TickOutcome(TickResult.STOPPED)
        except (JobBusy, LostJob) as error:
            return self._not_ours(now, error)
        except Exception as error:  # noqa: BLE001  (one job's trouble must not end the others)
            return self._failed(now, error)
        finally:
            self._at_work.release()
        if outcome.did in (TickResult.WORKED, TickResult.NOTHING, TickResult.STOPPED):
            self.health.tick_ended(now)
        return outcome

    @logs_its_job
    def clean(self, now: int, stopping: Callable[[], bool] = never) -> TickOutcome:
        """Delete data that is past its retention, unless a worker did so in the last hours. Never raises."""
        if not self._at_work.acquire(blocking=False):
            return TickOutcome(TickResult.NOTHING, CLEAN_LATER)
        try:
            with reporting_rejections(self.health.bulk_rejected):
                return self._clean(now, stopping)
        except (JobBusy, LostJob):
            return TickOutcome(TickResult.NOTHING, CLEAN_LATER)
        except Exception as error:  # noqa: BLE001  (one job's trouble must not end the others)
            return self._failed(now, error)
        finally:
            self._at_work.release()

    def _clean(self, now: int, stopping: Callable[[], bool]) -> TickOutcome:
        state = self.resources.stores.states.read(self.job.job_id)
        if state is None or state.paused or now - (state.details.cleaned_at or 0) < CLEAN_AGAIN:
            return TickOutcome(TickResult.NOTHING)
        with open_session(
            self.resources, self._context.alive, doing="cleaning up", patience=0, on_change=OnChange.IGNORE
        ) as session:
            self._timed("clean", lambda: clean(session, now, stopping))
            if stopping():
                return TickOutcome(TickResult.STOPPED)
            session.note(cleaned_at=now)
        give_back()  # memory that a day's work freed in between blocks still in use
        return TickOutcome(TickResult.WORKED)

    def _tick(self, now: int, stopping: Callable[[], bool], *, patient: bool) -> TickOutcome:
        state = self.resources.stores.states.read(self.job.job_id)
        if state is None and self._had_state:
            self.health.recall(())  # missing events of a deleted job no longer matter
            return self._rests(now, "nothing: the job was deleted; restart the worker to start the job again")
        self._had_state = state is not None
        if state is not None and state.paused:
            self.health.paused(now)
            return TickOutcome(TickResult.PAUSED)
        require_unchanged(self.job, state, self._context.on_change)  # before a lease is taken
        complete = complete_to(self.job, now)
        if not self._anything_due(state, now, complete):
            self.health.nothing_due(now, None if state is None else state.checkpoint)
            return TickOutcome(TickResult.NOTHING)
        turn = self._turns.turn(state, complete, now, self._context.stopwatch()) if patient else TakeoverTurn.MINE
        if turn is TakeoverTurn.THEIRS and state is not None:
            return self._looks_on(state, now, complete)
        alive = (lambda _: False) if turn is TakeoverTurn.OVERDUE else self._context.alive
        with open_session(self.resources, alive, patience=0, on_change=self._context.on_change) as session:
            self._had_state = True
            return self._in_session(session, now, complete, stopping)

    def _anything_due(self, state: JobState | None, now: int, complete: int) -> bool:
        if state is None or state.snapshot_id is None:
            return not self._training.rests
        if state.renormalize_due or self.resources.incidents.due(state.details):
            return True
        if unmarked(self.resources.stores.verdicts.all(), state.details):
            return True
        checkpoint = state.trained.checkpoint
        return checkpoint < complete or due.wants_interim(self.job, now, checkpoint)

    def _in_session(self, session: JobSession, now: int, complete: int, stopping: Callable[[], bool]) -> TickOutcome:
        if session.state.paused:  # since the state was read
            self.health.paused(now)
            return TickOutcome(TickResult.PAUSED)
        self.health.lease_acquired(now, session.state.checkpoint)
        mistake = self._training.last_error(session.state.snapshot_id)
        session.note(last_worker=self._turns.me, last_error=mistake, waits_for=None)
        try:
            return self._do_due(session, now, complete, stopping)
        except (Stopped, LostJob):
            session.note(last_error=session.state.details.last_error)  # neither is a failure of the job
            raise
        except Exception as error:
            session.note(last_error=LastError.of(now, error))
            raise
        finally:
            self._stood = session.state.checkpoint

    def _do_due(self, session: JobSession, now: int, complete: int, stopping: Callable[[], bool]) -> TickOutcome:
        if not self._ready:
            missing = self._context.awaited() if session.state.snapshot_id is None else None
            if missing is not None:
                return TickOutcome(TickResult.WAITED, self._training.waits(session, now, missing), text=missing)
            self._context.usable()
        complete = min(complete, self._by_the_cluster(now, complete))
        if session.state.snapshot_id is None:
            again_in = self._training.first(session, now, complete, stopping)
            if again_in is not None:
                return TickOutcome(TickResult.WAITED, again_in, text=session.details.waits_for or "")
        # the job is new to this worker, was reverted, or another worker did work on it
        if not self._ready or session.state.checkpoint != self._stood:
            self._recall(session)
            self._ready = True
        session.make_good()
        self._timed("verdicts", lambda: mark_results(session, stopping))
        buckets = self._catch_up(session, now, complete, stopping)
        if stopping():
            return TickOutcome(TickResult.STOPPED, buckets=buckets)
        if session.state.trained.checkpoint < complete:
            return TickOutcome(TickResult.WORKED, GAP, buckets)
        self._timed("late", lambda: rescore_late(session, now, stopping))
        self._timed("rules", lambda: rescore_by_rules(session, now, stopping))
        if stopping():
            return TickOutcome(TickResult.STOPPED, buckets=buckets)
        session.update_incidents(stopping)
        if due.wants_interim(self.job, now, session.state.trained.checkpoint):
            self._timed("interim", lambda: write_interim(session, now))
        return TickOutcome(TickResult.WORKED, buckets=buckets)

    def _timed(self, step: str, work: Callable[[], object]) -> None:
        began = self._context.stopwatch()
        work()
        self.health.took(step, self._context.stopwatch() - began)

    def _by_the_cluster(self, now: int, complete: int) -> int:
        """Return the end of the last complete bucket, by the cluster's clock if this machine's clock is ahead of it.

        Otherwise buckets would be scored before their events have arrived.
        """
        theirs = self.resources.stores.states.cluster_time()
        ahead = 0 if theirs is None else now - theirs
        if theirs is None or ahead <= CLOCKS_APART:
            return complete
        log.warning("job %s: this clock is %d s ahead of the cluster's, which is used instead", self.job.job_id, ahead)
        return complete_to(self.job, theirs)

    def _catch_up(self, session: JobSession, now: int, complete: int, stopping: Callable[[], bool]) -> int:
        """Score up to ``complete``, train where a training is due on the way, and return the number of buckets."""
        began, before = self._context.stopwatch(), session.state.trained.checkpoint

        def enough() -> bool:
            return stopping() or self._context.stopwatch() - began > SLICE

        while True:
            checkpoint, snapshot = (
                session.state.trained.checkpoint,
                self.resources.snapshot(session.state.snapshot_id),
            )
            self.health.uses(session.state.trained.snapshot_id, snapshot.trained_to)
            # a reverted job is not trained until it has passed the point of the revert: that would undo the revert
            train_at = self._training.due_at(max(snapshot.trained_to, session.state.details.reverted_from or 0))
            if train_at is not None and checkpoint >= train_at:
                self._training.again(session, now, stopping)
                continue
            until = complete if train_at is None else min(complete, train_at)
            if checkpoint >= until or enough():
                return max(checkpoint - before, 0) // self.job.bucket_span
            self._score(session, now, until, enough)

    def _score(self, session: JobSession, now: int, until: int, enough: Callable[[], bool]) -> None:
        written = session.state.trained.checkpoint

        def on_progress(scored: ScoredBucket) -> None:
            nonlocal written
            self._scored(scored)
            self._context.on_scored(scored)
            checkpoint = session.state.trained.checkpoint
            if checkpoint != written:
                written = checkpoint
                self.health.batch_written(now, written)

        session.catch_up(until, on_progress, enough)
        self.health.batch_written(now, session.state.trained.checkpoint)
        changes, self._blind = self._blind, []
        session.annotate(self._remark(change) for change in changes)

    def _remark(self, change: BlindChange) -> Annotation:
        """Return the annotation of a change, and log it; if an outcome is missing, it names the outcomes that occur."""
        words: dict[str, int] = {}
        if change.goes_on and change.reason is BlindReason.OUTCOME_MISSING:
            words = self.resources.feed.outcome_words(change.start, change.end)
            self.health.explain(words)
        said = blindness_annotations.of_blindness(self.job, change, words)
        if change.goes_on:
            log.warning("job %s is %s: %s", self.job.job_id, change.state.replace("_", " "), said.text)
        else:
            log.info("job %s is no longer blind: %s", self.job.job_id, said.text)
        return said

    def _scored(self, scored: ScoredBucket) -> None:
        bucket, change = scored.bucket, self.health.heard(scored)
        log.info(
            "job %s: bucket %s: %d events, %d pairs, anomaly_score %.1f, %d records",
            self.job.job_id,
            iso(bucket.start),
            bucket.event_count,
            len(scored.pairs.entity),
            scored.anomaly_score,
            len(scored.records),
        )
        if change is not None:
            self._blind.append(change)

    def _recall(self, session: JobSession) -> None:
        """Give health the counts of the weeks before the checkpoint: a time that is always quiet is no blindness."""
        session.retract_unused()  # left by a worker that was killed during a training
        results, end = self.resources.stores.results, session.state.trained.checkpoint
        self.health.recall(recalled(self.resources.feed, results, end, self.job.bucket_span))
        blind = self.health.blind()
        if blind is not None:
            session.annotate([self._remark(blind)])  # a worker that was killed may not have written it

    def _looks_on(self, state: JobState, now: int, complete: int) -> TickOutcome:
        holder = holder_of(state, now) or str(state.details.last_worker)
        self.health.stands_by(now, holder)
        waiting = state.snapshot_id is None or state.trained.checkpoint < complete or state.lease_owner is not None
        return TickOutcome(TickResult.STOOD_BY, LOOK_ON if waiting else None, text=f"left to {holder}")

    def _rests(self, now: int, what_for: str) -> TickOutcome:
        self.health.waits(now, what_for)
        return TickOutcome(TickResult.WAITED, text=what_for)

    def _not_ours(self, now: int, error: IpiEsError) -> TickOutcome:
        log.log(logging.WARNING if isinstance(error, LostJob) else logging.DEBUG, "%s", error.message)
        self.health.stands_by(now, "another worker")
        return TickOutcome(TickResult.STOOD_BY, LOOK_ON, text=error.message)

    def _failed(self, now: int, error: Exception) -> TickOutcome:
        log.error("job %s: %s", self.job.job_id, error, exc_info=None if isinstance(error, IpiEsError) else error)
        self.health.failed(now, error)
        soon = RETRY if isinstance(error, ClusterError) and self.job.frequency > RETRY else None
        return TickOutcome(TickResult.FAILED, soon, text=str(error))
