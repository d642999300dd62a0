"""An incident's page: its story, its results, the answers that were given, and the forms to answer it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from ipi_es.cluster.port import Document
from ipi_es.config.given_verdict import Verdict
from ipi_es.errors import PermissionDenied, UsageError
from ipi_es.results.documents.visible import visible
from ipi_es.results.reading.incident_grouping import Incident
from ipi_es.results.reading.incident_list import IncidentFilter, read_incidents, results_there
from ipi_es.results.reading.incidents_there import require_incident
from ipi_es.serve.explorer.answered_states import answered_states
from ipi_es.serve.explorer.answering import EXPIRIES, outcome_of, rule_name
from ipi_es.serve.explorer.links import span
from ipi_es.serve.explorer.rendering import page
from ipi_es.serve.explorer.result_entries import AROUND, entries_of
from ipi_es.serve.explorer.sign_ins import SignIns, of_address, of_entity
from ipi_es.serve.explorer.stored_incident import stored_incident
from ipi_es.serve.explorer.views.job_page import IncidentEntry
from ipi_es.serve.explorer.visit import TimeRange, Visit
from ipi_es.serve.reading_rights import require_reading
from ipi_es.state.verdict_store import VERDICTS_INDEX
from ipi_es.times import from_ms
from ipi_es.worker.results_there import newest_result
from ipi_es.worker.verdicts.job_verdicts import JobVerdicts
from ipi_es.worker.verdicts.known_verdicts import network_of

MOST_RESULTS = 200
"""Results that the page lists, in order of time; the others are in the list of results."""

MOST_NAMES = 20
"""Accounts, and addresses, that link to their pages."""

MOST_REASONS = 1_000
"""Sentences of the story: all that are stored."""


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """A verdict in force on an account and a network of the incident."""

    entity: str
    network: str
    word: str
    by: str
    time: int
    comment: str


def incident_page(visit: Visit) -> Response:
    """Return the page."""
    job, cluster = visit.job, visit.cluster
    stored = stored_incident(visit)
    states = answered_states(visit)
    source = {**stored.source, "state": states.moved.get(stored.id, stored.source["state"])}
    incident, note = _whole(visit, stored)
    begin, end = from_ms(source["timestamp"]), from_ms(source["end_timestamp"])
    found = results_there(cluster, source["results"][:MOST_RESULTS])
    results = sorted(found, key=lambda each: (each.source["timestamp"], each.id))
    around = span(max(begin - AROUND, 0), end + AROUND)
    answers, verdicts_note = _answers(visit, incident)
    entry = IncidentEntry.of(source, "", MOST_REASONS)
    return page(
        visit,
        "incident.html",
        job=job,
        entry=entry,
        source=source,
        begin=begin,
        end=end,
        around=around,
        notes=[each for each in (note, states.note or verdicts_note) if each is not None],
        entities=_names(source["entities"], visit.links.entity, job.job_id, around),
        networks=[(name, visit.links.network(job.job_id, name)) for name in source["networks"][:MOST_NAMES]],
        operators=[(f"AS{each}", visit.links.network(job.job_id, f"AS{each}")) for each in source["operators"]],
        used=_used(visit, source, begin, end),
        of_entity=_is_single(source, "entity_count", "entities"),
        addresses=_names(source["addresses"], visit.links.address, job.job_id, around),
        results=entries_of(results, job, visit.links),
        left_out=entry.results - len(results),
        all_results=visit.links.results(job.job_id, **span(begin, end)),
        answers=answers,
        outcome=outcome_of(visit),
        following=None if states.note else _following(visit, stored.id, states.moved),
        answers_known=states.note is None,
        expiries=EXPIRIES,
        name=rule_name(source),
        moved=[] if incident is None else incident.moved_to(),
    )


def _whole(visit: Visit, stored: Document) -> tuple[Incident | None, str | None]:
    """Return the incident with all of its results, or why it can't be had."""
    try:
        return require_incident(visit.cluster, stored, visit.job.incident_gap), None
    except UsageError as error:
        return None, f"{error.message}: the job's next run makes it anew, and until then it can't be answered"


def _used(visit: Visit, source: Mapping[str, Any], begin: int, end: int) -> SignIns | None:
    """Return the sign-ins of the only account, or else of the only address; None where there are several."""
    time, (newest, _) = TimeRange(begin, end), newest_result(visit.cluster, visit.job, visit.snapshots)
    if _is_single(source, "entity_count", "entities"):
        return of_entity(visit, source["entities"][0], time, newest)
    if _is_single(source, "address_count", "addresses"):
        return of_address(visit, source["addresses"][0], time, newest)
    return None


def _is_single(source: Mapping[str, Any], count: str, names: str) -> bool:
    return bool(source[count] == len(source[names]) == 1)


def _names(names: list[str], link: Any, job_id: str, around: dict[str, str]) -> list[tuple[str, str | None]]:
    return [(name, link(job_id, name, **around)) for name in names[:MOST_NAMES]]


def _answers(visit: Visit, incident: Incident | None) -> tuple[list[GivenAnswer], str | None]:
    """Return the verdicts in force on what the incident is made of, the oldest first."""
    if incident is None:
        return [], None
    try:
        require_reading(visit.cluster, VERDICTS_INDEX)
        known = JobVerdicts(visit.cluster, visit.folded_job(), visit.now).in_force()
    except PermissionDenied:
        return [], "You may not read verdicts: whether this was answered isn't known here."
    places, results = set(incident.pairs()), {place for place, _ in incident.results}
    found = [each for each in known.verdicts if (each.entity, network_of(each.ip)) in places or each.result in results]
    given = [_given(each) for each in sorted(found, key=lambda each: each.time)]
    return list(dict.fromkeys(given)), None  # one verdict on several results of a place is one answer


def _given(verdict: Verdict) -> GivenAnswer:
    return GivenAnswer(
        visible(verdict.entity),
        network_of(verdict.ip),
        verdict.verdict,
        visible(verdict.by),
        verdict.time,
        visible(verdict.comment),
    )


def _following(visit: Visit, place: str, states: Mapping[str, str]) -> str | None:
    """Return the address of the worst unanswered incident besides this one; None: there is none."""
    unanswered = IncidentFilter(answered="unanswered")
    rows = read_incidents(visit.cluster, visit.job.job_id, unanswered, size=2, states=states).rows
    others = [each["incident_id"] for each in rows if each["incident_id"] != place]
    return visit.links.incident(visit.job.job_id, others[0]) if others else None
