"""`ipi-es setup`: index templates, put where they belong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ipi_es.cli.context import shell

if TYPE_CHECKING:
    from ipi_es.setup.plan import Change


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--force", is_flag=True, help="Overwrite templates that somebody changed by hand.")
@click.pass_context
def setup(ctx: click.Context, dry_run: bool, force: bool) -> None:
    """Put the index templates that ipi-es needs; a second run changes nothing.

    What an administrator set (shards, replicas, refresh interval, lifecycle, priority) or added stays as it is.
    Exit code 1 if an index remains that setup can't mend.

    Example: ipi-es setup --dry-run
    """
    from ipi_es.setup import plan

    with shell(ctx).cluster() as cluster:
        changes = plan.plan(cluster)
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


def _show(change: Change) -> None:
    """The title, and the differences coloured on a terminal."""
    click.secho(change.title + (" (needs --force)" if change.needs_force else ""), bold=True)
    colours = {"+": "green", "-": "red", "!": "yellow"}
    for line in change.diff.splitlines():
        click.secho(f"  {line}", fg=colours.get(line[:1]))
