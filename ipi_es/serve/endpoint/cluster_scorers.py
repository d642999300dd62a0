"""Scorers of the cluster's jobs: each request reads the job's state, and its snapshot's entry, as its caller may."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from starlette.requests import Request

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.errors import EndpointUnknown, PermissionDenied, SnapshotError
from ipi_es.serve.endpoint.live_scorer import LiveScorer, unknown
from ipi_es.serve.reading_rights import require_reading
from ipi_es.state.job_state import STATE_INDEX
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.pairs.pair_scorer import PairScorer
from ipi_es.worker.pairs.scorer_loading import in_use, load_in_use


class ClusterScorers:
    """The scorers of the configured jobs. Several threads may use it."""

    waits = True

    def __init__(self, jobs: Mapping[str, Job], snapshots: Path | None, connect: Callable[[Request], Cluster]) -> None:
        """``snapshots``: the directory that snapshots.directory names; None: they are in the cluster.

        ``connect`` returns the cluster with the rights of a request's caller.
        """
        self._jobs, self._snapshots, self._connect = jobs, snapshots, connect
        self._live: dict[str, LiveScorer] = {}
        self._adding = threading.Lock()

    def scorer(self, name: str | None, request: Request) -> PairScorer:
        """Return the scorer of a job, None: of the only one, if the request's caller may read its state and snapshots.

        The caller's rights are asked for each time: who may not read them gets PermissionDenied. Raises EndpointUnknown
        where there is no such job, SnapshotMissing where it isn't trained, ClusterError.
        """
        cluster = self._connect(_without_signature(request))
        try:
            return self._scorer(cluster, name)
        except (EndpointUnknown, PermissionDenied):
            require_reading(cluster, STATE_INDEX)  # who may read nothing gets the same answer for every name of a job
            raise

    def _scorer(self, cluster: Cluster, name: str | None) -> PairScorer:
        if name is None and len(self._jobs) != 1:
            raise unknown(f"{len(self._jobs):,} jobs are configured here")
        job = next(iter(self._jobs.values())) if name is None else self._jobs.get(name)
        if job is None:
            raise unknown(f"no job {name} is configured here")
        work = JobResources(cluster, job, snapshots=self._snapshots)
        which = in_use(work)
        with suppress(SnapshotError):  # one that isn't there leaves the one before in use
            work.stores.blobs.info(job.job_id, which.history.base)
        with self._adding:
            live = self._live.setdefault(job.job_id, LiveScorer(job.job_id))
        return live.newest(which, lambda: load_in_use(work, which))

    @property
    def troubles(self) -> dict[str, str]:
        """Why a job's newest snapshot is not in use, by job_id."""
        return {job_id: live.trouble for job_id, live in list(self._live.items()) if live.trouble}


def _without_signature(request: Request) -> Request:
    """Return a request without a signature of AWS, which boto3 always sends and which nobody here can check."""
    headers = request.scope["headers"]
    kept = [each for each in headers if not (each[0] == b"authorization" and each[1].startswith(b"AWS4-"))]
    return Request({**request.scope, "headers": kept})
