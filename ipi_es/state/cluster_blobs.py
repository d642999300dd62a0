"""Blobs in the cluster: chunk documents and one manifest per blob, in the hidden index ``ipi-es-snapshots``."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ipi_es.cluster.port import Cluster, Drop
from ipi_es.cluster.template_conflict import require_ours, require_template
from ipi_es.errors import Conflict, LostJob, SnapshotDamaged, SnapshotError
from ipi_es.state.blobs import BlobInfo, BlobKind, checksum, damaged, missing, new_info, no_check, whole

SNAPSHOT_INDEX = "ipi-es-snapshots"
SNAPSHOT_TEMPLATE = "ipi-es-snapshots"

CHUNK_BYTES = 6 * 1024 * 1024
"""Bytes of a blob in one document, in base64 8 MiB. Documents of 9 MB work on every server, documents of 22 MB
don't."""


class ClusterBlobs:
    """A :class:`ipi_es.state.blobs.BlobStore` in the cluster."""

    def __init__(self, cluster: Cluster, *, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._cluster = cluster
        self._chunk_bytes = chunk_bytes
        self._looked = False  # whether templates were checked for a conflict: once per process is enough

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
        """See the port."""
        pieces = [data[at : at + self._chunk_bytes] for at in range(0, len(data), self._chunk_bytes)] or [b""]
        info = new_info(job_id, blob_id, kind, data, created=created, attributes=attributes)
        info = replace(info, chunks=len(pieces))
        before = self._cluster.get(SNAPSHOT_INDEX, _manifest_id(job_id, blob_id))
        if before is None:
            self._require_template()
        still_ours()
        for number, piece in enumerate(pieces):
            self._cluster.put(SNAPSHOT_INDEX, _chunk_id(info, number), _chunk_source(info, number, piece))
        try:
            place, source = _manifest_id(job_id, blob_id), info.to_source()
            self._cluster.put(SNAPSHOT_INDEX, place, source, if_match=before, create=before is None)
        except Conflict as error:  # pieces take long to write: long enough for a stop and a takeover in between
            raise LostJob(
                f"another worker has written {blob_id} of job {job_id} in the meantime",
                hint="nothing to do: the other worker goes on; run one command a job at a time",
            ) from error
        if before is not None:
            self._drop_chunks_of(before.source, job_id, blob_id, but=info)
        return info

    def info(self, job_id: str, blob_id: str) -> BlobInfo:
        """See the port."""
        found = self._cluster.get(SNAPSHOT_INDEX, _manifest_id(job_id, blob_id))
        if found is None:
            raise missing(job_id, blob_id)
        return BlobInfo.from_source(found.source, job_id, blob_id)

    def read(self, job_id: str, blob_id: str) -> bytes:
        """See the port."""
        info = self.info(job_id, blob_id)
        try:
            return self._read(info)
        except SnapshotDamaged:
            again = self.info(job_id, blob_id)
            if again == info:
                raise
            return self._read(again)  # it was replaced during the read

    def list(self, job_id: str, kind: BlobKind | None = None) -> list[BlobInfo]:
        """See the port."""
        self._cluster.refresh(SNAPSHOT_INDEX)
        filters = [{"term": {"type": "manifest"}}, {"term": {"job_id": job_id}}]
        if kind is not None:
            filters.append({"term": {"kind": kind}})
        found = []
        for document in self._cluster.scan(SNAPSHOT_INDEX, {"bool": {"filter": filters}}):
            try:
                found.append(BlobInfo.from_source(document.source, job_id, str(document.source.get("blob_id"))))
            except SnapshotError:
                continue
        return sorted(found, key=lambda info: (info.created, info.id))

    def unreadable(self, job_id: str) -> tuple[str, ...]:
        """See the port."""
        unread = self._unread(job_id, self.list(job_id))
        return tuple(sorted(place.removeprefix(_manifest_id(job_id, "")) for place in unread))

    def delete(self, job_id: str, blob_id: str) -> bool:
        """See the port."""
        place = _manifest_id(job_id, blob_id)
        found = self._cluster.get(SNAPSHOT_INDEX, place)
        if found is None:
            return False
        self._cluster.delete(SNAPSHOT_INDEX, place)  # first, so that no reader finds half a blob
        self._drop_chunks_of(found.source, job_id, blob_id)
        self._cluster.refresh(SNAPSHOT_INDEX)
        return True

    def sweep(self, job_id: str) -> int:
        """Delete chunks that no manifest points to, of a killed write; return their number.

        Only the holder of the job's lease may call it.
        """
        infos = self.list(job_id)  # this refreshes
        whole_ones = {_chunk_id(info, number) for info in infos for number in range(info.chunks)}
        # a manifest that can't be read here may be of a newer ipi-es: its chunks are kept
        kept = tuple(f"chunk:{place.removeprefix('manifest:')}:" for place in self._unread(job_id, infos))
        lost = [place for place in self._ids(job_id, "chunk") if place not in whole_ones and not place.startswith(kept)]
        return self._cluster.bulk(Drop(SNAPSHOT_INDEX, place) for place in lost).deleted if lost else 0

    def delete_all(self, job_id: str) -> int:
        """See the port."""
        self._cluster.refresh(SNAPSHOT_INDEX)
        manifests, chunks = self._ids(job_id, "manifest"), self._ids(job_id, "chunk")
        if manifests or chunks:
            # manifests first, so that no reader finds half a blob
            self._cluster.bulk(Drop(SNAPSHOT_INDEX, place) for place in manifests)
            self._cluster.bulk(Drop(SNAPSHOT_INDEX, place) for place in chunks)
            self._cluster.refresh(SNAPSHOT_INDEX)
        return len(manifests)

    def _unread(self, job_id: str, infos: Sequence[BlobInfo]) -> set[str]:
        """Return the places of manifests that are not of these blobs."""
        return self._ids(job_id, "manifest") - {_manifest_id(job_id, info.id) for info in infos}

    def _ids(self, job_id: str, kind: str) -> set[str]:
        query = {"bool": {"filter": [{"term": {"type": kind}}, {"term": {"job_id": job_id}}]}}
        return {document.id for document in self._cluster.scan(SNAPSHOT_INDEX, query, source=["job_id"])}

    def _read(self, info: BlobInfo) -> bytes:
        return whole(info, b"".join(self._pieces(info)))

    def _pieces(self, info: BlobInfo) -> Iterator[bytes]:
        for number in range(info.chunks):
            found = self._cluster.get(SNAPSHOT_INDEX, _chunk_id(info, number))
            if found is None:
                raise damaged(info.job_id, info.id, f"part {number + 1} of {info.chunks} is missing")
            try:
                piece = base64.b64decode(found.source["data"], validate=True)
            except (KeyError, TypeError, ValueError) as error:
                raise damaged(info.job_id, info.id, f"part {number + 1} can't be read: {error}") from error
            if checksum(piece) != found.source.get("sha256"):
                raise damaged(info.job_id, info.id, f"the checksum of part {number + 1} of {info.chunks} is wrong")
            yield piece

    def _drop_chunks_of(
        self, manifest: Mapping[str, Any], job_id: str, blob_id: str, *, but: BlobInfo | None = None
    ) -> None:
        try:
            old = BlobInfo.from_source(manifest, job_id, blob_id)
        except SnapshotError:
            return
        kept = {_chunk_id(but, number) for number in range(but.chunks)} if but else set()
        places = [_chunk_id(old, number) for number in range(old.chunks)]
        self._cluster.bulk([Drop(SNAPSHOT_INDEX, place) for place in places if place not in kept])

    def _require_template(self) -> None:
        if require_template(self._cluster, SNAPSHOT_TEMPLATE, "snapshots can't be found again"):
            if not self._looked:
                require_ours(self._cluster, SNAPSHOT_INDEX, SNAPSHOT_TEMPLATE)
            self._looked = True


def _manifest_id(job_id: str, blob_id: str) -> str:
    return f"manifest:{job_id}:{blob_id}"


def _chunk_id(info: BlobInfo, number: int) -> str:
    # with the number of chunks: another chunk size cuts the same bytes differently
    return f"chunk:{info.job_id}:{info.id}:{info.sha256[:16]}:{info.chunks}:{number}"


def _chunk_source(info: BlobInfo, number: int, piece: bytes) -> dict[str, Any]:
    return {
        "type": "chunk",
        "job_id": info.job_id,
        "blob_id": info.id,
        "chunk": number,
        "sha256": checksum(piece),
        "data": base64.b64encode(piece).decode("ascii"),
    }
