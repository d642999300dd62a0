"""Bulk requests as newline-delimited bodies: encoding, chunking, and the meaning of each item's answer. Pure.

The clients' own helpers aren't used: they report good documents of a failed chunk as failed, and treat a 429 on the
whole request and on an item differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from ipi_es.cluster.answers.faults import BLOCKED, BUSY_STATUSES
from ipi_es.cluster.answers.hints import block_hint, special_hint
from ipi_es.cluster.answers.proofs import Lacking
from ipi_es.cluster.port import BulkItemFailure, BulkOutcome, Drop, Put
from ipi_es.errors import BulkFailed, ClusterError, ClusterReadOnly, PermissionDenied, RequestRejected

CHUNK_ITEMS = 1_000  # documents per request; results are about 1 KB, so the bytes rarely decide
CHUNK_BYTES = 5 * 1024 * 1024  # well under the 22 MB that Elasticsearch 9 refuses; one larger document goes alone
_STATUSES = range(200, 600)
SHOWN_FAILURES = 3  # refused items whose reasons are in the message


@dataclass(frozen=True, slots=True)
class Line:
    """One action, encoded: metadata line and, for a Put, the document; each ends with a newline."""

    id: str
    body: bytes
    is_drop: bool
    versioned: bool


def encode(value: Any, what: str = "the request") -> bytes:
    """Encode a value as JSON bytes; numpy scalars and arrays are written as numbers and lists.

    Raises RequestRejected if a part has no JSON form.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise RequestRejected(
            f"{what} can't be written as JSON: {error}", hint="this is a mistake in ipi-es: report it"
        ) from error


def encode_action(action: Put | Drop) -> Line:
    """Encode the lines of one action; versions become external_gte (never with a condition or ``create``)."""
    meta: dict[str, Any] = {"_index": action.index, "_id": action.id}
    if action.version is not None:
        meta |= {"version": action.version, "version_type": "external_gte"}
    versioned = action.version is not None
    if isinstance(action, Drop):
        return Line(action.id, encode({"delete": meta}) + b"\n", is_drop=True, versioned=versioned)
    source = encode(action.source, f"document {action.id}")
    return Line(action.id, encode({"index": meta}) + b"\n" + source + b"\n", is_drop=False, versioned=versioned)


def chunks(
    actions: Iterable[Put | Drop], *, max_items: int = CHUNK_ITEMS, max_bytes: int = CHUNK_BYTES
) -> Iterator[list[Line]]:
    """Yield the actions in order, encoded, in chunks of at most so many items and bytes (one item at least)."""
    chunk: list[Line] = []
    size = 0
    for action in actions:
        line = encode_action(action)
        if chunk and (len(chunk) >= max_items or size + len(line.body) > max_bytes):
            yield chunk
            chunk, size = [], 0
        chunk.append(line)
        size += len(line.body)
    if chunk:
        yield chunk


def is_busy(status: int, kind: str | None) -> bool:
    """Decide whether an item was refused for the moment only."""
    return status in BUSY_STATUSES and kind != BLOCKED


def check_items(lines: Sequence[Line], answer: Mapping[str, Any]) -> None:
    """Raise Lacking unless a bulk's answer has one item for each line, with its document's id and a status.

    An error beside a good status, and ``errors`` that no item has, are contradictions: then nothing counts as written.
    """
    items = answer.get("items")
    if not isinstance(items, list):
        raise Lacking('has no "items" of the bulk')
    if len(items) != len(lines):
        raise Lacking(f"has {len(items)} items of a bulk of {len(lines)}")
    failed = False
    for line, item in zip(lines, items, strict=True):
        result = next(iter(item.values()), None) if isinstance(item, Mapping) else None
        if not isinstance(result, Mapping) or result.get("_id") != line.id:
            raise Lacking(f"has no item for document {line.id} of the bulk in its place")
        status, error = result.get("status"), result.get("error")
        if not isinstance(status, int) or status not in _STATUSES:
            raise Lacking(f"has no status for document {line.id} of the bulk")
        if error is not None and (status < 300 or not isinstance(error, Mapping)):
            raise Lacking(f"has an odd error for document {line.id} of the bulk")
        failed = failed or error is not None
    if answer.get("errors") is True and not failed:
        raise Lacking('says "errors": true, but no item of the bulk has one')


@dataclass(slots=True)
class Tally:
    """The outcome of a bulk so far."""

    written: int = 0
    deleted: int = 0
    fenced: list[str] = field(default_factory=list)
    failures: list[BulkItemFailure] = field(default_factory=list)

    def take(self, lines: Sequence[Line], answer: Mapping[str, Any], *, last: bool) -> list[Line]:
        """Count the answer's items (in the order of the lines); return the lines that must be sent again.

        ``last``: no attempt is left, so busy items count as failures.
        """
        again: list[Line] = []
        for line, item in zip(lines, answer["items"], strict=True):
            result = next(iter(item.values()))
            status = int(result["status"])
            error = result.get("error") or {}
            if status < 300:
                self.deleted += line.is_drop
                self.written += not line.is_drop
            elif status == 404 and line.is_drop:
                continue  # the document, or its whole index, is gone already
            elif status == 409 and line.versioned:
                self.fenced.append(line.id)
            elif is_busy(status, error.get("type")) and not last:
                again.append(line)
            else:
                kind, reason = str(error.get("type") or ""), str(error.get("reason") or "")
                self.failures.append(BulkItemFailure(line.id, status, kind, reason))
        return again

    def outcome(self) -> BulkOutcome:
        """Return the finished count."""
        return BulkOutcome(self.written, self.deleted, tuple(self.fenced), tuple(self.failures))


def bulk_fault(failures: Sequence[BulkItemFailure], where: str) -> ClusterError:
    """Make the error for refused items: the specific one if all have one cause, BulkFailed otherwise."""
    first = failures[0]
    shown = "; ".join(f"{each.id}: {each.reason or each.kind}" for each in failures[:SHOWN_FAILURES])
    text = f"{len(failures)} document{'s' * (len(failures) > 1)} refused ({shown})"
    block = next((each for each in failures if each.kind == BLOCKED), None)
    if block is not None:
        return ClusterReadOnly(f"{where} blocks writing: {text}", hint=block_hint(block.reason), status=first.status)
    if all(each.status == 403 for each in failures):
        return PermissionDenied(
            f"{where} denied writing: {text}",
            hint="give the user or key the right to write ipi-es-*; `ipi-es check JOB` tries it",
            status=403,
        )
    special = special_hint([each.kind for each in failures], " ".join(each.reason for each in failures))
    if all(each.status in BUSY_STATUSES for each in failures):
        hint = "the cluster is overloaded: it refused these again and again; look at its write queue and heap"
    else:
        hint = "if a mapping refuses a field, run `ipi-es setup` again: the template may have been changed"
    return BulkFailed(
        f"{where}: {text}",
        failures=[(each.id, each.status, each.reason or each.kind) for each in failures],
        hint=special or hint,
        status=first.status,
    )
