"""How entities are spelled, and which entities sign in from more networks a day than a person does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ipi_es.addresses import Addresses, is_v4, parse
from ipi_es.cluster.port import Cluster, Json
from ipi_es.config.job_config import Job
from ipi_es.config.setting_rules import ChangedSetting, key_changed
from ipi_es.datafeed.bucket_context import context_from, networks_of
from ipi_es.datafeed.entity_choice import entity_choice
from ipi_es.datafeed.searches.requests import chosen_sources, entity_keys, wanted
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.networks.network_table import NetworkTable
from ipi_es.setup.facts.document_sample import Scope
from ipi_es.setup.facts.facts_events import terms_of
from ipi_es.state.job_state import StateStore
from ipi_es.times import SECONDS, day_of, from_ms

NAMES = 10_000
"""Maximum number of entities whose names are compared, those with the most events; one answer is below a megabyte."""

SPREAD_DAYS = 7
"""Number of last days that are searched for entities with many networks."""

SPREAD_ENTITIES = 5
"""Entities of a day that are examined: those with the most operators, or with the most addresses if no field names
operators."""

SPREAD_ADDRESSES = 200
"""Addresses that are read of such an entity and day."""

_PRECISION = 100
"""Distinct values up to which counts are nearly exact; above, the count is large in any case, and costs memory."""


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """The key of a job's pseudonyms."""

    check: str
    """Digits by which it is recognized, and which say nothing of it."""
    readable_by_all: bool
    changed: ChangedSetting | None
    """Whether the job's results have the pseudonyms of another key, or names."""


def key_facts(cluster: Cluster, job: Job) -> KeyFacts | None:
    """Read the key of a job's pseudonyms, and compare it with that of the job's results; None: the job has none.

    Raises UsageError where the file has no key.
    """
    pseudonyms = job.pseudonyms
    if pseudonyms is None:
        return None
    check = pseudonyms.check
    state = StateStore(cluster).read(job.job_id)
    before = None if state is None or state.snapshot_id is None else state.details.made_with
    return KeyFacts(check, pseudonyms.readable_by_all, None if before is None else key_changed(before, job))


@dataclass(frozen=True, slots=True)
class Names:
    """Entities as spelled in the events that are learned. ``all``: there are no others."""

    events: Mapping[str, int]
    """``{name: events}``, the most frequent first where the entity has one field."""
    all: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The names alone."""
        return tuple(self.events)


@dataclass(frozen=True, slots=True)
class Spread:
    """Facts about one entity on one UTC day (``day``: days since the epoch)."""

    entity: str
    day: int
    events: int
    addresses: int
    networks: int
    """Distinct /16 (IPv6: /32) of at most :data:`SPREAD_ADDRESSES` addresses."""
    operators: int | None
    """Distinct operators; None: no operator is known."""


def learned_events(job: Job, scope: Scope, start: int | None = None) -> Json:
    """Make a query for learned events only: many failures are the internet's noise, names tried from everywhere."""
    outcomes = job.datafeed_config.learn_outcomes
    return wanted(replace(scope.spec, outcomes=outcomes), scope.query(start))


def entity_names(cluster: Cluster, job: Job, scope: Scope) -> Names:
    """Read the most frequent entities of the scope; the first ones in no order where they have several fields."""
    query, spec = learned_events(job, scope), scope.spec
    if spec.entity_sources[0].is_field and len(spec.entity_sources) == 1:
        terms = {"terms": {"field": spec.entity_fields[0], "size": NAMES}}
        found = scope.aggregate(cluster, {"names": terms}, query)
        rest = int(found.get("names", {}).get("sum_other_doc_count", 0))
        return Names(terms_of(found, "names"), all=not rest)
    keys = entity_keys(spec)
    sources = [{name: {"terms": {"field": field, "missing_bucket": True}}} for name, field in keys.items()]
    composite = {"composite": {"size": NAMES, "sources": sources}}
    choose = entity_choice(spec.entity_sources, keys)
    rows = scope.aggregate(cluster, {"names": composite}, query).get("names", {}).get("buckets", ())
    events = Counter[str]()
    for each in rows:
        if name := choose(each["key"]):
            events[name] += int(each["doc_count"])
    return Names(events, all=len(rows) < NAMES)


def spread_entities(cluster: Cluster, job: Job, scope: Scope, operator_field: str | None) -> tuple[Spread, ...]:
    """Read, day by day, the entities of the last days that had the most operators (or addresses).

    ``operator_field``: a readable field; None: operators come from the job's network files, if it has some.
    """
    by_field = operator_field is not None
    networks = None if by_field else networks_of(job)
    day = SECONDS["d"]
    start = max(scope.start, (scope.end // day - SPREAD_DAYS) * day)
    spec, query = scope.spec, learned_events(job, scope, start)
    found: list[Spread] = []
    for source, chosen in chosen_sources(spec):
        if source.is_field:  # a template's entities can't be sorted by their operators
            days = _spread_days(spec, source.fields[0], operator_field)
            answer = scope.aggregate(cluster, {"days": days}, {"bool": {"filter": [query, chosen]}})
            found += [
                _spread(row, day_of(from_ms(each["key"])), by_field, networks)
                for each in answer.get("days", {}).get("buckets", ())
                for row in each["top"]["buckets"]
            ]
    return tuple(found)


def _spread_days(spec: FeedSpec, name: str, operator_field: str | None) -> Json:
    """Request, for each day, the values of an entity's field with the most operators, or addresses."""
    top: Json = {
        "terms": {
            "field": name,
            "size": SPREAD_ENTITIES,
            "shard_size": 10 * SPREAD_ENTITIES,
            "order": {"variety": "desc"},
        },
        "aggs": {
            "variety": {"cardinality": {"field": operator_field or spec.ip_field, "precision_threshold": _PRECISION}},
            "number": {"cardinality": {"field": spec.ip_field, "precision_threshold": _PRECISION}},
            "addresses": {"terms": {"field": spec.ip_field, "size": SPREAD_ADDRESSES}},
        },
    }
    by_day = {"field": spec.time_field, "fixed_interval": f"{SECONDS['d']}s", "min_doc_count": 1}
    return {"date_histogram": by_day, "aggs": {"top": top}}


def _spread(row: Json, day: int, by_field: bool, networks: NetworkTable | None) -> Spread:
    addresses, valid = parse(list(terms_of(row, "addresses")))
    known = addresses[valid]
    operators = int(row["variety"]["value"]) if by_field else _operators(known, networks)
    return Spread(
        entity=str(row.get("key_as_string", row["key"])),
        day=day,
        events=int(row["doc_count"]),
        addresses=int(row["number"]["value"]),
        networks=_sixteens(known),
        operators=operators,
    )


def _operators(addresses: Addresses, networks: NetworkTable | None) -> int | None:
    if networks is None or not len(addresses):
        return None
    found = context_from(networks, addresses).operator
    return len(np.unique(found[found != 0])) or None


def _sixteens(addresses: Addresses) -> int:
    """Count the distinct /16 of IPv4 and /32 of IPv6 ``addresses`` (uint8[n, 16])."""
    v4 = is_v4(addresses)
    fours = {bytes(each) for each in addresses[v4][:, 12:14]}
    return len(fours) + len({bytes(each) for each in addresses[~v4][:, :4]})
