"""What a job's blobs hold of one entity, and the same blobs without it.

Its own rows can be removed exactly: those of deltas and late rows, its profile in a base, and its hash among the
entities that a network was trained on. Counts in sketches and the network's vectors are shared with other entities and
stay: a training makes them anew from the events that there are then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ipi_es.addresses import canonical
from ipi_es.errors import SnapshotDamaged
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.history.history import History
from ipi_es.ipinsights.pair_explanation import usual_networks
from ipi_es.ipinsights.storage import delta_from_bytes, delta_to_bytes, history_from_bytes, history_to_bytes
from ipi_es.lists import some
from ipi_es.state.blobs import BlobInfo, BlobKind, BlobStore
from ipi_es.times import SECONDS, iso
from ipi_es.worker.history.late_rows import LateRows
from ipi_es.worker.training.job_snapshot import JobSnapshot

Facts = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class LearnedPart:
    """What one blob holds of an entity; ``without`` returns the blob's bytes without it."""

    info: BlobInfo
    facts: Facts
    without: Callable[[], bytes]


def learned_parts(blobs: BlobStore, job_id: str, entity: str) -> Iterator[LearnedPart]:
    """Yield the blobs of a job that hold something of an entity, the oldest first; one is in memory at a time.

    Raises SnapshotDamaged or SnapshotForeign for a blob that can't be read: what it holds isn't known.
    """
    unreadable = blobs.unreadable(job_id)
    if unreadable:
        raise SnapshotDamaged(
            f"what job {job_id} learned can't be read whole: the manifest of {some(unreadable)} is broken",
            hint="use the ipi-es that wrote it, or delete that blob's documents from ipi-es-snapshots (its files from "
            "the directory of snapshots); then run the command again",
        )
    for info in blobs.list(job_id):
        facts, without = _READERS[info.kind](blobs.read(job_id, info.id), entity, job_id)
        if facts:
            yield LearnedPart(info, facts, without)


def profile_facts(history: History, entity: str) -> Facts:
    """Return the profile of an entity in a history; empty where it has none."""
    profiles = history.profiles
    rows, found = profiles.find(entity_hashes([entity]))
    if not found[0]:
        return []
    row = int(rows[0])
    networks = [
        {
            "network": each.network,
            "share": each.share,
            "last_address": each.address,
            "last_day": _day(each.last_day),
        }
        for each in usual_networks(history, entity)
    ]
    return [
        {
            "events": int(profiles.events[row]),
            "days": int(profiles.days[row]),
            "first_day": _day(int(profiles.first[row]) - 1 + history.origin),
            "last_day": _day(int(profiles.last[row]) - 1 + history.origin),
            "usual_networks": networks,
        }
    ]


def _base(blob: bytes, entity: str, _: str) -> tuple[Facts, Callable[[], bytes]]:
    history = history_from_bytes(blob)

    def without() -> bytes:
        history.profiles.remove(entity_hashes([entity]))
        return history_to_bytes(history)

    return profile_facts(history, entity), without


def _delta(blob: bytes, entity: str, _: str) -> tuple[Facts, Callable[[], bytes]]:
    delta, wanted = delta_from_bytes(blob), entity_hashes([entity])[0]
    facts = [
        {"day": _day(delta.day), "address": canonical(bytes(delta.address[row])), "events": int(delta.count[row])}
        for row in np.flatnonzero(delta.entity == wanted)
    ]
    return facts, lambda: delta_to_bytes(delta.without(wanted))


def _late(blob: bytes, entity: str, _: str) -> tuple[Facts, Callable[[], bytes]]:
    late, wanted = LateRows.from_bytes(blob), entity_hashes([entity])[0]
    facts = [
        {
            "bucket": iso(int(late.bucket[row])),
            "address": canonical(bytes(late.address[row])),
            "events": int(late.count[row]),
        }
        for row in np.flatnonzero(late.entity == wanted)
    ]
    return facts, lambda: late.take(late.entity != wanted).to_bytes()


def _network(blob: bytes, entity: str, job_id: str) -> tuple[Facts, Callable[[], bytes]]:
    snapshot, wanted = JobSnapshot.from_bytes(blob, job_id), entity_hashes([entity])
    trained = snapshot.network

    def without() -> bytes:
        network = replace(trained, network=trained.network.without(wanted))
        return replace(snapshot, network=network).to_bytes()

    known = bool(np.isin(wanted, trained.network.trained_entities)[0])
    return ([{"trained_to": iso(snapshot.trained_to)}] if known else []), without


def _day(day: int) -> str:
    return iso(day * SECONDS["d"])[:10]


_READERS: dict[BlobKind, Callable[[bytes, str, str], tuple[Facts, Callable[[], bytes]]]] = {
    "network": _network,
    "history_base": _base,
    "history_delta": _delta,
    "history_late": _late,
}
