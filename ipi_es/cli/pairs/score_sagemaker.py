"""SageMaker's inference interface of `score`: content types of a request and of its answer. No IO but reading lines.

A row that can't be scored keeps its place: its ``dot_product`` is null, with an error (in CSV an empty cell).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TextIO, TypeAlias

import orjson

from ipi_es.cli.pairs.score_rows import Row, RowFormat, json_row, read_rows
from ipi_es.errors import DataError, UsageError

Kind: TypeAlias = Literal["text/csv", "application/json", "application/jsonlines"]
CSV: Kind = "text/csv"
JSON: Kind = "application/json"
JSON_LINES: Kind = "application/jsonlines"
KINDS: tuple[Kind, ...] = (CSV, JSON, JSON_LINES)

_EXAMPLE = '{"instances": [{"features": ["alice", "192.0.2.1"]}]}'


@dataclass(frozen=True, slots=True)
class MediaType:
    """A content type, and whether ``;verbose=True`` follows it."""

    kind: Kind
    verbose: bool = False

    @classmethod
    def parse(cls, text: str, option: str) -> MediaType:
        """Parse a type such as ``application/json; verbose=True``.

        ``option`` is the option's name for the error. Raises UsageError for an unknown type.
        """
        name, *parameters = [part.strip().lower() for part in text.split(";")]
        verbose = any(part.replace(" ", "") in ("verbose=true", 'verbose="true"') for part in parameters)
        for kind in KINDS:
            if name == kind:
                return cls(kind, verbose)
        if name in ("*/*", "application/*", ""):
            return cls(JSON, verbose)
        raise UsageError(f"{option} {text}: no such content type here", hint=f"one of {', '.join(KINDS)}")


def request_rows(lines: TextIO, content_type: MediaType | None) -> Iterator[Row]:
    """Return the rows of a request; content type None: the first line decides between CSV and JSON lines.

    Raises DataError if a JSON request isn't JSON or has no list of instances.
    """
    if content_type is None or content_type.kind != JSON:
        given: RowFormat | None = None
        if content_type is not None:
            given = "csv" if content_type.kind == CSV else "json"
        return read_rows(lines, given)[1]
    return _instances(lines.read())


def _instances(text: str) -> Iterator[Row]:
    try:
        found = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        hint = f"one JSON document: {_EXAMPLE}; --content-type {JSON_LINES} takes one instance a line"
        raise DataError(f"the request is no JSON: {error}", hint=hint) from error
    instances = found.get("instances") if isinstance(found, dict) else None
    if not isinstance(instances, list):
        raise DataError("the request has no list of instances", hint=f"it looks like {_EXAMPLE}")
    return (json_row(number, each, orjson.dumps(each).decode()) for number, each in enumerate(instances, start=1))


@dataclass(frozen=True, slots=True)
class Prediction:
    """``dot_product``: the network's log-odds on SageMaker's scale, high = usual; the dot product of the embeddings."""

    dot_product: float
    entity_embedding: list[float] | None = None
    ip_embedding: list[float] | None = None


class Answer:
    """Formats predictions in the order of their rows, block by block; a JSON answer is nevertheless one document."""

    def __init__(self, accept: MediaType) -> None:
        self._accept = accept
        self._first = True

    def begin(self) -> str:
        """Return the text before the first prediction."""
        return '{"predictions":[' if self._accept.kind == JSON else ""

    def end(self) -> str:
        """Return the text after the last prediction."""
        return "]}\n" if self._accept.kind == JSON else ""

    def one(self, row: Row, prediction: Prediction | None) -> str:
        """Format one prediction; None: the row is malformed."""
        if self._accept.kind == CSV:
            return _csv_line(prediction, verbose=self._accept.verbose)
        text = orjson.dumps(self._content(row, prediction)).decode()
        if self._accept.kind == JSON_LINES:
            return text + "\n"
        before, self._first = "" if self._first else ",", False
        return before + text

    def _content(self, row: Row, prediction: Prediction | None) -> dict[str, Any]:
        if prediction is None:
            return {"dot_product": None, "error": row.error}
        if not self._accept.verbose:
            return {"dot_product": prediction.dot_product}
        return {
            "dot_product": prediction.dot_product,
            "entity_embedding": prediction.entity_embedding,
            "ip_embedding": prediction.ip_embedding,
        }


def _csv_line(prediction: Prediction | None, *, verbose: bool) -> str:
    """Format a CSV line such as ``1.25``; ``verbose``: with the two embeddings as JSON lists."""
    cells: list[Any] = ["" if prediction is None else prediction.dot_product]
    if verbose:
        vectors = (None, None) if prediction is None else (prediction.entity_embedding, prediction.ip_embedding)
        cells += ["" if vector is None else orjson.dumps(vector).decode() for vector in vectors]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
