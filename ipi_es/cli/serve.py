"""`ipi-es serve`: the explorer, and the results over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ipi_es.cli.shared.shell import clock, shell
from ipi_es.errors import IpiEsError, UsageError

if TYPE_CHECKING:
    from ipi_es.cli.shared.shell import Shell
    from ipi_es.config.settings.settings_file import Settings
    from ipi_es.serve.endpoint_server import EndpointServer
    from ipi_es.serve.server import Server

PEM = click.Path(exists=True, dir_okay=False, resolve_path=True)


@click.command()
@click.option("--listen", metavar="HOST:PORT", help="Where to serve; default: serve.listen, 127.0.0.1:9275.")
@click.option("--tls-certificate", type=PEM, help="The server's certificate (PEM): serve HTTPS.")
@click.option("--tls-key", type=PEM, help="The certificate's key (PEM).")
@click.option("--anonymous", is_flag=True, default=None, help="Serve a cluster without security to other machines too.")
@click.option(
    "--product-header",
    is_flag=True,
    default=None,
    help="Answer with the header X-elastic-product, which Elastic's clients require of a server.",
)
@click.option(
    "--strict", is_flag=True, default=None, help="Refuse a SageMaker request with a malformed row, as ?strict=1 does."
)
@click.option(
    "--model-dir",
    type=click.Path(exists=True, path_type=Path),
    help="Serve the SageMaker endpoint alone, from a directory of snapshots or a model.tar.gz: no cluster is asked.",
)
@click.pass_context
def serve(ctx: click.Context, /, model_dir: Path | None, **given: Any) -> None:
    """Serve the explorer, where people look at findings and answer them, and the APIs of Elastic ML and SageMaker.

    People sign in with the cluster's own credentials, and programs send them in the Authorization header: both read
    and write what the cluster lets them. A cluster without security is served to this machine only.

    POST /invocations and /endpoints/JOB/invocations score pairs as an endpoint of SageMaker's IP Insights does. With
    --model-dir that is all: newer snapshots are taken up as they appear there, and nobody is asked for a password.

    SIGTERM and Ctrl-C end it.

    Example: ipi-es serve --listen 127.0.0.1:9275
    """
    from ipi_es.config.files.loading import with_serve_options

    here = shell(ctx)
    settings = with_serve_options(here.settings, given)
    if model_dir is None:
        server = _of_cluster(here, settings)
        count = len(server.services.jobs)
        serve_until_stopped(server, f"{count} job{'' if count == 1 else 's'}")
        return
    unused = [f"--{name.replace('_', '-')}" for name in ("anonymous", "product_header") if given[name]]
    if unused:
        raise UsageError(f"{' and '.join(unused)} is of no use with --model-dir", hint="leave it out")
    serve_until_stopped(of_directory(settings, model_dir), str(model_dir))


def _of_cluster(here: Shell, settings: Settings) -> Server:
    import logging

    from ipi_es.config.files.loading import all_of, read_jobs
    from ipi_es.serve.server import Server

    jobs, bad = read_jobs(settings)
    if bad and not jobs:
        raise all_of(bad)
    if not jobs:
        raise UsageError("there is no job", hint="write a job file into jobs/, or name files in ipi-es.yml under jobs")
    for each in bad:
        logging.getLogger(__name__).error("a job file can't be used, the others are served: %s", each.error)
    return Server(settings, jobs, here.connection(), clock)


def of_directory(settings: Settings, model_dir: Path) -> EndpointServer:
    """Load what is in a directory or an archive, and bind the server's address. Raises SnapshotError, UsageError."""
    from ipi_es.config.files.loading import all_of, read_jobs
    from ipi_es.serve.endpoint.directory_scorers import DirectoryScorers
    from ipi_es.serve.endpoint_server import EndpointServer

    jobs, bad = read_jobs(settings)
    if bad:
        raise all_of(bad)  # without a job's file its entities would be spelled otherwise
    return EndpointServer(settings.serve, DirectoryScorers(model_dir, {job.job_id: job for job in jobs}))


def serve_until_stopped(server: Server | EndpointServer, what: str) -> None:
    """Serve until SIGTERM or Ctrl-C, and end the process; ``what`` is served. Raises IpiEsError if the server fails."""
    from ipi_es.cli.stopping import leave, stopped_by_signals

    stopping = stopped_by_signals()
    with server:
        click.echo(f"Serving {what} at {server.listener.url}. Ctrl-C ends it.")
        while not stopping.wait(1.0):
            if not server.listener.serves:
                raise IpiEsError(f"{server.listener.url} is no longer served", hint="the log says why; start it again")
    leave()
