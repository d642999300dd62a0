"""What the parameters of a job's page choose: incidents by state and severity, and an entity or an address."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from urllib.parse import quote

from ipi_es.addresses import canonical, packed
from ipi_es.config.job_config import Job
from ipi_es.errors import UsageError
from ipi_es.results.reading.incident_grouping import network_of_address
from ipi_es.results.reading.incident_list import STATES, Answered, IncidentFilter
from ipi_es.scoring.probability import Severity
from ipi_es.serve.explorer.links import LONGEST_NAME
from ipi_es.serve.explorer.visit import TimeRange, Visit
from ipi_es.worker.typed_names import named_entity

SITE_BITS = {4: 24, 6: 48}
"""Version of IP → the length of the networks that incidents name."""

LEVELS = {str(level): float(level.threshold) for level in reversed(Severity) if level.threshold >= 25}
"""Severity → the lowest score of it; milder results belong to no incident."""


@dataclass(frozen=True, slots=True)
class Search:
    """What was searched for, as results spell it: an entity, an address, a network."""

    text: str
    entity: str | None = None
    address: str | None = None
    """A canonical address, or a network as incidents name it."""

    @property
    def is_address(self) -> bool:
        """Whether it is one address."""
        return self.address is not None and "/" not in self.address

    @property
    def is_network(self) -> bool:
        """Whether it is a network."""
        return self.address is not None and "/" in self.address


def search_of(visit: Visit) -> Search | None:
    """Return what the parameter ``search`` names; None: nothing. Raises UsageError for what no job can have."""
    text = visit.parameters.get("search", "").strip()
    if not text:
        return None
    if len(quote(text)) > LONGEST_NAME:
        raise UsageError(f"a search takes at most {LONGEST_NAME:,} characters", hint="write * for a part of the name")
    job = visit.folded_job()
    address = packed(text, job.datafeed_config.translators)
    if address is not None:
        return Search(text, address=canonical(address))
    if "/" in text and packed(text.rpartition("/")[0]) is not None:
        return Search(text, address=_network(text))
    return Search(text, entity=_entity(job, text))


def _network(text: str) -> str:
    """Return a network as incidents name it."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        network = None
    if network is None or network.prefixlen != (SITE_BITS[network.version]):
        raise UsageError(f"“{text}” is no network of findings", hint="these name a /24 of IPv4, or a /48 of IPv6")
    return network_of_address(str(network.network_address))


def _entity(job: Job, text: str) -> str:
    return text if "*" in text else named_entity(job, text)


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
    """Return the filter that the parameters choose."""
    return IncidentFilter(
        time.start,
        time.end,
        min_score=level_of(visit)[1],
        answered=answered_of(visit),
        entity=None if search is None else search.entity,
        address=None if search is None else search.address,
    )
