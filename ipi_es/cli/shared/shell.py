"""Common start of most commands: settings, the named job, a connection, the clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ipi_es.cli.shared.logs import set_up
from ipi_es.config.files.loading import connection_data, find_job, load_settings
from ipi_es.config.job_config import Job
from ipi_es.config.settings.settings_file import Settings
from ipi_es.worker.clock import SystemClock

if TYPE_CHECKING:
    from ipi_es.cli.shared.terminal import Bars
    from ipi_es.cluster.connection import Connection
    from ipi_es.cluster.port import Cluster


@dataclass(frozen=True, slots=True)
class Shell:
    """The settings of a running command, and what is made from them."""

    settings: Settings
    verbose: bool
    config: Path | None = None
    """The settings file, where one was named."""

    def job(self, name: str) -> Job:
        """Return the job of a file or a job_id; its warnings are printed."""
        job = find_job(name, self.settings)
        for warning in job.warnings():
            click.secho(f"note: {warning}", fg="yellow", err=True)
        return job

    def connect(self) -> Cluster:
        """Connect to the cluster; credentials that change later are read again from the configuration."""
        from ipi_es.cluster.connect import connect

        return connect(self.connection())

    def connection(self) -> Connection:
        """Return how to reach the cluster."""
        from ipi_es.cluster.connection import Connection

        return Connection.renewed_by(lambda: connection_data(self.config), self.settings.elasticsearch.plain())

    @contextmanager
    def cluster(self) -> Iterator[Cluster]:
        """Yield a connection that is closed at the end."""
        cluster = self.connect()
        try:
            yield cluster
        finally:
            cluster.close()


def shell(ctx: click.Context) -> Shell:
    """Return the shell of the running command; reads the settings and sets up the log."""
    given: dict[str, Any] = ctx.find_root().obj or {}
    path = given.get("config_path")
    config = Path(path) if path else None
    settings = load_settings(config)
    verbose = bool(given.get("verbose"))
    set_up(settings.logging.level, settings.logging.format, verbose=verbose)
    return Shell(settings, verbose, config)


def clock() -> int:
    """Return the present time, epoch seconds."""
    return SystemClock().now()


def user_name() -> str:
    """Return the user's name; in a container a user id may have no name: then ``uid 1000``."""
    import os
    from getpass import getuser

    try:
        return getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def folded_job(cluster: Cluster, job: Job) -> Job:
    """Return the job as it spells typed names, which its indices may fold to lower case."""
    from ipi_es.datafeed.searches.folded_fields import with_folded_fields

    return with_folded_fields(cluster, job, clock())


def progress_bar() -> Bars:
    """Return the progress bars that all commands use; they are drawn on a terminal only."""
    from ipi_es.cli.shared.terminal import Bars

    return Bars()
