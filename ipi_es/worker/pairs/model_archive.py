"""Snapshots in a `model.tar.gz`, as SageMaker packs the folder that a training filled."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from shutil import copyfileobj
from tempfile import TemporaryDirectory

from ipi_es.errors import SnapshotDamaged, SnapshotError

MAX_BYTES = 32 << 30
"""Bytes of unpacked files: far above the size of any network with its history; a small archive may claim any size."""

MAX_FILES = 100_000
"""Members of an archive; a snapshot has two files, and each day of its history two more."""


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Yield the directory with snapshots that ``path`` is, or that a tar archive at ``path`` has inside.

    An archive is unpacked into a temporary folder that is removed at the end. Only plain files are taken, and none
    that would lie outside of the folder. Raises SnapshotDamaged for any other archive, SnapshotError for a full disk.
    """
    if path.is_dir():
        yield path
        return
    with TemporaryDirectory(prefix="ipi-es-model-") as folder:
        try:
            _unpack(path, Path(folder))
        except (tarfile.TarError, EOFError, ValueError, zlib.error) as error:
            raise _damaged(path, str(error) or "it ends too early") from error
        except OSError as error:
            # gzip's own error is an OSError without a number
            if error.errno is None:
                raise _damaged(path, str(error)) from error
            hint = "check its rights, and the space where TMPDIR points to"
            raise SnapshotError(f"{path} can't be unpacked: {error.strerror or error}", hint=hint) from error
        yield Path(folder)


def _unpack(path: Path, folder: Path) -> None:
    total = 0
    with tarfile.open(path, "r:*") as archive:
        for number, member in enumerate(archive, start=1):
            total += member.size
            if number > MAX_FILES or total > MAX_BYTES:
                raise _damaged(path, f"it has more than {MAX_FILES:,} files or {MAX_BYTES >> 30} GiB")
            if member.isdir():
                continue
            name = PurePosixPath(member.name)
            if not member.isfile() or name.is_absolute() or ".." in name.parts:
                raise _damaged(path, f"its member “{member.name[:80]}” is no plain file within the archive's folder")
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            source = archive.extractfile(member)
            assert source is not None  # a plain file has contents
            with source, target.open("xb") as file:
                copyfileobj(source, file)


def _damaged(path: Path, why: str) -> SnapshotDamaged:
    return SnapshotDamaged(
        f"{path} can't be used as an archive of snapshots: {why}",
        hint="pack a training's folder: tar -C DIR -czf FILE .",
    )
