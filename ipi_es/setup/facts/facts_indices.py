"""Indices that a job names but doesn't read, and result indices that don't fit the job's fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import ClusterError, ClusterUnreachable, NotFound, PermissionDenied, RequestRejected
from ipi_es.results.index_mapping import conflict, flat_fields
from ipi_es.results.words import ALIAS, SHARED

Unread: TypeAlias = Literal["missing", "closed"]

LOOKED_AT = 50
"""Maximum number of indices behind a pattern of the job that are tested for being closed, with a small request each."""


@dataclass(frozen=True, slots=True)
class UnreadIndex:
    """An index whose events aren't read. ``named``: by its own name; else by a pattern, an alias or a data stream."""

    name: str
    why: Unread
    named: bool


@dataclass(frozen=True, slots=True)
class Clash:
    """A result index in which another job's field conflicts with this job's."""

    index: str
    field: str
    reason: str


def unread_indices(cluster: Cluster, job: Job, found: Sequence[str]) -> tuple[UnreadIndex, ...]:
    """Find the job's indices that are missing or closed; ``found``: the indices that are known to be open.

    Indices of remote clusters aren't examined.
    """
    spec = FeedSpec.from_job(job)
    left_out = [name for name in spec.indices if name.startswith("-")]
    result: dict[str, UnreadIndex] = {}
    for name in spec.indices:
        if ":" in name or name in left_out:
            continue
        is_pattern = "*" in name or name == "_all"
        why = None if is_pattern or name in found else _why(cluster, spec, name)
        behind = _indices(cluster, name) if is_pattern or why == "closed" else []
        if why is not None and (not behind or name in behind):
            result[name] = UnreadIndex(name, why, named=True)
            continue  # an alias or a data stream is still read, without its closed indices
        excluded = {index for each in left_out for index in _indices(cluster, each[1:])}
        hidden = [index for index in behind if index not in found and index not in excluded]
        for index in hidden[:LOOKED_AT]:
            if index not in result and _why(cluster, spec, index) == "closed":
                result[index] = UnreadIndex(index, "closed", named=False)
    return tuple(result.values())


def _indices(cluster: Cluster, pattern: str) -> list[str]:
    try:
        return cluster.indices(pattern)
    except ClusterUnreachable:
        raise
    except ClusterError:
        return []  # without the right to list indices, those behind a pattern aren't known


def _why(cluster: Cluster, spec: FeedSpec, name: str) -> Unread | None:
    """Return why an index of this name isn't read; None: it is read, or the credentials may not find out."""
    try:
        cluster.count(name, {"match_all": {}}, options=replace(spec.options, ignore_unavailable=False))
    except NotFound:
        return "missing"
    except PermissionDenied:
        return None  # reported as a finding on rights
    except RequestRejected as error:
        return "closed" if "closed" in error.message else None
    return None


def result_clashes(cluster: Cluster, job: Job) -> tuple[Clash, ...]:
    """Find existing result indices that don't fit the job's fields; none where mappings may not be read."""
    wanted = flat_fields(job.entity_field, job.ip_field)
    try:
        mappings = cluster.get_mapping(f"{ALIAS}-{job.results_index_name or SHARED}-*")
    except PermissionDenied:
        return ()
    return tuple(
        Clash(index, field, reason)
        for index, mapping in sorted(mappings.items())
        for field, kind in wanted.items()
        if (reason := conflict(field, kind, mapping)) is not None
    )
