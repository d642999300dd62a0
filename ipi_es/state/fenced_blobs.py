"""Blobs that are written only while a lease is held."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ipi_es.state.blobs import BlobInfo, BlobKind, BlobStore, no_check


@dataclass(frozen=True, slots=True)
class FencedBlobs:
    """A :class:`ipi_es.state.blobs.BlobStore` that calls ``check`` before every change; ``check`` raises LostJob."""

    blobs: BlobStore
    check: Callable[[], None]

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
        """Check before the write, and once more right before the blob is put in place, together with ``still_ours``."""

        def both() -> None:
            self.check()
            still_ours()

        self.check()
        return self.blobs.write(job_id, blob_id, kind, data, created=created, attributes=attributes, still_ours=both)

    def read(self, job_id: str, blob_id: str) -> bytes:
        """See the store."""
        return self.blobs.read(job_id, blob_id)

    def info(self, job_id: str, blob_id: str) -> BlobInfo:
        """See the store."""
        return self.blobs.info(job_id, blob_id)

    def list(self, job_id: str, kind: BlobKind | None = None) -> list[BlobInfo]:
        """See the store."""
        return self.blobs.list(job_id, kind)

    def unreadable(self, job_id: str) -> tuple[str, ...]:
        """See the store."""
        return self.blobs.unreadable(job_id)

    def delete(self, job_id: str, blob_id: str) -> bool:
        """See the store; the lease is checked first."""
        self.check()
        return self.blobs.delete(job_id, blob_id)

    def sweep(self, job_id: str) -> int:
        """See the store; the lease is checked first."""
        self.check()
        return self.blobs.sweep(job_id)

    def delete_all(self, job_id: str) -> int:
        """See the store; the lease is checked first."""
        self.check()
        return self.blobs.delete_all(job_id)
