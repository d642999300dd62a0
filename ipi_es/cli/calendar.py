"""`ipi-es calendar`: scheduled events, in which nothing is alerted and nothing is learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    from ipi_es.results.reading.rule_uses import HiddenResults
    from ipi_es.state.calendar_store import CalendarStore, StoredEvent

COLUMNS = (
    Column("name", "Event"),
    Column("jobs", "Jobs", wrap=True),
    Column("state", "State"),
    Column("start", "Start"),
    Column("end", "End"),
    Column("hidden_records", "Hid", right=True),
    Column("worst_score", "Worst", score=True, right=True),
    Column("description", "Description", wrap=True),
)

FIELDS = (
    "name", "calendar_id", "jobs", "state", "start", "end", "planned_end", "hidden_records", "last", "worst_score",
    "description", "author", "created", "ended_by",
)  # fmt: skip
"""The columns of CSV."""


@click.group()
def calendar() -> None:
    """Plan changes: scheduled events, in which scores are written, and nothing is alerted or learned.

    An event never changes: it ends, early at most. Workers read the events at the beginning of each run of a job.

    Example: ipi-es calendar add move --start 2026-12-05 --end 2026-12-07 --description "the office moves"
    """


@calendar.command()
@click.argument("name")
@click.option("--start", default="now", show_default=True, help="Buckets that overlap [start, end) are in the event.")
@click.option("--end", required=True, help="When it is over: now+8h, or a date.")
@click.option("--description", required=True, help="What is planned; shown with the event.")
@click.option("--job", "job_names", multiple=True, metavar="JOB", help="A job that it concerns; default: all jobs.")
@click.option("--calendar", "calendar_id", help="The calendar that it belongs to: a word to list events by.")
@click.option("--by", help="Who says so; default: the user that runs this command.")
@click.pass_context
def add(
    ctx: click.Context,
    name: str,
    start: str,
    end: str,
    description: str,
    job_names: tuple[str, ...],
    calendar_id: str | None,
    by: str | None,
) -> None:
    """Plan the event NAME.

    Example: ipi-es calendar add pentest --start now --end now+2d --description "Acme's test" --job sign-ins
    """
    from ipi_es.state.calendar_store import StoredEvent

    here, now = shell(ctx), clock()
    require_name(name, "scheduled event")
    if not description.strip():
        raise UsageError("the scheduled event has no description", hint="say what is planned: --description TEXT")
    if calendar_id is not None:
        require_name(calendar_id, "calendar")
    begin, until = (parse_time(text, now=now) for text in (start, end))
    _require_span(begin, until, now)
    jobs = tuple(dict.fromkeys(here.job(each).job_id for each in job_names))
    event = StoredEvent(
        name=name,
        description=description,
        author=by or user_name(),
        created=now,
        start=begin,
        planned_end=until,
        calendar_id=calendar_id,
        jobs=jobs,
    )
    with _calendars(here) as store:
        store.add_event(event)
    where = f"the job{'' if len(jobs) == 1 else 's'} {', '.join(jobs)}" if jobs else "all jobs"
    click.echo(
        f"In {where}, nothing is alerted or learned of the buckets that overlap {iso(begin)} to {iso(until)}. "
        "Their scores are written."
    )
    if begin < now:
        click.echo(
            "Results that are stored already stay as they are, and so does what was learned of days that are over."
        )
    click.echo(f"See what it hides: ipi-es calendar show {name}")


@calendar.command("list")
@click.option("--job", "job_name", metavar="JOB", help="Only the events that concern it, and what they hid there.")
@click.option("--calendar", "calendar_id", help="Only the events of this calendar.")
@click.option("--all", "everything", is_flag=True, help="With events that are over.")
@format_option
@click.pass_context
def list_(
    ctx: click.Context, job_name: str | None, calendar_id: str | None, *, everything: bool, output_format: str
) -> None:
    """Show the scheduled events, the earliest first, and what they hid until now.

    *Hid* counts records, *Worst* is the highest score of a record, an influencer or a bucket.

    Example: ipi-es calendar list --job sign-ins
    """
    from ipi_es.results.reading.rule_uses import event_uses

    here, now = shell(ctx), clock()
    job_id = None if job_name is None else here.job(job_name).job_id
    with _calendars(here) as store:
        found = store.all().events
        uses = event_uses(store.cluster, job_id)
    rows = [
        _row(each, uses, now)
        for each in found
        if (everything or not each.ended_at(now))
        and (job_id is None or each.concerns(job_id))
        and (calendar_id is None or each.calendar_id == calendar_id)
    ]
    first = "No scheduled event yet. Add one: ipi-es calendar add NAME --end … --description …"
    emit(rows, COLUMNS, output_format, empty="No scheduled event is planned." if found else first, fields=FIELDS)


@calendar.command()
@click.argument("name")
@click.option("--by", help="Who says so; default: the user that runs this command.")
@click.pass_context
def end(ctx: click.Context, name: str, by: str | None) -> None:
    """End the event NAME now: buckets that start later are alerted and learned again. What it hid stays hidden.

    Example: ipi-es calendar end move
    """
    with _calendars(shell(ctx)) as store:
        ended = store.end_event(name, clock(), by or user_name())
    if ended.start < ended.end:
        after = ". Buckets that start later raise alarms and are learned."
    else:
        after = ", before it began: it changes nothing."
    click.echo(f"The scheduled event {name} ended {iso(ended.end)}{after}")


@calendar.command()
@click.argument("name")
@format_option
@click.pass_context
def show(ctx: click.Context, name: str, output_format: str) -> None:
    """Show the event NAME, and what it hid.

    Example: ipi-es calendar show move
    """
    from ipi_es.results.reading.rule_uses import event_uses

    now = clock()
    with _calendars(shell(ctx)) as store:
        row = _row(store.require(name), event_uses(store.cluster), now)
    if output_format != "table":
        emit([row], COLUMNS, output_format, empty="", fields=FIELDS)
        return
    say_cells(row, FIELDS)


def _require_span(start: int, end: int, now: int) -> None:
    """Raise UsageError for an event without a moment, and for one that is over: it would change no result."""
    require_times("scheduled event", start, end, hint="write a date such as 2026-12-05, or now+8h")
    if end <= start:
        raise UsageError(
            f"the end {iso(end)} is not after the start {iso(start)}", hint="times are [start, end): now, now+8h"
        )
    if end <= now:
        raise UsageError(
            f"the event would be over already, {iso(end)}: stored results aren't changed",
            hint="to leave sign-ins of the past out, add a rule with --start and score that time again "
            "(ipi-es rule add, ipi-es backfill --again)",
        )


def _row(found: StoredEvent, uses: Mapping[str, HiddenResults], now: int) -> dict[str, Any]:
    return {
        "name": found.name,
        "calendar_id": found.calendar_id,
        "jobs": ", ".join(found.jobs) or "all",
        "state": _state(found, now),
        "start": iso(found.start),
        "end": iso(found.end),
        "planned_end": iso(found.planned_end),
        **use_cells(uses.get(found.name)),
        "description": found.description,
        "author": found.author,
        "created": iso(found.created),
        "ended_by": found.ended_by,
    }


def _state(found: StoredEvent, now: int) -> str:
    if found.ended_at(now):
        return "over" if found.ended is None else "ended"
    return "in force" if found.start <= now else "waits"


@contextmanager
def _calendars(here: Shell) -> Iterator[CalendarStore]:
    from ipi_es.setup.checks.judge import require_templates
    from ipi_es.state.calendar_store import CalendarStore

    with here.cluster() as cluster:
        require_templates(cluster)
        yield CalendarStore(cluster)
