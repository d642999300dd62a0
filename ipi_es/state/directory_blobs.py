"""Blobs as files: ``{root}/{job}/{id}.json`` and ``{id}.{checksum}.blob``, each written to a temporary file first."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ipi_es.errors import SnapshotError
from ipi_es.state.blobs import BlobInfo, BlobKind, damaged, missing, new_info, no_check, safe_name, whole

_MANIFEST = ".json"
_PART = ".part"


class DirectoryBlobs:
    """A :class:`ipi_es.state.blobs.BlobStore` in a directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

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
        info = new_info(job_id, blob_id, kind, data, created=created, attributes=attributes)
        folder = self._folder(job_id)
        with _explained(folder, "written"):
            folder.mkdir(parents=True, exist_ok=True)
            old = _files_of(blob_id, folder)
            data_file = self._data_file(info)
            _write_synced(data_file, data)
            still_ours()  # files have no conditional write: the best that can be done is a late check
            manifest = json.dumps(info.to_source(), sort_keys=True, indent=1, ensure_ascii=False)
            _write_synced(folder / f"{blob_id}{_MANIFEST}", manifest.encode())
            for path in old:
                if path != data_file:
                    path.unlink(missing_ok=True)
        return info

    def info(self, job_id: str, blob_id: str) -> BlobInfo:
        """See the port."""
        path = self._folder(job_id) / f"{safe_name(blob_id)}{_MANIFEST}"
        with _explained(path, "read"):
            try:
                source = json.loads(path.read_bytes())
            except FileNotFoundError:
                raise missing(job_id, blob_id) from None
            except ValueError as error:
                raise damaged(job_id, blob_id, f"{path} is no JSON") from error
        if not isinstance(source, dict):
            raise damaged(job_id, blob_id, f"{path} is no manifest")
        return BlobInfo.from_source(source, job_id, blob_id)

    def read(self, job_id: str, blob_id: str) -> bytes:
        """See the port."""
        info = self.info(job_id, blob_id)
        path = self._data_file(info)
        with _explained(path, "read"):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                again = self.info(job_id, blob_id)
                if again == info:
                    raise damaged(job_id, blob_id, f"{path} is missing") from None
                info, data = again, self._data_file(again).read_bytes()  # it was replaced during the read
        return whole(info, data)

    def list(self, job_id: str, kind: BlobKind | None = None) -> list[BlobInfo]:
        """See the port."""
        found = []
        for path in self._folder(job_id).glob(f"*{_MANIFEST}"):
            try:
                info = self.info(job_id, path.name.removesuffix(_MANIFEST))
            except SnapshotError:
                continue
            if kind is None or info.kind == kind:
                found.append(info)
        return sorted(found, key=lambda info: (info.created, info.id))

    def unreadable(self, job_id: str) -> tuple[str, ...]:
        """See the port."""
        there = {path.name.removesuffix(_MANIFEST) for path in self._folder(job_id).glob(f"*{_MANIFEST}")}
        return tuple(sorted(there - {info.id for info in self.list(job_id)}))

    def delete(self, job_id: str, blob_id: str) -> bool:
        """See the port."""
        folder = self._folder(job_id)
        manifest = folder / f"{safe_name(blob_id)}{_MANIFEST}"
        with _explained(folder, "deleted"):
            if not manifest.exists():
                return False
            manifest.unlink(missing_ok=True)  # first, so that no reader finds half a blob
            for path in _files_of(blob_id, folder):
                path.unlink(missing_ok=True)
        return True

    def sweep(self, job_id: str) -> int:
        """Delete files that no manifest points to, of a killed write; return their number.

        Only the holder of the job's lease may call it.
        """
        kept = {self._data_file(info) for info in self.list(job_id)}
        folder = self._folder(job_id)
        lost = [path for path in [*folder.glob("*.blob"), *folder.glob(f"*{_PART}")] if path not in kept]
        with _explained(folder, "deleted"):
            for path in lost:
                path.unlink(missing_ok=True)
        return len(lost)

    def delete_all(self, job_id: str) -> int:
        """See the port; the job's folder is removed too, unless it holds other files."""
        folder = self._folder(job_id)
        manifests = list(folder.glob(f"*{_MANIFEST}"))
        with _explained(folder, "deleted"):
            for path in [*manifests, *folder.glob("*.blob"), *folder.glob(f"*{_PART}")]:
                path.unlink(missing_ok=True)
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        return len(manifests)

    def _folder(self, job_id: str) -> Path:
        return self._root / safe_name(job_id)

    def _data_file(self, info: BlobInfo) -> Path:
        return self._folder(info.job_id) / f"{info.id}.{info.sha256[:16]}.blob"


def _files_of(blob_id: str, folder: Path) -> list[Path]:
    # not by a pattern: an id may hold dots, and “a” must not match the files of “a.b”
    return [path for path in folder.glob("*.blob") if path.name.rsplit(".", 2)[0] == blob_id]


def _write_synced(path: Path, data: bytes) -> None:
    """Write a temporary file, sync, rename, sync the folder: after a crash the file is complete or doesn't exist."""
    part = path.with_name(f"{path.name}.{os.getpid()}{_PART}")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def _explained(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = "check the folder's rights and owner"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "the disk is full: free some space, or delete old snapshots"
        elif error.errno == errno.EFBIG:
            hint = "a limit on the size of files (`ulimit -f`) is too low for a snapshot: raise it for this process"
        raise SnapshotError(f"{path} can't be {what}: {error.strerror or error}", hint=hint) from error
