"""Options for the URL and credentials of a console (Kibana or OpenSearch Dashboards)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import click

if TYPE_CHECKING:
    from ipi_es.cluster.console import Console
    from ipi_es.config.settings.settings_file import Settings

F = TypeVar("F", bound=Callable[..., Any])

_READABLE = click.Path(exists=True, dir_okay=False, path_type=Path)


def credentials_options(function: F) -> F:
    """Add the shared options ``--kibana-ca`` and ``--kibana-api-key-file``."""
    options = [
        click.option(
            "--kibana-ca",
            type=_READABLE,
            metavar="FILE",
            help="The CA that signed the console's certificate, if not the cluster's.",
        ),
        click.option(
            "--kibana-api-key-file",
            type=_READABLE,
            metavar="FILE",
            help="An API key for the console, if not the cluster's.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def console_url(url: str, space: str | None) -> str:
    """Return the console's URL for a browser, with the space's path; ``url`` may lack a scheme, which is then http."""
    whole = (url if "://" in url else f"http://{url}").rstrip("/")
    return f"{whole}/s/{quote(space, safe='')}" if space else whole


def console_of(
    settings: Settings,
    url: str,
    *,
    space: str | None,
    tenant: str | None = None,
    ca: Path | None,
    api_key_file: Path | None,
) -> Console:
    """Return the console at ``url``; without a CA or key of its own it uses those of the cluster."""
    from ipi_es.cluster.connection import Connection
    from ipi_es.cluster.console import Console

    given = settings.elasticsearch.plain()
    if ca is not None:
        given |= {"ca_certs": str(ca), "ca_fingerprint": None}
    if api_key_file is not None:
        key = api_key_file.read_text(encoding="utf-8").strip()
        given |= {"api_key": key, "username": None, "password": None, "aws_sigv4": None}
    return Console(url, Connection(**given), space=space, tenant=tenant)
