"""Rows of `score`: parse lines of CSV or JSON, write scored lines. No IO.

A malformed row becomes an error row in its place: one bad line must not stop the others.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, TypeAlias

import orjson

from ipi_es.addresses import packed
from ipi_es.ipinsights.sagemaker.csv_records import records

RowFormat: TypeAlias = Literal["csv", "json"]

EMPTY_ADDRESS = bytes(16)
"""Address of a malformed row, which isn't scored."""

MAX_SHOWN = 80
"""Characters of a malformed line that an error message quotes."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line. ``error`` describes what is wrong with it, "" if nothing is; ``line`` counts from 1."""

    line: int
    entity: str = ""
    ip: str = ""
    address: bytes = EMPTY_ADDRESS
    error: str = ""
    sagemaker: bool = False
    """Whether it is in SageMaker's format, and is answered in that format."""


@dataclass(frozen=True, slots=True)
class Score:
    """``compatibility``: log-odds, high = usual; ``probability`` in (0, 1], small = unusual; class of history.

    ``dot_product``: the network's log-odds alone, on SageMaker's scale: against as many sampled pairs as real ones.
    """

    compatibility: float
    probability: float
    history_class: str
    dot_product: float

    def content(self) -> dict[str, Any]:
        """Return what is answered beside ``dot_product``, by name."""
        return {
            "compatibility": self.compatibility,
            "probability": self.probability,
            "history_class": self.history_class,
        }


def read_rows(lines: Iterable[str], given: RowFormat | None = None) -> tuple[RowFormat, Iterator[Row]]:
    """Return the format (the given one, else that of the first line) and the rows; empty lines are skipped."""
    stream = iter(lines)
    if given is None:
        head = next((line for line in stream if line.strip()), "")
        given = "json" if _is_json(head) else "csv"
        stream = chain([head], stream)
    return given, _json_rows(stream) if given == "json" else _csv_rows(stream)


def _is_json(head: str) -> bool:
    """Decide whether the first line is JSON; a name in braces (a GUID) before an address is CSV."""
    if not head.lstrip().startswith(("{", "[")):
        return False
    cells = next(records([head]))[1]
    return len(cells) != 2 or packed(cells[1]) is None


def _csv_rows(lines: Iterator[str]) -> Iterator[Row]:
    for number, cells in records(lines):
        if len(cells) == 2:
            yield _row(number, cells[0], cells[1])
        else:
            text = f"{len(cells)} column{'s' * (len(cells) != 1)} instead of entity,ip"
            entity, ip = [_printable(cell) for cell in [*cells, ""][:2]]
            yield Row(number, entity, ip, error=text)


def _json_rows(lines: Iterator[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = _loaded(line)
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            yield Row(number, error=f"no JSON object in one line: {_shown(line)}")
            continue
        yield json_row(number, found)


def _loaded(line: str) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        # lines of a list, as in SageMaker's own example of JSON lines
        return orjson.loads(line.strip().removesuffix("]").removesuffix(","))


def json_row(number: int, found: Any) -> Row:
    """Return the row of one JSON value; ``number`` is its place from 1."""
    pair, sagemaker = _pair(found)
    if pair is None:
        text = 'must be {"entity": …, "ip": …} or {"features": [entity, ip]}: ' + _shown(_json_text(found))
        if isinstance(found, dict) and "instances" in found:
            text = "is a whole request: --content-type application/json takes it"
        return Row(number, error=text, sagemaker=sagemaker)
    return _row(number, pair[0], pair[1], sagemaker=sagemaker)


def _pair(found: Any) -> tuple[tuple[str, str] | None, bool]:
    """Return ((entity, ip) or None, whether it is in SageMaker's format)."""
    if not isinstance(found, dict):
        return None, False
    sagemaker = "features" in found or "data" in found
    if sagemaker:
        values = found.get("features")
        if values is None:
            data = found["data"]
            values = data.get("features") if isinstance(data, dict) else None
        values = values.get("values") if isinstance(values, dict) else values
    else:
        values = [found.get("entity"), found.get("ip")]
    if not isinstance(values, list) or len(values) != 2:
        return None, sagemaker
    entity, ip = (str(value) if isinstance(value, int) and not isinstance(value, bool) else value for value in values)
    return ((entity, ip) if isinstance(entity, str) and isinstance(ip, str) else None), sagemaker


def _row(line: int, entity: str, ip: str, *, sagemaker: bool = False) -> Row:
    if not entity:
        return Row(line, "", _printable(ip), error="the entity is empty", sagemaker=sagemaker)
    if not (entity.isascii() and ip.isascii()) and (_printable(entity), _printable(ip)) != (entity, ip):
        return Row(line, _printable(entity), _printable(ip), error="is not UTF-8", sagemaker=sagemaker)
    address = packed(ip)
    if address is None:
        return Row(line, entity, ip, error=f"“{_shown(ip)}” is no IP address", sagemaker=sagemaker)
    return Row(line, entity, ip, address, sagemaker=sagemaker)


def _printable(text: str) -> str:
    """Replace the surrogates of bytes that aren't UTF-8 by question marks."""
    return text.encode("utf-8", "replace").decode()


def _json_text(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # nested deeper than is written
        return str(value)


def _shown(text: str) -> str:
    printable = _printable(text.strip())
    return printable if len(printable) <= MAX_SHOWN else printable[:MAX_SHOWN] + "…"


def write_row(row: Row, score: Score | None, form: RowFormat) -> str:
    """Return one line of output with its line end. CSV: entity, ip, compatibility, probability, class, error."""
    if form == "csv":
        found = ["", "", ""] if score is None else score.content().values()
        return csv_line([row.entity, row.ip, *found, row.error])
    if score is None:
        return _json_line({"line": row.line, "entity": row.entity, "ip": row.ip, "error": row.error})
    before = {"dot_product": score.dot_product} if row.sagemaker else {"entity": row.entity, "ip": row.ip}
    return _json_line(before | score.content())


def csv_line(cells: Sequence[Any]) -> str:
    """Return one line of CSV with its line end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _json_line(values: dict[str, Any]) -> str:
    return orjson.dumps(values).decode() + "\n"
