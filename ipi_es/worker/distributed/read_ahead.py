"""Have a job read and scored ahead by Dask, where the settings say so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from ipi_es.config.settings.dask_settings import DaskSettings
from ipi_es.worker.distributed.job_task import JobTask, SettingsFile, versions_of
from ipi_es.worker.job_resources import JobResources


@contextmanager
def read_ahead_by(
    settings: DaskSettings,
    resources: JobResources,
    snapshot_id: str,
    config: Path | None = None,
) -> Iterator[None]:
    """Let ``resources`` read and score ahead by Dask while the context lasts; without Dask in the settings, do nothing.

    ``config``: the settings file that the command was given; processes on this machine read it too, those of a
    scheduler read their own. Raises ExtraMissing, DaskError.
    """
    if not settings.used:
        yield
        return
    from ipi_es.worker.distributed.dask_client import dask_client
    from ipi_es.worker.distributed.distributed_reader import DistributedReader

    own = SettingsFile(None if settings.scheduler or config is None else config.absolute())
    job = resources.job
    task = JobTask(uuid4().hex, job, own, snapshot_id, versions_of(job))
    with dask_client(settings) as client:
        resources.distribute(DistributedReader(client, task, resources))
        try:
            yield
        finally:
            resources.distribute(None)
