"""Events from a file: CSV with a header, or JSON lines; plain or gzip; by what is in it, not by its name."""

from __future__ import annotations

import gzip
import io
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson

from ipi_es.addresses import packed
from ipi_es.errors import DataError, NoEvents, UsageError
from ipi_es.evaluation.evaluation_events import NO_GROUP, NORMAL, EvaluationEvents
from ipi_es.ipinsights.sagemaker.csv_records import records

REQUIRED = ("timestamp", "entity", "ip")
OPTIONAL = ("group", "label")
ALIASES = {"@timestamp": "timestamp"}
NO_LABELS = frozenset({"", "nan", "<na>", "n/a", "na", "null", "none"})
"""How programs that write tables spell a cell that is empty (in lower case)."""
NORMAL_LABELS = NO_LABELS | {"0", "0.0", "false", "no", "normal", "benign", "legitimate", "ok"}
"""Labels (in lower case) of rows that are no attack."""
PLAIN_ATTACK_LABELS = frozenset({"1", "1.0", "true", "yes", "malicious", "anomaly", "anomalous"})
"""Labels (in lower case) that say no more than that it is one; every other label names its own kind of attack."""
ATTACK = "attack"
_GZIP = b"\x1f\x8b"
_UNITS = ((100_000_000_000_000_000, 1_000_000_000), (100_000_000_000_000, 1_000_000), (100_000_000_000, 1_000))
"""(from, a second): numbers this large are epoch nanoseconds, microseconds, milliseconds. As a number of the next
larger unit each would be later than the year 5000."""
_MAX_TIME = 253_402_300_800
"""Epoch seconds: the begin of the year 10000, which ISO 8601 can't write."""
_FORM = (
    'a CSV with the header timestamp,entity,ip[,group][,label], or JSON lines {"timestamp": …, "entity": …, "ip": …}'
)
_MAX_SHOWN = 60


def read_events(path: Path) -> EvaluationEvents:
    """The events of a file, in its order; malformed addresses are counted and left out.

    UsageError: no such file, or a column is missing; DataError: a timestamp can't be read; NoEvents: no usable row.
    """
    columns = _Columns()
    try:
        with path.open("rb") as raw:
            zipped = raw.read(len(_GZIP)) == _GZIP
            raw.seek(0)
            source: IO[bytes] = gzip.GzipFile(fileobj=raw) if zipped else raw  # type: ignore[assignment]
            with io.TextIOWrapper(source, encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
                for number, row in _rows(lines, path):
                    columns.take(number, row, path)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        hint = "it is damaged or cut off: write it again, or unpack what can be read of it"
        raise UsageError(f"{path} can't be read: {error}", hint=hint) from error
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error}", hint="give a file of events: " + _FORM) from error
    if not columns.time:
        malformed = sum(columns.malformed.values())
        raise NoEvents(f"{path} has no usable row ({malformed:,} malformed)", hint=f"expected: {_FORM}")
    return columns.events()


def _rows(lines: IO[str], path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(line number, row under our names) of either form; the first line tells which."""
    head = next((line for line in lines if line.strip()), "")
    if head.lstrip().startswith("{"):
        yield from _json_rows(head, lines, path)
        return
    # unlike csv.reader, these lose one line to a stray quotation mark, and not all that follow
    found = records(_again(head, lines))
    _, columns = next(found, (1, []))
    names = _named(columns)
    _require(names, path)
    for number, cells in found:
        yield number, dict(zip(names, cells, strict=False))


def _json_rows(head: str, lines: IO[str], path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(_again(head, lines), start=1):
        if not line.strip():
            continue
        try:
            found = orjson.loads(line)
        except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
            raise DataError(f"{path}, line {number}: no JSON: {_shown(line)}", hint=f"expected: {_FORM}") from error
        if not isinstance(found, dict):
            raise DataError(f"{path}, line {number}: no JSON object: {_shown(line)}", hint=f"expected: {_FORM}")
        row = dict(zip(_named(list(found)), found.values(), strict=True))
        if number == 1:
            _require(list(row), path)
        yield number, row


def _named(columns: list[str]) -> list[str]:
    """Under our names; a column that has our name goes before one that is another word for it."""
    return [name if ALIASES.get(name, name) in columns else ALIASES.get(name, name) for name in columns]


def _again(head: str, lines: IO[str]) -> Iterator[str]:
    yield head
    yield from lines


def _require(names: list[str], path: Path) -> None:
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        found = ", ".join(_shown(name) for name in names) or "nothing"
        raise UsageError(f"{path} lacks {' and '.join(missing)}; it has {found}", hint=f"expected: {_FORM}")
    twice = [name for name in (*REQUIRED, *OPTIONAL) if names.count(name) > 1]
    if twice:
        raise UsageError(
            f"{path} has more than one column {' and '.join(twice)}", hint="give others another name in the first line"
        )


class _Columns:
    """Rows as they come, with vocabularies."""

    def __init__(self) -> None:
        self.time, self.entity, self.ip = array("q"), array("i"), array("i")
        self.group, self.label = array("i"), array("i")
        self.entities: dict[str, int] = {}
        self.spelled: dict[str, int | None] = {}
        self.addresses: dict[bytes, int] = {}
        self.groups: dict[str, int] = {}
        self.labels: dict[str, int] = {}
        self.labelled = False
        self.malformed: Counter[str] = Counter()

    def take(self, number: int, row: Mapping[str, Any], path: Path) -> None:
        """One row; what can't be used is counted, an unreadable time is an error."""
        texts = {name: _text(row.get(name)) for name in (*REQUIRED, *OPTIONAL)}
        entity, ip = texts["entity"], texts["ip"]
        if not entity or ip is None:  # an entity without a name is none, as in a job
            self.malformed["missing entity or ip"] += 1
            return
        if ip not in self.spelled:
            blob = packed(ip)
            self.spelled[ip] = None if blob is None else self.addresses.setdefault(blob, len(self.addresses))
        address = self.spelled[ip]
        if address is None:
            self.malformed["malformed ip"] += 1
            return
        self.time.append(_seconds(texts["timestamp"], number, path))
        self.entity.append(self.entities.setdefault(entity, len(self.entities)))
        self.ip.append(address)
        group = texts["group"]
        self.group.append(self.groups.setdefault(group, len(self.groups)) if group else NO_GROUP)
        self.labelled |= "label" in row
        self.label.append(self._label(texts["label"] or ""))

    def _label(self, text: str) -> int:
        word = text.strip().lower()
        if word in NORMAL_LABELS:
            return NORMAL
        kind = ATTACK if word in PLAIN_ATTACK_LABELS else word
        return 1 + self.labels.setdefault(kind, len(self.labels))

    def events(self) -> EvaluationEvents:
        """All of them as arrays."""
        return EvaluationEvents(
            time=np.array(self.time, dtype=np.int64),
            entities=list(self.entities),
            entity=np.array(self.entity, dtype=np.int32),
            addresses=np.frombuffer(b"".join(self.addresses), dtype=np.uint8).reshape(-1, 16),
            ip=np.array(self.ip, dtype=np.int32),
            group=np.array(self.group, dtype=np.int32),
            label=np.array(self.label, dtype=np.int32),
            labels=tuple(self.labels),
            labelled=self.labelled,
            malformed=dict(self.malformed),
        )


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | dict):  # several, or a part of a document: not one name, address or time
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _seconds(text: str | None, number: int, path: Path) -> int:
    """Epoch seconds of ISO 8601 (UTC if it names no zone) or of epoch seconds, milli-, micro- or nanoseconds."""
    cleaned = (text or "").strip()
    try:
        return _seconds_of(cleaned)
    except (ValueError, OverflowError) as error:
        raise DataError(
            f"{path}, line {number}: “{_shown(cleaned)}” is no time",
            hint="write ISO 8601 (2026-05-01T08:00:00Z, UTC if it names no zone) or epoch seconds",
        ) from error


def _seconds_of(text: str) -> int:
    """ValueError, OverflowError for what is no time."""
    try:
        value = float(text)
    except ValueError:
        parsed = datetime.fromisoformat(text.upper().removesuffix(" UTC"))
        return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())
    seconds = int(value) // next((unit for least, unit in _UNITS if abs(value) >= least), 1)
    if abs(seconds) >= _MAX_TIME:
        raise OverflowError("beyond the calendar")
    return seconds


def _shown(text: str) -> str:
    printable = text.strip().encode("utf-8", "replace").decode()
    return printable if len(printable) <= _MAX_SHOWN else printable[:_MAX_SHOWN] + "…"


def read_attackers(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """uint8[n, 16] of a file with one address a line (what follows it, and lines with #, are left out).

    UsageError: no such file, or it has no address.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error}", hint="give a file with one IP address a line") from error
    words = (line.replace(",", " ").split() for line in text.splitlines() if not line.lstrip().startswith("#"))
    blobs = [packed(each[0]) for each in words if each]
    found = [blob for blob in blobs if blob is not None]
    if not found:
        raise UsageError(f"{path} has no IP address", hint="give a file with one IP address a line")
    return np.frombuffer(b"".join(found), dtype=np.uint8).reshape(-1, 16)
