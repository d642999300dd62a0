"""Try a worker's rights one by one with the worker's own requests, without leaving anything behind.

Elasticsearch reports missing rights, OpenSearch doesn't. So each right is tried with a request that can't change
anything: delete a document that doesn't exist, write one under a condition that never holds, create an index with
impossible settings. Only the state index gets a probe document, which is deleted again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ipi_es.cluster.port import Cluster, Document, Drop, IndexOptions
from ipi_es.cluster.template_conflict import require_ours
from ipi_es.config.job_config import Job
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import (
    ClusterError,
    ClusterUnreachable,
    Conflict,
    IpiEsError,
    NotFound,
    PermissionDenied,
    RequestRejected,
    SnapshotError,
    UsageError,
)
from ipi_es.results.index_mapping import index_for, month_end
from ipi_es.results.words import ALIAS, SHARED
from ipi_es.setup import roles
from ipi_es.state.calendar_store import CALENDARS_INDEX
from ipi_es.state.cluster_blobs import SNAPSHOT_INDEX
from ipi_es.state.job_state import STATE_INDEX, STATE_TEMPLATE
from ipi_es.state.rule_store import RULES_INDEX
from ipi_es.state.verdict_store import VERDICTS_INDEX

Step: TypeAlias = Callable[[], Any]

_EXACT = IndexOptions(ignore_unavailable=False)
"""Elasticsearch's security treats an index that may not be read as unavailable, and would ignore it by default."""

_IMPOSSIBLE = {"settings": {"index.number_of_shards": 0}}
"""Settings with which no server creates an index: refused after the rights are checked, before anything is done."""

_NEVER = 2**62
"""A sequence number that no document will ever have: as the condition of a write it gives a conflict."""


@dataclass(frozen=True, slots=True)
class Right:
    """The result of one try. ``error``: why it was refused; ``unknown``: why it couldn't be tried."""

    what: str
    error: IpiEsError | None = None
    unknown: str | None = None


def try_rights(cluster: Cluster, job: Job, now: int, snapshots: Path | None = None) -> list[Right]:
    """Try all rights; ``snapshots`` is the directory of snapshots (None: the cluster), ``now`` is epoch seconds.

    Several results with one ``what`` were refused for different rights. Raises no error but ClusterUnreachable.
    """
    directory = [] if snapshots is None else [_directory(snapshots)]
    said = _as_elasticsearch_says(cluster, job, snapshots)
    if said:
        return said + directory
    spec, probe = FeedSpec.from_job(job), f"probe:{job.job_id}"
    following = index_for(month_end(now), job.results_index_name)
    results = _some_index(cluster, job) or index_for(now, job.results_index_name)
    tried = [
        *_try(
            f"read {', '.join(spec.indices)}",
            lambda: cluster.search(spec.indices, {"size": 0, "track_total_hits": False}, options=spec.options),
        ),
        *_state(cluster, probe),
        *_try(f"read {ALIAS}", *_reading(cluster, ALIAS, probe)),
        *_try(f"write {results}", *_writing(cluster, results, probe), *_mapping(cluster, results)),
        *_try(f"make {following}", _making(cluster, following)),
    ]
    if job.results_retention_days is not None:
        old = f"{ALIAS}-{job.results_index_name or SHARED}-0000.00"
        finding, deleting = lambda: cluster.indices(old), lambda: cluster.delete_index(old)
        tried += _try("find and delete indices of results that are too old", finding, deleting)
    for index in (RULES_INDEX, CALENDARS_INDEX, VERDICTS_INDEX, *([SNAPSHOT_INDEX] if snapshots is None else ())):
        tried += _try(f"read and write {index}", *_kept(cluster, index, probe))
    return tried + directory


def _as_elasticsearch_says(cluster: Cluster, job: Job, snapshots: Path | None) -> list[Right]:
    """Ask Elasticsearch for missing rights; an empty list where none is missing, or the server can't be asked."""
    pattern = f"{ALIAS}-{job.results_index_name or SHARED}-*"
    kept = {"delete_index"} if job.results_retention_days is None else set[str]()
    on_cluster, on_indices = roles.wanted(
        job.datafeed_config.indices, pattern, snapshots=snapshots is None, without=kept
    )
    try:
        found = cluster.lacking(on_cluster, on_indices) or []
    except ClusterUnreachable:
        raise
    except ClusterError:
        return []  # then each right is tried instead
    rights = []
    for right, index in found:
        hint = roles.hint("elasticsearch", roles.READER if index in job.datafeed_config.indices else roles.WRITER)
        denied = PermissionDenied(f"the right “{right}” lacks", hint=hint, status=403)
        rights.append(Right(f"work on {index}" if index else "use the cluster", error=denied))
    return rights


def _try(what: str, *steps: Step) -> Iterator[Right]:
    """Run the steps; yield one result for each different refusal, or one for all steps if none is refused."""
    refused: dict[str, ClusterError] = {}
    for step in steps:
        try:
            step()
        except ClusterUnreachable:
            raise
        except (NotFound, Conflict):
            continue  # not there, as it must be; a missing right would have been reported first
        except ClusterError as error:
            refused.setdefault(", ".join(roles.refused_actions(error.message)) or error.message, error)
    if not refused:
        yield Right(what)
    for found in refused.values():
        yield Right(what, error=found)


def _reading(cluster: Cluster, index: str, probe: str) -> Iterator[Step]:
    """Yield the steps of reading: count, scan over a point in time, and refresh the index."""
    nothing = {"term": {"job_id": probe}}
    yield lambda: cluster.count(index, nothing, options=_EXACT)
    yield lambda: list(cluster.scan(index, nothing, source=False))
    yield lambda: cluster.refresh(index)


def _kept(cluster: Cluster, index: str, probe: str) -> Iterator[Step]:
    """Yield the steps of work on an index of our own: create it, read and write documents."""
    yield _making(cluster, index)
    yield lambda: cluster.get(index, probe)
    yield lambda: cluster.get_mapping(index)
    yield from _reading(cluster, index, probe)
    yield from _writing(cluster, index, probe)


def _making(cluster: Cluster, index: str) -> Step:
    """Make a step that creates an index with impossible settings; it raises only where the right is missing.

    The refusal of the settings is ignored.
    """

    def make() -> None:
        with suppress(RequestRejected):
            cluster.create_index(index, _IMPOSSIBLE)

    return make


def _writing(cluster: Cluster, index: str, probe: str) -> Iterator[Step]:
    """Yield the steps of writing: delete a missing document, alone and in a bulk; try an impossible write."""
    never = Document(probe, index, {}, seq_no=_NEVER, primary_term=1)
    yield lambda: cluster.delete(index, probe)
    yield lambda: cluster.bulk([Drop(index, probe)])
    # only to an alias, or a missing index would be created
    yield lambda: cluster.put(index, probe, {}, if_match=never, require_alias=True)


def _mapping(cluster: Cluster, index: str) -> Iterator[Step]:
    yield lambda: cluster.get_mapping(index)
    yield lambda: cluster.put_mapping(index, {"properties": {}})  # adds nothing


def _state(cluster: Cluster, probe: str) -> list[Right]:
    """Write a probe and delete it; not before setup, or the index would be created without its template."""
    what = f"read and write {STATE_INDEX}"
    looked = list(_try("see whether setup ran", lambda: cluster.get_index_template(STATE_TEMPLATE)))
    refused = [right for right in looked if right.error]
    if not refused and not cluster.get_index_template(STATE_TEMPLATE) and not _is_there(cluster, STATE_INDEX):
        return [Right(what, unknown="setup didn't run")]
    if not refused and (taken := _taken(cluster)) is not None:
        return [Right(what, unknown=taken)]
    steps: list[Step] = [
        _making(cluster, STATE_INDEX),
        lambda: cluster.put(STATE_INDEX, probe, {"type": "probe"}),
        lambda: cluster.get(STATE_INDEX, probe),
        lambda: cluster.delete(STATE_INDEX, probe),
        lambda: cluster.bulk([Drop(STATE_INDEX, probe)]),
        lambda: cluster.get_mapping(STATE_INDEX),
        *_reading(cluster, STATE_INDEX, probe),
    ]
    return [*refused, *_try(what, *steps)]


def _taken(cluster: Cluster) -> str | None:
    """Return why a probe would create the state index with guessed types; None: it would not."""
    try:
        require_ours(cluster, STATE_INDEX, STATE_TEMPLATE)
    except UsageError as error:
        return error.message
    return None


def _some_index(cluster: Cluster, job: Job) -> str | None:
    """Return the newest existing index of the job's results, since rights on shards can be tried only there.

    None where there is none, or the credentials may not find out.
    """
    try:
        return max(cluster.get_mapping(f"{ALIAS}-{job.results_index_name or SHARED}-*"), default=None)
    except ClusterUnreachable:
        raise
    except ClusterError:
        return None


def _is_there(cluster: Cluster, index: str) -> bool:
    try:
        return bool(cluster.get_mapping(index))
    except PermissionDenied:
        return True


def _directory(folder: Path) -> Right:
    """Check that the nearest existing folder of a path is writable."""
    what = f"write {folder}"
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Right(what)
    hint = "check the folder's rights and owner, or change snapshots.directory in ipi-es.yml"
    return Right(what, error=SnapshotError(f"{there} can't be written to", hint=hint))
