"""Load what scores pairs: a snapshot and its newest history, of a directory or of the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ipi_es.config.job_config import Job
from ipi_es.datafeed.bucket_context import networks_of
from ipi_es.errors import SnapshotMissing, UsageError
from ipi_es.ipinsights.scorer import Scorer
from ipi_es.state.blobs import BlobStore
from ipi_es.state.directory_blobs import DirectoryBlobs
from ipi_es.state.job_state import untrained
from ipi_es.worker.changed_settings import require_same_key
from ipi_es.worker.history.history_keeper import HistoryId, history_base, load_history
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.pairs.pair_scorer import PairScorer
from ipi_es.worker.training.job_snapshot import JobSnapshot


@dataclass(frozen=True, slots=True)
class ScorerId:
    """The ids of a snapshot and of the history that it is used with."""

    snapshot: str
    history: HistoryId


def newest(blobs: BlobStore, job_id: str, snapshot_id: str | None = None) -> ScorerId:
    """Return the named snapshot, by default the newest, with its newest history. Raises SnapshotMissing."""
    if snapshot_id is None:
        found = blobs.list(job_id, "network")
        if not found:
            raise SnapshotMissing(
                f"there is no snapshot of job {job_id}",
                hint="name the folder that snapshots.directory of ipi-es.yml names, above the folders of the jobs",
            )
        snapshot_id = found[-1].id
    base = history_base(snapshot_id)
    day = int(blobs.info(job_id, base).attributes["day"])
    deltas = blobs.list(job_id, "history_delta")
    days = [int(info.attributes["day"]) + 1 for info in deltas if info.attributes.get("base") == base]
    return ScorerId(snapshot_id, HistoryId(base, max([day, *days])))


def in_use(work: JobResources, snapshot_id: str | None = None) -> ScorerId:
    """Return the snapshot and history that a job's state points to; for another snapshot, its newest history.

    Raises SnapshotMissing where the job isn't trained, JobChanged where its state is of another key of pseudonyms.
    """
    job_id = work.job.job_id
    state = work.stores.states.read(job_id)
    require_same_key(work.job, state)
    current = None if state is None else state.snapshot_id
    wanted = snapshot_id or current
    if wanted is None:
        raise untrained(job_id)
    if wanted == current and state is not None and state.history_id is not None:
        return ScorerId(wanted, HistoryId.parse(state.history_id))
    return newest(work.stores.blobs, job_id, wanted)


def load_in_use(work: JobResources, which: ScorerId) -> PairScorer:
    """Load a snapshot and its history from where a job keeps them. Raises SnapshotError."""
    return _scorer(work.stores.blobs, work.snapshot(which.snapshot), which, work.folded_job())


def load(blobs: BlobStore, job_id: str, which: ScorerId, job: Job | None) -> PairScorer:
    """Load a snapshot and its history; without a ``job``, entities are taken as spelled. Raises SnapshotError."""
    return _scorer(blobs, JobSnapshot.from_bytes(blobs.read(job_id, which.snapshot), job_id), which, job)


def _scorer(blobs: BlobStore, snapshot: JobSnapshot, which: ScorerId, job: Job | None) -> PairScorer:
    scorer = Scorer(snapshot.network, load_history(blobs, snapshot.job_id, which.history))
    if job is None:
        return PairScorer(which.snapshot, snapshot, scorer, str)
    return PairScorer(
        which.snapshot, snapshot, scorer, job.stored_entity, networks_of(job), job.datafeed_config.translators
    )


def only_job(directory: Path, given: Path, advice: str) -> str:
    """Return the only job with snapshots in a directory, which was ``given`` as this path, or as this archive.

    Raises SnapshotMissing if there is none, UsageError if there are several: ``advice`` is its hint, with ``{}`` for a
    job's name.
    """
    jobs = jobs_in(directory)
    if len(jobs) == 1:
        return jobs[0]
    if not jobs:
        raise _no_snapshot(directory, given)
    raise UsageError(f"{given} has snapshots of {', '.join(jobs)}", hint=advice.format(jobs[0]))


def jobs_in(directory: Path) -> list[str]:
    """Return the jobs with snapshots in a directory, by name."""
    blobs = DirectoryBlobs(directory)
    found = sorted(folder.name for folder in directory.iterdir() if folder.is_dir())
    return [name for name in found if _has_networks(blobs, name)]


def _has_networks(blobs: BlobStore, name: str) -> bool:
    try:
        return bool(blobs.list(name, "network"))
    except UsageError:  # not a valid job name
        return False


def _no_snapshot(directory: Path, given: Path) -> SnapshotMissing:
    """Return the error for a directory without snapshots; its hint depends on the files found there."""
    if any(directory.glob("*.blob")):
        above = given.resolve().parent
        return SnapshotMissing(f"{given} is the folder of one job", hint=f"name the one above it: {above}")
    if any(directory.glob("*/*.blob")):
        return SnapshotMissing(
            f"{given} has files of snapshots, but none that is whole", hint="copy them again, or train again"
        )
    return SnapshotMissing(f"{given} has no snapshot", hint="make one: ipi-es train --csv FILE --snapshots DIR")
