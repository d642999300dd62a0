"""Common start of most commands: settings, the named job, a connection, the clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ipi_es.cli.shared.logs import set_up
from ipi_es.config.files.loading import find_job, load_settings
from ipi_es.config.job_config import Job
from ipi_es.config.settings import Settings
from ipi_es.errors import UsageError
from ipi_es.pseudonyms import is_pseudonym
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

        def read_again() -> Connection:
            return Connection(**load_settings(self.config).elasticsearch.plain())

        return Connection(**self.settings.elasticsearch.plain(), read_again=read_again)

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


def named_pair(job: Job, entity: str, ip: str) -> tuple[str, bytes]:
    """Return (normalized entity, 16 bytes of the address) of a typed pair. Raises UsageError if one is invalid."""
    return named_entity(job, entity), named_address(ip, job)


def named_entity(job: Job, entity: str) -> str:
    """Return a typed entity, or its pseudonym, as results and history spell it.

    Raises UsageError if it is empty, a pseudonym of another key, or a name where the key can't be read.
    """
    if not entity:
        raise UsageError("the entity is empty", hint="name one, as the events or the results spell it")
    stored = job.stored_entity(entity)
    if is_pseudonym(entity) and stored != entity:
        raise UsageError(
            f"{entity} was not made with the key of job {job.job_id}",
            hint="copy it whole, from a result of this job; `ipi-es entity pseudonym NAME` gives that of a name",
        )
    return stored


def require_key(cluster: Cluster, job: Job, entity: str) -> None:
    """Raise JobChanged where the job's results spell a typed entity by another key: nothing of it would be found."""
    from ipi_es.state.job_state import StateStore
    from ipi_es.worker.changed_settings import require_same_key

    require_same_key(job, StateStore(cluster).read(job.job_id), named_entity(job, entity))


def named_address(ip: str, job: Job) -> bytes:
    """Return the 16 bytes of a typed address, as the job reads it. Raises UsageError if it is invalid."""
    from ipi_es.addresses import packed

    address = packed(ip, job.datafeed_config.translators)
    if address is None:
        raise UsageError(f"“{ip}” is no IP address", hint="write 198.51.100.7 or 2001:db8::7")
    return address


def progress_bar() -> Bars:
    """Return the progress bars that all commands use; they are drawn on a terminal only."""
    from ipi_es.cli.shared.terminal import Bars

    return Bars()
