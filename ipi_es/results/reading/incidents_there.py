"""Read the incidents of a job from its stored records and influencers, and choose among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ipi_es.cluster.port import Cluster
from ipi_es.config.given_verdict import CLOSING
from ipi_es.errors import NotFound, UsageError
from ipi_es.results.reading.incident_grouping import GAP, LEAST_SCORE, Incident, group_incidents, overlapping
from ipi_es.results.reading.queries import ResultFilter, any_of, results_query
from ipi_es.results.words import ALIAS, SCORE_FIELDS, VERDICT, ResultKind

KINDS: tuple[ResultKind, ...] = ("record", "influencer")

MOST_RESULTS = 100_000
"""Results that are grouped at once: about 200 MB."""

AROUND = 30 * GAP
"""Seconds before and after the asked time in which the other results of its incidents are looked for."""

_FIELDS = (
    "result_type", "timestamp", "bucket_span", "partition_field_value", "by_field_value", "influencer_field_value",
    "reason", "top_entities", "top_ips", "entity_count", "unlearned_entity_count",
    "unlearned_ip_count", VERDICT, *(f"initial_{SCORE_FIELDS[kind]}" for kind in KINDS),
)  # fmt: skip


def read_incidents(cluster: Cluster, job_id: str, start: int | None, end: int | None) -> list[Incident]:
    """Return the incidents with a moment in [start, end), epoch seconds, the earliest first; None: no limit.

    They are made of final results that may alert, or might before a verdict closed them, with an initial score of at
    least :data:`~ipi_es.results.reading.incident_grouping.LEAST_SCORE`. Raises UsageError where these are too many.
    """
    where = ResultFilter(
        None if start is None else start - AROUND,
        None if end is None else end + AROUND,
        interim=False,
        new=True,
        closed=True,
    )
    query = results_query(job_id, KINDS, where)
    scores = [{"range": {f"initial_{SCORE_FIELDS[kind]}": {"gte": LEAST_SCORE}}} for kind in KINDS]
    query["bool"]["filter"].append(any_of(scores))
    found = []
    try:
        for each in cluster.scan(ALIAS, query, source=_FIELDS):
            found.append((each.id, each.source))
            if len(found) > MOST_RESULTS:
                raise UsageError(
                    f"job {job_id} has more than {MOST_RESULTS:,} results of at least {LEAST_SCORE:.0f} in that time",
                    hint="ask for a shorter time: --start now-7d",
                )
    except NotFound:
        return []
    return overlapping(group_incidents(found), start, end)


def incident_rows(
    incidents: Sequence[Incident],
    job_id: str,
    *,
    min_score: float | None,
    entity: str | None,
    network: str | None,
    closed: bool,
) -> list[dict[str, Any]]:
    """Return the incidents as results, the worst first (of equal ones the latest).

    ``entity`` and ``network``: only incidents that name them. ``closed``: those too that verdicts closed.
    """
    rows = [each.to_dict(job_id) for each in incidents if each.score >= (min_score or 0.0)]
    rows = [
        each
        for each in rows
        if (entity is None or entity in each["entities"])
        and (network is None or network in each["networks"])
        and (closed or each["state"] not in CLOSING)
    ]
    return sorted(rows, key=lambda each: (-each["incident_score"], -each["timestamp"], each["incident_id"]))
