"""`ipi-es setup`: install index templates and a lifecycle policy, or import dashboards into a console."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ipi_es.cli.shared.console_options import console_of, credentials_options
from ipi_es.cli.shared.shell import shell

if TYPE_CHECKING:
    from ipi_es.config.job_config import Job
    from ipi_es.config.settings.settings_file import Settings
    from ipi_es.setup.console_import import ImportOutcome
    from ipi_es.setup.setup_change import SetupChange


NOT_BY_SETUP = "`ipi-es setup` can't fix this: follow the hints above."
"""Printed where only differences remain that setup can't resolve."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A console and the place in it, from the options."""

    url: str
    space: str | None
    tenant: str | None
    overwrite: bool
    ca: Path | None
    api_key_file: Path | None


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--force", is_flag=True, help="Overwrite templates that were changed by hand.")
@click.option(
    "--priority",
    type=click.IntRange(min=0),
    metavar="N",
    help="Give the index templates of ipi-es this priority: where another template takes its indices.",
)
@click.option(
    "--kibana", metavar="URL", help="Import the dashboards into this Kibana or OpenSearch Dashboards instead."
)
@click.option("--space", metavar="NAME", help="Kibana's space to import into; the default one if none is named.")
@click.option(
    "--tenant", metavar="NAME", help="OpenSearch Dashboards' tenant to import into: global, private, or its name."
)
@click.option("--overwrite", is_flag=True, help="Replace dashboards that are there already.")
@credentials_options
@click.pass_context
def setup(
    ctx: click.Context,
    dry_run: bool,
    force: bool,
    priority: int | None,
    kibana: str | None,
    space: str | None,
    tenant: str | None,
    overwrite: bool,
    kibana_ca: Path | None,
    kibana_api_key_file: Path | None,
) -> None:
    """Put the index templates that ipi-es needs, and a lifecycle policy; a second run changes nothing.

    The policy (ILM, ISM, where the server has it) deletes result indices when none of the configured jobs keeps them
    any longer (results_retention_days). What an administrator set (shards, replicas, refresh interval, lifecycle,
    priority), added or changed of the policy stays as it is. Exit code 1 if an index remains that setup can't fix, or
    if an index template of somebody else takes the indices of ipi-es: --priority, or a narrower pattern there, mends
    that.

    With --kibana nothing of that is done: the dashboards are imported into the console at that URL, with the cluster's
    credentials. Dashboards that are there stay, unless --overwrite is given. Exit code 1 if an object was refused.

    Example: ipi-es setup --dry-run
    """
    from ipi_es.errors import UsageError
    from ipi_es.setup import setup_plan

    surroundings = shell(ctx)
    if kibana is not None:
        place = _Place(kibana, space, tenant, overwrite, kibana_ca, kibana_api_key_file)
        ctx.exit(_dashboards(surroundings.settings, place, dry_run=dry_run))
    given = {"--space": space, "--tenant": tenant, "--overwrite": overwrite, "--kibana-ca": kibana_ca}
    for option, value in (given | {"--kibana-api-key-file": kibana_api_key_file}).items():
        if value:
            raise UsageError(
                f"{option} is of no use without --kibana", hint="name the console: --kibana http://host:5601"
            )
    with surroundings.cluster() as cluster:
        changes = setup_plan.plan(cluster, jobs=_jobs(surroundings.settings), priority=priority)
        if not changes:
            click.echo(f"Nothing to do: {cluster.info.text} at {cluster.info.url} has all that ipi-es needs.")
            return
        if dry_run:
            for change in changes:
                _show(change)
            by_hand = any(change.needs_force for change in changes)
            way = f"Do it with: ipi-es setup{' --force' if by_hand else ''}"
            fixable = any(change.action != "cannot" for change in changes)
            click.echo(f"Nothing was changed. {way if fixable else NOT_BY_SETUP}")
            if any(change.action == "cannot" for change in changes):
                ctx.exit(1)
            return
        for change in setup_plan.apply(cluster, changes, force=force):
            click.echo(f"done: {change.title}")
    wrong = [change for change in changes if change.action == "cannot"]
    for change in wrong:
        _show(change)
    if wrong:
        ctx.exit(1)
    click.echo("Next: ipi-es check JOB, or a first job with ipi-es job create NAME --from SOURCE")


def _dashboards(settings: Settings, place: _Place, *, dry_run: bool) -> int:
    """Import the dashboards and print the outcome; return the exit code."""
    from ipi_es.setup import console_import

    asked = console_of(
        settings, place.url, space=place.space, tenant=place.tenant, ca=place.ca, api_key_file=place.api_key_file
    )
    with closing(asked) as console:
        console_import.check_place(console.info.kind, place.space, place.tenant)
        objects = console_import.for_jobs(console_import.load(console.info.kind), _jobs(settings) or [])
        if dry_run:
            click.echo(f"{console.info.text} at {console.info.url} would get:")
            for each in objects:
                click.echo(
                    f"  {each['type']} {each['id']}: {each['attributes'].get('name') or each['attributes']['title']}"
                )
            click.echo("Nothing was changed.")
            return 0
        return _show_import(console_import.send(console, objects, overwrite=place.overwrite))


def _show_import(outcome: ImportOutcome) -> int:
    """Print a line for each refused object, then the counts; return 1 if an object was refused, else 0."""
    for note in outcome.notes:
        click.secho(f"note: {note}", err=True)
    for each in outcome.having("failed"):
        click.secho(f"refused: {each.kind} {each.id} ({each.title}): {each.text}", fg="red", err=True)
    counts = {name: len(outcome.having(name)) for name in ("imported", "replaced", "exists", "failed")}
    said = [f"{counts[name]} {name}" for name in ("imported", "replaced") if counts[name]]
    if counts["exists"]:
        said.append(f"{counts['exists']} were there already and stay as they are (replace them with --overwrite)")
    if counts["failed"]:
        said.append(f"{counts['failed']} refused")
    click.echo(f"{outcome.info.text} at {outcome.info.url}, {len(outcome.objects)} objects: {', '.join(said)}.")
    if counts["failed"]:
        return 1
    click.echo("Look at the dashboard “ipi-es: Overview”.")
    return 0


def _jobs(settings: Settings) -> list[Job] | None:
    """Return all jobs; None where a job file has mistakes: the templates are installed all the same."""
    from ipi_es.config.files.loading import load_jobs
    from ipi_es.errors import ConfigError

    try:
        return load_jobs(settings)
    except ConfigError as error:
        click.secho(f"note: the lifecycle policy stays as it is, since the jobs can't be read: {error}", err=True)
        return None


def _show(change: SetupChange) -> None:
    """Print a change's title and its differences, coloured on a terminal."""
    click.secho(change.title + (" (needs --force)" if change.needs_force else ""), bold=True)
    colours = {"+": "green", "-": "red", "!": "yellow"}
    for line in change.diff.splitlines():
        click.secho(f"  {line}", fg=colours.get(line[:1]))
