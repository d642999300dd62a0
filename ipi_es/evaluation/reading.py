"""Events from a file: CSV with a header, or JSON lines, plain or gzip; recognized by content, not by name."""

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
"""Spellings of an empty cell (in lower case) that programs write into tables."""
NORMAL_LABELS = NO_LABELS | {"0", "0.0", "false", "no", "normal", "benign", "legitimate", "ok"}
"""Labels (in lower case) of rows that are no attack."""
PLAIN_ATTACK_LABELS = frozenset({"1", "1.0", "true", "yes", "malicious", "anomaly", "anomalous"})
"""Labels (in lower case) that mark an attack without a kind; every other label is the name of a kind of attack."""
ATTACK = "attack"
_GZIP = b"\x1f\x8b"
_UNITS = ((100_000_000_000_000_000, 1_000_000_000), (100_000_000_000_000, 1_000_000), (100_000_000_000, 1_000))
"""(minimum, units per second): numbers this large are epoch nanoseconds, microseconds, milliseconds. In the next larger
unit each would be later than the year 5000."""
_MAX_TIME = 253_402_300_800
"""Epoch seconds: the start of the year 10000, which ISO 8601 can't express."""
_FORM = (
    'a CSV with the header timestamp,entity,ip[,group][,label], or JSON lines {"timestamp": …, "entity": …, "ip": …}'
)
_MAX_SHOWN = 60


def read_events(path: Path) -> EvaluationEvents:
    """Read the events of a file, in its order; malformed addresses are counted and left out.

    Raises UsageError where the file can't be read or lacks a column, DataError for an invalid timestamp or JSON line,
    NoEvents where no row is usable.
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
    """Yield (line number, row under our column names); the first non-empty line decides between CSV and JSON."""
    head = next((line for line in lines if line.strip()), "")
    if head.lstrip().startswith("{"):
        yield from _json_rows(head, lines, path)
        return
    # unlike csv.reader, ``records`` loses only one line to a stray quotation mark, not all that follow
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
    """Replace aliases by our column names, unless a column with our name exists too."""
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
    """Collects rows in file order, with vocabularies."""

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
        """Add one row; unusable rows are counted. Raises DataError for an invalid time."""
        texts = {name: _text(row.get(name)) for name in (*REQUIRED, *OPTIONAL)}
        entity, ip = texts["entity"], texts["ip"]
        if not entity or ip is None:  # an empty entity name is invalid, as in a job
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
        """Return all rows as arrays."""
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
    if isinstance(value, list | dict):  # several values or an object: not a single name, address or time
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _seconds(text: str | None, number: int, path: Path) -> int:
    """Parse ISO 8601 (UTC if it names no zone) or epoch seconds, milli-, micro- or nanoseconds; return epoch seconds.

    Raises DataError for other texts.
    """
    cleaned = (text or "").strip()
    try:
        return _seconds_of(cleaned)
    except (ValueError, OverflowError) as error:
        raise DataError(
            f"{path}, line {number}: “{_shown(cleaned)}” is no time",
            hint="write ISO 8601 (2026-05-01T08:00:00Z, UTC if it names no zone) or epoch seconds",
        ) from error


def _seconds_of(text: str) -> int:
    """Parse a time. Raises ValueError or OverflowError where the text is no valid time."""
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
    """Read uint8[n, 16] from a file with one address per line.

    Text after an address, lines that begin with # and invalid addresses are ignored. Raises UsageError where the file
    can't be read or has no address.
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
