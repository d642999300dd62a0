"""History that advances once a UTC day: a day's rows are gathered while it is scored, and applied when it is over.

History is a base, written by training, and one delta a day on it, all immutable. The state points to the day up to
which deltas are applied (``base+day``); deltas of later days were written by a batch that wasn't finished, and are
written again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses, parse
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import AllowList
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.datafeed.row_use import row_use
from ipi_es.errors import SnapshotDamaged
from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.history.deltas import DayDelta
from ipi_es.ipinsights.history.history import History
from ipi_es.ipinsights.storage import delta_from_bytes, delta_to_bytes, history_from_bytes
from ipi_es.state.blobs import BlobStore
from ipi_es.times import SECONDS, day_of
from ipi_es.worker.history.holds import Holds

Rows = tuple[NDArray[np.uint64], Addresses, NDArray[np.int64], AddressContext]
"""Entity hashes uint64[n], addresses uint8[n, 16], counts int64[n], the addresses' operators and countries."""

_NO_ROWS: Rows = (
    np.zeros(0, dtype=np.uint64),
    np.zeros((0, 16), dtype=np.uint8),
    np.zeros(0, dtype=np.int64),
    AddressContext.none(0),
)


@dataclass(frozen=True, slots=True)
class HistoryId:
    """The id of a history: a base, and the day (since the epoch) up to which deltas are in it, exclusive."""

    base: str
    day: int

    def __str__(self) -> str:
        return f"{self.base}+{self.day}"

    @classmethod
    def parse(cls, text: str) -> HistoryId:
        """Parse the text that ``str()`` gives. Raises SnapshotDamaged."""
        base, _, day = text.rpartition("+")
        if not base or not day.isdecimal():
            raise SnapshotDamaged(f"“{text}” is no history's id", hint="score the range again: backfill --again")
        return cls(base, int(day))

    def delta(self, day: int) -> str:
        """Return the blob id of one day's delta."""
        return f"{self.base}-{day}"


def history_base(snapshot_id: str) -> str:
    """Return the blob id of the history that a snapshot was made with."""
    return f"history-{snapshot_id}"


@dataclass(slots=True)
class HistoryKeeper:
    """One job's history during scoring: once settled, ``history`` is that at the start of the current UTC day."""

    job: Job
    allow: AllowList
    history: History
    id: HistoryId
    holds: Holds
    rows: dict[int, Rows] = field(default_factory=dict)
    """Rows of the current day to be learned, by the start of their event bucket (epoch seconds)."""
    late: list[Rows] = field(default_factory=list)
    """Rows that came too late for the delta of their own day, and go into that of the current one."""
    behind: DayDelta | None = None
    """The delta of a day that is in ``id`` and not yet in ``history``."""

    @property
    def age(self) -> int:
        """Days from the first day in the history to the current one."""
        return self.id.day - self.history.origin

    def gather(self, bucket: EventBucket, hashes: NDArray[np.uint64]) -> None:
        """Gather the rows to be learned from an event bucket: see :func:`learned_rows`.

        ``hashes`` uint64[m] are those of its entities. Gathering a bucket again, with late events, replaces its rows.
        """
        self.rows[bucket.start] = learned_rows(bucket, hashes, self.job, self.allow, self.holds)

    def replace_late(self, rows: Iterable[Rows]) -> None:
        """Replace the late rows that wait for the current day's delta."""
        self.late[:] = rows

    def advance(self, day: int) -> DayDelta | None:
        """Advance ``id`` to the start of ``day``; return the delta of the gathered rows, to be stored.

        None if the current day isn't over. The pairs that people called safe on that day are learned too. A day without
        rows has a delta too, an empty one: it replaces a delta that an earlier run, with other settings, may have left
        for that day. :meth:`settle` then updates ``history``.
        """
        if day <= self.id.day:
            return None
        self.settle()
        rows = [_NO_ROWS, *self.rows.values(), *self.late, _taught(self.holds.verdicts.taught(self.id.day))]
        entity, address, count = (np.concatenate([each[column] for each in rows]) for column in range(3))
        context = AddressContext.concatenated([each[3] for each in rows])
        self.behind = DayDelta.of(self.id.day, entity, address, count, context)
        self.rows.clear()
        self.late.clear()
        self.id = HistoryId(self.id.base, day)
        return self.behind

    def settle(self) -> None:
        """Bring ``history`` to ``id``: done when the next day begins, while the last batch may still be written."""
        if self.behind is not None:
            self.history.apply(self.behind)
            self.history.skip_to(self.id.day)
            self.behind = None


def learned_rows(bucket: EventBucket, hashes: NDArray[np.uint64], job: Job, allow: AllowList, holds: Holds) -> Rows:
    """Return the rows of an event bucket to be learned (:func:`ipi_es.datafeed.row_use.row_use`).

    ``hashes`` uint64[m] are those of the bucket's entities.
    """
    rows = row_use(bucket, job, allow, holds).learned
    entity, ip = bucket.entity[rows], bucket.ip[rows]
    context = AddressContext.none(len(ip)) if bucket.context is None else bucket.context.take(ip)
    return hashes[entity], bucket.addresses[ip], bucket.count[rows], context


def _taught(pairs: Sequence[tuple[str, str]]) -> Rows:
    """Return (entity, IP) pairs that people called safe as rows to be learned: one event each."""
    addresses = parse([ip for _, ip in pairs])[0]
    return (
        entity_hashes([entity for entity, _ in pairs]),
        addresses,
        np.ones(len(pairs), dtype=np.int64),
        AddressContext.none(len(pairs)),
    )


def load_history(blobs: BlobStore, job_id: str, wanted: HistoryId) -> History:
    """Return the history that a state points to: its base with all deltas before the day."""
    history = history_from_bytes(blobs.read(job_id, wanted.base))
    found = {info.id: info for info in blobs.list(job_id, "history_delta")}
    for day in range(history.day, wanted.day):
        if wanted.delta(day) in found:
            history.apply(delta_from_bytes(blobs.read(job_id, wanted.delta(day))))
    history.skip_to(wanted.day)
    return history


def store_delta(blobs: BlobStore, job_id: str, id_: HistoryId, delta: DayDelta, now: int) -> None:
    """Write one day's delta, before the state that includes it; ``now`` is in epoch seconds."""
    attributes = {"base": id_.base, "day": delta.day}
    blobs.write(
        job_id,
        id_.delta(delta.day),
        "history_delta",
        delta_to_bytes(delta),
        created=now,
        attributes=attributes,
    )


def catch_up(
    keeper: HistoryKeeper,
    to: int,
    read: Callable[[int, int], Iterable[EventBucket]],
    stored: Callable[[DayDelta], None],
) -> None:
    """Bring ``keeper`` to ``to`` (epoch seconds) by reading the events between again.

    These are those of skipped days, and of the part of the current day that an earlier run scored. ``stored`` is called
    with the deltas of whole days.
    """
    begin = keeper.history.day * SECONDS["d"]
    for bucket in read(begin, to):
        delta = keeper.advance(day_of(bucket.start))
        if delta is not None:
            stored(delta)
        keeper.gather(bucket, entity_hashes(bucket.entities))
    delta = keeper.advance(day_of(to))
    if delta is not None:
        stored(delta)
    keeper.settle()
