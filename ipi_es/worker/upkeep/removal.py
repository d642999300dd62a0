"""Making a job forget everything, or vanish: nothing of it stays behind."""

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
from ipi_es.state.verdict_store import VerdictStore
from ipi_es.worker.clock import Clock
from ipi_es.worker.lease_wait import PATIENCE, acquire_lease

DELETING = "deleting it"
"""What a job's lease is for while it is deleted."""

LEASE = 24
"""Seconds for which the job is taken at a time: renewed for as long as there is something to delete."""


@dataclass(frozen=True, slots=True)
class RemovedJob:
    """What went."""

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
    """What there is of a job; ``checkpoint`` in epoch seconds."""

    checkpoint: int | None
    results: int
    """Annotations too."""
    snapshots: int
    verdicts: int


class Removal:
    """All that is stored of one job, by its id alone: its file may be gone already."""

    def __init__(
        self,
        cluster: Cluster,
        job_id: str,
        clock: Clock,
        *,
        snapshots: Path | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """``snapshots``: the directory with snapshots and history; None: the cluster.

        ``patience``: seconds to wait for a worker that is amid the job.
        """
        self._patience = patience
        self._cluster, self._job_id, self._clock = cluster, job_id, clock
        self._states = StateStore(cluster)
        self._blobs: BlobStore = ClusterBlobs(cluster) if snapshots is None else DirectoryBlobs(snapshots)

    def stored(self) -> StoredJob:
        """What there is."""
        state = self._states.read(self._job_id)
        return StoredJob(
            checkpoint=None if state is None else state.checkpoint,
            results=_count(self._cluster, ALIAS, self._job_id),
            snapshots=len(self._blobs.list(self._job_id, "network")),
            verdicts=len(VerdictStore(self._cluster, self._job_id).all()),
        )

    def reset(self) -> RemovedJob:
        """Forget what was learned and found, as if the job had never run; verdicts stay, and whether it is paused.

        JobBusy where a worker stays amid it. Stopped anywhere, it can be run again.
        """
        return self._remove(everything=False)

    def delete(self) -> RemovedJob:
        """Delete all that there is of the job; JobBusy as for :meth:`reset`."""
        return self._remove(everything=True)

    def _remove(self, *, everything: bool) -> RemovedJob:
        job_id, now = self._job_id, self._clock.now()
        try:
            state = acquire_lease(
                self._states,
                job_id,
                this_process(),
                self._clock,
                LEASE,
                alive=owner_alive,
                doing=DELETING if everything else "resetting it",
                patience=self._patience,
            )
        except JobBusy as error:
            raise JobBusy(
                error.message,
                hint=f"`ipi-es job pause {job_id}` makes a worker let go of it within half a minute; then say it again",
            ) from error
        # first, so that nothing points to what is deleted: stopped amid it, the job begins anew
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
            verdicts=sum(verdicts.delete(each.entity, each.network) for each in verdicts.all()) if everything else 0,
        )


def is_known(cluster: Cluster, job_id: str) -> bool:
    """Whether a cluster holds anything of a job; for jobs whose file is gone."""
    return any(_count(cluster, index, job_id) for index in (STATE_INDEX, SNAPSHOT_INDEX, ALIAS))


def _count(cluster: Cluster, index: str, job_id: str) -> int:
    cluster.refresh(index)
    try:
        return cluster.count(index, {"bool": {"filter": [{"term": {"job_id": job_id}}]}})
    except NotFound:
        return 0
