"""What the parameters of a page choose: incidents by state and severity, an entity, an address, a network."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from ipi_es.addresses import canonical, packed
from ipi_es.errors import UsageError
from ipi_es.results.reading.incident_list import STATES, Answered, IncidentFilter
from ipi_es.results.reading.listing import is_recorded
from ipi_es.results.reading.network_filter import NetworkFilter, names_network
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.scoring.probability import Severity
from ipi_es.serve.explorer.links import LONGEST_NAME
from ipi_es.serve.explorer.visit import TimeRange, Visit
from ipi_es.worker.typed_names import named_entity

LEVELS = {str(level): float(level.threshold) for level in reversed(Severity) if level.threshold >= 25}
"""Severity → the lowest score of it; milder results belong to no incident."""


@dataclass(frozen=True, slots=True)
class Search:
    """What was searched for, as results spell it: an entity or an address, a network or an operator, or both."""

    text: str
    """What was typed into the search."""
    entity: str | None = None
    """With ``*`` a pattern."""
    address: str | None = None
    """In canonical form."""
    network: NetworkFilter | None = None

    @property
    def words(self) -> str:
        """What is searched for, as text."""
        network = None if self.network is None else self.network.text
        return " from ".join(each for each in (self.entity or self.address, network) if each)


def search_of(visit: Visit) -> Search | None:
    """Return what the parameters ``search`` and ``network`` name; None: nothing.

    A search for a network or an operator is the same as the parameter ``network``. A text that is no recorded entity is
    an operator's name, if an operator's name contains it. Raises UsageError for what no job can have.
    """
    texts = [visit.parameters.get(name, "").strip() for name in ("search", "network")]
    if max(len(quote(each)) for each in texts) > LONGEST_NAME:
        raise UsageError(f"a search takes at most {LONGEST_NAME:,} characters", hint="write * for a part of the name")
    text, network = texts[0], NetworkFilter.of(texts[1]) if texts[1] else None
    if not text:
        return None if network is None else Search("", network=network)
    job = visit.folded_job()
    address = packed(text, job.datafeed_config.translators)
    if address is not None:
        return Search(text, address=canonical(address), network=network)
    if names_network(text):
        if network is not None:
            raise UsageError("“search” and “network” both name a network", hint="leave one of them empty")
        return Search(text, network=NetworkFilter.of(text))
    if "*" in text:
        return Search(text, entity=text, network=network)
    entity = named_entity(job, text)
    if network is None and not is_recorded(visit.cluster, job.job_id, ResultFilter(entity=entity)):
        operator = NetworkFilter.of(text)
        if is_recorded(visit.cluster, job.job_id, ResultFilter(network=operator.query(job))):
            return Search(text, network=operator)
    return Search(text, entity=entity, network=network)


def level_of(visit: Visit) -> tuple[str, float]:
    """Return the lowest severity that is asked for, and its score. Raises UsageError for another word."""
    word = visit.parameters.get("severity", "") or "minor"
    if word not in LEVELS:
        raise UsageError(f"“{word}” is no severity of incidents", hint=f"say one of {', '.join(LEVELS)}")
    return word, LEVELS[word]


def answered_of(visit: Visit) -> Answered:
    """Return which incidents are asked for, by their answers. Raises UsageError for another word."""
    word = visit.parameters.get("answered", "") or "open"
    if word not in STATES:
        raise UsageError(f"“{word}” chooses no incidents", hint=f"say one of {', '.join(STATES)}")
    return word


def incidents_of(visit: Visit, time: TimeRange, search: Search | None) -> IncidentFilter:
    """Return the filter that the parameters choose. Raises UsageError where too many addresses are to be compared."""
    search = search or Search("")
    network = search.network
    names = None if network is None else network.of_incidents(visit.cluster, visit.job, time.start, time.end)
    return IncidentFilter(
        time.start,
        time.end,
        min_score=level_of(visit)[1],
        answered=answered_of(visit),
        entity=search.entity,
        address=search.address,
        network=None if names is None else names.query,
    )
