"""`ipi-es job suggest`: look for sign-ins in the cluster and propose jobs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ipi_es.cli.shared.new_file import require_free, write_file
from ipi_es.cli.shared.output import say_indented
from ipi_es.cli.shared.shell import clock, shell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ipi_es.cluster.port import Cluster
    from ipi_es.setup.suggestions.suggestion import Suggestion, Unusable


@click.command()
@click.option("--index", "patterns", metavar="PATTERN", multiple=True, help="Only these indices; by default all.")
@click.option("--parse", "with_parsing", is_flag=True, help="First parse raw lines, as `ipi-es parse` does.")
@click.option("--write", is_flag=True, help="Write the job files to jobs/.")
@click.option("--overwrite", is_flag=True, help="Replace job files that exist.")
@click.pass_context
def suggest(ctx: click.Context, patterns: tuple[str, ...], *, with_parsing: bool, write: bool, overwrite: bool) -> None:
    """Look for sign-ins in the cluster's indices, and propose a job for each place.

    Known sources are recognized by their fields and events, other logs by their contents: which field distinguishes
    accounts, which has the clients' addresses, which events are sign-ins and succeeded, how late they arrive. Each
    choice is printed with its figures, and heads the job's file.

    The load: at most 50 places, about 20 requests each, one after the other; two samples of 500 documents, and counts
    over the last 90 days. A request ends after elasticsearch.request_timeout; Ctrl-C ends the command, and the cluster
    cancels the search that runs. Nothing is written to the cluster, except with --parse. Exit code 1 if nothing was
    found.

    Example: ipi-es job suggest --write
    """
    from ipi_es.setup.suggestions.suggestion import RawLines, Suggestion

    found, raw, written, passed = 0, False, list[Path](), list[str]()
    with shell(ctx).cluster() as cluster:
        for each in _suggested(cluster, patterns, with_parsing=with_parsing):
            if not isinstance(each, Suggestion):
                raw |= isinstance(each, RawLines)
                passed.append(f"{each.pattern}: {each.why}")
                continue
            found += 1
            _show(each)
            if write:
                path = Path("jobs") / f"{each.job.job_id}.yml"
                require_free(path, overwrite=overwrite)
                write_file(path, each.text)
                written.append(path)
    if passed:
        click.echo("No job for:")
        for line in passed:
            click.echo(f"  {line}")
    if written:
        click.echo(f"Written: {', '.join(map(str, written))}.")
    if raw:
        click.echo("Next: ipi-es job suggest --parse --write")
    elif written:
        click.echo(f"Next: ipi-es check {written[0]}")
    elif found:
        click.echo("Next: ipi-es job suggest --write")
    else:
        click.echo(
            "No sign-ins were found. `ipi-es job create NAME --from SOURCE --index PATTERN` makes a job by hand."
        )
    if not found:
        ctx.exit(1)


def _suggested(cluster: Cluster, patterns: Sequence[str], *, with_parsing: bool) -> Iterator[Suggestion | Unusable]:
    """Yield what is suggested; with parsing, raw lines of a known form are parsed first."""
    from ipi_es.cli.parse import parse_lines
    from ipi_es.setup.line_parsing import plan
    from ipi_es.setup.suggestions.suggestion import RawLines
    from ipi_es.setup.suggestions.survey import suggest_jobs

    for each in suggest_jobs(cluster, clock(), patterns, lambda name: click.echo(f"Looking at {name} …", err=True)):
        if with_parsing and isinstance(each, RawLines):
            parse_lines(cluster, plan(cluster, each.format, each.pattern))
            yield from suggest_jobs(cluster, clock(), [each.pattern])
        else:
            yield each


def _show(one: Suggestion) -> None:
    from ipi_es.setup.facts.field_roles import entity_text
    from ipi_es.times import iso

    job, facts = one.job, one.facts
    click.secho(f"{job.job_id}: {one.pattern}, {one.title}", bold=True)
    outcome = job.datafeed_config.outcome_field
    say_indented(f"accounts in {entity_text(job)}, addresses in {job.ip_field}, outcomes in {outcome or 'no field'}")
    counts = facts.counts
    text = (
        f"{counts.events:,} events from {iso(facts.start)} to {iso(facts.end)}: about {counts.entities:,} accounts and "
        f"{counts.ips:,} addresses"
    )
    lacking = {"account": counts.missing_entity, "address": counts.missing_ip}
    lacks = [f"{number:,} lack the {what}" for what, number in lacking.items() if number]
    say_indented("; ".join([text, *lacks]))
    for note in one.notes:
        say_indented(note, "- ")
