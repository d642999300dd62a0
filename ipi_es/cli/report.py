"""`ipi-es report`: write a job's findings as one page to view, print or mail."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ipi_es.cli.shared.shell import clock, shell
from ipi_es.cli.shared.zones import time_zone_option
from ipi_es.errors import UsageError
from ipi_es.pages.text import TimeShown, counted
from ipi_es.times import parse_time

if TYPE_CHECKING:
    from ipi_es.worker.job_resources import JobResources


@click.command()
@click.argument("job_name", metavar="JOB")
@click.option("--start", help="Begin, inclusive; default: seven days before the end.")
@click.option("--end", help="End, exclusive; default: the end of the newest bucket.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="The page's file, - for standard output; default: report-JOB.html here.",
)
@time_zone_option
@click.pass_context
def report(
    ctx: click.Context, job_name: str, start: str | None, end: str | None, output: str | None, shown: TimeShown
) -> None:
    """Write a job's findings as one HTML page: scores over time, who and where, each finding explained.

    The page is one file that asks the network for nothing: mail it, print it, keep it with a ticket.

    Example: ipi-es report jobs/logins.yml --start now-7d -o week.html
    """
    from ipi_es.worker.job_resources import JobResources
    from ipi_es.worker.results_there import incidents_note, newest_result

    here, now = shell(ctx), clock()
    job = here.job(job_name)
    times = [None if text is None else parse_time(text, now=now) for text in (start, end)]
    with here.cluster() as cluster:
        _, note = newest_result(cluster, job, here.settings.snapshots.directory)
        for each in (note, incidents_note(cluster, job)):
            if each is not None:
                click.secho(f"note: {each}", fg="yellow", err=True)
        work = JobResources(cluster, job, snapshots=here.settings.snapshots.directory)
        made, summary = page_of(work, *times, now=now, shown=shown)
    target = output or f"report-{job.job_id}.html"
    if target == "-":
        sys.stdout.write(made)
        return
    write_page(Path(target), made)
    click.echo(f"{summary} Written to {target}")


def page_of(
    work: JobResources, start: int | None, end: int | None, *, now: int, shown: TimeShown | None = None
) -> tuple[str, str]:
    """Return (page, one-sentence summary) of [start, end), epoch seconds.

    ``end`` None: the end of the newest bucket, or ``now`` without buckets; ``start`` None: seven days before the end.
    """
    from ipi_es.report.learned import read_learned
    from ipi_es.report.page import page
    from ipi_es.report.report_findings import DEFAULT_DAYS, read_findings
    from ipi_es.times import SECONDS

    shown = shown or TimeShown()
    if end is None:
        newest = work.stores.results.newest_end(work.job.bucket_span)
        end = now if newest is None else newest
    if start is None:
        start = end - DEFAULT_DAYS * SECONDS["d"]
    found = read_findings(work.stores.results, work.job, start, end, work.incidents.stored(start, end))
    made = page(found, read_learned(work), made_at=now, shown=shown)
    summary = f"{counted(len(found.buckets), 'bucket')} from {shown.at(start)} to {shown.at(end)}."
    if not found.buckets:
        newest = work.stores.results.newest_end(work.job.bucket_span)
        scored = "nothing was scored yet" if newest is None else f"everything up to {shown.at(newest)} is scored"
        summary += f" Of job {work.job.job_id} {scored}."
    return made, summary


def write_page(path: Path, made: str) -> None:
    """Write the page. Raises UsageError if the file can't be written."""
    try:
        path.write_text(made, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} can't be written: {error.strerror or error}", hint="name another file with -o"
        ) from error
