"""Pages of a job's results in any order, with the number of all that match."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from functools import cache
from typing import Any, NamedTuple

from ipi_es.cluster.port import Cluster, Document
from ipi_es.cluster.template_conflict import field_types, shipped
from ipi_es.config.job_config import Job
from ipi_es.errors import NotFound, UsageError
from ipi_es.results.index_mapping import flat_fields
from ipi_es.results.reading.queries import TIE_BREAKERS, ResultFilter, results_query
from ipi_es.results.words import ALIAS, SCORE_FIELDS, TEMPLATE, ResultKind
from ipi_es.times import from_ms

SORTABLE = frozenset({"boolean", "byte", "date", "double", "float", "integer", "ip", "keyword", "long", "short"})
"""Types of fields that results can be sorted by."""

MOST_BUCKETS, MOST_RECORDS = 500, 50_000
"""Buckets whose records one search reads, and records that are read for a page of buckets."""


class ResultPage(NamedTuple):
    """A part of the results that match, and how many match."""

    total: int
    documents: list[Document]


def sortable_fields(job: Job) -> dict[str, str]:
    """Return ``{field: type}`` of the fields that a job's results can be sorted by."""
    return {**_fixed(), **flat_fields(job.entity_field, job.ip_field)}


@cache
def _fixed() -> dict[str, str]:
    return {name: kind for name, kind in field_types(shipped(TEMPLATE)["template"]["mappings"]) if kind in SORTABLE}


def page_order(job: Job, kind: ResultKind, field: str | None, *, desc: bool) -> list[dict[str, Any]]:
    """Return the sort by a field, by the score where it is None; of equal ones, by the time in the same direction.

    The fields after these distinguish the results, so that pages don't overlap. Raises UsageError for another field.
    """
    known, field = sortable_fields(job), field or SCORE_FIELDS[kind]
    if field not in known:
        raise UsageError(
            f"No mapping found for [{field}] in order to sort on", hint="sort by a field that results have"
        )
    way = "desc" if desc else "asc"
    ways = {field: way, "timestamp": way} | {
        name: "asc" for name in TIE_BREAKERS[kind] if name not in (field, "timestamp")
    }
    return [{name: {"order": order, "unmapped_type": known[name]}} for name, order in ways.items()]


def read_page(
    cluster: Cluster, job_id: str, kind: ResultKind, where: ResultFilter, order: list[dict[str, Any]],
    *, first: int, size: int,
) -> ResultPage:  # fmt: skip
    """Return the results from number ``first`` (0 is the first) on, at most ``size``, of those that match.

    ``first + size`` is at most 10,000.
    """
    body = {
        "query": results_query(job_id, [kind], where),
        "sort": order,
        "from": first,
        "size": size,
        "track_total_hits": True,
    }
    try:
        hits = cluster.search(ALIAS, body)["hits"]
    except NotFound:
        return ResultPage(0, [])
    found = [Document(each["_id"], each["_index"], each["_source"]) for each in hits["hits"]]
    return ResultPage(int(hits["total"]["value"]), found)


def records_of_buckets(
    cluster: Cluster, job_id: str, timestamps: Collection[int], *, interim: bool, most: int
) -> dict[int, list[dict[str, Any]]]:
    """Return the records of the buckets that begin at ``timestamps`` (epoch ms), the worst first.

    At most ``most`` of each bucket. Raises UsageError where they have more than :data:`MOST_RECORDS`.
    """
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    times, read = sorted(set(timestamps)), 0
    for place in range(0, len(times), MOST_BUCKETS):
        part = times[place : place + MOST_BUCKETS]
        where = ResultFilter(from_ms(part[0]), from_ms(part[-1]) + 1, interim=interim)
        query = results_query(job_id, ["record"], where)
        query["bool"]["filter"].append({"terms": {"timestamp": part}})
        for each in cluster.scan(ALIAS, query):
            read += 1
            if read > MOST_RECORDS:
                raise UsageError(
                    f"the buckets of this page have more than {MOST_RECORDS:,} records",
                    hint="ask for fewer buckets at a time, or for the records themselves",
                )
            found[int(each.source["timestamp"])].append(each.source)
    for records in found.values():
        records.sort(key=_worst_first)
        del records[most:]
    return found


def _worst_first(record: dict[str, Any]) -> tuple[float, str, str]:
    return -float(record["record_score"]), str(record["partition_field_value"]), str(record["by_field_value"])
