"""Events from a file: CSV with a header, or JSON lines, plain or gzip; recognized by content, not by name."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from ipi_es.addresses import packed
from ipi_es.errors import DataError, NoEvents, UsageError
from ipi_es.evaluation.evaluation_events import NO_GROUP, NORMAL, EvaluationEvents
from ipi_es.evaluation.event_columns import EventColumns
from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.ipinsights.sagemaker.csv_records import records
from ipi_es.ipinsights.sagemaker.line_files import opened, shown_name
from ipi_es.networks.network_values import country_number, operator_number
from ipi_es.times import row_time

NO_LABELS = frozenset({"", "nan", "<na>", "n/a", "na", "null", "none"})
"""Spellings of an empty cell (in lower case) that programs write into tables."""
NORMAL_LABELS = NO_LABELS | {"0", "0.0", "false", "no", "normal", "benign", "legitimate", "ok"}
"""Labels (in lower case) of rows that are no attack."""
PLAIN_ATTACK_LABELS = frozenset({"1", "1.0", "true", "yes", "malicious", "anomaly", "anomalous"})
"""Labels (in lower case) that mark an attack without a kind; every other label is the name of a kind of attack."""
ATTACK = "attack"
_FORM = (
    'a CSV with the header timestamp,entity,ip[,group][,label], or JSON lines {"timestamp": …, "entity": …, "ip": …}; '
    "--time-column, --entity-column and --ip-column name others"
)
_MAX_SHOWN = 60
_MAX_COUNT = 2**32
"""Counts of a row are below this number, as in a job's history."""


def read_events(path: Path, columns: EventColumns = EventColumns()) -> EvaluationEvents:  # noqa: B008  (frozen)
    """Read the events of a file, or of standard input (``-``), in its order; unusable rows are counted and left out.

    Raises UsageError where the file can't be read or lacks a column, DataError for an invalid timestamp or JSON line
    and for damaged gzip, NoEvents where no row is usable.
    """
    found, name = _Columns(), shown_name(path)
    with opened(path) as lines:
        for number, row in _rows(lines, name, columns):
            found.take(number, row, name)
    if not found.time:
        malformed = sum(found.malformed.values())
        raise NoEvents(f"{name} has no usable row ({malformed:,} malformed)", hint=f"expected: {_FORM}")
    return found.events()


def _rows(lines: Iterator[str], name: str, columns: EventColumns) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (line number, values by meaning); the first non-empty line decides between CSV and JSON."""
    head = next((line for line in lines if line.strip()), "")
    if head.lstrip().startswith("{"):
        yield from _json_rows(chain([head], lines), name, columns)
        return
    # unlike csv.reader, ``records`` loses only one line to a stray quotation mark, not all that follow
    found = records(chain([head], lines))
    _, header = next(found, (1, []))
    places = columns.places(header)
    _require(columns, set(places), header, name)
    for number, cells in found:
        yield number, {meaning: cells[place] for meaning, place in places.items() if place < len(cells)}


def _json_rows(lines: Iterator[str], name: str, columns: EventColumns) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = orjson.loads(line)
        except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
            raise DataError(f"{name}, line {number}: no JSON: {_shown(line)}", hint=f"expected: {_FORM}") from error
        if not isinstance(found, dict):
            raise DataError(f"{name}, line {number}: no JSON object: {_shown(line)}", hint=f"expected: {_FORM}")
        row = columns.values(found)
        if number == 1:
            _require(columns, set(row) | columns.needed.keys() - {"time", "entity", "ip"}, list(found), name)
        yield number, row


def _require(columns: EventColumns, present: set[str], header: list[str], name: str) -> None:
    """Raise UsageError where a needed column isn't ``present`` (by meaning), or the header has one twice."""
    missing = [column for meaning, column in columns.needed.items() if meaning not in present]
    if missing:
        found = ", ".join(_shown(column) for column in header) or "nothing"
        raise UsageError(f"{name} lacks {' and '.join(missing)}; it has {found}", hint=f"expected: {_FORM}")
    twice = [column for column in columns.needed.values() if header.count(column) > 1]
    if twice:
        raise UsageError(
            f"{name} has more than one column {' and '.join(twice)}", hint="give others another name in the first line"
        )


class _Columns:
    """Collects rows in file order, with vocabularies."""

    def __init__(self) -> None:
        self.time, self.entity, self.ip = array("q"), array("i"), array("i")
        self.group, self.label, self.count = array("i"), array("i"), array("q")
        self.operator, self.country = array("I"), array("H")  # of each address: the largest number that it has
        self.entities: dict[str, int] = {}
        self.spelled: dict[str, int | None] = {}
        self.addresses: dict[bytes, int] = {}
        self.groups: dict[str, int] = {}
        self.labels: dict[str, int] = {}
        self.labelled = self.counted = False
        self.malformed: Counter[str] = Counter()

    def take(self, number: int, row: Mapping[str, Any], name: str) -> None:
        """Add one row of the file ``name``; unusable rows are counted. Raises DataError for an invalid time."""
        entity, ip = _text(row.get("entity")), _text(row.get("ip"))
        if not entity or ip is None:  # an empty entity name is invalid, as in a job
            self.malformed["missing entity or ip"] += 1
            return
        address = self._address(ip)
        if address is None:
            self.malformed["malformed ip"] += 1
            return
        self.counted |= "count" in row
        count = _count(row.get("count", 1))
        if count is None:
            self.malformed["count that is no whole number from 1"] += 1
            return
        self.count.append(count)
        self.operator[address] = max(self.operator[address], operator_number(row.get("operator")))
        self.country[address] = max(self.country[address], country_number(row.get("country")))
        self.time.append(_seconds(_text(row.get("time")), number, name))
        self.entity.append(self.entities.setdefault(entity, len(self.entities)))
        self.ip.append(address)
        group = _text(row.get("group"))
        self.group.append(self.groups.setdefault(group, len(self.groups)) if group else NO_GROUP)
        self.labelled |= "label" in row
        self.label.append(self._label(_text(row.get("label")) or ""))

    def _address(self, ip: str) -> int | None:
        """Return the number of an address; None for a malformed one."""
        if ip not in self.spelled:
            blob = packed(ip)
            self.spelled[ip] = None if blob is None else self.addresses.setdefault(blob, len(self.addresses))
            if len(self.addresses) > len(self.operator):
                self.operator.append(0)
                self.country.append(0)
        return self.spelled[ip]

    def _label(self, text: str) -> int:
        word = text.strip().lower()
        if word in NORMAL_LABELS:
            return NORMAL
        kind = ATTACK if word in PLAIN_ATTACK_LABELS else word
        return 1 + self.labels.setdefault(kind, len(self.labels))

    def events(self) -> EvaluationEvents:
        """Return all rows as arrays."""
        context = AddressContext(np.array(self.operator, dtype=np.uint32), np.array(self.country, dtype=np.uint16))
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
            count=np.array(self.count, dtype=np.int64) if self.counted else None,
            context=context or None,
        )


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | dict):  # several values or an object: not a single name, address or time
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _count(value: Any) -> int | None:
    """Return a count, at least 1; None for any other value."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if 1 <= number < _MAX_COUNT and number.is_integer() else None


def _seconds(text: str | None, number: int, name: str) -> int:
    """Parse ISO 8601 (UTC if it names no zone) or epoch seconds, milli-, micro- or nanoseconds; return epoch seconds.

    Raises DataError for other texts.
    """
    cleaned = (text or "").strip()
    seconds = row_time(cleaned)
    if seconds is None:
        raise DataError(
            f"{name}, line {number}: “{_shown(cleaned)}” is no time",
            hint="write ISO 8601 (2026-05-01T08:00:00Z, UTC if it names no zone) or epoch seconds",
        )
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
