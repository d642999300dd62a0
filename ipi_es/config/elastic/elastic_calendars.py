"""Read the scheduled events of Elastic ML's calendars that concern one job."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ipi_es.errors import ConfigError, UsageError
from ipi_es.times import iso, parse_time

ALL_JOBS = "_all"
"""The job of a calendar that concerns all jobs."""

_OTHERWISE = {
    "skip_result": "its results would raise alarms",
    "skip_model_update": "it would be learned",
}
"""Key of an event → what it asks for where it is false: ipi-es has no such events."""


class _Answer(NamedTuple):
    """An answer of Elastic's: the key of its items, the option that takes it, the path that gives it."""

    key: str
    option: str
    path: str


CALENDARS = _Answer("calendars", "--calendars", "_ml/calendars")
EVENTS = _Answer("events", "--calendar-events", "_ml/calendars/*/events")


@dataclass(frozen=True, slots=True)
class ElasticEvent:
    """One scheduled event in [start, end), epoch seconds."""

    calendar_id: str
    description: str
    start: int
    end: int


@dataclass(slots=True)
class ElasticEvents:
    """The events that concern a job, in order of time, and a line for each that is left out or taken otherwise."""

    taken: list[ElasticEvent] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def events_of(calendars: Any, events: Any, job_names: Collection[str], now: int) -> ElasticEvents:
    """Return the scheduled events of a job that end after ``now``, epoch seconds.

    ``calendars`` and ``events`` are the API's answers, or their lists. ``job_names``: the job's id and its groups, any
    of which a calendar may name. Raises ConfigError where they aren't whole.
    """
    jobs = {_text(each, "calendar_id", CALENDARS): _jobs(each) for each in _listed(calendars, CALENDARS)}
    found, others = ElasticEvents(), 0
    for each in _listed(events, EVENTS):
        calendar_id = _text(each, "calendar_id", EVENTS)
        if calendar_id not in jobs:
            raise ConfigError(
                f"an event is of the calendar “{calendar_id}”, which is not among the calendars",
                place=CALENDARS.option,
                hint="give what GET _ml/calendars?size=10000 answers",
            )
        if not {*job_names, ALL_JOBS} & jobs[calendar_id]:
            others += 1
            continue
        event = ElasticEvent(
            calendar_id,
            str(each.get("description") or ""),
            *(_time(each, key) for key in ("start_time", "end_time")),
        )
        refused = _refused(each, event, now)
        said = f"the event “{event.description}” of the calendar {calendar_id}"
        if refused is not None:
            found.notes.append(f"{said} is not taken: {refused}")
            continue
        if not {*job_names} & jobs[calendar_id]:
            found.notes.append(f"{said} concerns all jobs of Elastic; it is taken for this job alone")
        found.taken.append(event)
    if others:
        found.notes.append(f"{others:,} events are not taken: their calendars are of other jobs")
    found.taken.sort(key=lambda event: (event.start, event.end, event.description))
    return found


def _refused(source: Mapping[str, Any], event: ElasticEvent, now: int) -> str | None:
    """Say why an event can't be taken; None: it can."""
    if event.end <= event.start:
        return "it ends before it begins"
    if event.end <= now:
        return f"it was over {iso(event.end)}"
    for key, otherwise in _OTHERWISE.items():
        if source.get(key) is False:
            return f"{key} is false, so {otherwise}"
    if source.get("force_time_shift") not in (None, 0):
        return "ipi-es has no force_time_shift"
    return None


def _listed(data: Any, what: _Answer) -> list[dict[str, Any]]:
    """Return the items of an answer. Raises ConfigError where it has none, or fewer than it counts."""
    found = data.get(what.key) if isinstance(data, dict) else data
    hint = f"give what GET {what.path}?size=10000 answers"
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ConfigError(f"holds no {what.key} of Elastic's", place=what.option, hint=hint)
    count = data.get("count") if isinstance(data, dict) else None
    if isinstance(count, int) and count > len(found):
        raise ConfigError(
            f"holds {len(found):,} of {count:,} {what.key}",
            place=what.option,
            hint=f"{hint}; if there are more, delete events that are over",
        )
    return found


def _jobs(calendar: Mapping[str, Any]) -> set[str]:
    """Return the jobs and groups of a calendar."""
    found = calendar.get("job_ids") or []
    if not isinstance(found, str | list):
        raise ConfigError(f"job_ids is {found!r}", place=CALENDARS.option, hint="give Elastic's own answer")
    return {found} if isinstance(found, str) else {str(each) for each in found}


def _text(source: Mapping[str, Any], key: str, what: _Answer) -> str:
    value = source.get(key)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"one of the {what.key} has no {key}", place=what.option, hint="give Elastic's own answer")
    return value


def _time(source: Mapping[str, Any], key: str) -> int:
    """Return epoch seconds of a time of an event, in milliseconds or in ISO 8601."""
    value = source.get(key)
    with suppress(UsageError):
        if isinstance(value, int) and not isinstance(value, bool):
            return value // 1_000
        if isinstance(value, str):
            return parse_time(value, now=0)
    raise ConfigError(
        f"an event's {key} is {value!r}, which is no time", place=EVENTS.option, hint="give Elastic's own answer"
    )
