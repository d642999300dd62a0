"""Lists of names that are too long for a URL: in a request's body, or asked for in parts.

Servers take 4,096 bytes as a request's first line (``http.max_initial_line_length``): some 40 names of 100 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

import orjson

from ipi_es.cluster.answers.answers import incomplete
from ipi_es.cluster.answers.faults import response_fault
from ipi_es.cluster.port import Json

MAX_LINE = 3_500
"""Bytes of path and parameters; the rest of 4,096 is for a proxy's prefix and what else stands in the line."""

MAX_PART = 1_500
"""Bytes of names in one part, and of fields: both stand in one line."""


def names_of(index: str | Sequence[str]) -> list[str]:
    """The single names and patterns of an index expression."""
    return (index if isinstance(index, str) else ",".join(index)).split(",")


def too_long(path: str, params: Mapping[str, str]) -> bool:
    """Whether a request's first line would have more bytes than a server takes."""
    return len(path) + sum(len(name) + len(quote(value, safe="")) + 2 for name, value in params.items()) > MAX_LINE


def search_lines(index: str | Sequence[str], params: Mapping[str, str], body: bytes) -> bytes:
    """A search as the body of ``_msearch``, where the names of the indices are part of the body."""
    return orjson.dumps({**params, "index": names_of(index)}) + b"\n" + body + b"\n"


def only_answer(answer: Json, where: str) -> Json:
    """The answer to a single search within that of ``_msearch``; what refused it raises, and AnswerIncomplete."""
    found = answer.get("responses")
    if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], dict):
        raise incomplete(where, "has not one answer to one search")
    one: Json = found[0]
    if "error" in one:
        status = one.get("status")
        raise response_fault(status if isinstance(status, int) else 500, one, where)
    return one


def index_parts(index: str | Sequence[str]) -> Iterator[list[str]]:
    """An index expression in parts that mean the same together: each has all exclusions at its end."""
    names = names_of(index)
    excluded = [name for name in names if name.startswith("-")]
    for part in parts(name for name in names if not name.startswith("-")):
        yield [*part, *excluded]


def parts(names: Iterable[str]) -> Iterator[list[str]]:
    """The names in order, in lists of at most :data:`MAX_PART` bytes as they stand in a URL (one name at least)."""
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
