"""Lists of names that are too long for a URL: put into a request's body, or requested in parts.

Servers accept 4,096 bytes as a request's first line (``http.max_initial_line_length``): some 40 names of 100 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

import orjson

from ipi_es.cluster.answers.answers import incomplete
from ipi_es.cluster.answers.faults import response_fault
from ipi_es.cluster.port import Json

MAX_LINE = 3_500
"""Bytes of path and parameters; the rest of 4,096 is for a proxy's prefix and the other parts of the line."""

MAX_PART = 1_500
"""Bytes of index names in one part, and of field names; both are in one line."""


def names_of(index: str | Sequence[str]) -> list[str]:
    """Split an index expression into its names and patterns."""
    return (index if isinstance(index, str) else ",".join(index)).split(",")


def too_long(path: str, params: Mapping[str, str]) -> bool:
    """Decide whether a request's first line would have more bytes than a server accepts."""
    return len(path) + sum(len(name) + len(quote(value, safe="")) + 2 for name, value in params.items()) > MAX_LINE


def search_lines(index: str | Sequence[str], params: Mapping[str, str], body: bytes) -> bytes:
    """Encode a search as the body of ``_msearch``, where the names of the indices are part of the body."""
    return orjson.dumps({**params, "index": names_of(index)}) + b"\n" + body + b"\n"


def only_answer(answer: Json, where: str) -> Json:
    """Return the answer to the single search of an ``_msearch``; raise its error, or AnswerIncomplete."""
    found = answer.get("responses")
    if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], dict):
        raise incomplete(where, "has not one answer to one search")
    one: Json = found[0]
    if "error" in one:
        status = one.get("status")
        raise response_fault(status if isinstance(status, int) else 500, one, where)
    return one


def index_parts(index: str | Sequence[str]) -> Iterator[list[str]]:
    """Split an index expression into parts with the same meaning together: each ends with all exclusions."""
    names = names_of(index)
    excluded = [name for name in names if name.startswith("-")]
    for part in parts(name for name in names if not name.startswith("-")):
        yield [*part, *excluded]


def parts(names: Iterable[str]) -> Iterator[list[str]]:
    """Yield the names in order, in lists of at most :data:`MAX_PART` bytes in a URL (one name at least)."""
    part, size = list[str](), 0
    for name in names:
        length = len(quote(name, safe="")) + 3
        if part and size + length > MAX_PART:
            yield part
            part, size = [], 0
        part.append(name)
        size += length
    if part:
        yield part
