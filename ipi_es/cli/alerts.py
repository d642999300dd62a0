"""`ipi-es alerts`: print or install alert definitions for consoles, and test the job's own notifications."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import orjson

from ipi_es.alerts.kinds import FINDINGS, STACK_NAMES
from ipi_es.cli.shared.console_options import console_of, console_url, credentials_options
from ipi_es.cli.shared.shell import clock, shell

if TYPE_CHECKING:
    from ipi_es.alerts.kinds import Kind
    from ipi_es.alerts.parameters import Parameters
    from ipi_es.cli.shared.shell import Shell
    from ipi_es.config.job_config import Job

F = TypeVar("F", bound=Callable[..., Any])

_ONLY = {"index": ("watcher", "kibana"), "channel": ("opensearch",)} | dict.fromkeys(
    ("kibana", "space", "kibana-ca", "kibana-api-key-file"), ("kibana",)
)
"""Option → the stacks that accept it; every other option is for all stacks."""


@click.group()
def alerts() -> None:
    """Alerts on findings: for Watcher, Kibana and OpenSearch, or sent by the worker itself.

    Example: ipi-es alerts render sign-ins --stack opensearch --webhook https://hooks.example.org/ipi-es
    """


def _choices(function: F) -> F:
    """Add the options that `render` and `install` share."""
    options = [
        click.argument("job_name", metavar="JOB"),
        click.option("--stack", type=click.Choice(tuple(STACK_NAMES)), required=True, help="Who watches."),
        click.option(
            "--on",
            "kinds",
            type=click.Choice(FINDINGS),
            multiple=True,
            help="What to alert on, may be repeated; default: the job's alerts.on (buckets). Alerts that say that the "
            "job is blind, and that nothing is written, always come with them.",
        ),
        click.option("--threshold", type=click.FloatRange(0, 100), help="Least score; default: alerts.threshold (75)."),
        click.option(
            "--score-field",
            help="Default: as alerts.score says, the initial score: a later renormalization neither fires nor hides.",
        ),
        click.option(
            "--webhook", metavar="URL", help="Send JSON there. A URL that holds a secret belongs into --webhook-file."
        ),
        click.option(
            "--webhook-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            metavar="FILE",
            help="The same URL from a file: not seen in the list of processes, nor in the shell's history.",
        ),
        click.option("--index", metavar="NAME", help="Write documents there (watcher, kibana)."),
        click.option("--channel", metavar="ID", help="A notification channel for people (opensearch)."),
        click.option(
            "--console",
            metavar="URL",
            help="Kibana or Dashboards, for links, with /s/SPACE where it has one; "
            "default: alerts.console, or else --kibana with its space.",
        ),
        click.option("--every", type=int, default=5, show_default=True, help="Minutes between two looks."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@alerts.command()
@_choices
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), help="Folder; one file a definition.")
@click.pass_context
def render(ctx: click.Context, /, job_name: str, stack: Any, output: Path | None, **chosen: Any) -> None:
    """Print the definitions as they would be put, as one JSON object by id; with -o, as files.

    Example: ipi-es alerts render sign-ins --stack watcher --on buckets --on records --index ipi-es-alerts
    """
    from ipi_es.alerts.install import connectors, rendered

    _check_options(stack, chosen)
    kinds, parameters = _made(shell(ctx).job(job_name), chosen)
    bodies = {each.id: each.body for each in rendered(stack, kinds, parameters)}
    if stack == "kibana":
        for each in connectors(parameters):
            bodies[each.id] = {"name": each.name, "connector_type_id": each.kind, "config": each.body, "secrets": {}}
    if output is None:
        click.echo(orjson.dumps(bodies, option=orjson.OPT_INDENT_2).decode())
        return
    _write(output, bodies, secret=parameters.destination.webhook if chosen["webhook_file"] else None)


def _write(folder: Path, bodies: dict[str, dict[str, Any]], *, secret: str | None) -> None:
    """Write one file for each definition; only the owner can read a file that holds the secret URL."""
    folder.mkdir(parents=True, exist_ok=True)
    secretive = 0
    for name, body in bodies.items():
        file, text = folder / f"{name}.json", orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n"
        holds = secret is not None and orjson.dumps(secret)[1:-1] in text
        file.touch(mode=0o600 if holds else 0o666)
        if holds:
            file.chmod(0o600)  # the file existed already and others could read it
        file.write_bytes(text)
        secretive += holds
        title = body.get("name") or body.get("metadata", {}).get("name", "")
        click.echo(f"{file}  {title}")
    if secretive:
        click.secho(f"note: {secretive} of these files hold the webhook's URL: only you can read them", err=True)


@alerts.command()
@_choices
@click.option("--kibana", metavar="URL", help="Kibana's address (--stack kibana).")
@click.option("--space", metavar="NAME", help="Kibana's space; the default one if none is named.")
@credentials_options
@click.pass_context
def install(
    ctx: click.Context,
    /,
    job_name: str,
    stack: Any,
    kibana: str | None,
    space: str | None,
    kibana_ca: Path | None,
    kibana_api_key_file: Path | None,
    **chosen: Any,
) -> None:
    """Put the definitions into the cluster, or into Kibana; a second run replaces them.

    Kibana is asked with the cluster's credentials, if no others are named.

    Example: ipi-es alerts install sign-ins --stack kibana --kibana https://kibana.example.org --index ipi-es-alerts
    """
    from ipi_es.alerts.install import install_in_cluster, install_in_kibana
    from ipi_es.alerts.kibana import Kibana
    from ipi_es.alerts.redaction import unquoted
    from ipi_es.errors import UsageError

    of_kibana = {"kibana": kibana, "space": space, "kibana-ca": kibana_ca, "kibana-api-key-file": kibana_api_key_file}
    _check_options(stack, chosen | of_kibana)
    surroundings = shell(ctx)
    if stack == "kibana":
        if kibana is None:
            raise UsageError("where Kibana is, is not known", hint="say it with --kibana URL")
        kinds, parameters = _made(surroundings.job(job_name), chosen, console=console_url(kibana, space))
        parameters = replace(parameters, space=space)
        asked = console_of(surroundings.settings, kibana, space=space, ca=kibana_ca, api_key_file=kibana_api_key_file)
        with closing(asked) as console, unquoted(parameters.destination.webhook):
            if chosen["index"]:
                _index(surroundings, chosen["index"])
            for done in install_in_kibana(Kibana(console), kinds, parameters):
                click.echo(done.text)
        return
    kinds, parameters = _made(surroundings.job(job_name), chosen)
    with surroundings.cluster() as cluster, unquoted(parameters.destination.webhook):
        for done in install_in_cluster(cluster, stack, kinds, parameters):
            click.echo(done.text)


def _index(surroundings: Shell, name: str) -> None:
    """Give Kibana's index of alerts its mapping; print a note if the cluster can't be asked: the rules work without."""
    from ipi_es.alerts.install import install_index
    from ipi_es.errors import ClusterError

    try:
        with surroundings.cluster() as cluster:
            click.echo(install_index(cluster, name).text)
    except ClusterError as error:
        click.secho(
            f"note: the index {name} has no mapping from here, so its scores may become texts: {error.message}. "
            "Create it before the first alert, from templates/alerts/index.json",
            err=True,
        )


def _check_options(stack: str, chosen: dict[str, Any]) -> None:
    """Raise UsageError for an option that the stack doesn't accept, or for an invalid index name."""
    from ipi_es.alerts.kinds import STACK_NAMES
    from ipi_es.alerts.parameters import check_index
    from ipi_es.errors import UsageError

    for option, stacks in _ONLY.items():
        if chosen.get(option) is not None and stack not in stacks:
            names = " or ".join(stacks)
            raise UsageError(
                f"{STACK_NAMES[stack]} takes no --{option}",  # type: ignore[index]
                hint=f"it is for --stack {names}; leave it out",
            )
    if chosen["index"] is not None:
        check_index(chosen["index"])


def _made(job: Job, chosen: dict[str, Any], *, console: str = "") -> tuple[list[Kind], Parameters]:
    """Return the alert kinds and their parameters, from the options or, where they are left out, the job's `alerts`.

    ``console``: the target of links if neither the options nor the job name one. Raises UsageError for a bad URL.
    """
    from ipi_es.alerts.kinds import ALWAYS
    from ipi_es.alerts.parameters import ConsoleDestination, Parameters
    from ipi_es.config.alert_config import console_mistake
    from ipi_es.errors import UsageError

    config, threshold = job.alerts, chosen["threshold"]
    console = chosen["console"] or config.console or console
    mistake = console_mistake(console) if console else None
    if mistake is not None:
        raise UsageError(f"the console's URL {mistake}")
    parameters = Parameters(
        job,
        threshold=config.threshold if threshold is None else threshold,
        score_field=chosen["score_field"],
        score=config.score,
        destination=ConsoleDestination(
            _webhook(chosen["webhook"], chosen["webhook_file"]), chosen["index"], chosen["channel"]
        ),
        console=console,
        interval=chosen["every"],
        max_age=config.max_age,
    )
    return [*(dict.fromkeys(chosen["kinds"]) or config.on), *ALWAYS], parameters


def _webhook(url: str | None, file: Path | None) -> str | None:
    """Return the webhook's URL from either option. UsageErrors never quote the URL, because it may be a secret."""
    from ipi_es.config.alert_config import is_http, read_secret
    from ipi_es.errors import UsageError

    if file is None and url is None:
        return None
    if file is not None and url is not None:
        raise UsageError("--webhook and --webhook-file say the same thing", hint="keep one of them")
    found = url or read_secret(file)
    if not is_http(found):
        option = "--webhook" if file is None else f"--webhook-file {file}"
        raise UsageError(f"{option} has no URL with http:// or https://", hint="a URL, and nothing else")
    return found


@alerts.command()
@click.argument("job_name", metavar="JOB")
@click.option("--destination", "only", help="Only the one of this name; default: all of the job's alerts.notify.")
@click.pass_context
def test(ctx: click.Context, job_name: str, only: str | None) -> None:
    """Send a test message to the job's own destinations at once; exit code 1 if one did not take it.

    Nothing is remembered of it, and no cluster is needed.

    Example: ipi-es alerts test sign-ins --destination on-call
    """
    from ipi_es.alerts.senders import sender_of
    from ipi_es.alerts.test_message import trial
    from ipi_es.errors import NotSent, UsageError

    job = shell(ctx).job(job_name)
    chosen = [each for each in job.alerts.notify if only in (None, each.name)]
    if not chosen:
        raise UsageError(
            f"job {job.job_id} has no {f'destination “{only}”' if only else 'destinations'}",
            hint="write one into the job's file, below alerts.notify",
        )
    failed = 0
    for each in chosen:
        try:
            sender_of(each).send(trial(job, clock()))
        except NotSent as error:
            failed += 1
            click.secho(f"not sent: {error}", fg="red", err=True)
        else:
            click.echo(f"sent to {each.name}")
    ctx.exit(1 if failed else 0)
