"""Scheduled events as documents: planned changes, in which nothing is alerted and nothing is learned.

An event is never changed or deleted: it ends early at most. So an event bucket that is scored again, months later,
finds the events that it was scored with. The documents have the names of Elastic's scheduled events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ipi_es.cluster.port import Cluster, Document
from ipi_es.scheduled_events import Calendar, ScheduledEvent
from ipi_es.state.fields import Fields
from ipi_es.state.proven_documents import NamedDocuments, ProvenDocuments, parsed
from ipi_es.times import to_ms

CALENDARS_INDEX = CALENDARS_TEMPLATE = "ipi-es-calendars"
FORMAT = 1
"""Format of a scheduled event's document; a newer one is refused."""
_FIELDS = (
    "format", "name", "calendar_id", "job_ids", "description", "author", "created", "start_time", "end_time", "ended",
    "ended_by",
)  # fmt: skip
_HINT = f"correct that document of {CALENDARS_INDEX}, or delete it and add the event again"


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One scheduled event with its history; times in epoch seconds."""

    name: str
    """The name, which results have in ``scheduled_events``."""
    description: str
    author: str
    created: int
    start: int
    planned_end: int
    """Exclusive."""
    ended: int | None = None
    ended_by: str | None = None
    calendar_id: str | None = None
    """The calendar that it belongs to: a word for people, which changes nothing."""
    jobs: tuple[str, ...] = ()
    """The jobs that it concerns; empty: all."""

    @property
    def end(self) -> int:
        """The time from which it is over."""
        return self.planned_end if self.ended is None else min(self.planned_end, self.ended)

    @property
    def scheduled(self) -> ScheduledEvent:
        """The event as scoring takes it."""
        return ScheduledEvent(self.name, self.start, self.end)

    def concerns(self, job_id: str) -> bool:
        """Return whether it concerns a job."""
        return not self.jobs or job_id in self.jobs

    def ended_at(self, time: int) -> bool:
        """Return whether it is over at ``time``."""
        return self.end <= time

    def ended_by_person(self, time: int, by: str) -> StoredEvent:
        """Return it as a person ends it."""
        return replace(self, ended=time, ended_by=by)

    def source(self) -> dict[str, Any]:
        """Return the document; what isn't set is absent."""
        found: dict[str, Any] = {
            "format": FORMAT,
            "name": self.name,
            "calendar_id": self.calendar_id,
            "job_ids": list(self.jobs),
            "description": self.description,
            "author": self.author,
            "created": to_ms(self.created),
            "start_time": to_ms(self.start),
            "end_time": to_ms(self.planned_end),
            "ended": None if self.ended is None else to_ms(self.ended),
            "ended_by": self.ended_by,
        }
        return {name: value for name, value in found.items() if value not in (None, [])}


@dataclass(frozen=True, slots=True)
class StoredEvents:
    """All scheduled events, the earliest first, and what is wrong with documents that are none, by id."""

    events: tuple[StoredEvent, ...] = ()
    damaged: dict[str, str] = field(default_factory=dict)

    def of_job(self, job_id: str) -> Calendar:
        """Return the calendar of a job."""
        return Calendar(tuple(each.scheduled for each in self.events if each.concerns(job_id)))


class CalendarStore:
    """The scheduled events of all jobs."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._named = NamedDocuments(cluster, CALENDARS_INDEX, "scheduled event", "ipi-es calendar", _event)
        self._proven = ProvenDocuments(cluster, CALENDARS_INDEX, "scheduled events", _sorted)

    def add_event(self, event: StoredEvent) -> None:
        """Store a new event; workers read it with their next buckets. Raises UsageError where its name is taken."""
        self._named.insert_named(event)

    def end_event(self, name: str, now: int, by: str) -> StoredEvent:
        """End an event now; return it. Raises UsageError where there is none, or it is over."""
        return self._named.finish_named(name, now, by)

    def get(self, name: str) -> StoredEvent | None:
        """Return one event. Raises StateDamaged or SnapshotForeign where its document is none."""
        return self._named.get(name)

    def require(self, name: str) -> StoredEvent:
        """Return one event. Raises UsageError where there is none."""
        return self._named.require(name)

    def all(self) -> StoredEvents:
        """Return all events, read with proof (:class:`ProvenDocuments`). A warning names documents that are none."""
        return self._proven.read()

    def of_job(self, job_id: str) -> Calendar:
        """Return the calendar of a job, as it is stored now. Raises AnswerIncomplete as :meth:`all` does."""
        return self.all().of_job(job_id)


def _sorted(documents: Sequence[Document]) -> StoredEvents:
    """Read the documents' events; warn of those that are none."""
    events, damaged = parsed(documents, _event, "nothing is planned by it")
    return StoredEvents(tuple(sorted(events, key=lambda event: (event.start, event.name))), damaged)


def _event(document: Document) -> StoredEvent:
    """Read an event. Raises StateDamaged where a value can't be one, SnapshotForeign where it is of a newer ipi-es."""
    source = document.source
    fields = Fields(source, f"a scheduled event ({document.id}) is damaged", _HINT)
    fields.refuse_newer(
        f"a scheduled event ({document.id})", FORMAT, otherwise=f"delete that document of {CALENDARS_INDEX}"
    )
    for unknown in fields.without(_FIELDS):  # a misspelled job_ids would concern all jobs
        fields.wrong(unknown, source[unknown], "a field of a scheduled event")
    name = fields.text("name")
    if document.id != f"calendar:{name}":
        fields.wrong("name", name, f"{document.id.removeprefix('calendar:')}, as its id says")
    start, end = fields.time("start_time"), fields.time("end_time")
    if end <= start:
        fields.wrong("end_time", source["end_time"], "a time after its start_time")
    return StoredEvent(
        name=name,
        description=fields.text_or_none("description") or "",
        author=fields.text("author"),
        created=fields.time("created"),
        start=start,
        planned_end=end,
        ended=fields.time_or_none("ended"),
        ended_by=fields.text_or_none("ended_by"),
        calendar_id=fields.text_or_none("calendar_id"),
        jobs=tuple(fields.texts("job_ids")),
    )
