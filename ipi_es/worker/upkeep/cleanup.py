"""Clean up a job, once a night: delete data that is past its retention, and leftovers of killed runs.

Data that the job's state needs stays: the snapshot in use with its history, snapshots of results that late events may
still change, the current quantiles, and records with holds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ipi_es.config.job_config import Job
from ipi_es.results.retention import Deleted, held_for
from ipi_es.state.job_state import JobState
from ipi_es.times import SECONDS, day_of
from ipi_es.worker.job_session import JobSession
from ipi_es.worker.training.snapshot_inventory import SnapshotInventory, past_keeping, trained_to
from ipi_es.worker.upkeep.missing_results import warn_of_missing

log = logging.getLogger(__name__)

DAY = SECONDS["d"]

ALL_FOR = DAY
"""Seconds before the checkpoint in which every batch's quantiles are kept; before that, one a day."""


@dataclass(frozen=True, slots=True)
class CleanupResult:
    """The data that one cleanup deleted."""

    results: int = 0
    """Result documents and annotations that were deleted one by one."""
    indices: tuple[str, ...] = ()
    """Indices of results that were deleted as a whole."""
    snapshots: tuple[str, ...] = ()
    pieces: int = 0
    """Leftovers of killed writes and trainings."""
    quantiles: int = 0

    def __bool__(self) -> bool:
        return bool(self.results or self.indices or self.snapshots or self.pieces or self.quantiles)

    def __str__(self) -> str:
        said = {
            "results": self.results,
            "whole indices": len(self.indices),
            "snapshots": len(self.snapshots),
            "quantiles": self.quantiles,
            "pieces of killed writes": self.pieces,
        }
        return ", ".join(f"{count:,} {what}" for what, count in said.items() if count) or "nothing"


def clean(session: JobSession, now: int, stopping: Callable[[], bool] = lambda: False) -> CleanupResult:
    """Delete data that the job no longer needs, and warn of needed results that are missing.

    ``now`` is in epoch seconds. Each part can be stopped anywhere, by ``stopping`` or a kill: the next cleanup
    continues.

    :raises LostJob: another worker took the job over.
    """
    job, results = session.resources.job, _clean_results(session, now, stopping)
    done = CleanupResult(results.documents, results.indices)
    if not stopping():
        session.update_incidents()
        warn_of_missing(session, results_end(job, session.state, now))
        inventory = SnapshotInventory.of(job.job_id, session.writer.blobs, session.state)
        snapshots = _clean_snapshots(session, inventory)
        pieces = _clean_pieces(inventory, now)
        quantiles = _clean_quantiles(session, inventory, gone=snapshots)
        done = replace(done, snapshots=tuple(snapshots), pieces=pieces, quantiles=quantiles)
    if done:
        log.info("job %s: cleaned up: %s", job.job_id, done)
    return done


def _clean_results(session: JobSession, now: int, stopping: Callable[[], bool]) -> Deleted:
    job, states = session.resources.job, session.resources.stores.states
    end = results_end(job, session.state, now)
    if end is None:
        return Deleted()
    session.resources.incidents.mark_begin(session.writer, end)
    return session.writer.delete_before(
        end,
        others_from=states.others_from(job.job_id),
        held_from=held_from(job, session.state, now),
        stopping=stopping,
    )


def _clean_snapshots(session: JobSession, inventory: SnapshotInventory) -> list[str]:
    job, state = session.resources.job, session.state
    used = {info.id for info in inventory.networks if inventory.uses(info.id)}
    if state.checkpoint is not None:
        # a bucket that gets late events is rescored with the snapshot that it was scored with
        since = state.checkpoint - max(job.late_window_seconds(), DAY)
        used |= session.resources.stores.results.snapshot_ids(since)
    gone = past_keeping(inventory.networks, job.model_snapshot_retention_days, used)
    for snapshot_id in gone:
        inventory.delete(snapshot_id)
    return gone


def _clean_pieces(inventory: SnapshotInventory, now: int) -> int:
    """Delete blobs without an owner, except of the last day: a worker that lost the job may still be writing them."""
    blobs, job_id = inventory.blobs, inventory.job_id
    ownerless = [info for info in inventory.ownerless() if info.created < now - DAY]
    for info in ownerless:
        blobs.delete(job_id, info.id)
    return len(ownerless) + blobs.sweep(job_id)


def _clean_quantiles(session: JobSession, inventory: SnapshotInventory, *, gone: Collection[str]) -> int:
    state = session.state
    starts = [trained_to(info) for info in inventory.networks if info.id not in gone]
    times = session.resources.stores.quantiles.times()
    days = session.resources.job.model_snapshot_retention_days
    keep = kept_quantiles(times, state.quantiles_id, state.checkpoint, days, starts)
    return 0 if len(keep) == len(times) else session.writer.sweep_quantiles(keep)


def results_end(job: Job, state: JobState, now: int) -> int | None:
    """Return the time before which results are too old, epoch seconds; None: they are kept forever.

    It is the start of a UTC day, so that no bucket is cut. Results that scoring still reads stay, also if a job is far
    behind.
    """
    days = job.results_retention_days
    if days is None:
        return None
    end = now - days * DAY
    if state.checkpoint is not None:
        end = min(end, state.checkpoint - max(job.late_window_seconds(), job.repeat_window))
    return end // DAY * DAY


def held_from(job: Job, state: JobState, now: int) -> int | None:
    """Return the time from which records with holds are still needed, epoch seconds; None: the job has no holds.

    Holds are known from the records alone, and a training must not learn held events: it reads the records of its
    window, and earlier ones whose holds reach into the window.
    """
    if job.hold_probability <= 0.0:
        return None
    return (now if state.checkpoint is None else state.checkpoint) - held_for(job)


def kept_quantiles(
    times: Mapping[str, int], current: str | None, checkpoint: int | None, days: int, starts: Sequence[int]
) -> set[str]:
    """Return the ids of quantiles to keep; ``times``: id → event time, epoch seconds.

    These are the current ones, all of the last day before the checkpoint, the last of each UTC day for ``days`` before
    it, and those with which each kept snapshot began (at ``starts``), so that the job can be reverted to it.
    """
    if not times:
        return set()
    latest = max(times.values()) if checkpoint is None else checkpoint
    in_order = sorted(times, key=lambda name: (times[name], name))
    # a batch that ends at midnight is the last one of the day before
    keep = {day_of(times[name] - 1): name for name in in_order if times[name] > latest - days * DAY}
    kept = {*keep.values(), *(name for name in in_order if times[name] > latest - ALL_FOR)}
    for start in starts:
        kept |= set([name for name in in_order if times[name] <= start][-1:])
    return kept | {name for name in times if name == current}
