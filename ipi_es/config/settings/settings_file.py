"""`ipi-es.yml`: the cluster, where the jobs are, snapshots, the servers and logging."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ipi_es.config.settings.cluster_settings import ClusterSettings
from ipi_es.config.settings.dask_settings import DaskSettings
from ipi_es.config.settings.serve_settings import Listen, ServeSettings
from ipi_es.config.types import AnyPath, Count, Section, Texts, Timeout


class SnapshotSettings(Section):
    """Where snapshots of networks and histories are kept."""

    directory: AnyPath | None = Field(
        default=None, description="A directory; by default they are kept in the cluster, so that any machine can go on."
    )


class LoggingSettings(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least level that is logged."
    )
    format: Literal["text", "ecs"] = Field(
        default="text", description="`text` for people, `ecs`: one ECS JSON object a line."
    )


class WorkerSettings(Section):
    """How `ipi-es run` works."""

    listen: Listen | None = Field(
        default=None,
        description="HOST:PORT to serve `/healthz`, `/readyz` and `/metrics` at, without a password: keep it to this "
        "machine, or behind something that asks for one. By default nothing is served.",
    )
    parallel_jobs: Count = Field(default=2, ge=1, le=64, description="Jobs that are at work at the same time.")
    lease: Timeout = Field(
        default=24,
        description="How long a job stays with a worker that says nothing more; another takes it over after that.",
    )


class Settings(Section):
    """The whole of `ipi-es.yml`. Without a file: a server on this machine, and the jobs in `jobs/`."""

    elasticsearch: ClusterSettings = Field(
        default_factory=ClusterSettings, description="The cluster; for OpenSearch too."
    )
    jobs: Texts | None = Field(
        default=None,
        description="Files, or patterns of files, with one job each; by default `jobs/*.yml`, `*.yaml`, `*.json`.",
    )
    snapshots: SnapshotSettings = Field(default_factory=SnapshotSettings, description="Where snapshots are kept.")
    worker: WorkerSettings = Field(default_factory=WorkerSettings, description="How `ipi-es run` works.")
    serve: ServeSettings = Field(default_factory=ServeSettings, description="How `ipi-es serve` works.")
    dask: DaskSettings = Field(
        default_factory=DaskSettings, description="Several processes or machines for `ipi-es backfill`."
    )
    logging: LoggingSettings = Field(default_factory=LoggingSettings, description="What is logged, and how.")
