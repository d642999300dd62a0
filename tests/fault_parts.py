"""What the fault suite compares: everything that a cluster holds, but for what tells of the run and not of the events.

And a cluster in memory that keeps a copy of itself before, amid and after the writes of each write point: what a kill
there leaves to the next process.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import worker_company as company
import worker_parts as parts
from write_points import WritePoint, under_way

from ipi_es.cluster.port import BulkOutcome, Cluster, Drop, Put
from ipi_es.config.job_config import Job
from ipi_es.results.words import ALIAS
from ipi_es.state.cluster_blobs import SNAPSHOT_INDEX, ClusterBlobs
from ipi_es.state.job_state import STATE_INDEX, StateStore
from ipi_es.testing.memory_cluster import MemoryCluster

OF_THE_RUN = frozenset({*parts.VOLATILE, "rescored_at", "created"})
"""Fields that say when something was written, and how long it took."""
OF_THE_LEASE = frozenset({"lease_epoch", "version", "lease_owner", "lease_expires", "lease_since", "lease_for"})
"""A release whose every attempt fails leaves the lease to expire."""
DETAILS_OF_THE_RUN = frozenset({"worker", "last_error", "waits_for", "cleaned_at", "too_late_looked_at", "reread"})
"""Of the state's details: who was at work, and what went wrong on the way."""

Dump = dict[tuple[str, str], dict[str, Any]]
"""(index, id) → document."""


def dump(cluster: Cluster, job: Job, *, stamped: bool = True) -> Dump:
    """All that is stored of a job: results, state, quantiles, verdicts, snapshots and history, whatever the place.

    Not ``stamped``: whatever batches it was written in; more ticks than one make smaller batches.
    """
    found: Dump = {}
    for index in (ALIAS, STATE_INDEX, SNAPSHOT_INDEX):
        cluster.refresh(index)
        for each in cluster.scan(index, {"bool": {"filter": [{"term": {"job_id": job.job_id}}]}}):
            if stamped or each.source.get("type") != "quantiles":
                found[each.index, each.id] = _kept(each.source, stamped=stamped)
    return found


def _kept(source: Mapping[str, Any], *, stamped: bool) -> dict[str, Any]:
    left_out = OF_THE_RUN | (OF_THE_LEASE if source.get("type") == "job_state" else set())
    if not stamped and source.get("type") != "job_state":
        left_out |= {"quantiles_id"}
    kept = {name: value for name, value in source.items() if name not in left_out}
    if "details" in kept:
        kept["details"] = {name: value for name, value in kept["details"].items() if name not in DETAILS_OF_THE_RUN}
    return kept


def same(found: Dump, expected: Dump, what: object = "") -> None:
    """Assert that two dumps are the same, and say where they are not."""
    more = {place: found[place] for place in found.keys() - expected.keys()}
    less = {place: expected[place] for place in expected.keys() - found.keys()}
    assert not more, f"{what}: {len(more)} too many: {more}"
    assert not less, f"{what}: {len(less)} missing: {less}"
    different = [
        (place, name, expected[place].get(name), each.get(name))
        for place, each in found.items()
        for name in each.keys() | expected[place].keys()
        if each.get(name) != expected[place].get(name)
    ]
    assert not different, f"{what}: {len(different)} (place, field, expected, found) differ: {different}"


def counted_once(cluster: Cluster, job: Job, events: Iterable[company.Event], start: int, end: int) -> None:
    """Assert that each final bucket of [start, end) is there once, and ``event_count`` is the number of its events."""
    span, wanted = job.bucket_span, defaultdict[int, int](int)
    for time, *_ in events:
        wanted[time // span * span] += 1
    found = [
        each
        for each in parts.results(cluster, job).values()
        if each["result_type"] == "bucket" and not each["is_interim"] and start <= each["timestamp"] // 1_000 < end
    ]
    counts = {each["timestamp"] // 1_000: each["event_count"] for each in found}
    assert len(counts) == len(found)
    assert counts == {at: wanted.get(at, 0) for at in range(start, end, span)}


def learned(cluster: Cluster, job: Job) -> list[tuple[str, str]]:
    """(id, checksum) of all that was learned: nothing can be in it twice where this is the same."""
    return sorted((each.id, each.sha256) for each in ClusterBlobs(cluster).list(job.job_id))


def checkpoint_of(cluster: Cluster, job: Job) -> int:
    """Epoch seconds; 0 where there is none."""
    state = StateStore(cluster).read(job.job_id)
    return 0 if state is None else int(state.checkpoint or 0)


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What a kill leaves, and where it fell: ``number`` of the write, ``when`` of it."""

    number: int
    when: str
    cluster: MemoryCluster


class WatchedCluster(MemoryCluster):
    """Keeps :class:`Moment` s of the first writes of each write point."""

    FIRST = 2
    """Writes of a point that are kept: a blob's first piece and its manifest are two."""

    def __init__(self, like: MemoryCluster) -> None:
        super().__init__()
        parts.copy_into(self, like)
        self.moments: dict[WritePoint, list[Moment]] = defaultdict(list)
        self.writes = 0
        self._count: dict[WritePoint, int] = defaultdict(int)
        self._inside = False

    def put(self, *args: Any, **how: Any) -> Any:
        return self._watched("put", None, *args, **how)

    def delete(self, *args: Any, **how: Any) -> Any:
        return self._watched("delete", None, *args, **how)

    def create_index(self, *args: Any, **how: Any) -> Any:
        return self._watched("create_index", None, *args, **how)

    def delete_index(self, *args: Any, **how: Any) -> Any:
        return self._watched("delete_index", None, *args, **how)

    def put_mapping(self, *args: Any, **how: Any) -> Any:
        return self._watched("put_mapping", None, *args, **how)

    def bulk(self, actions: Iterable[Put | Drop], **how: Any) -> BulkOutcome:
        batch = list(actions)
        return self._watched("bulk", batch, batch, **how)  # type: ignore[no-any-return]

    def _watched(self, name: str, batch: list[Put | Drop] | None, *args: Any, **how: Any) -> Any:
        with self._lock:
            write = getattr(super(), name)
            self.writes += 1
            points = [each for each in dict.fromkeys(under_way()) if self._count[each] < self.FIRST]
            moments = [] if not points else [Moment(self.writes, "before", parts.copy_of(self))]
            if points and batch is not None and len(batch) > 1:
                half = parts.copy_of(moments[0].cluster)
                half.bulk(batch[: len(batch) // 2])
                moments.append(Moment(self.writes, "amid", half))
            answer = write(*args, **how)
            if points:
                moments.append(Moment(self.writes, "after", parts.copy_of(self)))
            for each in points:
                self._count[each] += 1
                self.moments[each] += moments
            return answer
