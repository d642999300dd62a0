"""What every task of one run carries: the job, and where to find its cluster. It holds no secret.

Tasks travel through Dask's scheduler, and its dashboard shows them. So credentials and keys are read where a task runs:
from the settings file or the environment of the Dask worker.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import xxhash

from ipi_es import __version__
from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster
from ipi_es.config.files.loading import connection_data, load_settings
from ipi_es.config.job_config import Job
from ipi_es.datafeed.bucket_context import network_files
from ipi_es.errors import DaskError

_BLOCK_BYTES = 1 << 20


class ClusterSource(Protocol):
    """Opens the cluster where a task runs. It is pickled into every task."""

    def open(self) -> tuple[Cluster, Path | None]:
        """Return the cluster, and the directory of snapshots and history; None: these are in the cluster."""


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """The cluster of a settings file on the machine where a task runs."""

    path: Path | None = None
    """None: the file of ``$IPI_ES_CONFIG``, or ``ipi-es.yml`` in the Dask worker's directory."""

    def open(self) -> tuple[Cluster, Path | None]:
        """See :class:`ClusterSource`."""
        settings = load_settings(self.path)
        connection = Connection.renewed_by(lambda: connection_data(self.path), settings.elasticsearch.plain())
        return connect(connection), settings.snapshots.directory


@dataclass(frozen=True, slots=True)
class JobTask:
    """The part that is common to all tasks of one run."""

    run: str
    """A name of the run, unique: a Dask worker keeps what it has loaded for it."""
    job: Job
    cluster: ClusterSource
    snapshot_id: str
    versions: dict[str, str]
    """What the command has, by :func:`versions_of`: a Dask worker with anything else would give other results."""

    def check(self) -> None:
        """Raise DaskError where this process would give other results than the command."""
        differ = [
            f"{name} {here} instead of {self.versions.get(name, 'none')}"
            for name, here in versions_of(self.job).items()
            if here != self.versions.get(name)
        ]
        if differ:
            raise DaskError(
                f"a Dask worker differs from the command: it has {'; '.join(differ)}",
                hint="install the same versions on all machines, with the same files at the same paths",
            )


def versions_of(job: Job) -> dict[str, str]:
    """Return what must be equal for equal results: versions, contents of the job's files, and which key it has.

    Raises UsageError for the key of pseudonyms, DaskError for a file of networks, that can't be read.
    """
    versions = {
        "ipi-es": __version__,
        "Python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "NumPy": np.__version__,
    }
    for file in network_files(job):
        versions[str(file.path)] = _digest_of(file.path)
    if job.pseudonyms is not None:
        versions["the key of pseudonyms"] = job.pseudonyms.check
    return versions


def _digest_of(path: Path) -> str:
    digest = xxhash.xxh3_64()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise DaskError(
            f"{path} can't be read: {error.strerror}", hint="the command and all Dask workers need the file"
        ) from error
    return digest.hexdigest()
