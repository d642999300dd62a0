"""Deletion of old results: whole indices where they hold nothing else, single documents elsewhere."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Generator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ipi_es.cluster.port import Cluster, Drop
from ipi_es.config.job_config import Job
from ipi_es.errors import ClusterReadOnly, LostJob, NotFound, PermissionDenied
from ipi_es.results.index_mapping import month_end
from ipi_es.results.reading.incidents_there import incidents_query
from ipi_es.results.reading.queries import any_of, between
from ipi_es.results.words import ALIAS, SHARED
from ipi_es.times import SECONDS, parse_time

log = logging.getLogger(__name__)

PAGE = 5_000
"""Documents deleted per request: their ids are a megabyte at most."""

_MONTH = re.compile(r"-(\d{4})\.(\d{2})$")


@dataclass(frozen=True, slots=True)
class Deleted:
    """The single documents, and the whole indices, that were deleted."""

    documents: int = 0
    indices: tuple[str, ...] = ()


def held_for(job: Job) -> int:
    """Return the least retention, in seconds, of records with a hold: a training must not learn held pairs.

    A training reads the holds of its window, and earlier ones that extend into it.
    """
    return job.training.window + 2 * job.hold_days * SECONDS["d"]


def old_results(job_id: str, end: int, held_from: int | None) -> dict[str, Any]:
    """Select results and annotations of buckets before ``end``, but none from ``held_from`` on that prevent learning.

    The latter are records with a hold and buckets with unlearned entities. Epoch seconds; None: all are selected. Not
    selected are incidents that go on after ``end``: they are made anew of the results that are left.
    """
    query: dict[str, Any] = {"filter": [{"term": {"job_id": job_id}}, *between(None, end)]}
    query["must_not"] = [incidents_query(job_id, end)]
    if held_from is not None and held_from < end:
        holding = [{"exists": {"field": field}} for field in ("held_until", "unlearned_entities")]
        held = [any_of(holding), *between(held_from, None)]
        query["must_not"].append({"bool": {"filter": held}})
    return {"bool": query}


def delete_before(
    cluster: Cluster,
    job_id: str,
    end: int,
    version: int,
    *,
    others_from: int | None = None,
    held_from: int | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Deleted:
    """Delete the results that :func:`old_results` selects.

    ``others_from`` is the earliest checkpoint of the other jobs, epoch seconds. They may still write results to the
    months from there on, so these indices aren't deleted whole, not even empty ones. When ``stopping``, the rest is
    left for the next time. Raises LostJob where a newer worker wrote some of the results.
    """
    cluster.refresh(ALIAS)
    query = old_results(job_id, end, held_from)
    over = end if others_from is None else min(end, others_from)
    whole = tuple(
        index
        for index in cluster.indices(f"{ALIAS}-*")
        if _ends(index, over) and _only(cluster, index, query) and _deleted(cluster, index)
    )
    blocked = _blocked(cluster)
    if blocked:
        log.info("job %s: single results of %s stay, they may not be written to", job_id, ", ".join(sorted(blocked)))
    return Deleted(delete_found(cluster, job_id, query, version, stopping, but=blocked), whole)


def delete_found(
    cluster: Cluster,
    job_id: str,
    query: dict[str, Any],
    version: int,
    stopping: Callable[[], bool] = lambda: False,
    *,
    but: Collection[str] = (),
) -> int:
    """Delete the results of a query, page by page, until ``stopping``; skip the indices ``but``. Return the number.

    Raises LostJob where a newer worker wrote some of the results.
    """
    deleted = 0
    with closing(_places(cluster, query, but)) as found:
        while not stopping() and (page := list(islice(found, PAGE))):
            outcome = cluster.bulk(Drop(index, place, version) for index, place in page)
            if outcome.fenced:
                raise LostJob(
                    f"another worker has written results of job {job_id} in the meantime",
                    hint="nothing to do: the other worker goes on; run one command a job at a time",
                )
            deleted += outcome.deleted
    if deleted:
        cluster.refresh(ALIAS)  # deleted for readers too
    return deleted


def delete_all(cluster: Cluster, job_id: str, version: int, others_from: int) -> Deleted:
    """Delete all results of a job, annotations too, and whole indices that hold nothing else.

    A shared index whose month isn't over at ``others_from`` (as for :func:`delete_before`) stays, empty.
    """
    cluster.refresh(ALIAS)
    query = {"bool": {"filter": [{"term": {"job_id": job_id}}]}}
    whole = tuple(
        index
        for index in cluster.indices(f"{ALIAS}-*")
        if (_ends(index, others_from) or not index.startswith(f"{ALIAS}-{SHARED}-"))
        and _only(cluster, index, query)
        and cluster.count(index, query) > 0
        and _deleted(cluster, index)
    )
    return Deleted(delete_found(cluster, job_id, query, version), whole)


def _ends(index: str, end: int) -> bool:
    """Return whether the month of an index is over at ``end``; False for an index without a month in its name."""
    found = _MONTH.search(index)
    return found is not None and month_end(parse_time(f"{found[1]}-{found[2]}-01", now=0)) <= end


def _only(cluster: Cluster, index: str, query: dict[str, Any]) -> bool:
    """Return whether every document of an index matches the query."""
    try:
        return cluster.count(index, {"bool": {"must_not": [query]}}) == 0
    except NotFound:
        return False  # deleted in the meantime


def _deleted(cluster: Cluster, index: str) -> bool:
    try:
        return cluster.delete_index(index)
    except PermissionDenied:
        log.debug("not allowed to delete %s: what is in it is deleted instead", index)
        return False
    except ClusterReadOnly as error:
        log.info("%s stays: %s", index, error.message)  # index.blocks.read_only also forbids deleting it
        return False


def _blocked(cluster: Cluster) -> set[str]:
    """Return the write-blocked result indices: months that a lifecycle policy or a person has closed."""
    try:
        return set(cluster.admin.write_blocks(f"{ALIAS}-*"))
    except PermissionDenied:
        return set()


def _places(cluster: Cluster, query: dict[str, Any], but: Collection[str]) -> Generator[tuple[str, str], None, None]:
    try:
        for each in cluster.scan(ALIAS, query, source=False):
            if each.index not in but:
                yield each.index, each.id
    except NotFound:
        return
