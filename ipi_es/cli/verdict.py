"""`ipi-es verdict`: say what a finding was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ipi_es.addresses import canonical
from ipi_es.cli.shared.output import Column, emit, format_option
from ipi_es.cli.shared.shell import clock, folded_job, shell, user_name
from ipi_es.config.given_verdict import COMPROMISED, DISMISSED, REACH, SAFE
from ipi_es.errors import UsageError
from ipi_es.times import iso
from ipi_es.worker.typed_names import named_pair

if TYPE_CHECKING:
    from ipi_es.cluster.port import Cluster
    from ipi_es.config.given_verdict import Verdict, VerdictWord
    from ipi_es.config.job_config import Job
    from ipi_es.worker.verdicts.job_verdicts import JobVerdicts, Statement

COLUMNS = (
    Column("time", "Time"),
    Column("verdict", "Verdict"),
    Column("entity", "Entity"),
    Column("network", "Network"),
    Column("by", "By"),
    Column("revoked", "Revoked"),
    Column("comment", "Comment", wrap=True),
)

FIELDS = (
    "time", "verdict", "entity", "ip", "network", "since", "by", "result", "comment", "revoked", "revoked_by",
)  # fmt: skip
"""The columns of CSV."""

NEXT = "Results are marked at the job's next run."

PAIR = 3
"""Arguments that name a pair: JOB ENTITY IP."""


@click.group()
def verdict() -> None:
    """Say what a finding was: the account's owner, an attacker, or nothing of interest.

    Name the finding by the id of an incident, which answers all of its results, by ids of results (records or
    influencers), or by JOB ENTITY IP. A verdict is about what the entity did from the network of the address (/24 or
    /48).

    Example: ipi-es verdict safe sign-ins alice 198.51.100.7 --comment "her new flat, asked on the phone"
    """


def _finding(function: Callable[..., None]) -> Callable[..., None]:
    """Add the arguments and options of a command that gives a verdict."""
    for add in (
        click.pass_context,
        click.option("--by", help="Who says so; default: the user that runs this command."),
        click.option("--comment", default="", help="Why; kept with the verdict."),
        click.argument("finding", nargs=-1, required=True, metavar="INCIDENT|RESULT…|JOB ENTITY IP"),
    ):
        function = add(function)
    return function


@verdict.command()
@_finding
def safe(ctx: click.Context, finding: tuple[str, ...], comment: str, by: str | None) -> None:
    """Say that it was the account's owner: the network is learned for that account from the next day on.

    The finding is closed, and what the account does there is no longer held back from learning. Nothing is hidden: what
    is still improbable is recorded as ever.

    Example: ipi-es verdict safe sign-ins alice 198.51.100.7
    """
    for each in _give(ctx, SAFE, finding, comment, by):
        click.echo(f"{each} is safe: it is learned from the next day on, and not held any more. {NEXT}")


@verdict.command()
@_finding
def compromised(ctx: click.Context, finding: tuple[str, ...], comment: str, by: str | None) -> None:
    """Say that it was an attacker: what the account did from that network is never learned.

    An incident is then listed first until the verdict is revoked.

    For `compromised_days` (30) other accounts are scored higher where they use the same address, its network, or its
    operator, if that is a hosting provider; each such record says so.

    Example: ipi-es verdict compromised sign-ins alice 203.0.113.9 --comment "ticket 4711"
    """
    for each in _give(ctx, COMPROMISED, finding, comment, by):
        click.echo(f"{each} is compromised: from its beginning on it is not learned. {NEXT}")


@verdict.command()
@_finding
def dismiss(ctx: click.Context, finding: tuple[str, ...], comment: str, by: str | None) -> None:
    """Close a finding; nothing is learned from that.

    Example: ipi-es verdict dismiss sign-ins alice 198.51.100.7 --comment "a test of the new gateway"
    """
    for each in _give(ctx, DISMISSED, finding, comment, by):
        click.echo(f"{each} is dismissed: nothing is learned from that. {NEXT}")


@verdict.command()
@_finding
def confirm(ctx: click.Context, finding: tuple[str, ...], comment: str, by: str | None) -> None:
    """Give the verdict `safe`, under its old name.

    Example: ipi-es verdict confirm sign-ins alice 198.51.100.7
    """
    ctx.invoke(safe, finding=finding, comment=comment, by=by)


@verdict.command("list")
@click.argument("job_name", metavar="JOB")
@click.option("--all", "with_revoked", is_flag=True, help="Show revoked verdicts too.")
@format_option
@click.pass_context
def list_(ctx: click.Context, job_name: str, with_revoked: bool, output_format: str) -> None:
    """Show the verdicts on JOB's findings, the oldest first: who gave which on whom, when, and why.

    Example: ipi-es verdict list sign-ins
    """
    from ipi_es.results.documents.visible import visible
    from ipi_es.worker.verdicts.known_verdicts import KnownVerdicts, network_of

    job = shell(ctx).job(job_name)
    with _cluster(ctx) as cluster:
        found, job = _of(cluster, job).all(), folded_job(cluster, job)
    rows = [
        {
            "time": iso(each.time),
            "verdict": each.verdict,
            "entity": each.entity,
            "ip": each.ip,
            "network": network_of(each.ip),
            "since": iso(each.since),
            "by": each.by,
            "result": each.result,
            "comment": each.comment,
            "revoked": None if each.revoked is None else iso(each.revoked),
            "revoked_by": each.revoked_by,
        }
        for each in KnownVerdicts.spelled(job, found.verdicts)
        if with_revoked or each.in_force
    ]
    hidden = len(found.verdicts) - len(rows)
    empty = f"No verdict on {job_name} is in force" + (f"; --all shows {hidden} revoked." if hidden else ".")
    emit(rows, COLUMNS, output_format, empty=empty, fields=FIELDS)
    for text in found.damaged.values():
        click.echo(f"Without effect: {visible(text)}", err=True)


@verdict.command()
@click.argument("finding", nargs=-1, required=True, metavar="INCIDENT|RESULT…|JOB ENTITY IP")
@click.option("--by", help="Who says so; default: the user that runs this command.")
@click.pass_context
def revoke(ctx: click.Context, finding: tuple[str, ...], by: str | None) -> None:
    """Revoke what was said of a finding, as if it had never been said. What was learned stays until the next training.

    Example: ipi-es verdict revoke sign-ins alice 198.51.100.7
    """
    from ipi_es.results.documents.visible import visible
    from ipi_es.worker.verdicts.job_verdicts import Statement
    from ipi_es.worker.verdicts.known_verdicts import network_of

    with _cluster(ctx) as cluster:
        for verdicts, drafts in _drafts(ctx, cluster, finding, Statement(SAFE, by or user_name(), "")):
            places = sorted({(each.entity, network_of(each.ip)) for each in drafts})
            for each in verdicts.revoke(places, by or user_name()):
                place = visible(f"{each.entity} and {network_of(each.ip)}")
                click.echo(f"The verdict “{each.verdict}” on {place} is revoked.")


@verdict.command()
@click.argument("finding", nargs=-1, required=True, metavar="INCIDENT|RESULT…|JOB ENTITY IP")
@click.pass_context
def remove(ctx: click.Context, finding: tuple[str, ...]) -> None:
    """Revoke a verdict, under the old name of `revoke`.

    Example: ipi-es verdict remove sign-ins alice 198.51.100.7
    """
    ctx.invoke(revoke, finding=finding, by=None)


def _give(ctx: click.Context, word: VerdictWord, finding: tuple[str, ...], comment: str, by: str | None) -> list[str]:
    """Give a verdict; return “ENTITY from NETWORK” of each pair that it was given on."""
    from ipi_es.results.documents.visible import visible
    from ipi_es.worker.verdicts.job_verdicts import Statement
    from ipi_es.worker.verdicts.known_verdicts import network_of

    given = []
    with _cluster(ctx) as cluster:
        found = _drafts(ctx, cluster, finding, Statement(word, by or user_name(), comment))
        for verdicts, drafts in found:
            verdicts.require_allowed(drafts)  # of all jobs first: what is refused leaves nothing
            for each in drafts:
                if each.result is None and not verdicts.has_records(each):
                    where = f"{network_of(each.ip)} in the 30 days before"
                    text = f"{each.entity} has no record from {where}: is the name right?"
                    click.secho(f"note: {visible(text)}", fg="yellow", err=True)
        for verdicts, drafts in found:
            verdicts.give(drafts)
            given += [visible(f"{each.entity} from {network_of(each.ip)}") for each in drafts]
    return list(dict.fromkeys(given))


def _drafts(
    ctx: click.Context, cluster: Cluster, finding: Sequence[str], said: Statement
) -> list[tuple[JobVerdicts, list[Verdict]]]:
    """Return the verdicts to give on what was named, for each job. Raises UsageError for what isn't there."""
    from ipi_es.config.given_verdict import Verdict
    from ipi_es.results.documents import ids
    from ipi_es.worker.verdicts.job_verdicts import find_results

    here, now = shell(ctx), clock()
    named = [ids.start_of(each) is not None or ids.is_incident(each) for each in finding]
    if not all(named):
        if any(named) or len(finding) != PAIR:
            raise UsageError(
                f"“{' '.join(finding)}” names no finding",
                hint="name results or incidents by their ids, or one pair by JOB ENTITY IP",
            )
        job = folded_job(cluster, here.job(finding[0]))
        entity, address = named_pair(job, *finding[1:])
        pair = Verdict(said.word, entity, canonical(address), said.by, now, now - REACH, said.comment)
        return [(_of(cluster, job), [pair])]
    by_job: dict[str, tuple[JobVerdicts, list[Verdict]]] = {}
    for result in find_results(cluster, list(dict.fromkeys(finding))):
        job_id = str(result.source["job_id"])
        if job_id not in by_job:
            by_job[job_id] = _of(cluster, folded_job(cluster, here.job(job_id))), []
        verdicts, drafts = by_job[job_id]
        drafts += verdicts.drafts(result, said)
    return list(by_job.values())


def _of(cluster: Cluster, job: Job) -> JobVerdicts:
    from ipi_es.worker.verdicts.job_verdicts import JobVerdicts

    return JobVerdicts(cluster, job, clock())


@contextmanager
def _cluster(ctx: click.Context) -> Iterator[Cluster]:
    from ipi_es.setup.checks.judge import require_templates

    with shell(ctx).cluster() as cluster:
        require_templates(cluster)
        yield cluster
