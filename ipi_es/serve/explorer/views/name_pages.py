"""The page of an entity, an address or a network: what was found of it over time, with whom, and what is usual."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from ipi_es.addresses import canonical
from ipi_es.alerts.dashboard_links import link as console_link
from ipi_es.alerts.kinds import Kind
from ipi_es.cluster.port import Document
from ipi_es.config.files.entity_groups import GROUPS_FIELD
from ipi_es.errors import IpiEsError, UsageError
from ipi_es.ipinsights.pair_explanation import UsualNetwork, usual_networks
from ipi_es.ipinsights.prefixes import site_text
from ipi_es.lists import some
from ipi_es.networks.network_types import TYPES_FIELD
from ipi_es.results.documents.phrases import TYPE_LABELS
from ipi_es.results.documents.visible import visible
from ipi_es.results.reading.incident_list import IncidentFilter, IncidentPage, partly_listed, read_incidents
from ipi_es.results.reading.network_filter import OPERATOR, ORGANIZATION, NetworkFilter
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.results.reading.record_list import LEFT_OUT, RecordFilter, read_records
from ipi_es.serve.explorer.answered_states import answered_states
from ipi_es.serve.explorer.lane_rows import Lanes, pair_lanes
from ipi_es.serve.explorer.links import fits, span
from ipi_es.serve.explorer.rendering import page
from ipi_es.serve.explorer.result_entries import entries_of
from ipi_es.serve.explorer.sign_ins import SignIns, of_address, of_entity
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


@dataclass(frozen=True, slots=True)
class Subject:
    """What a page is of: an entity, an address, or a network or an operator."""

    kind: Literal["entity", "address", "network", "operator"]
    name: str
    field: str
    """What the name is, as the page's heading says it."""
    where: ResultFilter
    """The results of it."""
    own: Callable[..., str | None]
    """Makes the address of its page."""
    wide: bool = False
    """Whether its addresses may be of several operators and countries."""

    @property
    def of_entity(self) -> bool:
        """Whether it is an entity, so that the other side of its pairs are addresses."""
        return self.kind == "entity"


def entity_page(visit: Visit) -> Response:
    """Return the page of an entity, as results spell it."""
    name = visit.named("name")
    subject = Subject("entity", name, visit.job.entity_field, ResultFilter(entity=name), visit.links.entity)
    return _page(visit, subject, IncidentFilter(answered="all", entity=name), usual=_usual(visit, name))


def address_page(visit: Visit) -> Response:
    """Return the page of an address. Raises UsageError for a text that is none."""
    ip = canonical(named_address(visit.named("ip"), visit.job))
    subject = Subject("address", ip, visit.job.ip_field, ResultFilter(ip=ip), visit.links.address)
    return _page(visit, subject, IncidentFilter(answered="all", address=ip))


def network_page(visit: Visit) -> Response:
    """Return the page of a network or an operator. Raises UsageError for a network that doesn't exist."""
    job, text = visit.job, visit.named("network")
    if not fits(text):
        raise UsageError("no network and no operator has such a name", hint="search for a part of it")
    network = NetworkFilter.of(text)
    kind: Literal["network", "operator"] = "operator" if network.network is None else "network"
    subject = Subject(
        kind,
        network.text,
        kind,
        ResultFilter(network=network.query(job)),
        visit.links.network,
        wide=not (network.is_site or network.operator),
    )
    try:
        names = network.of_incidents(visit.cluster, job, None, None)
    except UsageError as error:  # its records are shown nevertheless
        return _page(visit, subject, None, trouble=f"{error.message}: choose a smaller network.")
    return _page(visit, subject, IncidentFilter(answered="all", network=names.query))


def _page(
    visit: Visit,
    subject: Subject,
    incidents: IncidentFilter | None,
    *,
    usual: Usual | None = None,
    trouble: str | None = None,
) -> Response:
    """Return the page; where ``incidents`` is None, ``trouble`` says why they aren't known."""
    job, cluster, links, name, where = visit.job, visit.cluster, visit.links, subject.name, subject.where
    newest, note = newest_result(cluster, job, visit.snapshots)
    time, number = visit.range(newest, DEFAULT), visit.page(RECORDS)
    states = answered_states(visit)
    found, partly = IncidentPage([], 0), None
    if incidents is not None:
        partly = partly_listed(cluster, job.job_id, incidents)
        found = read_incidents(cluster, job.job_id, incidents, size=INCIDENTS, states=states.moved)
    chosen = RecordFilter(
        time.start, time.end, entity=where.entity, ip=where.ip, network=where.network, shown=frozenset(LEFT_OUT)
    )
    records, total = read_records(cluster, job.job_id, chosen, first=(number - 1) * RECORDS, size=RECORDS)

    def at(page_number: int) -> str | None:
        return subject.own(job.job_id, name, **span(time.start, time.end), page=page_number)

    return page(
        visit,
        "name.html",
        job=job,
        subject=subject,
        name=name,
        time=time,
        newest=newest,
        notes=[each for each in (note, states.note, partly) if each is not None],
        usual=usual,
        facts=_facts(visit, records, subject),
        used=_used(visit, subject, time, newest),
        lanes=_lanes(visit, subject, time),
        found=found,
        trouble=trouble,
        entries=[IncidentEntry.of(each, links.incident(job.job_id, each["incident_id"])) for each in found.rows],
        more_incidents=links.job(job.job_id, search=name, answered="all", **span(0, max(visit.now, time.end))),
        results=entries_of(records, job, links),
        total=total,
        first=(number - 1) * RECORDS,
        pages=pages_around(number, RECORDS, total, at),
        console=_console(visit, subject, time, records),
    )


def _used(visit: Visit, subject: Subject, time: TimeRange, newest: int | None) -> SignIns | None:
    if subject.kind not in ("entity", "address"):
        return None
    return (of_entity if subject.of_entity else of_address)(visit, subject.name, time, newest)


def _lanes(visit: Visit, subject: Subject, time: TimeRange) -> Lanes:
    other, link = (
        ("by_field_value", visit.links.address) if subject.of_entity else ("partition_field_value", visit.links.entity)
    )
    return pair_lanes(visit, time, subject.where, other, link)


def _usual(visit: Visit, entity: str) -> Usual:
    try:
        history = visit.histories.of(visit.resources())
    except IpiEsError as error:
        return Usual(trouble=f"Where it usually comes from isn't known here: {error.message}.")
    return Usual(usual_networks(history, entity), history.day * SECONDS["d"])


def _facts(visit: Visit, records: list[Document], subject: Subject) -> list[tuple[str, str, str | None]]:
    """Return (label, text, address of its page) of what the latest record knows besides the pair."""
    if not records:
        return []
    latest = max(records, key=lambda each: int(each.source["timestamp"])).source
    if subject.of_entity:
        groups = latest.get(GROUPS_FIELD) or ()
        return [("Groups", visible(some(groups, SHOWN_NAMES)), None)] if groups else []
    number, organization = latest.get(OPERATOR), latest.get(ORGANIZATION)
    operator = ", ".join(str(each) for each in (f"AS{number}" if number else None, organization) if each)
    if subject.wide:
        return []
    if subject.kind == "operator":  # its networks may be in several countries
        return [("Operator", visible(operator), None)]
    job_id, links = visit.job.job_id, visit.links
    network = site_text(named_address(subject.name, visit.job)) if subject.kind == "address" else ""
    types = ", ".join(TYPE_LABELS.get(each, each) for each in latest.get(TYPES_FIELD) or ())
    facts = (
        ("Operator", operator, links.network(job_id, f"AS{number}") if number else None),
        ("Network", network, links.network(job_id, network)),
        ("Country", latest.get("source.geo.country_iso_code"), None),
        ("Types", types, None),
    )
    return [(label, visible(text), href) for label, text, href in facts if text]


def _console(visit: Visit, subject: Subject, time: TimeRange, records: list[Document]) -> str | None:
    """Return the address of the console's dashboard, which leads to the events; None: no console is configured."""
    if subject.kind not in ("entity", "address"):
        return None
    when = from_ms(records[0].source["timestamp"]) if records else time.start + (time.end - time.start) // 2
    entities, addresses = ([subject.name], []) if subject.of_entity else ([], [subject.name])
    kind: Kind = "records" if subject.of_entity else "influencers"
    return console_link(visit.job, when, entities, addresses, kind=kind) or None


def _shares(given: Iterable[tuple[str | None, float]]) -> list[tuple[str, float]]:
    shares = defaultdict[str, float](float)
    for name, share in given:
        if name is not None:
            shares[name] += share
    return sorted(shares.items(), key=lambda each: (-each[1], each[0]))
