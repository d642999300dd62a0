"""`ipi-es parse`: let the cluster read accounts and addresses from raw log lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ipi_es.cli.shared.output import confirmed, yes_option
from ipi_es.cli.shared.shell import progress_bar, shell

if TYPE_CHECKING:
    from ipi_es.cluster.port import Cluster
    from ipi_es.setup.line_parsing import ParsingPlan

FORMATS = ["sshd"]
"""The names of :data:`ipi_es.setup.line_parsing.FORMATS`; that module isn't imported for the help."""


@click.command()
@click.argument("format_name", metavar="FORMAT", type=click.Choice(FORMATS))
@click.option("--index", "pattern", metavar="PATTERN", required=True, help="The indices of the lines.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--remove", is_flag=True, help="Stop parsing new lines; what was parsed stays.")
@yes_option
@click.pass_context
def parse(ctx: click.Context, format_name: str, pattern: str, *, dry_run: bool, remove: bool, yes: bool) -> None:
    """Read accounts and addresses from raw log lines: those that are there, and new ones.

    For logs that a shipper sends as plain text in `message`, without a pipeline of its own. Puts an ingest pipeline,
    makes it the final pipeline of these indices, and runs the existing lines through it. They get fields of ECS: no
    other field changes, except @timestamp of lines that were read more than a day after they were written. It needs the
    rights to manage pipelines and to write these indices, which a worker doesn't need.

    FORMAT: sshd (sign-ins of OpenSSH).

    Example: ipi-es parse sshd --index 'filebeat-*'
    """
    from ipi_es.setup import line_parsing

    format_ = line_parsing.FORMATS[format_name]
    with shell(ctx).cluster() as cluster:
        if remove:
            if dry_run:
                click.echo(f"New lines in {pattern} would not be parsed any longer. Nothing was changed.")
                return
            confirmed(f"New lines in {pattern} will not be parsed any longer.", yes=yes)
            names = line_parsing.stop_parsing(cluster, format_, pattern)
            click.echo(f"{format_.pipeline} was removed from {', '.join(names)}.")
            return
        planned = line_parsing.plan(cluster, format_, pattern)
        if dry_run:
            click.echo(f"{_text(planned)}\nNothing was changed.")
            return
        confirmed(_text(planned), yes=yes)
        parse_lines(cluster, planned)
    click.echo(f"Next: ipi-es job suggest --index '{pattern}' --write")


def parse_lines(cluster: Cluster, planned: ParsingPlan) -> None:
    """Carry a plan out, and print what was parsed and what is left to a person."""
    from ipi_es.setup.line_parsing import parse as parse_planned

    format_, waiting = planned.format, sum(planned.waiting.values())
    with progress_bar() as bars:
        task = bars.add_task("Parsing", total=waiting, note="")
        for tried in parse_planned(cluster, planned):
            bars.update(task, completed=tried)
    left = sum(cluster.count([index], format_.unparsed) for index in planned.waiting)
    rest = f" {left:,} lines have another form and stay as they are." if left else ""
    click.echo(f"{max(waiting - left, 0):,} lines in {planned.pattern} were parsed.{rest}")
    click.echo(
        f"For indices that are made later, put `index.final_pipeline: {format_.pipeline}` into their index template."
    )


def _text(planned: ParsingPlan) -> str:
    format_ = planned.format
    names = list(planned.waiting)
    places = names[0] if len(names) == 1 else f"{len(names)} indices ({names[0]} to {names[-1]})"
    return (
        f"{sum(planned.waiting.values()):,} lines in {places} are {format_.title} and not parsed. They, and new ones, "
        f"get {', '.join(format_.fields)} by the pipeline {format_.pipeline}."
    )
