"""Check that a job's results can be read, so that “nothing found” is said only of a time that was scored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ipi_es.errors import NotFound, PermissionDenied, SnapshotError
from ipi_es.times import SECONDS, iso

if TYPE_CHECKING:
    from ipi_es.cluster.port import Cluster
    from ipi_es.config.job_config import Job

BEHIND = SECONDS["d"]
"""Seconds by which the newest readable result may be older than the checkpoint: a batch that isn't refreshed yet."""


def newest_result(cluster: Cluster, job: Job, directory: Path | None) -> tuple[int | None, str | None]:
    """Return (exclusive end of the newest readable final bucket in epoch seconds, a warning); None: there is none.

    Raises NotFound where the job's state says that buckets were scored and none of them is found. Without permission
    to read the state, this isn't checked. ``directory`` holds the snapshots, if they aren't in the cluster.
    """
    from ipi_es.results.reading.result_reader import ResultReader

    scored = _scored_to(cluster, job, directory)
    newest = ResultReader(cluster, job.job_id).newest_end(job.bucket_span)
    if scored is None:
        return newest, None
    hint = f"`ipi-es check {job.job_id}` looks at the indices and at the alias over them"
    if newest is None:
        raise NotFound(
            f"job {job.job_id} is scored up to {iso(scored)}, but none of its results can be found: they were deleted, "
            "or their indices lack the alias ipi-es-anomalies",
            hint=hint,
        )
    if scored - newest > BEHIND:
        return newest, (
            f"job {job.job_id} is scored up to {iso(scored)}, but its results can be found up to {iso(newest)} only; "
            f"{hint}"
        )
    return newest, None


def incidents_note(cluster: Cluster, job: Job) -> str | None:
    """Return a warning that stored incidents may not agree with the results; None: they do, or it isn't known."""
    from ipi_es.state.job_state import StateStore
    from ipi_es.worker.incidents.incidents_due import incidents_due

    try:
        state = StateStore(cluster).read(job.job_id)
    except PermissionDenied:
        return None
    due = None if state is None else incidents_due(state.details, job)
    if state is None or due is None:
        return None
    since = "" if due.start == 0 else f" since {iso(due.start)}"
    return (
        f"results{since} are not all in incidents yet: the next run of job {job.job_id} (`ipi-es run`, `ipi-es "
        "backfill`) brings them up to date"
    )


def _scored_to(cluster: Cluster, job: Job, directory: Path | None) -> int | None:
    """Return the state's checkpoint, epoch seconds; None where no bucket was scored or the state can't be read."""
    from ipi_es.state.job_state import StateStore
    from ipi_es.worker.history.history_keeper import history_base
    from ipi_es.worker.job_resources import JobResources

    try:
        state = StateStore(cluster).read(job.job_id)
        if state is None or state.checkpoint is None or state.snapshot_id is None:
            return None
        blobs = JobResources(cluster, job, snapshots=directory).stores.blobs
        day = int(blobs.info(job.job_id, history_base(state.snapshot_id)).attributes["day"])
    except (PermissionDenied, NotFound, SnapshotError, KeyError, TypeError, ValueError):
        return None
    return state.checkpoint if state.checkpoint > day * SECONDS["d"] else None
