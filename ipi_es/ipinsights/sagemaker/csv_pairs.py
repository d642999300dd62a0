"""Reads (entity, address) pairs from headerless `entity,ip` CSV files, the format of SageMaker's IP Insights.

A third column, the time, is ours. Unusable rows are counted by kind and never fatal. Addresses may be IPv4 or IPv6.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.addresses import packed
from ipi_es.errors import NoEvents, UsageError
from ipi_es.ipinsights.network.pair_file import PairFile
from ipi_es.ipinsights.sagemaker.csv_records import records
from ipi_es.ipinsights.sagemaker.line_files import STDIN, opened
from ipi_es.times import row_time

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses

_WAITING = 1 << 17
"""Numbers, two per row, that are buffered in memory before they are written to the file."""
_TIMED = 3
"""Columns of a row with its time."""
_NUMBERS = {2: "two", _TIMED: "three"}
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
    time: NDArray[np.int64] | None = None  # [rows of the file] epoch seconds; None where the files have no times
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
        self._columns: int | None = None
        """2 or 3, by the first usable row of all that is read."""

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
        found, left_out, numbers, times = PairFile(), SkippedRows(), array("i"), array("q")
        for file in files_of(path):
            with opened(file) as lines:
                for entity, ip, time in self._rows(lines, file.name if file != STDIN else "stdin", left_out):
                    numbers.extend((entity, ip))
                    if time is not None:
                        times.append(time)
                    if len(numbers) >= _WAITING:
                        found.extend(np.frombuffer(numbers, dtype=np.int32).reshape(-1, 2))
                        numbers = array("i")
        found.extend(np.array(numbers, dtype=np.int32).reshape(-1, 2))
        if not len(found):
            raise NoEvents(
                f"no row of {path} can be used" + (f": {left_out.said()}" if left_out.total else ": it is empty"),
                hint="a row is entity,ip or entity,ip,time without a header: alice,192.0.2.1",
            )
        of_rows = np.array(times, dtype=np.int64) if self._columns == _TIMED else None
        return ChannelRows(found, np.ones(len(found), dtype=np.bool_), of_rows, left_out)

    def _rows(self, lines: Iterator[str], name: str, left_out: SkippedRows) -> Iterator[tuple[int, int, int | None]]:
        """Yield (entity, address, time) of the usable rows; time None where there are two columns."""
        entities, ips = self._entities, self._ips
        for number, cells in records(lines):
            place = f"{name}:{number}"
            if self._columns is None:
                self._columns = _columns_of(cells)
            if len(cells) != (self._columns or 2):
                left_out.add(f"without exactly {_NUMBERS[self._columns or 2]} columns", place, ",".join(cells))
                continue
            entity, ip, *rest = cells
            time = row_time(rest[0]) if rest else None
            if rest and time is None:
                left_out.add("with a time that can't be read", place, ",".join(cells))
                continue
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
            yield known, at, time


def _columns_of(cells: list[str]) -> int | None:
    """Return the number of columns of a usable row; None for any other row, which decides nothing."""
    if len(cells) not in _NUMBERS or not cells[0] or packed(cells[1]) is None:
        return None
    return None if len(cells) == _TIMED and row_time(cells[2]) is None else len(cells)


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
