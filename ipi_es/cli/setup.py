"""`ipi-es setup`: index templates and a lifecycle policy, put where they belong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ipi_es.cli.context import shell

if TYPE_CHECKING:
    from ipi_es.config.job import Job
    from ipi_es.config.settings import Settings
    from ipi_es.setup.plan import Change


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--force", is_flag=True, help="Overwrite templates that somebody changed by hand.")
@click.pass_context
def setup(ctx: click.Context, dry_run: bool, force: bool) -> None:
    """Put the index templates that ipi-es needs, and a lifecycle policy; a second run changes nothing.

    The policy (ILM, ISM, where the server has it) deletes result indices when none of the configured jobs keeps them
    any longer (results_retention_days). What an administrator set (shards, replicas, refresh interval, lifecycle,
    priority), added or changed of the policy stays as it is. Exit code 1 if an index remains that setup can't mend.

    Example: ipi-es setup --dry-run
    """
    from ipi_es.setup import plan

    surroundings = shell(ctx)
    with surroundings.cluster() as cluster:
        changes = plan.plan(cluster, jobs=_jobs(surroundings.settings))
        if not changes:
            click.echo(f"Nothing to do: {cluster.info.text} at {cluster.info.url} has all that ipi-es needs.")
            return
        if dry_run:
            for change in changes:
                _show(change)
            by_hand = any(change.needs_force for change in changes)
            click.echo(f"Nothing was changed. Do it with: ipi-es setup{' --force' if by_hand else ''}")
            return
        for change in plan.apply(cluster, changes, force=force):
            click.echo(f"done: {change.title}")
    wrong = [change for change in changes if change.action == "cannot"]
    for change in wrong:
        _show(change)
    if wrong:
        ctx.exit(1)


def _jobs(settings: Settings) -> list[Job] | None:
    """All jobs; None where a file of them has mistakes: no reason to go without templates."""
    from ipi_es.config.loading import load_jobs
    from ipi_es.errors import ConfigError

    try:
        return load_jobs(settings)
    except ConfigError as error:
        click.secho(f"note: the lifecycle policy stays as it is, since the jobs can't be read: {error}", err=True)
        return None


def _show(change: Change) -> None:
    """The title, and the differences coloured on a terminal."""
    click.secho(change.title + (" (needs --force)" if change.needs_force else ""), bold=True)
    colours = {"+": "green", "-": "red", "!": "yellow"}
    for line in change.diff.splitlines():
        click.secho(f"  {line}", fg=colours.get(line[:1]))
