"""Facts for a list of results: how many results it leaves out, and which of its results belong to one event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

from ipi_es.cluster.port import Cluster
from ipi_es.config.files.nearest import nearest
from ipi_es.config.job_config import Job
from ipi_es.errors import NotFound
from ipi_es.results.reading.queries import CLOSED, Query, ResultFilter, any_of, results_query
from ipi_es.results.words import ALIAS, NO_ALARM, ResultKind
from ipi_es.times import from_ms

_FIELDS = ("timestamp", "partition_field_value", "by_field_value")

_BUCKETS_AT_ONCE = 500
"""Buckets that one search names; far below the 65,536 terms that servers accept."""

MAX_NAMES = 10_000
"""Entities among which the nearest name is searched: the most that one aggregation may return on every server."""

MAX_PAIRS = 50_000
"""Records that are read to join influencers: a hundred full buckets. Lines beyond this limit aren't joined."""


class Quiet(NamedTuple):
    """How many results raise no alert."""

    repeats: int
    allowed: int
    """Allowed by a rule, and no repeats."""
    scheduled: int
    """In a scheduled event, and neither repeats nor allowed."""
    closed: int
    """Closed by a verdict, and none of these."""


class Pair(NamedTuple):
    """The key of one record: its bucket's start in epoch milliseconds, entity, address."""

    timestamp: int
    entity: str
    ip: str


def count_quiet(cluster: Cluster, job_id: str, kind: ResultKind, where: ResultFilter) -> Quiet:
    """Count the results that raise no alert among those that ``where`` selects if it isn't ``new``, each once."""
    everything = replace(where, new=False)
    quiet: list[Query] = [*({"exists": {"field": field}} for field in NO_ALARM), CLOSED]

    def count(wanted: Query, *without: Query) -> int:
        query = results_query(job_id, [kind], everything)
        query["bool"]["filter"].append(wanted)
        query["bool"]["must_not"] = list(without)
        return cluster.count(ALIAS, query)

    return Quiet(*(count(wanted, *quiet[:place]) for place, wanted in enumerate(quiet)))


def pairs_of(cluster: Cluster, job_id: str, timestamps: Sequence[int], names: Sequence[str]) -> list[Pair]:
    """Return the pairs of records with any of ``names`` in the buckets that begin at ``timestamps`` (epoch ms).

    Names are entities and addresses. Returns at most :data:`MAX_PAIRS`.
    """
    buckets, wanted = sorted(set(timestamps)), sorted(set(names))
    found: list[Pair] = []
    for place in range(0, len(buckets), _BUCKETS_AT_ONCE):
        part = buckets[place : place + _BUCKETS_AT_ONCE]
        span = ResultFilter(from_ms(part[0]), from_ms(part[-1]) + 1)
        query: dict[str, Any] = results_query(job_id, ["record"], span)
        query["bool"]["filter"] += [
            {"terms": {"timestamp": part}},
            any_of([{"terms": {field: wanted}} for field in _FIELDS[1:]]),
        ]
        records = islice(cluster.scan(ALIAS, query, source=_FIELDS), MAX_PAIRS - len(found))
        found += [Pair(*(each.source[name] for name in _FIELDS)) for each in records]
    return found


def is_recorded(cluster: Cluster, job_id: str, where: ResultFilter) -> bool:
    """Return whether there is any record that ``where`` selects."""
    try:
        return cluster.count(ALIAS, results_query(job_id, ["record"], where)) > 0
    except NotFound:
        return False


def nearest_entity(cluster: Cluster, job: Job, entity: str) -> str | None:
    """Return the name most similar to ``entity`` among the entities with the most records; None if none is similar.

    The history stores only hashes of names, so only records can be searched. ``entity`` is spelled as in these; of
    pseudonyms the names are compared, where the key is there.
    """
    aggs = {"names": {"terms": {"field": "partition_field_value", "size": MAX_NAMES}}}
    body = {"query": results_query(job.job_id, ["record"]), "size": 0, "aggs": aggs}
    try:
        answer = cluster.search(ALIAS, body)
    except NotFound:
        return None
    buckets = (answer.get("aggregations") or {}).get("names", {}).get("buckets", ())
    wanted, *known = (entity, *(str(each["key"]) for each in buckets))
    if job.pseudonyms is not None and job.pseudonyms.has_key:
        wanted, *known = job.pseudonyms.names((wanted, *known))
    found = nearest(wanted, known)
    return None if found == wanted else found
