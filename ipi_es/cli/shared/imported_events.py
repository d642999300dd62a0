"""Take over the scheduled events of Elastic's calendars for an imported job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ipi_es.cli.shared.shell import Shell, clock, user_name
from ipi_es.errors import UsageError
from ipi_es.results.documents.visible import visible
from ipi_es.times import iso
from ipi_es.worker.typed_names import MAX_NAME

if TYPE_CHECKING:
    from ipi_es.config.elastic.elastic_calendars import ElasticEvent
    from ipi_es.state.calendar_store import CalendarStore, StoredEvent


def require_one_source(calendars: str | None, events: str | None, *, ask_cluster: bool) -> None:
    """Raise UsageError unless both answers are given, or the cluster is asked, or neither.

    Events name calendars, calendars name jobs.
    """
    if ask_cluster and (calendars, events) != (None, None):
        raise UsageError(
            "--cluster-calendars and files of calendars contradict each other", hint="leave one of them out"
        )
    if (calendars is None) != (events is None):
        raise UsageError(
            "--calendars and --calendar-events belong together",
            hint="give what GET _ml/calendars?size=10000 and GET _ml/calendars/*/events?size=10000 answer, or let "
            "--cluster-calendars ask the cluster",
        )


def of_cluster(here: Shell) -> tuple[Any, Any]:
    """Return the cluster's own calendars and their events, see :meth:`ipi_es.cluster.port.Admin.elastic_calendars`."""
    with here.cluster() as cluster:
        return cluster.admin.elastic_calendars()


def take_over(here: Shell, job: Mapping[str, Any], calendars: Any, events: Any) -> None:
    """Store the events of an imported job that end in the future; say which were taken, and why others were not.

    ``calendars`` and ``events`` are Elastic's answers. Raises ConfigError where these aren't whole.
    """
    from ipi_es.config.elastic.elastic_calendars import events_of
    from ipi_es.setup.checks.judge import require_templates
    from ipi_es.state.calendar_store import CalendarStore

    job_id, now, by = str(job["job_id"]), clock(), user_name()
    found = events_of(calendars, events, [job_id, *job.get("groups", ())], now)
    for note in found.notes:
        _say(f"note: {note}")
    if not found.taken:
        _say(f"No scheduled event is taken for job {job_id}.")
        return
    with here.cluster() as cluster:
        require_templates(cluster)
        store = CalendarStore(cluster)
        for each in found.taken:
            _say(_taken(store, _stored(each, job_id, now, by)))


def _taken(store: CalendarStore, new: StoredEvent) -> str:
    """Store an event, unless an earlier import did; say what was done."""
    there = store.get(new.name)
    if there is None:
        store.add_event(new)
        return f"Scheduled event “{new.name}” is taken, until {iso(new.end)}."
    if (there.planned_end, there.jobs) == (new.planned_end, new.jobs):
        return f"note: the scheduled event “{new.name}” is there already"
    return f"note: the event “{new.description}” is not taken: another scheduled event is called “{new.name}”"


def _stored(event: ElasticEvent, job_id: str, now: int, by: str) -> StoredEvent:
    """Return the event to store; its name is the same in each import, and results can show it."""
    from ipi_es.state.calendar_store import StoredEvent

    description = visible(" ".join(event.description.split()))
    name = f"{job_id} {iso(event.start)} {description}".encode()[:MAX_NAME].decode(errors="ignore").strip()
    return StoredEvent(
        name=name,
        description=description,
        author=by,
        created=now,
        start=event.start,
        planned_end=event.end,
        calendar_id=event.calendar_id,
        jobs=(job_id,),
    )


def _say(text: str) -> None:
    click.secho(visible(text), fg="yellow" if text.startswith("note: ") else None, err=True)
