"""`ipi-es verdict`: record what people know of a finding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ipi_es.addresses import canonical
from ipi_es.cli.shared.output import Column, emit, format_option
from ipi_es.cli.shared.shell import clock, named_pair, shell, user_name
from ipi_es.errors import UsageError
from ipi_es.times import iso

if TYPE_CHECKING:
    from ipi_es.config.job_config import Job
    from ipi_es.worker.job_verdicts import Verdicts

COLUMNS = (
    Column("time", "Time"),
    Column("verdict", "Verdict"),
    Column("entity", "Entity"),
    Column("network", "Network"),
    Column("by", "By"),
    Column("comment", "Comment", wrap=True),
)

FIELDS = ("time", "verdict", "entity", "ip", "network", "by", "comment")
"""The columns of CSV."""


@click.group()
def verdict() -> None:
    """Say what is known of a finding, or see what was said.

    Example: ipi-es verdict confirm sign-ins alice 198.51.100.7 --comment "her new flat, asked on the phone"
    """


@verdict.command()
@click.argument("job_name", metavar="JOB")
@click.argument("entity")
@click.argument("ip")
@click.option("--comment", default="", help="Why; kept with the verdict.")
@click.option("--by", help="Who says so; default: the user that runs this command.")
@click.pass_context
def confirm(ctx: click.Context, job_name: str, entity: str, ip: str, comment: str, by: str | None) -> None:
    """Say that it really was ENTITY: what it does from the network of IP (/24 or /48) teaches again.

    From the next run on, with all of the day that it begins in; days before that are learned by the next training.
    Nothing is hidden: what is still improbable is recorded as ever.

    Example: ipi-es verdict confirm sign-ins alice 198.51.100.7
    """
    from ipi_es.state.verdict_store import Verdict

    with _verdicts(ctx, job_name) as (verdicts, job):
        name, address, network = _pair(job, entity, ip)
        verdicts.confirm(Verdict(name, address, network, by or user_name(), clock(), comment))
    click.echo(f"{name} is confirmed to use {network}: from the next run on nothing it does there is held.")


@verdict.command("list")
@click.argument("job_name", metavar="JOB")
@format_option
@click.pass_context
def list_(ctx: click.Context, job_name: str, output_format: str) -> None:
    """Show the verdicts on JOB's findings, the oldest first: who said what of whom, when, and why.

    Example: ipi-es verdict list sign-ins
    """
    with _verdicts(ctx, job_name) as (verdicts, _):
        found = verdicts.all()
    rows = [
        {
            "time": iso(each.at),
            "verdict": each.verdict,
            "entity": each.entity,
            "ip": each.ip,
            "network": each.network,
            "by": each.by,
            "comment": each.comment,
        }
        for each in found
    ]
    emit(rows, COLUMNS, output_format, empty=f"No verdict on {job_name} yet.", fields=FIELDS)


@verdict.command()
@click.argument("job_name", metavar="JOB")
@click.argument("entity")
@click.argument("ip")
@click.pass_context
def remove(ctx: click.Context, job_name: str, entity: str, ip: str) -> None:
    """Take back what was said of ENTITY and the network of IP. What was learned meanwhile stays.

    Example: ipi-es verdict remove sign-ins alice 198.51.100.7
    """
    with _verdicts(ctx, job_name) as (verdicts, job):
        name, _, network = _pair(job, entity, ip)
        if not verdicts.take_back(name, network):
            raise UsageError(
                f"there is no verdict on {name} and {network}", hint=f"ipi-es verdict list {job_name} shows all"
            )
    click.echo(f"The verdict on {name} and {network} is revoked.")


@contextmanager
def _verdicts(ctx: click.Context, job_name: str) -> Iterator[tuple[Verdicts, Job]]:
    from ipi_es.setup.checks.judge import require_templates
    from ipi_es.worker.job_verdicts import Verdicts

    here = shell(ctx)
    job = here.job(job_name)
    with here.cluster() as cluster:
        require_templates(cluster)
        yield Verdicts(cluster, job, clock()), job


def _pair(job: Job, entity: str, ip: str) -> tuple[str, str, str]:
    """Return (normalized entity, address, network). Raises UsageError for an invalid address."""
    from ipi_es.ipinsights.prefixes import site_text

    name, address = named_pair(job, entity, ip)
    return name, canonical(address), site_text(address)
