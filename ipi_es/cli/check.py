"""`ipi-es check`: find what is wrong with a job, and say what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ipi_es.cli.shared.output import emit, format_option
from ipi_es.cli.shared.shell import clock, shell

if TYPE_CHECKING:
    from ipi_es.cli.shared.shell import Shell
    from ipi_es.config.job_config import Job
    from ipi_es.setup.checks.check_finding import Finding
    from ipi_es.setup.facts.gather import Facts

STYLES = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "problem": ("PROBLEM", "red")}
"""Word and colour of each status."""


@click.command()
@click.argument("job_name", metavar="JOB")
@format_option
@click.pass_context
def check(ctx: click.Context, job_name: str, output_format: str) -> None:
    """Look at all that JOB (a job_id or a file) needs: cluster, rights, templates, indices, fields, events.

    Nothing is changed: one probe is written to ipi-es-state and deleted again. Exit code 0 if the job can work, also
    with warnings; 1 with a problem.

    Example: ipi-es check sign-ins
    """
    from ipi_es.config.files.loading import find_job
    from ipi_es.setup.checks.judge import is_usable, judge

    surroundings = shell(ctx)
    job = find_job(job_name, surroundings.settings)  # not Shell.job: the notes that it prints are findings here
    findings = judge(job, _facts(surroundings, job))
    if output_format == "table":
        _print(findings)
    else:
        emit([finding.to_row() for finding in findings], (), output_format, empty="")
    if not is_usable(findings):
        ctx.exit(1)
    if output_format == "table":
        click.echo(f"Next: ipi-es backfill {job_name}")


def _facts(surroundings: Shell, job: Job) -> Facts:
    from ipi_es.errors import ClusterError
    from ipi_es.setup.facts.gather import Facts, gather

    now = clock()
    try:
        with surroundings.cluster() as cluster:
            return gather(cluster, job, now, surroundings.settings.snapshots.directory)
    except ClusterError as error:
        return Facts(now, unreachable=error)


def _print(findings: Sequence[Finding]) -> None:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        word, colour = STYLES[finding.level]
        click.echo(f"{click.style(f'{word:<8}', fg=colour)} {finding.check:<{width}}  {finding.message}")
        if finding.hint and finding.level != "ok":
            click.echo(f"{'':<{9 + width}}  → {finding.hint}")
    counts = {level: sum(finding.level == level for finding in findings) for level in STYLES}
    click.echo()
    click.echo(
        f"{counts['problem']} {_plural('problem', counts['problem'])}, "
        f"{counts['warning']} {_plural('warning', counts['warning'])}, {counts['ok']} ok."
    )


def _plural(word: str, number: int) -> str:
    return word if number == 1 else f"{word}s"
