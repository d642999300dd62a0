"""The page of an entity, and of an address: what was found of it over time, with whom, and where an entity is usual."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from ipi_es.addresses import canonical
from ipi_es.alerts.dashboard_links import link as console_link
from ipi_es.cluster.port import Document
from ipi_es.config.files.entity_groups import GROUPS_FIELD
from ipi_es.errors import IpiEsError
from ipi_es.ipinsights.pair_explanation import UsualNetwork, usual_networks
from ipi_es.lists import some
from ipi_es.networks.network_types import TYPES_FIELD
from ipi_es.results.documents.phrases import TYPE_LABELS
from ipi_es.results.documents.visible import visible
from ipi_es.results.reading.incident_list import IncidentFilter, read_incidents
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.results.reading.record_list import LEFT_OUT, RecordFilter, read_records
from ipi_es.serve.explorer.answered_states import answered_states
from ipi_es.serve.explorer.lane_rows import pair_lanes
from ipi_es.serve.explorer.links import span
from ipi_es.serve.explorer.rendering import page
from ipi_es.serve.explorer.result_entries import entries_of
from ipi_es.serve.explorer.views.job_page import IncidentEntry
from ipi_es.serve.explorer.visit import SHOWN, TimeRange, Visit, pages_around
from ipi_es.times import SECONDS, from_ms
from ipi_es.worker.results_there import newest_result
from ipi_es.worker.typed_names import named_address

DEFAULT = 30 * SECONDS["d"]
"""Seconds up to the newest result that the pages show without a range."""

INCIDENTS, RECORDS = 10, 50
"""Incidents, and records, on a page."""

SHOWN_NAMES = 5


@dataclass(frozen=True, slots=True)
class Usual:
    """Where an entity usually comes from; ``trouble`` says why that isn't known."""

    networks: tuple[UsualNetwork, ...] = ()
    as_of: int | None = None
    """The end of what was learned, epoch seconds."""
    trouble: str | None = None

    def days(self, network: UsualNetwork) -> str:
        """Return the day on which a network was used last."""
        return SHOWN.iso(network.last_day * SECONDS["d"])[: len("2026-05-22")]

    @property
    def operators(self) -> list[tuple[str, float]]:
        """Operators with their shares, 0–1, the largest first; those that aren't known are left out."""
        return _shares((f"AS{each.operator}" if each.operator else None, each.share) for each in self.networks)

    @property
    def countries(self) -> list[tuple[str, float]]:
        """Countries with their shares."""
        return _shares((each.country, each.share) for each in self.networks)


def entity_page(visit: Visit) -> Response:
    """Return the page of an entity, as results spell it."""
    job, name = visit.job, visit.named("name")
    return _page(
        visit,
        name,
        ResultFilter(entity=name),
        incidents=IncidentFilter(answered="all", entity=name),
        usual=_usual(visit, name),
        field=job.entity_field,
        other="by_field_value",
    )


def address_page(visit: Visit) -> Response:
    """Return the page of an address. Raises UsageError for a text that is none."""
    ip = canonical(named_address(visit.named("ip"), visit.job))
    return _page(
        visit,
        ip,
        ResultFilter(ip=ip),
        incidents=IncidentFilter(answered="all", address=ip),
        usual=None,
        field=visit.job.ip_field,
        other="partition_field_value",
    )


def _page(
    visit: Visit,
    name: str,
    where: ResultFilter,
    *,
    incidents: IncidentFilter,
    usual: Usual | None,
    field: str,
    other: str,
) -> Response:
    job, cluster, of_entity = visit.job, visit.cluster, usual is not None
    newest, note = newest_result(cluster, job, visit.snapshots)
    time, number = visit.range(newest, DEFAULT), visit.page(RECORDS)
    links = visit.links
    states = answered_states(visit)
    found = read_incidents(cluster, job.job_id, incidents, size=INCIDENTS, states=states.moved)
    chosen = RecordFilter(time.start, time.end, entity=where.entity, ip=where.ip, shown=frozenset(LEFT_OUT))
    records, total = read_records(cluster, job.job_id, chosen, first=(number - 1) * RECORDS, size=RECORDS)
    own = links.entity if of_entity else links.address

    def at(page_number: int) -> str | None:
        return own(job.job_id, name, **span(time.start, time.end), page=page_number)

    return page(
        visit,
        "name.html",
        job=job,
        name=name,
        field=field,
        of_entity=of_entity,
        time=time,
        newest=newest,
        notes=[each for each in (note, states.note) if each is not None],
        usual=usual,
        facts=_facts(records, of_entity=of_entity),
        lanes=pair_lanes(visit, time, where, other, links.address if of_entity else links.entity),
        found=found,
        entries=[IncidentEntry.of(each, links.incident(job.job_id, each["incident_id"])) for each in found.rows],
        more_incidents=links.job(job.job_id, search=name, answered="all", **span(0, max(visit.now, time.end))),
        results=entries_of(records, job, links),
        total=total,
        first=(number - 1) * RECORDS,
        pages=pages_around(number, RECORDS, total, at),
        console=_console(visit, name, time, records, of_entity=of_entity),
    )


def _usual(visit: Visit, entity: str) -> Usual:
    try:
        history = visit.histories.of(visit.resources())
    except IpiEsError as error:
        return Usual(trouble=f"Where it usually comes from isn't known here: {error.message}.")
    return Usual(usual_networks(history, entity), history.day * SECONDS["d"])


def _facts(records: list[Document], *, of_entity: bool) -> list[tuple[str, str]]:
    """Return (label, text) of what the latest record knows besides the pair."""
    if not records:
        return []
    latest = max(records, key=lambda each: int(each.source["timestamp"])).source
    if of_entity:
        groups = latest.get(GROUPS_FIELD) or ()
        return [("Groups", visible(some(groups, SHOWN_NAMES)))] if groups else []
    number, organization = latest.get("source.as.number"), latest.get("source.as.organization.name")
    operator = ", ".join(str(each) for each in (f"AS{number}" if number else None, organization) if each)
    types = ", ".join(TYPE_LABELS.get(each, each) for each in latest.get(TYPES_FIELD) or ())
    facts = (("Operator", operator), ("Country", latest.get("source.geo.country_iso_code")), ("Types", types))
    return [(label, visible(text)) for label, text in facts if text]


def _console(visit: Visit, name: str, time: TimeRange, records: list[Document], *, of_entity: bool) -> str | None:
    """Return the address of the console's dashboard, which leads to the events; None: no console is configured."""
    when = from_ms(records[0].source["timestamp"]) if records else time.start + (time.end - time.start) // 2
    names: dict[str, Any] = {"entities": [name] if of_entity else [], "addresses": [] if of_entity else [name]}
    kind: Any = "records" if of_entity else "influencers"
    return console_link(visit.job, when, names["entities"], names["addresses"], kind=kind) or None


def _shares(given: Iterable[tuple[str | None, float]]) -> list[tuple[str, float]]:
    shares = defaultdict[str, float](float)
    for name, share in given:
        if name is not None:
            shares[name] += share
    return sorted(shares.items(), key=lambda each: (-each[1], each[0]))
