"""The snapshots of one job with the history that belongs to each, and which of them is in use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from ipi_es.state.blobs import BlobInfo, BlobStore
from ipi_es.state.job_state import JobState
from ipi_es.times import SECONDS, day_of, parse_time
from ipi_es.worker.history.history_keeper import history_base


@dataclass(frozen=True, slots=True)
class SnapshotInventory:
    """The stored snapshots and history of a job. ``state`` None: the job never ran."""

    job_id: str
    blobs: BlobStore
    state: JobState | None
    networks: list[BlobInfo] = field(default_factory=list)
    """Snapshots, the oldest first."""
    history: dict[str, list[BlobInfo]] = field(default_factory=dict)
    """Parts of history by base: its deltas and late rows, then the base itself."""

    @classmethod
    def of(cls, job_id: str, blobs: BlobStore, state: JobState | None) -> SnapshotInventory:
        """List the job's blobs, and return them as an inventory."""
        networks, deltas, bases = [], defaultdict(list), []
        for info in blobs.list(job_id):
            if info.kind == "network":
                networks.append(info)
            elif info.kind in ("history_delta", "history_late"):
                deltas[str(info.attributes.get("base"))].append(info)
            elif info.kind == "history_base":
                bases.append(info)
        history = {**deltas}
        for base in bases:
            history[base.id] = [*deltas.get(base.id, ()), base]
        return cls(job_id, blobs, state, networks, history)

    def uses(self, snapshot_id: str) -> bool:
        """Decide whether the state points to the snapshot or to its history."""
        state = self.state
        return state is not None and (state.snapshot_id == snapshot_id or self.base_in_use == history_base(snapshot_id))

    @property
    def base_in_use(self) -> str:
        """The base of the history that the state points to; empty if there is none."""
        return (self.state.history_id or "").rpartition("+")[0] if self.state else ""

    def parts(self, snapshot_id: str) -> list[BlobInfo]:
        """Return the history that belongs to a snapshot: deltas, then their base."""
        return self.history.get(history_base(snapshot_id), [])

    def delete(self, snapshot_id: str) -> int:
        """Delete a snapshot with its history; return the number of parts of that history."""
        parts = self.parts(snapshot_id)
        self.blobs.delete(self.job_id, snapshot_id)  # first: a snapshot must never be found without its history
        for info in parts:
            self.blobs.delete(self.job_id, info.id)
        return len(parts)

    def ownerless(self) -> list[BlobInfo]:
        """Return history without a snapshot (of a killed training), and late rows that the state doesn't point to."""
        owned = {history_base(info.id) for info in self.networks} | {self.base_in_use}
        late = None if self.state is None else self.state.details.late_rows
        return [
            info
            for base, parts in self.history.items()
            for info in parts
            if base not in owned or (info.kind == "history_late" and info.id != late)
        ]


def trained_to(info: BlobInfo) -> int:
    """Return the end of a snapshot's training range, epoch seconds; if it has none, the time when it was made."""
    said = info.attributes.get("trained_to")
    return info.created if said is None else parse_time(str(said), now=info.created)


def past_keeping(networks: Sequence[BlobInfo], days: int, used: Collection[str]) -> list[str]:
    """Return the ids of snapshots to delete, thinned as Elastic ML does; never one of ``used``.

    These are the snapshots made more than ``days`` before the newest one; and of those made more than a day before it,
    all but the last of each UTC day.
    """
    newest = max((info.created for info in networks), default=0)
    last_of_day = {day_of(info.created): info.id for info in sorted(networks, key=lambda info: (info.created, info.id))}
    gone = []
    for info in networks:
        age = newest - info.created
        thinned = age > SECONDS["d"] and last_of_day[day_of(info.created)] != info.id
        if info.id not in used and (thinned or age > days * SECONDS["d"]):
            gone.append(info.id)
    return gone
