"""A job's page: its lanes over time, then its incidents, the worst first, and how many came since it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import JSONResponse, Response

from ipi_es.config.job_config import Job
from ipi_es.errors import UsageError
from ipi_es.lists import some
from ipi_es.pages.text import counted, score_text, severity_name
from ipi_es.results.documents.visible import visible
from ipi_es.results.reading.incident_list import (
    STATES,
    IncidentFilter,
    IncidentPage,
    partly_listed,
    read_incidents,
)
from ipi_es.results.reading.listing import is_recorded, nearest_entity
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.serve.explorer.answered_states import answered_states
from ipi_es.serve.explorer.choices import LEVELS, Search, answered_of, incidents_of, level_of, search_of
from ipi_es.serve.explorer.lane_rows import here, job_lanes
from ipi_es.serve.explorer.links import span
from ipi_es.serve.explorer.rendering import HEADERS, page
from ipi_es.serve.explorer.visit import TimeRange, Visit, pages_around
from ipi_es.times import SECONDS, from_ms, to_ms
from ipi_es.worker.results_there import incidents_note, newest_result

DEFAULT = 7 * SECONDS["d"]
"""Seconds up to the newest result that a job's page shows without a range."""

PRESETS = tuple((text, number * SECONDS["d"]) for text, number in (("24 h", 1), ("7 d", 7), ("30 d", 30), ("1 y", 365)))
"""Lengths of time to choose from."""

PAGE = 20
"""Incidents on a page."""

NAMED = 4
"""Accounts, and networks, that an incident's heading names."""

REASONS = 2
"""Reasons in the list, in order of time; the incident's own page has all."""


@dataclass(frozen=True, slots=True)
class IncidentEntry:
    """An incident in a list, as text."""

    id: str
    href: str
    severity: str
    score: str
    who: str
    where: str
    begin: int
    end: int
    state: str
    results: int
    reasons: tuple[str, ...]
    more_reasons: int

    @classmethod
    def of(cls, row: Mapping[str, Any], href: str, reasons: int = REASONS) -> IncidentEntry:
        """Make the entry of a stored incident."""
        score = float(row["incident_score"])
        return cls(
            id=str(row["incident_id"]),
            href=href,
            severity=severity_name(score),
            score=score_text(score),
            who=visible(some(row["entities"], NAMED, total=row["entity_count"])),
            where=visible(some(row["networks"], NAMED, total=row["network_count"])),
            begin=from_ms(row["timestamp"]),
            end=from_ms(row["end_timestamp"]),
            state=str(row["state"]),
            results=int(row["record_count"]) + int(row["influencer_count"]),
            reasons=tuple(visible(each) for each in row["reasons"][:reasons]),
            more_reasons=max(len(row["reasons"]) - reasons, 0),
        )


def job_page(visit: Visit) -> Response:
    """Return the page."""
    job, cluster = visit.job, visit.cluster
    newest, note = newest_result(cluster, job, visit.snapshots)
    time, search, number = visit.range(newest, DEFAULT), search_of(visit), visit.page(PAGE)
    where = incidents_of(visit, time, search)
    states = answered_states(visit)
    found = read_incidents(cluster, job.job_id, where, first=(number - 1) * PAGE, size=PAGE, states=states.moved)
    entries = [IncidentEntry.of(each, visit.links.incident(job.job_id, each["incident_id"])) for each in found.rows]
    due, partly = incidents_note(cluster, job), partly_listed(cluster, job.job_id, where)
    return page(
        visit,
        "job.html",
        job=job,
        time=time,
        newest=newest,
        notes=[each for each in (note, due, states.note, partly) if each is not None],
        lanes=job_lanes(visit, time),
        found=found,
        entries=entries,
        first=(number - 1) * PAGE,
        pages=pages_around(number, PAGE, found.total, lambda each: here(visit, page=each)),
        search=search,
        searched=_searched(visit, search, time),
        guess=_guess(visit, job, search, found),
        severity=level_of(visit)[0],
        levels=list(LEVELS),
        answered=answered_of(visit),
        answers=[(each, states.word(each)) for each in STATES],
        states=states,
        presets=_presets(visit, time, newest),
        moves=_moves(visit, time),
        all_time=here(
            visit, search=None, network=None, severity=None, answered=None, **span(0, max(visit.now, time.end))
        ),
        elsewhere=_elsewhere(visit, where, found, states.moved),
        any_time=here(visit, **span(0, max(visit.now, time.end))),
        live=_live(visit),
    )


def live(visit: Visit) -> Response:
    """Return the number of incidents that the page's filters select and that were reported after ``after``, as JSON.

    ``after`` is in epoch milliseconds, ``now`` in the answer too. The end of the page's range doesn't count: what is
    new comes after it.
    """
    text = visit.parameters.get("after", "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise UsageError("“after” is no time in milliseconds", hint="load the page again")
    search = search_of(visit)
    where = incidents_of(visit, TimeRange(visit.time("start") or 0, visit.now), search)
    where = replace(where, end=None, reported_after=int(text))
    found = read_incidents(visit.cluster, visit.job.job_id, where, size=0, states=answered_states(visit).moved)
    said = f"{counted(found.total, 'new finding')} since this page was made" if found.total else ""
    return JSONResponse({"count": found.total, "text": said}, headers=HEADERS)


def _elsewhere(visit: Visit, where: IncidentFilter, found: IncidentPage, states: Mapping[str, str]) -> int:
    """Return how many incidents the filters would select at other times; those of a network aren't known."""
    if where.network is not None:
        return 0
    whole = read_incidents(visit.cluster, visit.job.job_id, replace(where, start=None, end=None), size=0, states=states)
    return max(whole.total - found.total, 0)


def _live(visit: Visit) -> str:
    kept = {name: visit.parameters.get(name) for name in ("start", "search", "network", "severity", "answered")}
    return visit.links.live(visit.job.job_id, after=to_ms(visit.now), **kept)


def _presets(visit: Visit, time: TimeRange, newest: int | None) -> list[tuple[str, str, bool]]:
    """Return (text, address, whether it is the present one) of each length of time, up to the newest result."""
    end = visit.now if newest is None else newest
    return [
        (text, here(visit, **span(max(end - length, 0), end)), (end - length, end) == (time.start, time.end))
        for text, length in PRESETS
    ]


def _moves(visit: Visit, time: TimeRange) -> list[tuple[str, str]]:
    """Return (text, address) of the times before and after, and of three times as long a time."""
    length = time.end - time.start
    ranges = (
        ("Earlier", max(time.start - length, 0), time.start),
        ("Later", time.end, time.end + length),
        ("Zoom out", max(time.start - length, 0), time.end + length),
    )
    return [(text, here(visit, **span(start, end))) for text, start, end in ranges if start < end]


def _searched(visit: Visit, search: Search | None, time: TimeRange) -> str | None:
    """Return the address of the page of what was searched for."""
    if search is None:
        return None
    job_id, at = visit.job.job_id, span(time.start, time.end)
    links, entity = visit.links, search.entity
    if search.address is not None:
        return links.address(job_id, search.address, **at)
    if entity is not None:
        return None if "*" in entity else links.entity(job_id, entity, **at)
    return None if search.network is None else links.network(job_id, search.network.text, **at)


def _guess(visit: Visit, job: Job, search: Search | None, found: IncidentPage) -> tuple[str, str] | None:
    """Return a known name that is similar to one that nothing was found of, and the address that searches for it."""
    if search is None or search.entity is None or found.total:
        return None
    if is_recorded(visit.cluster, job.job_id, ResultFilter(entity=search.entity)):
        return None
    guess = nearest_entity(visit.cluster, job, search.entity)
    return None if guess is None else (visible(guess), here(visit, search=guess))
