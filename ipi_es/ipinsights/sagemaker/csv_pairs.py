"""Reads (entity, address) pairs from headerless `entity,ip` CSV files, the format of SageMaker's IP Insights.

Unusable rows are counted by kind and never fatal. Addresses may be IPv4 or IPv6.
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from ipi_es.addresses import packed
from ipi_es.errors import DataError, NoEvents, UsageError
from ipi_es.ipinsights.network.pair_file import PairFile
from ipi_es.ipinsights.sagemaker.csv_records import records

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses

STDIN = Path("-")
_GZIP = b"\x1f\x8b"
_WAITING = 1 << 17
"""Numbers, two per row, that are buffered in memory before they are written to the file."""
_SHOWN = 60
"""Maximum number of characters of a malformed line that are shown."""
_HIDDEN = (".", "_")
"""First characters of the names of marker files, which batch jobs write beside their data (``_SUCCESS``,
``.part.crc``)."""


@dataclass(slots=True)
class SkippedRows:
    """Unusable rows: the number of each kind, and the first such row."""

    counts: dict[str, int] = field(default_factory=dict)
    first: str = ""

    @property
    def total(self) -> int:
        """Number of unusable rows."""
        return sum(self.counts.values())

    def add(self, kind: str, place: str, text: str) -> None:
        """Count one more row of a kind; keep the place and text of the first."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if not self.first:
            plain = text.encode("utf-8", "replace").decode().strip()
            self.first = f"{place}: {plain[:_SHOWN]}{'…' if len(plain) > _SHOWN else ''}"

    def said(self) -> str:
        """Describe them: ``3 with a malformed address, 1 with an empty entity (first: train.csv:4: …)``."""
        return ", ".join(f"{count:,} {kind}" for kind, count in self.counts.items()) + f" (first: {self.first})"


@dataclass(frozen=True, slots=True, eq=False)
class ChannelRows:
    """The rows of one channel, in the order of its files: indexes of the reader's entities and addresses."""

    file: PairFile
    kept: NDArray[np.bool_]  # which rows of the file
    left_out: SkippedRows = field(default_factory=SkippedRows)

    def __len__(self) -> int:
        return int(np.count_nonzero(self.kept))

    def rows(self, most: int, rng: np.random.Generator) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return (entity, ip) int32[n] of at most ``most`` rows, in order; a random sample where there are more."""
        at = np.flatnonzero(self.kept)
        if len(at) > most:
            at = at[np.sort(rng.choice(len(at), most, replace=False, shuffle=False))]
        found = self.file.take(at)
        return found[:, 0].copy(), found[:, 1].copy()


class PairReader:
    """Reads channels with one shared vocabulary, so that indexes mean the same in training and validation."""

    def __init__(self) -> None:
        self._entities: dict[str, int] = {}
        self._ips: dict[str, int] = {}
        self._packed: list[bytes] = []

    @property
    def entities(self) -> list[str]:
        """All entities read so far."""
        return list(self._entities)

    @property
    def addresses(self) -> Addresses:
        """uint8[m, 16]: all addresses read so far; one that is spelled in two ways occurs twice."""
        return np.frombuffer(b"".join(self._packed), dtype=np.uint8).reshape(-1, 16)

    def read(self, path: Path) -> ChannelRows:
        """Read all pairs of a file, of standard input (``-``), or of all files below a folder; gzip is recognized.

        Raises UsageError where no file can be read there, NoEvents where no row is usable, DataError for damaged gzip.
        """
        found, left_out, numbers = PairFile(), SkippedRows(), array("i")
        for file in files_of(path):
            with opened(file) as lines:
                for pair in self._pairs(lines, file.name if file != STDIN else "stdin", left_out):
                    numbers.extend(pair)
                    if len(numbers) >= _WAITING:
                        found.extend(np.frombuffer(numbers, dtype=np.int32).reshape(-1, 2))
                        numbers = array("i")
        found.extend(np.array(numbers, dtype=np.int32).reshape(-1, 2))
        if not len(found):
            raise NoEvents(
                f"no row of {path} can be used" + (f": {left_out.said()}" if left_out.total else ": it is empty"),
                hint="a row is entity,ip without a header: alice,192.0.2.1",
            )
        return ChannelRows(found, np.ones(len(found), dtype=np.bool_), left_out)

    def _pairs(self, lines: Iterator[str], name: str, left_out: SkippedRows) -> Iterator[tuple[int, int]]:
        entities, ips = self._entities, self._ips
        for number, cells in records(lines):
            place = f"{name}:{number}"
            if len(cells) != 2:
                left_out.add("without exactly two columns", place, ",".join(cells))
                continue
            entity, ip = cells
            at = ips.get(ip)
            if at is None:
                blob = packed(ip)
                if blob is None:
                    left_out.add("with a malformed address", place, ",".join(cells))
                    continue
                at = ips[ip] = len(ips)
                self._packed.append(blob)
            if not entity:
                left_out.add("with an empty entity", place, ",".join(cells))
                continue
            known = entities.get(entity)
            if known is None:
                if not entity.isascii() and not _is_text(entity):
                    left_out.add("that are not UTF-8", place, ",".join(cells))
                    continue
                known = entities[entity] = len(entities)
            yield known, at


def _is_text(text: str) -> bool:
    """Return whether the text has no surrogate escapes, which replace bytes that aren't UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def files_of(path: Path) -> list[Path]:
    """Return the file at ``path``, or all files below the folder there without marker files. Raises UsageError."""
    if path == STDIN:
        return [path]
    if not path.exists():
        raise UsageError(f"there is no {path}", hint="name a CSV file, a folder of them, or - for standard input")
    if not path.is_dir():
        return [path]
    found = sorted(
        file
        for file in path.rglob("*")
        if file.is_file() and not any(part.startswith(_HIDDEN) for part in file.relative_to(path).parts)
    )
    if not found:
        raise UsageError(f"the folder {path} has no files", hint="name a folder with CSV files of entity,ip")
    return found


@contextmanager
def opened(path: Path) -> Iterator[Iterator[str]]:
    """Open a file, plain or gzip, as an iterator of lines; bytes that aren't UTF-8 become surrogate escapes.

    Raises DataError for damaged gzip, UsageError where the file can't be read.
    """
    try:
        with _bytes(path) as stream:
            plain: BinaryIO = stream
            if stream.peek(len(_GZIP))[: len(_GZIP)] == _GZIP:
                plain = cast("BinaryIO", gzip.GzipFile(fileobj=stream))
            text = io.TextIOWrapper(plain, encoding="utf-8-sig", errors="surrogateescape", newline="")
            yield iter(text)
            text.detach()
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        hint = "write it again, or unpack what can be read of it"
        raise DataError(f"{path} is damaged: {error}", hint=hint) from error
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror or error}", hint="check its rights") from error


@contextmanager
def _bytes(path: Path) -> Iterator[io.BufferedReader[Any]]:
    if path != STDIN:
        with path.open("rb") as file:
            yield file
        return
    buffered = io.BufferedReader(cast("io.RawIOBase", sys.stdin.buffer))
    yield buffered
    buffered.detach()
