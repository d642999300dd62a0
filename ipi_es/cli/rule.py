"""`ipi-es rule`: allow pairs of entity and address by rules that are documents in the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from ipi_es.cli.shared.named import say_cells, use_cells
from ipi_es.cli.shared.output import Column, emit, format_option
from ipi_es.cli.shared.shell import Shell, clock, shell, user_name
from ipi_es.errors import UsageError
from ipi_es.times import iso, parse_time
from ipi_es.worker.typed_names import require_name, require_times

if TYPE_CHECKING:
    from ipi_es.config.job_config import Job
    from ipi_es.config.rules.allow_rule import AllowRule
    from ipi_es.results.reading.rule_uses import HiddenResults
    from ipi_es.state.rule_store import RuleStore, StoredRule

COLUMNS = (
    Column("name", "Rule"),
    Column("allows", "Allows", wrap=True),
    Column("state", "State"),
    Column("until", "Until"),
    Column("hidden_records", "Hid", right=True),
    Column("last", "Last"),
    Column("worst_score", "Worst", score=True, right=True),
    Column("reason", "Reason", wrap=True),
)

FIELDS = (
    "name", "allows", "jobs", "state", "start", "until", "learn", "force", "hidden_records", "last", "worst_score",
    "reason", "author", "created", "ended_by",
)  # fmt: skip
"""The columns of CSV."""

RETRO = 30 * 86_400
"""Seconds that --retroactive reaches back where no job says how far its results are renormalized."""


@click.group()
def rule() -> None:
    """Allow pairs of entity and address for a time: they are scored and written, but raise no alarm.

    Rules act in event buckets that start after they were added, in every worker, without a restart. They never change:
    a rule ends.

    Example: ipi-es rule add new-office --cidr 198.51.100.0/24 --reason "the office in Graz" --expires now+30d
    """


@rule.command()
@click.argument("name")
@click.option("--entity", help="The entity, as results spell it; `*`, `?` and `[…]` as in a shell.")
@click.option("--group", help="A group of the jobs' `entity_groups`.")
@click.option("--cidr", help="A network or an address.")
@click.option("--operator", help="A network operator by its AS number: 64496 or AS64496.")
@click.option("--country", help="A country by its two letters.")
@click.option("--network-type", help="A type that a file of `networks_files` gives: hosting, vpn, relay, …")
@click.option(
    "--from",
    "incident",
    metavar="INCIDENT",
    help="Allow what an incident is made of: its accounts from its networks, or from there everybody if a group moved.",
)
@click.option("--reason", help="Why; shown with the rule. With --from the incident's sentence by default.")
@click.option("--by", help="Who says so; default: the user that runs this command.")
@click.option("--job", "job_names", multiple=True, metavar="JOB", help="A job that it acts in; default: all jobs.")
@click.option("--start", help="It acts in buckets that start from here on; default: now.")
@click.option("--retroactive", is_flag=True, help="Start as far back as stored results are scored again.")
@click.option("--expires", help="When it ends by itself: now+30d, or a date.")
@click.option("--learn", is_flag=True, help="Learn what it allows, so that it raises no alarm after the rule's end.")
@click.option("--force", is_flag=True, help="Add it although it allows nearly everything.")
@click.pass_context
def add(ctx: click.Context, /, name: str, **given: Any) -> None:
    """Add the rule NAME; all of its conditions must match.

    With --from it is made of an incident and acts in its job. Several accounts or networks give several rules, NAME-1,
    NAME-2 and so on.

    Example: ipi-es rule add vpn --operator AS64496 --group contractors --reason "their VPN" --expires now+90d
    """
    from ipi_es.config.files.loading import load_jobs
    from ipi_es.results.documents.visible import visible
    from ipi_es.state.rule_store import StoredRule
    from ipi_es.worker.rule_making import add_rules, made_rule, without_name

    here, now = shell(ctx), clock()
    require_name(name, "rule")
    made = [(name, given)] if given["incident"] is None else _of_incident(here, name, given)
    reason, job_names = made[0][1]["reason"], made[0][1]["job_names"]
    if not (reason or "").strip():
        raise UsageError("the rule has no reason", hint="say why: --reason TEXT")
    allowed = [made_rule(*each) for each in made]
    named = [here.job(each) for each in job_names]
    concerned = named or load_jobs(here.settings)
    start, expires = _times(given, concerned, now)
    spelled = [without_name(each, concerned) for each in allowed]
    allowed, notes = [each for each, _ in spelled], {note for _, note in spelled if note}
    jobs = tuple(dict.fromkeys(job.job_id for job in named))
    by = given["by"] or user_name()
    with _store(here) as store:
        add_rules(
            store, [StoredRule(each, reason, by, now, start, expires, jobs=jobs) for each in allowed], concerned, now
        )
    where = f"the job{'' if len(jobs) == 1 else 's'} {', '.join(jobs)}" if jobs else "all jobs"
    until = "until you end it" if expires is None else f"until {iso(expires)}"
    for allow in allowed:
        click.echo(
            f"In {where}, {_allows(allow)} raises no alarm in buckets that start from {iso(start)} on, {until}. "
            f"What the rule allows {'is' if allow.learn else 'is not'} learned."
        )
    if start < now:
        click.echo("Workers score results since then again at their next run, as far as these are renormalized.")
    for note in sorted(notes):
        click.secho(f"note: {visible(note)}", fg="yellow", err=True)
    for allow in allowed:
        click.echo(f"See what it hides: ipi-es rule show {allow.name}")


@rule.command("list")
@click.option("--job", "job_name", metavar="JOB", help="Only the rules that act in it, and what they hid there.")
@click.option("--all", "everything", is_flag=True, help="With rules that ended.")
@format_option
@click.pass_context
def list_(ctx: click.Context, job_name: str | None, *, everything: bool, output_format: str) -> None:
    """Show the rules, the oldest first: what they allow, and what they hid until now.

    Rules of the jobs' own files aren't listed. *Hid* counts records: a usual sign-in has none.

    Example: ipi-es rule list --job sign-ins
    """
    from ipi_es.results.reading.rule_uses import rule_uses

    here, now = shell(ctx), clock()
    job_id = None if job_name is None else here.job(job_name).job_id
    with _store(here) as store:
        found = store.all()
        uses = rule_uses(store.cluster, job_id)
    rows = [
        _row(each, uses, now)
        for each in found.rules
        if (everything or not each.ended_at(now)) and (job_id is None or each.acts_in(job_id))
    ]
    empty = "No rule acts." if found.rules else "No rule yet. Add one: ipi-es rule add NAME --cidr … --reason …"
    emit(rows, COLUMNS, output_format, empty=empty, fields=FIELDS)


@rule.command()
@click.argument("name")
@click.option("--by", help="Who says so; default: the user that runs this command.")
@click.option("--from", "since", help="End it from this past time on, and score stored results again.")
@click.pass_context
def end(ctx: click.Context, name: str, by: str | None, since: str | None) -> None:
    """End the rule NAME: it doesn't act in buckets that start from now on. What it hid stays hidden.

    With --from TIME it ends in the past, at its start at the earliest: workers then score stored results since that
    time again, as far as these are renormalized, and what it hid there raises alarms.

    Example: ipi-es rule end new-office --from now-2d
    """
    now = clock()
    at = None if since is None else parse_time(since, now=now)
    if at is not None and at > now:
        raise UsageError(f"{iso(at)} is in the future", hint="a rule ends in the future by --expires")
    with _store(shell(ctx)) as store:
        ended = store.end_rule(name, now, by or user_name(), since=at)
    after = "was learned, and raises no alarm" if ended.rule.learn else "was not learned: it raises alarms again"
    click.echo(f"The rule {name} ended {iso(ended.ended or 0)}. What it allowed {after}.")


@rule.command()
@click.argument("name")
@format_option
@click.pass_context
def show(ctx: click.Context, name: str, output_format: str) -> None:
    """Show the rule NAME, and what it hid.

    Example: ipi-es rule show new-office
    """
    from ipi_es.results.reading.rule_uses import rule_uses

    now = clock()
    with _store(shell(ctx)) as store:
        found = store.require(name)
        row = _row(found, rule_uses(store.cluster), now)
    if output_format != "table":
        emit([row], COLUMNS, output_format, empty="", fields=FIELDS)
        return
    say_cells(row, FIELDS)


def _times(given: Mapping[str, Any], jobs: Sequence[Job], now: int) -> tuple[int, int | None]:
    """Return when the rule starts and expires, epoch seconds. Raises UsageError where that makes no sense."""
    if given["retroactive"] and given["start"] is not None:
        raise UsageError("--start and --retroactive both say when the rule starts", hint="leave one out")
    start = parse_time(given["start"] or "now", now=now)
    expires = None if given["expires"] is None else parse_time(given["expires"], now=now)
    if expires is not None and expires <= max(now, start):
        raise UsageError(f"the rule would end {iso(expires)}, before it acts", hint="write a later time: now+30d")
    require_times("rule", start, expires, hint="a rule without --expires acts until you end it")
    if given["retroactive"]:
        start = now - max((job.renormalization_window() for job in jobs), default=RETRO)
    return start, expires


def _of_incident(here: Shell, name: str, given: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the names and options of the rules that allow an incident. Raises UsageError where that can't be done."""
    from ipi_es.config.rules.allow_rule import CONDITIONS
    from ipi_es.results.reading.incidents_there import require_incident
    from ipi_es.worker.incidents.incident_rules import conditions_of, named
    from ipi_es.worker.verdicts.job_verdicts import find_results

    others = [each for each in CONDITIONS if each != "group" and given[each] is not None]
    if others or given["force"]:
        words = ", ".join(f"--{each.replace('_', '-')}" for each in (*others, *(["force"] if given["force"] else [])))
        raise UsageError(f"--from makes the rule of the incident, without {words}", hint="leave one out")
    place = given["incident"]
    with here.cluster() as cluster:
        (found,) = find_results(cluster, [place])
        job = here.job(str(found.source["job_id"]))
        incident = require_incident(cluster, found, job.incident_gap)
    chosen = conditions_of(incident, place, given["group"])
    reason = given["reason"] or (found.source["reasons"] or [""])[0]
    shared = {**given, "reason": reason, "job_names": given["job_names"] or (job.job_id,), **dict.fromkeys(CONDITIONS)}
    return [(each, {**shared, **conditions}) for each, conditions in named(name, chosen)]


def _row(found: StoredRule, uses: Mapping[str, HiddenResults], now: int) -> dict[str, Any]:
    return {
        "name": found.name,
        "allows": _allows(found.rule),
        "jobs": ", ".join(found.jobs) or "all",
        "state": _state(found, now),
        "start": iso(found.start),
        "until": None if found.end is None else iso(found.end),
        "learn": found.rule.learn,
        "force": found.rule.force,
        **use_cells(uses.get(found.name)),
        "reason": found.reason,
        "author": found.author,
        "created": iso(found.created),
        "ended_by": found.ended_by,
    }


def _state(found: StoredRule, now: int) -> str:
    if found.ended_at(now):
        return "ended" if found.ended is not None else "expired"
    return "acts" if found.start <= now else "waits"


def _allows(allow: AllowRule) -> str:
    """Return what a rule allows: ``entity svc-*, cidr 10.0.0.0/8``."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in allow.conditions.items())


@contextmanager
def _store(here: Shell) -> Iterator[RuleStore]:
    from ipi_es.setup.checks.judge import require_templates
    from ipi_es.state.rule_store import RuleStore

    with here.cluster() as cluster:
        require_templates(cluster)
        yield RuleStore(cluster)
