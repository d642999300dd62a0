"""Reading a request's arguments: from its query, or from its JSON body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request

from ipi_es.config.files.nearest import nearest
from ipi_es.errors import RequestInvalid
from ipi_es.results.reading.result_reader import MAX_PAGE
from ipi_es.serve.results_api.api_parameters import COMMON, WINDOW_HINT, Parameter
from ipi_es.serve.results_api.media_types import is_json

SOURCE, SOURCE_TYPE = "source", "source_content_type"
"""Query parameters that stand for a body and its content type."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one request, defaults included, and the names of those that were given."""

    values: Mapping[str, Any]
    given: frozenset[str]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def page(self) -> tuple[int, int]:
        """The numbers of results to skip, and to return. Raises RequestInvalid beyond the result window."""
        page = self.values["page"] or self.values
        first, size = int(page["from"]), int(page["size"])
        if first + size > MAX_PAGE:
            raise RequestInvalid(
                f"Result window is too large, from + size must be less than or equal to: [{MAX_PAGE}] but was "
                f"[{first + size}]",
                hint=WINDOW_HINT,
            )
        return first, size


def read_arguments(request: Request, parameters: Sequence[Parameter], path: Mapping[str, str], now: int) -> Arguments:
    """Return the arguments of a request. ``path`` holds those of its path, which come first; ``now``: epoch seconds.

    A request with a body has its arguments there, and in the query only those that are ``beside_body``. Raises
    RequestInvalid for names that aren't known and values that can't be read.
    """
    query, known = _query(request), {each.name: each for each in (*parameters, *COMMON)}
    for name in query:
        if name not in known and name not in (SOURCE, SOURCE_TYPE):
            _unknown(f"request [{request.url.path}] contains unrecognized parameter: [{name}]", name, known)
    body = _body(request, query)
    if body is None:
        given: dict[str, Any] = {name: value for name, value in query.items() if name in known}
    else:
        in_body = {each.name for each in parameters if each.in_body}
        for name in body:
            if name not in in_body:
                _unknown(f"[{request.url.path}] unknown field [{name}]", name, in_body, "x_content_parse_exception")
        beside = {each.name for each in (*parameters, *COMMON) if each.beside_body or not each.in_body}
        given = {**{name: value for name, value in query.items() if name in beside}, **body}
    given |= {name: value for name, value in path.items() if name in known}
    values = {name: parameter.parsed(given.get(name), now) for name, parameter in known.items()}
    return Arguments(values, frozenset(name for name, value in given.items() if value is not None))


def _query(request: Request) -> dict[str, str]:
    try:
        return dict(parse_qsl(request.url.query, keep_blank_values=True, max_num_fields=100, errors="strict"))
    except ValueError:
        raise RequestInvalid("the query can't be read", hint="write at most 100 parameters, encoded as UTF-8") from None


def _body(request: Request, query: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the JSON object of the body, or of the parameter that stands for one; None without either."""
    text: bytes | str = request.state.body.strip()
    kind = request.headers.get("content-type")
    if not text and SOURCE in query:
        text, kind = query[SOURCE], query.get(SOURCE_TYPE)
    if not text:
        return None
    if kind is None or not is_json(kind):
        raise RequestInvalid(
            f"Content-Type header [{(kind or '')[:100]}] is not supported",
            hint="send application/json",
            status=415,
            kind="media_type_header_exception",
        )
    try:
        body = orjson.loads(text)  # which refuses what is no text in UTF-8, and what is nested too deeply
    except orjson.JSONDecodeError:
        raise RequestInvalid(
            "Failed to parse content to map", hint="send a JSON object, in UTF-8", kind="x_content_parse_exception"
        ) from None
    if not isinstance(body, dict):
        raise RequestInvalid("the body is no object", hint="send a JSON object", kind="x_content_parse_exception")
    return body


def _unknown(message: str, name: str, known: Any, kind: str = "illegal_argument_exception") -> NoReturn:
    guess = nearest(name, list(known))
    hint = f"did you mean [{guess}]?" if guess else f"known are {', '.join(sorted(known))}"
    raise RequestInvalid(message, hint=hint, kind=kind)
