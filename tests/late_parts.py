"""Late events for the tests of the worker: put into an index after their bucket was scored."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import worker_company as company
import worker_parts as parts

from ipi_es.addresses import packed
from ipi_es.cluster.port import Cluster, Drop, Put
from ipi_es.config.job_config import Job
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.history.deltas import DayDelta
from ipi_es.ipinsights.storage import delta_from_bytes
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.job_state import StateStore
from ipi_es.worker.history.history_keeper import HistoryId
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.job_session import JobSession
from ipi_es.worker.open_session import open_session

VOLATILE = (*parts.VOLATILE, "rescored_at")


@contextmanager
def live(cluster: Cluster, job: Job, time: int = parts.NOW) -> Iterator[JobSession]:
    """A new process that holds the job."""
    with open_session(JobResources(cluster, job, clock=parts.TestClock(time))) as session:
        yield session


def add_events(cluster: Cluster, found: Iterable[tuple[int, str, str]], index: str = company.EVENTS) -> list[str]:
    """(time, entity, IP) of log-ins that arrive now; their ids."""
    made = [
        Put(index, f"late-{uuid.uuid4().hex}", company.document((time, who, ip, "success"))) for time, who, ip in found
    ]
    cluster.bulk(made)
    cluster.refresh(index)
    return [each.id for each in made]


def remove_events(cluster: Cluster, ids: Iterable[str], index: str = company.EVENTS) -> None:
    """Somebody deletes events."""
    cluster.bulk(Drop(index, each) for each in ids)
    cluster.refresh(index)


def everything(cluster: Cluster, job: Job) -> dict[str, Any]:
    """Results, and of the rest what decides future results."""
    state = StateStore(cluster).read(job.job_id)
    assert state is not None
    kept = ("checkpoint", "snapshot_id", "history_id", "quantiles_id", "renormalize_due", "renormalized_to")
    details = replace(state.details, late_checked_at=None, reread=None)
    return {
        "results": {
            place: {name: value for name, value in source.items() if name not in VOLATILE}
            for place, source in parts.results(cluster, job).items()
        },
        "state": {**{name: getattr(state, name) for name in kept}, "details": details},
        "blobs": sorted((each.id, each.sha256) for each in ClusterBlobs(cluster).list(job.job_id)),
        "quantiles": parts.stored_quantiles(cluster, job),
    }


def delta_of(cluster: Cluster, job: Job, day: int) -> DayDelta:
    """What one day (since the epoch) added to the history that the state points to."""
    state = StateStore(cluster).read(job.job_id)
    assert state is not None
    history = HistoryId.parse(str(state.history_id))
    return delta_from_bytes(ClusterBlobs(cluster).read(job.job_id, history.delta(day)))


def count_in(delta: DayDelta, entity: str, ip: str) -> int:
    """Events of a pair in a delta."""
    wanted = (delta.entity == entity_hashes([entity])[0]) & (delta.address == parts_of(ip)).all(axis=1)
    return int(delta.count[wanted].sum())


def parts_of(ip: str) -> Any:
    """uint8[16]."""
    return np.frombuffer(packed(ip) or b"", dtype=np.uint8)


def late_blob(cluster: Cluster, job: Job) -> str | None:
    """What the state says waits for the next delta."""
    state = StateStore(cluster).read(job.job_id)
    assert state is not None
    return state.details.late_rows


def ids_between(cluster: Cluster, start: int, end: int, index: str = company.EVENTS) -> list[str]:
    """The ids of the events of [start, end), epoch seconds, in order."""
    limits = {"gte": start * 1_000, "lt": end * 1_000, "format": "epoch_millis"}
    found = cluster.scan(index, {"range": {"@timestamp": limits}}, source=["user"])
    return sorted((each.id for each in found), key=lambda name: (len(name), name))


def change_events(cluster: Cluster, ids: Iterable[str], index: str = company.EVENTS, **changes: Any) -> None:
    """Somebody writes events again, with other fields (``ip``, ``who``, ``outcome``) or with the same."""
    for each in ids:
        stored = cluster.get(index, each)
        assert stored is not None
        source = copy.deepcopy(stored.source)
        for name, (section, leaf) in _PLACES.items():
            if name in changes:
                source[section][leaf] = changes[name]
        cluster.put(index, each, source)
    cluster.refresh(index)


_PLACES = {"ip": ("source", "ip"), "who": ("user", "name"), "outcome": ("event", "outcome")}
