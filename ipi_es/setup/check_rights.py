"""Whether the credentials may do what a job needs, proven by doing it without leaving anything behind.

The servers answer "may I?" in ways of their own, or not at all (a bare or an unsecured one), so it is tried: events
are searched, a probe is written to the state and deleted, and a document that nobody wrote is deleted elsewhere, which
needs the right to write and changes nothing. (One by one: a bulk looks for the index first, and for the right after.)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ipi_es.cluster.port import Cluster, IndexOptions
from ipi_es.config.job import Job
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import ClusterError, ClusterUnreachable, IpiEsError, NotFound, SnapshotError
from ipi_es.results.index import index_for
from ipi_es.results.words import ALIAS
from ipi_es.setup.check_finding import Finding, ok, problem, warning
from ipi_es.state.cluster_blobs import SNAPSHOT_INDEX
from ipi_es.state.job_state import STATE_INDEX, STATE_TEMPLATE

CHECK = "rights"

_EXACT = IndexOptions(ignore_unavailable=False)
"""With security, Elasticsearch takes an index that may not be read for an unavailable one, and would ignore it."""


@dataclass(frozen=True, slots=True)
class Right:
    """One thing that was tried. ``error``: it was refused; ``unknown``: why it couldn't be tried."""

    what: str
    error: IpiEsError | None = None
    unknown: str | None = None


def try_rights(cluster: Cluster, job: Job, now: int, snapshots: Path | None = None) -> list[Right]:
    """Try everything; ``snapshots`` is the directory they are kept in (None: the cluster), ``now`` epoch seconds.

    Raises ClusterUnreachable only.
    """
    spec = FeedSpec.from_job(job)
    results = index_for(now, job.results_index_name)
    probe = f"probe:{job.job_id}"
    tried = [
        _try(
            f"read {', '.join(spec.indices)}",
            lambda: cluster.search(spec.indices, {"size": 0, "track_total_hits": False}, options=spec.options),
        ),
        _state(cluster, probe),
        _try(f"read {ALIAS}", lambda: cluster.count(ALIAS, {"term": {"job_id": job.job_id}}, options=_EXACT)),
        _try(f"write {results}", lambda: cluster.delete(results, probe)),
    ]
    if snapshots is None:
        tried.append(_try(f"write {SNAPSHOT_INDEX}", lambda: cluster.delete(SNAPSHOT_INDEX, probe)))
    else:
        tried.append(_directory(snapshots))
    return tried


def judge_rights(rights: list[Right]) -> list[Finding]:
    """A problem for each right that lacks; else one line."""
    refused = [problem(CHECK, _worded(right)) for right in rights if right.error]
    unknown = [
        warning(CHECK, f"whether ipi-es may {right.what} can't be known yet: {right.unknown}", "run `ipi-es setup`")
        for right in rights
        if right.unknown
    ]
    proven = [right.what for right in rights if not right.error and not right.unknown]
    if refused or not proven:
        return [*refused, *unknown]
    said = f"may {', '.join(proven)} (tried, nothing left behind)"
    later = "; whether it may make next month's index shows when the first result is written"
    return [ok(CHECK, said + later), *unknown]


def _try(what: str, act: Callable[[], Any]) -> Right:
    try:
        act()
    except ClusterUnreachable:
        raise
    except NotFound:
        return Right(what)  # not there yet; a missing right would have been said first
    except ClusterError as error:
        return Right(what, error=error)
    return Right(what)


def _state(cluster: Cluster, probe: str) -> Right:
    """Write a probe and delete it; not before setup, or the index would be made without its template."""
    what = f"read and write {STATE_INDEX}"

    def write() -> None:
        cluster.put(STATE_INDEX, probe, {"type": "probe"})
        cluster.get(STATE_INDEX, probe)
        cluster.delete(STATE_INDEX, probe)

    try:
        if not cluster.indices(STATE_INDEX) and cluster.get_index_template(STATE_TEMPLATE) is None:
            return Right(what, unknown="setup didn't run")
    except ClusterUnreachable:
        raise
    except ClusterError:
        pass  # a worker may write its state without being allowed to look at templates
    return _try(what, write)


def _directory(folder: Path) -> Right:
    """The nearest folder that exists must be writable."""
    what = f"write {folder}"
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Right(what)
    hint = "check the folder's rights and owner, or change snapshots.directory in ipi-es.yml"
    return Right(what, error=SnapshotError(f"{there} can't be written to", hint=hint))


def _worded(right: Right) -> IpiEsError:
    error = right.error
    assert error is not None
    return type(error)(f"can't {right.what}: {error.message}", hint=error.hint) if _plain(error) else error


def _plain(error: IpiEsError) -> bool:
    """Whether the error is made of a message and a hint alone."""
    return not hasattr(error, "failures")
