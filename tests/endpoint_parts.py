"""Requests to an endpoint, its predictions, and a job that it serves."""

from __future__ import annotations

from typing import Any

from incident_parts import ready
from saved_snapshot import TRAINED_TO, save_snapshot
from service_parts import NOW
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.errors import ClusterError, PermissionDenied
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.history.history_keeper import HistoryId


class Asked:
    """An answer of an application."""

    def __init__(self, app: ASGIApp, method: str, path: str, body: bytes | str = b"", **headers: str) -> None:
        """``headers`` have underscores for hyphens; a path may have a query."""
        client = TestClient(app, base_url="http://127.0.0.1:9275", raise_server_exceptions=False)
        given = {name.replace("_", "-"): text for name, text in headers.items()}
        self.answer = client.request(method, path, content=body, headers=given)
        self.status, self.headers, self.body = self.answer.status_code, self.answer.headers, self.answer.content

    def json(self) -> Any:
        return self.answer.json()

    @property
    def dots(self) -> list[float | None]:
        """The predictions' ``dot_product`` of a JSON answer."""
        assert self.status == 200, self.body
        return [one["dot_product"] for one in self.json()["predictions"]]


def invoke(
    app: ASGIApp, body: str | bytes, content_type: str = "text/csv", path: str = "/invocations", **headers: str
) -> Asked:
    return Asked(app, "POST", path, body, content_type=content_type, **headers)


class RefusingCluster(MemoryCluster):
    """A cluster that answers whatever its user asks with an error."""

    def __init__(self, error: ClusterError) -> None:
        super().__init__()
        self._error = error

    def user_name(self) -> str | None:
        if isinstance(self._error, PermissionDenied):
            return "somebody"
        raise self._error

    def get(self, *_: Any, **__: Any) -> Any:
        raise self._error


def trained_cluster(job: Job) -> MemoryCluster:
    """A cluster with the snapshot and the state of a job."""
    cluster = ready(MemoryCluster())
    use(cluster, job, *save_snapshot(ClusterBlobs(cluster), job))
    return cluster


def use(cluster: Cluster, job: Job, snapshot_id: str, history: HistoryId) -> None:
    """Let the job's state point to a snapshot."""
    states = StateStore(cluster)
    held = states.acquire_lease(job.job_id, "test", NOW, 60, alive=lambda _: False)
    states.save(held.advanced(snapshot_id=snapshot_id, history_id=str(history), checkpoint=TRAINED_TO))
