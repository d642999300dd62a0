"""`ipi-es init`: write the settings file for a cluster, once the cluster answers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ipi_es.cli.shared.new_file import require_free, write_file
from ipi_es.cli.shared.output import require_terminal, yes_option

if TYPE_CHECKING:
    from ipi_es.cluster.port import Cluster
    from ipi_es.errors import IpiEsError

TRIES = 5
"""Attempts at reaching the cluster with other answers."""

SECRET_FILES = {"api-key": "api_key_file", "password": "password_file"}
"""Way to sign in → the setting that names the file of its secret."""

AWS = "aws"
"""The way to sign in that has no secret of its own: each request is signed with AWS's credentials."""

CREDENTIALS = ("api_key_file", "username", "password_file", "bearer_token_file", "aws_sigv4")
JOBS = ("jobs/*.yml",)
HEAD = "Made by `ipi-es init`. All settings: docs/configuration.md. Secrets belong into files of their own."

_file = click.Path(exists=True, dir_okay=False, path_type=Path, resolve_path=True)


@click.command()
@click.option("--url", metavar="URL", help="The cluster's URL; by default that of `ipi-es node`, or localhost.")
@click.option("--api-key-file", type=_file, help="File that holds an API key.")
@click.option("--username", help="User name, together with --password-file.")
@click.option("--password-file", type=_file, help="File that holds the password.")
@click.option("--aws-region", help="Sign requests for Amazon OpenSearch Service in this region, instead of a key.")
@click.option("--ca-certs", type=_file, help="File with the certificate authorities to trust (PEM).")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: ipi-es.yml.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@click.option("--setup/--no-setup", "with_setup", default=True, help="Put the index templates too.  [default: setup]")
@yes_option
@click.pass_context
def init(
    ctx: click.Context,
    /,
    output: Path | None,
    *,
    overwrite: bool,
    with_setup: bool,
    yes: bool,
    url: str | None,
    aws_region: str | None,
    **options: Any,
) -> None:
    """Write ipi-es.yml for a cluster that answers, and put the index templates there.

    Asks for what it needs: the URL, how to sign in, whether to trust an unknown certificate authority. A secret is
    asked for without being shown, and kept in a file of its own that only you may read; ipi-es.yml names that file.
    With --yes nothing is asked: the options and the defaults count.

    Example: ipi-es init --url http://localhost:9200 --yes
    """
    given = ctx.find_root().obj or {}
    path = output or Path(given.get("config_path") or "ipi-es.yml")
    require_free(path, overwrite=overwrite)
    if not yes:
        require_terminal("init asks questions")
    section: dict[str, Any] = {"hosts": [url or _url(ask=not yes)]}
    section |= {name: str(value) for name, value in options.items() if value is not None}
    if aws_region is not None:
        section["aws_sigv4"] = {"region": aws_region}
    cluster = _reached(path, section, ask=not yes)
    try:
        click.echo(f"{path} is written: {cluster.info.text} at {cluster.info.url} answers.")
        if with_setup:
            _set_up(cluster, yes=yes)
    finally:
        cluster.close()
    click.echo("Next, jobs for your sign-ins: ipi-es job suggest, or ipi-es job create NAME --from SOURCE")


def _url(*, ask: bool) -> str:
    from ipi_es.config.settings.cluster_settings import DEFAULT_HOST
    from ipi_es.node import status

    running = status()
    default = DEFAULT_HOST if running is None else running.url
    return str(click.prompt("URL of the cluster", default=default)) if ask else default


def _reached(path: Path, section: dict[str, Any], *, ask: bool) -> Cluster:
    """Write the file and connect by it; ask for other answers while the cluster can't be reached.

    A file that leads nowhere isn't kept.
    """
    from ipi_es.errors import AuthenticationFailed, ClusterUnreachable, ConfigError, TlsError

    for attempt in range(TRIES):
        try:
            return _connected(path, section)
        except (AuthenticationFailed, ClusterUnreachable, ConfigError, TlsError) as error:
            if not ask or attempt == TRIES - 1:
                raise
            click.secho(str(error), fg="red", err=True)
            _change(section, error, path)
    raise AssertionError("unreachable")  # the loop returns or raises


def _connected(path: Path, section: Mapping[str, Any]) -> Cluster:
    """Connect by a draft beside ``path``; the draft becomes the file once the cluster has answered."""
    from ipi_es.cluster.connect import connect
    from ipi_es.cluster.connection import Connection
    from ipi_es.config.files.loading import connection_data
    from ipi_es.config.files.yaml_documents import write_yaml

    draft = path.with_name(f"{path.name}.draft")
    write_file(draft, write_yaml({"elasticsearch": dict(section), "jobs": list(JOBS)}, comments=[HEAD]))
    try:
        cluster = connect(Connection(**connection_data(draft)))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return cluster


def _change(section: dict[str, Any], error: IpiEsError, path: Path) -> None:
    """Ask for what the error is about, and change the section."""
    from ipi_es.errors import AuthenticationFailed, TlsError

    if isinstance(error, AuthenticationFailed):
        for name in CREDENTIALS:
            section.pop(name, None)
        section |= _credentials(path)
        return
    if isinstance(error, TlsError) and section["hosts"][0].startswith("https://"):
        fingerprint = _unknown_authority(section["hosts"][0])
        if fingerprint is not None:
            section.pop("ca_certs", None)
            section["ca_fingerprint"] = fingerprint
            return
    section["hosts"] = [click.prompt("URL of the cluster", default=section["hosts"][0])]


def _credentials(path: Path) -> dict[str, Any]:
    """Ask for a way to sign in, keep its secret in a file beside ``path``, and return the settings."""
    way = click.prompt("Sign in with", type=click.Choice([*SECRET_FILES, AWS]), default="api-key")
    if way == AWS:
        return {"aws_sigv4": {"region": click.prompt("Region of the domain, such as eu-central-1")}}
    found = {"username": click.prompt("User name")} if way == "password" else {}
    secret = click.prompt("Password" if way == "password" else "API key (encoded)", hide_input=True)
    file = path.with_name(f"{path.stem}.{way}")
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
        os.fchmod(opened.fileno(), 0o600)
        opened.write(secret)
    click.echo(f"The {way} is in {file}, which only you may read: keep it out of version control.")
    return {**found, SECRET_FILES[way]: file.name}


def _unknown_authority(url: str) -> str | None:
    """Show the fingerprint of the authority that a host presents; return it if it is to be trusted."""
    from ipi_es.cluster.connection import Connection
    from ipi_es.cluster.transport.tls import presented_certificates

    (endpoint,) = Connection(hosts=(url,)).endpoints()
    try:
        certificates = presented_certificates(endpoint, Connection().request_timeout)
    except OSError:
        return None
    fingerprint = hashlib.sha256(certificates[-1]).hexdigest()
    click.echo(f"{endpoint.url} presents a certificate of an authority with this SHA-256 fingerprint:\n  {fingerprint}")
    click.echo("Compare it with what the cluster's administrator, or the server's first start, says.")
    return fingerprint if click.confirm("Trust it?") else None


def _set_up(cluster: Cluster, *, yes: bool) -> None:
    """Put the templates that are missing, after asking; where rights are missing, say who has them."""
    from ipi_es.errors import PermissionDenied
    from ipi_es.setup import setup_plan

    try:
        changes = setup_plan.plan(cluster)
        if not changes:
            click.echo("The cluster has all index templates that ipi-es needs.")
        for change in changes:
            click.echo(f"to do: {change.title}")
        if changes and (yes or click.confirm("Do this now?", default=True)):
            for change in setup_plan.apply(cluster, changes):
                click.echo(f"done: {change.title}")
    except PermissionDenied as error:
        click.secho(f"note: {error.message}; run `ipi-es setup` with a key that may", fg="yellow", err=True)
