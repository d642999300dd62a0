"""Request bodies for reading results. Pure. Each filters by ``job_id``; times are epoch seconds, [start, end)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from ipi_es.config.files.entity_groups import GROUPS_FIELD
from ipi_es.config.given_verdict import CLOSING
from ipi_es.errors import UsageError
from ipi_es.networks.network_types import TYPES_FIELD
from ipi_es.results.reading.reported import EGRESS_MOVE
from ipi_es.results.words import CRITICAL, EXPECTED, NO_ALARM, RESULT_KINDS, SCORE_FIELDS, VERDICT, ResultKind
from ipi_es.times import to_ms

Query = dict[str, Any]

SORT_FIELDS: dict[ResultKind, tuple[str, ...]] = {
    "record": ("record_score", "timestamp", "probability", "initial_record_score", "event_count",
               "partition_field_value", "by_field_value"),
    "influencer": ("influencer_score", "timestamp", "probability", "initial_influencer_score",
                   "influencer_field_name", "influencer_field_value"),
    "bucket": ("anomaly_score", "timestamp", "initial_anomaly_score", "event_count", "max_record_score",
               "record_count", "new_record_count"),
}  # fmt: skip
"""The fields that a result type can be sorted by."""

MOST_TERMS = 1_000
"""Names in one query; the servers take 65,536."""

MATCHED_FIELDS = (
    "timestamp", "partition_field_value", "by_field_value", "source.as.number", "source.geo.country_iso_code",
    TYPES_FIELD, GROUPS_FIELD, "suppressed_by", "revision",
)  # fmt: skip
"""Fields of a record that rules are matched with, the rule that suppressed it, and how often it was scored again."""

COUNT_FIELDS = (
    "event_count", "missing_entity_count", "missing_ip_count", "malformed_ip_count", "usable_outcomes", "usable_counts",
)  # fmt: skip
"""Fields of a bucket from which a restarted worker restores the usual counts; before schema 4 only the first."""

TIE_BREAKERS: dict[ResultKind, tuple[str, ...]] = {
    "record": ("timestamp", "partition_field_value", "by_field_value"),
    "influencer": ("timestamp", "influencer_field_name", "influencer_field_value"),
    "bucket": ("timestamp",),
}
"""Further sort fields after the wanted one, so that two runs print the same lines."""

_ENTITY_FIELDS: dict[ResultKind, str] = {
    "record": "partition_field_value",
    "influencer": "partition_field_value",
    "bucket": "top_entities",
}
_IP_FIELDS: dict[ResultKind, str] = {
    "record": "by_field_value",
    "influencer": "influencer_field_value",
    "bucket": "top_ips",
}
"""The fields with the entity and the address, by result type. An entity's name may itself be an address."""


@dataclass(frozen=True, slots=True)
class ResultFilter:
    """A selection of a job's results: those of buckets that begin in [start, end), under every given condition."""

    start: int | None = None
    """Epoch seconds; None: no limit."""
    end: int | None = None
    """Epoch seconds; None: no limit."""
    _: KW_ONLY
    min_score: float | None = None
    """The lowest score, 0–100."""
    entity: str | None = None
    """Only results that name this entity."""
    ip: str | None = None
    """Only results that name this address."""
    network: Query | None = None
    """Only results that this query selects (:meth:`ipi_es.results.reading.network_filter.NetworkFilter.query`)."""
    interim: bool = True
    """With interim results."""
    new: bool = False
    """Only what may alert: no repeats, nothing expected or closed by a verdict, and only buckets with a new record."""
    closed: bool = False
    """Where ``new``: with results that a verdict closed; they may have alerted before."""


EVERY_RESULT = ResultFilter()

FINAL: Query = {"term": {"is_interim": False}}
"""Selects final results."""

CLOSED: Query = {"terms": {VERDICT: list(CLOSING)}}
"""Selects results that a verdict closed."""


def matching(field: str, pattern: str, *, fold: bool = False) -> Query:
    """Return the query for values that ``pattern`` matches, ``fold``: in any case. ``*`` alone has a meaning in it."""
    return {"wildcard": {field: {"value": re.sub(r"[\\?]", r"\\\g<0>", pattern), "case_insensitive": fold}}}


def between(start: int | None, end: int | None) -> list[Query]:
    """Return the filter on the bucket's start; a limit that is None is left out."""
    limits = {"gte": start, "lt": end}
    given = {name: to_ms(seconds) for name, seconds in limits.items() if seconds is not None}
    return [{"range": {"timestamp": {**given, "format": "epoch_millis"}}}] if given else []


def results_query(job_id: str, kinds: Sequence[ResultKind], where: ResultFilter = EVERY_RESULT) -> Query:
    """Select results of one job."""
    filters: list[Query] = [
        {"term": {"job_id": job_id}},
        {"terms": {"result_type": list(kinds)}},
        *between(where.start, where.end),
    ]
    if where.min_score is not None:
        filters.append(any_of([{"range": {SCORE_FIELDS[kind]: {"gte": where.min_score}}} for kind in kinds]))
    if where.entity is not None:
        filters.append(any_of([{"term": {_ENTITY_FIELDS[kind]: where.entity}} for kind in kinds]))
    if where.ip is not None:
        filters.append(any_of([_of_ip(kind, where.ip) for kind in kinds]))
    if where.network is not None:
        filters.append(where.network)
    if not where.interim:
        filters.append(FINAL)
    query: Query = {"bool": {"filter": filters}}
    if not where.new:
        return query
    if "bucket" in kinds:
        others = [kind for kind in kinds if kind != "bucket"]
        with_news: Query = {"range": {"new_record_count": {"gte": 1}}}
        filters.append(any_of([with_news, {"terms": {"result_type": others}}]) if others else with_news)
    without = _without(query, *NO_ALARM)
    if not where.closed:
        without["bool"]["must_not"].append(CLOSED)
    return without


def _of_ip(kind: ResultKind, ip: str) -> Query:
    term: Query = {"term": {_IP_FIELDS[kind]: ip}}
    if kind != "influencer":
        return term
    return _without({"bool": {"filter": [term]}}, _ENTITY_FIELDS[kind])


def sort_by(kind: ResultKind, field: str | None, *, desc: bool) -> list[dict[str, Any]]:
    """Return the sort; by the score where ``field`` is None.

    Raises UsageError for a field that the type can't be sorted by.
    """
    field = field or SCORE_FIELDS[kind]
    if field not in SORT_FIELDS[kind]:
        raise UsageError(f"{kind}s can't be sorted by “{field}”", hint=f"sort by one of {', '.join(SORT_FIELDS[kind])}")
    ties = [name for name in TIE_BREAKERS[kind] if name != field]
    return [{field: {"order": "desc" if desc else "asc"}}, *({name: {"order": "asc"}} for name in ties)]


def first_records_query(job_id: str, start: int, end: int) -> Query:
    """Select final records of [start, end) that may raise an alarm: later ones may repeat them."""
    query = results_query(job_id, ["record"], ResultFilter(start, end, interim=False))
    return _without(query, *NO_ALARM)


def held_records_query(job_id: str, start: int, end: int) -> Query:
    """Select final records of [start, end) whose pair is held: it isn't learned before ``held_until``."""
    query = results_query(job_id, ["record"], ResultFilter(start, end, interim=False))
    query["bool"]["filter"].append({"exists": {"field": "held_until"}})
    return query


def records_of_entities_query(job_id: str, entities: Sequence[str], start: int, end: int) -> Query:
    """Select final records of [start, end) of at most :data:`MOST_TERMS` entities."""
    query = results_query(job_id, ["record"], ResultFilter(start, end, interim=False))
    query["bool"]["filter"].append({"terms": {"partition_field_value": list(entities)}})
    return query


def with_omitted_records_query(job_id: str, start: int, end: int) -> Query:
    """Select final buckets of [start, end) with more records than were written."""
    query = results_query(job_id, ["bucket"], ResultFilter(start, end, interim=False))
    query["bool"]["filter"].append({"range": {"omitted_record_count": {"gte": 1}}})
    return query


def critical_influencers_query(job_id: str, field: str, start: int, end: int) -> Query:
    """Select influencers of ``field`` that were critical when written, and may raise an alarm.

    Uses the initial score: a renormalization in between must not change what a second run recognizes.
    """
    query = results_query(job_id, ["influencer"], ResultFilter(start, end, interim=False))
    query["bool"]["filter"] += [
        {"term": {"influencer_field_name": field}},
        {"range": {"initial_influencer_score": {"gte": CRITICAL}}},
    ]
    return _without(query, *NO_ALARM)


def moves_query(job_id: str, start: int, end: int) -> Query:
    """Select the influencers that report the move of a group, repeated or not; those that people expected aren't."""
    query = results_query(job_id, ["influencer"], ResultFilter(start, end, interim=False))
    query["bool"]["filter"].append({"exists": {"field": f"{EGRESS_MOVE}.network"}})
    return _without(query, *EXPECTED)


def any_of(queries: Sequence[Query]) -> Query:
    """Return a query that matches where at least one of ``queries`` does."""
    return queries[0] if len(queries) == 1 else {"bool": {"should": list(queries), "minimum_should_match": 1}}


def _without(query: Query, *fields: str) -> Query:
    query["bool"]["must_not"] = [{"exists": {"field": field}} for field in fields]
    return query


def buckets_query(job_ids: Sequence[str], start: int | None, end: int | None, *, interim: bool = True) -> Query:
    """Select the buckets of several jobs."""
    filters = [{"terms": {"job_id": list(job_ids)}}, {"term": {"result_type": "bucket"}}, *between(start, end)]
    if not interim:
        filters.append(FINAL)
    return {"bool": {"filter": filters}}


def check_kind(kind: str) -> ResultKind:
    """Return the result type that user input names, singular or plural. Raises UsageError for anything else."""
    for known in RESULT_KINDS:
        if kind in (known, f"{known}s"):
            return known
    raise UsageError(f"there are no results called “{kind}”", hint="say records, influencers or buckets")
