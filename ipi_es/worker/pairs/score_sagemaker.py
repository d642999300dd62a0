"""SageMaker's inference interface: content types of a request and of its answer. No IO but reading lines.

A row that can't be scored keeps its place: its ``dot_product`` is null, with an error (in CSV an empty cell).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import orjson

from ipi_es.errors import DataError, UsageError
from ipi_es.worker.pairs.score_rows import Row, RowFormat, Score, csv_line, json_row, read_rows

Kind: TypeAlias = Literal["text/csv", "application/json", "application/jsonlines"]
CSV: Kind = "text/csv"
JSON: Kind = "application/json"
JSON_LINES: Kind = "application/jsonlines"
KINDS: tuple[Kind, ...] = (CSV, JSON, JSON_LINES)

_EXAMPLE = '{"instances": [{"features": ["alice", "192.0.2.1"]}]}'


@dataclass(frozen=True, slots=True)
class MediaType:
    """A content type, and which parameters follow it: ``;verbose=True`` and, ours, ``;probability=True``."""

    kind: Kind
    verbose: bool = False
    probability: bool = False

    @classmethod
    def parse(cls, text: str, option: str) -> MediaType:
        """Parse a type such as ``application/json; verbose=True``; other parameters are ignored.

        ``option`` is the option's name for the error. Raises UsageError for an unknown type.
        """
        name, *parameters = [part.strip().lower() for part in text.split(";")]
        given = {part.replace(" ", "").replace('"', "") for part in parameters}
        verbose, probability = "verbose=true" in given, "probability=true" in given
        for kind in KINDS:
            if name == kind:
                return cls(kind, verbose, probability)
        if name in ("*/*", "application/*", ""):
            return cls(JSON, verbose, probability)
        if name == "text/*":
            return cls(CSV, verbose, probability)
        raise UsageError(f"{option} {text}: no such content type here", hint=f"one of {', '.join(KINDS)}")


def request_rows(lines: Iterable[str], content_type: MediaType | None) -> Iterator[Row]:
    """Return the rows of a request's lines; content type None: the first line decides between CSV and JSON lines.

    Raises DataError if a JSON request isn't JSON or has no list of instances.
    """
    if content_type is None or content_type.kind != JSON:
        given: RowFormat | None = None
        if content_type is not None:
            given = "csv" if content_type.kind == CSV else "json"
        return read_rows(lines, given)[1]
    return _instances("".join(lines))


def _instances(text: str) -> Iterator[Row]:
    try:
        found = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        hint = f"one JSON document: {_EXAMPLE}; --content-type {JSON_LINES} takes one instance a line"
        raise DataError(f"the request is no JSON: {error}", hint=hint) from error
    instances = found.get("instances") if isinstance(found, dict) else None
    if not isinstance(instances, list):
        raise DataError("the request has no list of instances", hint=f"it looks like {_EXAMPLE}")
    return (json_row(number, each) for number, each in enumerate(instances, start=1))


@dataclass(frozen=True, slots=True)
class Prediction:
    """``dot_product``: the network's log-odds on SageMaker's scale, high = usual; the dot product of the embeddings."""

    dot_product: float
    entity_embedding: list[float] | None = None
    ip_embedding: list[float] | None = None
    score: Score | None = None
    """With ``;probability=True``: what `ipi-es score` answers by itself."""


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

    def block(self, rows: Sequence[Row], predictions: Sequence[Prediction | None]) -> str:
        """Format the predictions of some rows; None: the row is malformed."""
        if self._accept.kind == CSV:
            return "".join(map(self._csv_line, predictions))
        found = [self._content(row, each) for row, each in zip(rows, predictions, strict=True)]
        if self._accept.kind == JSON_LINES:
            return "".join(orjson.dumps(each).decode() + "\n" for each in found)
        if not found:
            return ""
        before, self._first = "" if self._first else ",", False
        return before + orjson.dumps(found).decode()[1:-1]

    def _content(self, row: Row, prediction: Prediction | None) -> dict[str, Any]:
        if prediction is None:
            return {"dot_product": None, "error": row.error}
        found: dict[str, Any] = {"dot_product": prediction.dot_product}
        if self._accept.verbose:
            found["entity_embedding"] = prediction.entity_embedding
            found["ip_embedding"] = prediction.ip_embedding
        if prediction.score is not None:
            found |= prediction.score.content()
        return found

    def _csv_line(self, prediction: Prediction | None) -> str:
        """Format a CSV line such as ``1.25``, with the two embeddings as JSON lists, and score, where asked for."""
        cells: list[Any] = ["" if prediction is None else prediction.dot_product]
        if self._accept.verbose:
            vectors = (None, None) if prediction is None else (prediction.entity_embedding, prediction.ip_embedding)
            cells += ["" if vector is None else orjson.dumps(vector).decode() for vector in vectors]
        if self._accept.probability:
            score = None if prediction is None else prediction.score
            cells += [""] * 3 if score is None else score.content().values()
        return csv_line(cells)
