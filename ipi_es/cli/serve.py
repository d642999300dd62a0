"""`ipi-es serve`: the explorer, and the results over HTTP."""

from __future__ import annotations

from typing import Any

import click

from ipi_es.cli.shared.shell import clock, shell

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
@click.pass_context
def serve(ctx: click.Context, /, **given: Any) -> None:
    """Serve the explorer, pages on which people look at findings and answer them; and Elastic ML's results API.

    People sign in with the cluster's own credentials, and programs send them in the Authorization header: both read
    and write what the cluster lets them. A cluster without security is served to this machine only.

    SIGTERM and Ctrl-C end it.

    Example: ipi-es serve --listen 127.0.0.1:9275
    """
    import logging

    from ipi_es.cli.stopping import leave, stopped_by_signals
    from ipi_es.config.files.loading import all_of, read_jobs, with_serve_options
    from ipi_es.errors import IpiEsError, UsageError
    from ipi_es.serve.server import Server

    here = shell(ctx)
    settings = with_serve_options(here.settings, given)
    jobs, bad = read_jobs(settings)
    if bad and not jobs:
        raise all_of(bad)
    if not jobs:
        raise UsageError("there is no job", hint="write a job file into jobs/, or name files in ipi-es.yml under jobs")
    for each in bad:
        logging.getLogger(__name__).error("a job file can't be used, the others are served: %s", each.error)
    stopping = stopped_by_signals()
    with Server(settings, jobs, here.connection(), clock) as server:
        click.echo(f"Serving {len(jobs)} job{'' if len(jobs) == 1 else 's'} at {server.listener.url}. Ctrl-C ends it.")
        while not stopping.wait(1.0):
            if not server.listener.serves:
                raise IpiEsError(f"{server.listener.url} is no longer served", hint="the log says why; start it again")
    leave()
