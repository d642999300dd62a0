"""Results of a network (CIDR) or of an operator, by its number or its name.

Records and influencers of addresses hold the address as a field of type ``ip`` under the name that it has in the
events, so the servers compare networks. Incidents list addresses and networks (/24, /48) as text: first those that
occur are read, then the incidents that list the wanted ones are selected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, NamedTuple, TypeAlias

from ipi_es.addresses import packed
from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.errors import NotFound, UsageError
from ipi_es.networks.network_values import MAX_OPERATOR, operator_number
from ipi_es.results.index_mapping import can_be_flat
from ipi_es.results.reading.incident_grouping import LEAST_SCORE, network_of_address
from ipi_es.results.reading.incidents_there import incidents_query
from ipi_es.results.reading.queries import Query, matching, results_query
from ipi_es.results.words import ALIAS

SITE_BITS = {4: 24, 6: 48}
"""Version of IP → the length of the networks that incidents name."""

MOST_NAMES = 10_000
"""Distinct addresses, or networks, that one search returns."""

MOST_STARS = 10
"""In a pattern of names; the servers refuse many, as a pattern that is too complex."""

OPERATOR, ORGANIZATION = "source.as.number", "source.as.organization.name"

_NUMBER = re.compile(r"AS\d{1,10}", re.IGNORECASE)
_MAPPED = ip_network("::ffff:0:0/96")

Network: TypeAlias = IPv4Network | IPv6Network


class IncidentNames(NamedTuple):
    """Values of ``addresses`` or ``networks``: incidents that list any of them are selected."""

    field: str
    values: frozenset[str]

    @property
    def query(self) -> Query:
        """The query for them."""
        return {"terms": {self.field: sorted(self.values)}}

    def select(self, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the incidents that list any of the values."""
        return [row for row in rows if not self.values.isdisjoint(row[self.field])]


@dataclass(frozen=True, slots=True)
class NetworkFilter:
    """A network, or an operator by its number, or by its name: exactly one is given."""

    text: str
    """How people read it: ``198.51.100.0/24``, ``AS64500``, a name."""
    network: Network | None = None
    operator: int = 0
    organization: str | None = None

    @classmethod
    def of(cls, text: str) -> NetworkFilter:
        """Parse ``198.51.100.0/24``, an address, ``AS64500``, or what the name of an operator contains.

        Raises UsageError for a network or a number that doesn't exist.
        """
        text = text.strip()
        if not text:
            raise UsageError("the network is empty", hint="name one such as 198.51.100.0/24, or an operator: AS64500")
        if _has_slash(text) or packed(text) is not None:
            network = _network(text)
            return cls(str(network), network=network)
        if _NUMBER.fullmatch(text):
            number = operator_number(text)
            if not number:
                raise UsageError(f"“{text}” is no operator", hint=f"their numbers are AS1 to AS{MAX_OPERATOR}")
            return cls(f"AS{number}", operator=number)
        if text.count("*") > MOST_STARS:
            raise UsageError(f"a part of an operator's name takes at most {MOST_STARS} *", hint="write a shorter one")
        return cls(text, organization=text)

    def query(self, job: Job) -> Query:
        """Return the query for the records of it, and for the influencers of addresses of a network.

        Raises UsageError where the job's results don't hold addresses as such.
        """
        if self.network is not None:
            if not can_be_flat(job.ip_field):
                raise UsageError(
                    f"results of job {job.job_id} can't be searched by a network: {job.ip_field} is a field of ours",
                    hint="search for an address",
                )
            within = {"term": {job.ip_field: str(self.network)}}
            if not _within(_MAPPED, self.network):
                return within
            # the servers hold IPv4 addresses as a part of IPv6's
            return {"bool": {"filter": [within], "must_not": [{"term": {job.ip_field: "0.0.0.0/0"}}]}}
        if self.organization is None:
            return {"term": {OPERATOR: self.operator}}
        return matching(ORGANIZATION, f"*{self.organization}*", fold=True)

    @property
    def is_site(self) -> bool:
        """Whether it is a network of at most the size that incidents name, so that it has one operator."""
        return self.network is not None and self.network.prefixlen >= SITE_BITS[self.network.version]

    def of_incidents(
        self, cluster: Cluster, job: Job, start: int | None, end: int | None, most: int = MOST_NAMES
    ) -> IncidentNames:
        """Return what the incidents with a moment in [start, end), epoch seconds, list of it.

        Of an operator these are the addresses of its records that belong to incidents. ``most``: distinct names that
        are read. Raises UsageError where more occur.
        """
        network = self.network
        if network is None:
            query = results_query(job.job_id, ["record"])
            query["bool"]["filter"] += [{"range": {"initial_record_score": {"gte": LEAST_SCORE}}}, self.query(job)]
            return IncidentNames("addresses", self._names(cluster, query, "by_field_value", most))
        site = SITE_BITS[network.version]
        query = incidents_query(job.job_id, start, end)
        if network.prefixlen > site:
            query["bool"]["filter"].append({"term": {"networks": network_of_address(str(network.network_address))}})
            there = self._names(cluster, query, "addresses", most)
            return IncidentNames("addresses", frozenset(each for each in there if _lies_within(each, network)))
        if network.prefixlen == site:
            return IncidentNames("networks", frozenset((network_of_address(str(network.network_address)),)))
        there = self._names(cluster, query, "networks", most)
        return IncidentNames("networks", frozenset(each for each in there if _lies_within(each, network)))

    def _names(self, cluster: Cluster, query: Query, field: str, most: int) -> frozenset[str]:
        aggs = {"names": {"terms": {"field": field, "size": most}}}
        try:
            answer = cluster.search(ALIAS, {"query": query, "size": 0, "track_total_hits": True, "aggs": aggs})
        except NotFound:
            return frozenset()
        part: Mapping[str, Any] = (answer.get("aggregations") or {}).get("names", {})
        if part.get("sum_other_doc_count", 0):
            raise UsageError(
                f"findings have too many addresses to search them for {self.text}",
                hint="choose a shorter time or a smaller network, or look at its records",
            )
        return frozenset(str(each["key"]) for each in part.get("buckets", ()))


def names_network(text: str) -> bool:
    """Return whether a text has the form of a network, an address with a slash, or of an operator's number."""
    return _has_slash(text) or _NUMBER.fullmatch(text) is not None


def _has_slash(text: str) -> bool:
    address, slash, _ = text.partition("/")
    return bool(slash) and packed(address) is not None


def _network(text: str) -> Network:
    """Return a network; IPv4 in the form of IPv6 as IPv4, as results hold addresses."""
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        raise UsageError(f"“{text}” is no network", hint="write one such as 198.51.100.0/24 or 2001:db8::/48") from None
    if isinstance(found, IPv6Network) and found.prefixlen >= _MAPPED.prefixlen and _within(found, _MAPPED):
        return IPv4Network((int(found.network_address) & 0xFFFFFFFF, found.prefixlen - _MAPPED.prefixlen))
    return found


def _lies_within(text: str, network: Network) -> bool:
    """Return whether an address or a network lies in a network; another text, as results of old versions have, no."""
    try:
        return _within(ip_network(text), network)
    except ValueError:
        return False


def _within(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]
