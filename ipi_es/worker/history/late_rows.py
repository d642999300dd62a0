"""Rows that came too late for the delta of their own day, and wait for the next one.

A day's delta that buckets were scored with is never changed: otherwise those buckets couldn't be scored again in the
same way. So the rows of a late event whose day is over go into the delta of the current day. Until that is written they
are in one small immutable blob, with an id made from its contents; the job's state points to it. Each row keeps its
bucket: a bucket that is rescored replaces its own rows, and no row is learned twice.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses
from ipi_es.errors import SnapshotDamaged, SnapshotError, SnapshotForeign, SnapshotMissing
from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.ipinsights.hashing import joined
from ipi_es.ipinsights.history.deltas import DayDelta
from ipi_es.ipinsights.prefixes import address_keys
from ipi_es.ipinsights.storage import delta_from_bytes
from ipi_es.ipinsights.trained_network import pack, unpack
from ipi_es.state.blobs import BlobStore
from ipi_es.state.job_state import JobState
from ipi_es.worker.history.history_keeper import HistoryId, Rows

log = logging.getLogger(__name__)

_KIND = "late rows"


@dataclass(frozen=True, slots=True, eq=False)
class LateRows:
    """Late rows of buckets whose day is over; all arrays are [n]."""

    into: NDArray[np.int64]
    """Day (since the epoch) whose delta includes the row."""
    bucket: NDArray[np.int64]
    """Start of the row's bucket, epoch seconds."""
    entity: NDArray[np.uint64]
    """Entity hashes."""
    address: Addresses
    """uint8[n, 16]."""
    count: NDArray[np.int64]
    """Number of events."""
    context: AddressContext
    """Operators and countries of the addresses."""

    @classmethod
    def none(cls) -> LateRows:
        """Return an instance without rows."""
        times, addresses = np.zeros(0, dtype=np.int64), np.zeros((0, 16), dtype=np.uint8)
        return cls(times, times, np.zeros(0, dtype=np.uint64), addresses, times, AddressContext.none(0))

    @classmethod
    def of(cls, rows: Rows, into: int, bucket: int) -> LateRows:
        """Return the rows of one bucket (its start in epoch seconds) for the delta of day ``into``."""
        entity, address, count, context = rows
        n = len(entity)
        return cls(np.full(n, into, np.int64), np.full(n, bucket, np.int64), entity, address, count, context)

    def __len__(self) -> int:
        return len(self.entity)

    def take(self, wanted: NDArray[np.bool_]) -> LateRows:
        """Return the rows where ``wanted`` (bool[n]) is true."""
        return LateRows(
            self.into[wanted],
            self.bucket[wanted],
            self.entity[wanted],
            self.address[wanted],
            self.count[wanted],
            self.context.take(wanted),
        )

    def replaced(self, new: LateRows, into: int, bucket: int, *, keep_from: int) -> LateRows:
        """Return the rows with ``new`` in place of those of ``bucket`` that wait for day ``into``.

        Rows in the delta of an earlier day are kept while their bucket is at or after ``keep_from`` (epoch seconds):
        only such a bucket can be rescored.
        """
        kept = self.take((self.into >= into) | (self.bucket >= keep_from))
        kept = kept.take((kept.into != into) | (kept.bucket != bucket))
        return LateRows(
            np.concatenate([kept.into, new.into]),
            np.concatenate([kept.bucket, new.bucket]),
            np.concatenate([kept.entity, new.entity]),
            np.concatenate([kept.address, new.address]),
            np.concatenate([kept.count, new.count]),
            AddressContext.concatenated([kept.context, new.context]),
        )

    def rows(self) -> Rows:
        """Return them in the form that a HistoryKeeper gathers."""
        return self.entity, self.address, self.count, self.context

    def to_bytes(self) -> bytes:
        """Return the blob; equal rows in the same order give equal bytes."""
        arrays: dict[str, NDArray[Any]] = {
            "into": self.into,
            "bucket": self.bucket,
            "entity": self.entity,
            "address": self.address,
            "count": self.count,
            "operator": self.context.operator,
            "country": self.context.country,
        }
        return pack({"kind": _KIND}, arrays)

    @classmethod
    def from_bytes(cls, blob: bytes) -> LateRows:
        """Read the blob of :meth:`to_bytes`. Raises SnapshotForeign or SnapshotDamaged."""
        manifest, arrays = unpack(blob)
        if manifest.get("kind") != _KIND:
            raise SnapshotForeign(f"these bytes are a {manifest.get('kind')}, not {_KIND}")
        try:
            return cls(
                into=arrays["into"],
                bucket=arrays["bucket"],
                entity=arrays["entity"],
                address=arrays["address"],
                count=arrays["count"],
                context=AddressContext(arrays["operator"], arrays["country"]),
            )
        except KeyError as error:
            raise SnapshotDamaged(f"the late rows lack {error}") from error


def load(blobs: BlobStore, state: JobState) -> LateRows:
    """Return the late rows that the state points to; none if they belong to another history than the state's."""
    blob_id, base = state.details.late_rows, HistoryId.parse(state.trained.history_id).base
    if not blob_id or not blob_id.startswith(f"{base}-"):
        return LateRows.none()
    try:
        return LateRows.from_bytes(blobs.read(state.job_id, blob_id))
    except SnapshotError as error:
        # the next training learns these few pairs; a job that stops because of them would be worse
        log.warning("job %s: late events are not learned before the next training: %s", state.job_id, error.message)
        return LateRows.none()


def waiting(blobs: BlobStore, state: JobState) -> list[Rows]:
    """Return the late rows that the delta of the state's current day includes besides that day's own rows."""
    late = load(blobs, state)
    now = late.take(late.into == HistoryId.parse(state.trained.history_id).day)
    return [now.rows()] if len(now) else []


def blob_id_of(base: str, blob: bytes) -> str:
    """Return the id of a blob: ``{base}-late-{hash of its contents}``."""
    return f"{base}-late-{hashlib.sha256(blob).hexdigest()[:12]}"


def pair_keys(entity: NDArray[np.uint64], address: Addresses) -> NDArray[np.uint64]:
    """Return uint64[n], keys of (entity hash uint64[n], address uint8[n, 16]).

    The probability that any two of a million collide is 3e-8.
    """
    return joined(entity, address_keys(address))


def in_delta(blobs: BlobStore, job_id: str, history: HistoryId, day: int, rows: Rows) -> NDArray[np.bool_]:
    """Return which rows' pairs a day's delta has already, bool[n]."""
    try:
        delta: DayDelta = delta_from_bytes(blobs.read(job_id, history.delta(day)))
    except SnapshotMissing:
        return np.zeros(len(rows[0]), dtype=np.bool_)
    return np.isin(pair_keys(rows[0], rows[1]), pair_keys(delta.entity, delta.address))
