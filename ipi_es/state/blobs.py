"""Saved networks and histories: immutable, checksummed bytes under an id, in the cluster or in a directory.

The meaning of the bytes is left to the caller. A blob exists once its manifest does, which is written last. Writing an
id again replaces the blob at once for all readers, since the bytes' checksum is part of their place.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from ipi_es.errors import SnapshotDamaged, SnapshotForeign, SnapshotMissing, UsageError
from ipi_es.state.fields import Fields
from ipi_es.times import to_ms

BlobKind: TypeAlias = Literal["network", "history_base", "history_delta", "history_late"]
"""A trained network; the history up to some day; the rows that one day added to it; rows too late for their own day."""

BLOB_KINDS: tuple[BlobKind, ...] = ("network", "history_base", "history_delta", "history_late")

FORMAT = 1
"""Format of the manifest; a newer one is refused."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_BYTES = 1 << 40
"""A terabyte: far above the size of any network or history."""

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
"""Ids that can be used unchanged as file names and as parts of document ids."""


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """The manifest of a blob, known without reading its bytes. ``created`` in epoch seconds, ``size`` in bytes.

    ``attributes`` are plain values for people and for selection (the day of a delta, the base that it belongs to).
    """

    job_id: str
    id: str
    kind: BlobKind
    created: int
    size: int
    sha256: str
    chunks: int = 1
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def to_source(self) -> dict[str, Any]:
        """Return the manifest's document."""
        return {
            "type": "manifest",
            "format": FORMAT,
            "job_id": self.job_id,
            "blob_id": self.id,
            "kind": self.kind,
            "created": to_ms(self.created),
            "size": self.size,
            "sha256": self.sha256,
            "chunks": self.chunks,
            "attributes": dict(self.attributes),
        }

    @classmethod
    def from_source(cls, source: Mapping[str, Any], job_id: str, blob_id: str) -> BlobInfo:
        """Read a manifest's document.

        Raises SnapshotForeign where it is of another job or a newer format, SnapshotDamaged where it isn't complete.
        """
        fields = Fields(
            source, f"snapshot {blob_id} of job {job_id} is damaged", _hint(job_id, blob_id), SnapshotDamaged
        )
        owner, found = fields.text("job_id"), fields.text("blob_id")
        if owner != job_id or found != blob_id:
            raise SnapshotForeign(
                f"snapshot {blob_id} of job {job_id} is really {found} of job {owner}",
                hint="a job can't use another job's snapshots: train it, or restore the right files",
            )
        fields.number("format", 0, 1 << 31)  # a manifest without one is damaged
        fields.refuse_newer(f"snapshot {blob_id} of job {job_id}", FORMAT, otherwise="train again")
        kind, sha256 = fields.text("kind"), fields.text("sha256")
        if kind not in BLOB_KINDS:
            fields.wrong("kind", kind, f"one of {', '.join(BLOB_KINDS)}")
        if not _SHA256.fullmatch(sha256):
            fields.wrong("sha256", sha256, "a checksum of 64 hexadecimal digits")
        size = fields.number("size", 0, _MOST_BYTES)
        return cls(
            job_id=owner,
            id=found,
            kind=kind,
            created=fields.time("created"),
            size=size,
            sha256=sha256,
            chunks=fields.number("chunks", 1, max(size, 1)),
            attributes=fields.mapping("attributes"),
        )


def no_check() -> None:
    """Do nothing: the default of ``still_ours`` for callers that hold no lease."""


class BlobStore(Protocol):
    """A place where blobs are kept."""

    def write(
        self,
        job_id: str,
        blob_id: str,
        kind: BlobKind,
        data: bytes,
        *,
        created: int,
        attributes: Mapping[str, Any] | None = None,
        still_ours: Callable[[], None] = no_check,
    ) -> BlobInfo:
        """Store ``data``; it is safe when this returns.

        ``still_ours`` raises LostJob where another worker has taken the job over. It is called after existing documents
        were read and before anything is written, so a successor's write is either seen or conflicts with this one.
        """

    def read(self, job_id: str, blob_id: str) -> bytes:
        """Return the bytes. Raises SnapshotMissing, SnapshotDamaged or SnapshotForeign."""

    def info(self, job_id: str, blob_id: str) -> BlobInfo:
        """Return a blob's manifest. Raises SnapshotMissing, SnapshotDamaged or SnapshotForeign."""

    def list(self, job_id: str, kind: BlobKind | None = None) -> list[BlobInfo]:
        """Return the manifests of a job's blobs, oldest first; broken ones are left out."""

    def unreadable(self, job_id: str) -> tuple[str, ...]:
        """Return the ids of those that :meth:`list` leaves out: their manifests are broken, or of a newer ipi-es."""

    def delete(self, job_id: str, blob_id: str) -> bool:
        """Delete one blob; return whether it existed."""

    def sweep(self, job_id: str) -> int:
        """Delete the remains of killed writes; return the number of pieces.

        Only the holder of the job's lease may call it.
        """

    def delete_all(self, job_id: str) -> int:
        """Delete everything of a job, unreadable blobs too; return the number of blobs."""


def new_info(
    job_id: str, blob_id: str, kind: BlobKind, data: bytes, *, created: int, attributes: Mapping[str, Any] | None
) -> BlobInfo:
    """Make the manifest of bytes that will be written. Raises UsageError for ids that :func:`safe_name` refuses."""
    safe_name(job_id)
    safe_name(blob_id)
    return BlobInfo(job_id, blob_id, kind, created, len(data), checksum(data), attributes=dict(attributes or {}))


def whole(info: BlobInfo, data: bytes) -> bytes:
    """Return the bytes if they match the manifest's size and checksum; raises SnapshotDamaged otherwise."""
    if len(data) != info.size:
        raise damaged(info.job_id, info.id, f"it has {len(data):,} bytes instead of {info.size:,}")
    if checksum(data) != info.sha256:
        raise damaged(info.job_id, info.id, "its checksum is wrong")
    return data


def checksum(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def safe_name(name: str) -> str:
    """Return a job's or a blob's id if it can be part of a path; raises UsageError otherwise."""
    if not _SAFE.fullmatch(name):
        raise UsageError(
            f"“{name}” can't be the name of a snapshot or its job",
            hint="letters, digits, dot, hyphen and underscore, at most 200, beginning with a letter or a digit",
        )
    return name


def damaged(job_id: str, blob_id: str, why: str) -> SnapshotDamaged:
    """Make the error for a blob that exists but isn't complete."""
    return SnapshotDamaged(
        f"snapshot {blob_id} of job {job_id} is damaged: {why}",
        hint=_hint(job_id, blob_id),
    )


def _hint(job_id: str, blob_id: str) -> str:
    return f"delete it (`ipi-es snapshots delete {job_id} {blob_id}`) and train again"


def missing(job_id: str, blob_id: str) -> SnapshotMissing:
    """Make the error for a blob that doesn't exist."""
    return SnapshotMissing(
        f"job {job_id} has no snapshot {blob_id}",
        hint=f"`ipi-es snapshots list {job_id}` shows what there is; `ipi-es train {job_id}` makes one",
    )
