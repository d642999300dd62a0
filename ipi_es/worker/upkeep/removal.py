"""Reset a job, or delete it completely."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ipi_es.alerts.delivery_state import forget
from ipi_es.cluster.port import Cluster
from ipi_es.errors import JobBusy, NotFound
from ipi_es.results import retention
from ipi_es.results.retention import Deleted
from ipi_es.results.words import ALIAS
from ipi_es.state.blobs import BlobStore
from ipi_es.state.cluster_blobs import SNAPSHOT_INDEX, ClusterBlobs
from ipi_es.state.directory_blobs import DirectoryBlobs
from ipi_es.state.job_state import STATE_INDEX, StateStore
from ipi_es.state.leased_state import LeasedState
from ipi_es.state.owner import owner_alive, this_process
from ipi_es.state.quantiles_store import QuantilesStore
from ipi_es.state.verdict_store import VERDICTS_INDEX, VerdictStore
from ipi_es.worker.clock import Clock
from ipi_es.worker.lease_wait import LEASE, PATIENCE, LeaseWait

DELETING = "deleting it"
"""The purpose of a job's lease while the job is deleted."""


@dataclass(frozen=True, slots=True)
class RemovedJob:
    """The numbers of removed documents and blobs."""

    results: Deleted
    blobs: int
    """Snapshots and parts of their history."""
    quantiles: int
    verdicts: int

    def __str__(self) -> str:
        said = {
            "results": self.results.documents,
            "whole indices of results": len(self.results.indices),
            "snapshots and parts of history": self.blobs,
            "quantiles": self.quantiles,
            "verdicts": self.verdicts,
        }
        return ", ".join(f"{count:,} {what}" for what, count in said.items() if count) or "nothing but its state"


@dataclass(frozen=True, slots=True)
class StoredJob:
    """The numbers of stored documents of a job; ``checkpoint`` in epoch seconds."""

    checkpoint: int | None
    results: int
    """Results and annotations."""
    snapshots: int
    verdicts: int


class Removal:
    """Removes all that is stored of one job, by its id alone: its file may be deleted already."""

    def __init__(
        self,
        cluster: Cluster,
        job_id: str,
        clock: Clock,
        *,
        snapshots: Path | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """Open the stores. ``snapshots``: the directory with snapshots and history; None: the cluster.

        ``patience``: seconds to wait for a worker that holds the job's lease.
        """
        self._wait = LeaseWait(clock, patience)
        self._cluster, self._job_id, self._clock = cluster, job_id, clock
        self._states = StateStore(cluster)
        self._blobs: BlobStore = ClusterBlobs(cluster) if snapshots is None else DirectoryBlobs(snapshots)

    def stored(self) -> StoredJob:
        """Count what is stored of the job."""
        state = self._states.read(self._job_id)
        return StoredJob(
            checkpoint=None if state is None else state.checkpoint,
            results=_count(self._cluster, ALIAS, self._job_id),
            snapshots=len(self._blobs.list(self._job_id, "network")),
            verdicts=len(VerdictStore(self._cluster, self._job_id).all().verdicts),
        )

    def reset(self) -> RemovedJob:
        """Delete all that was learned and found, as if the job had never run; verdicts and a pause stay.

        Raises JobBusy if a worker keeps the job's lease. After a stop anywhere, it can be run again.
        """
        return self._remove(everything=False)

    def delete(self) -> RemovedJob:
        """Delete all that is stored of the job. Raises JobBusy as :meth:`reset` does."""
        return self._remove(everything=True)

    def _remove(self, *, everything: bool) -> RemovedJob:
        job_id, now = self._job_id, self._clock.now()
        doing = DELETING if everything else "resetting it"
        try:
            state = self._wait.acquire(self._states, job_id, this_process(), LEASE, alive=owner_alive, doing=doing)
        except JobBusy as error:
            raise JobBusy(
                error.message,
                hint=f"`ipi-es job pause {job_id}` makes a worker let go of it within half a minute; then say it again",
            ) from error
        # first, so that no state points to deleted data: after a stop during the removal, the job starts from scratch
        held = LeasedState(self._states, self._states.reset(state), now=self._clock.now, lease=LEASE)
        with held.renewed():
            removed = self._removed(held, now, everything=everything)
        if everything:
            forget(self._cluster, job_id)
            self._states.delete(job_id)
        else:
            held.release()
        return removed

    def _removed(self, held: LeasedState, now: int, *, everything: bool) -> RemovedJob:
        job_id, version = self._job_id, held.state.external_version
        verdicts = VerdictStore(self._cluster, job_id)
        others_from = self._states.others_from(job_id)
        results = retention.delete_all(
            self._cluster, job_id, version, now if others_from is None else min(now, others_from)
        )
        held.check()
        blobs = self._blobs.delete_all(job_id)
        held.check()
        return RemovedJob(
            results=results,
            blobs=blobs,
            quantiles=QuantilesStore(self._cluster, job_id).sweep([], version),
            verdicts=verdicts.delete_verdicts() if everything else 0,
        )


def is_known(cluster: Cluster, job_id: str) -> bool:
    """Decide whether a cluster has any document of a job; for jobs whose file is deleted."""
    return any(_count(cluster, index, job_id) for index in (STATE_INDEX, SNAPSHOT_INDEX, VERDICTS_INDEX, ALIAS))


def _count(cluster: Cluster, index: str, job_id: str) -> int:
    cluster.refresh(index)
    try:
        return cluster.count(index, {"bool": {"filter": [{"term": {"job_id": job_id}}]}})
    except NotFound:
        return 0
