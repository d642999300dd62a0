"""Parameters of the results API: their names, types and defaults, and how a request's values are read.

One table of an operation's parameters parses its requests and describes them in the OpenAPI document.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ipi_es.errors import RequestInvalid, UsageError
from ipi_es.results.reading.result_reader import MAX_PAGE
from ipi_es.times import EARLIEST, LATEST, parse_milliseconds, parse_span, to_ms

WINDOW_HINT = "sort by timestamp, and ask from the last one's time on with start"
"""What to do beyond the result window."""
_MILLISECONDS = re.compile(r"-?\d+")
UNBOUNDED = ("", "-1")
"""Texts of a time that stand for no limit."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of values."""

    schema: Mapping[str, Any]
    """Its JSON schema; each value may also be given as text."""
    parse: Callable[[str, Any, int], Any]
    """``(name of the parameter, value, present time in epoch seconds)`` → value; raises RequestInvalid."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an operation, in the query or in the body."""

    name: str
    kind: Kind
    description: str
    default: Any = None
    in_body: bool = True
    beside_body: bool = False
    """Whether its value in the query counts for a request with a body too."""

    def parsed(self, value: Any, now: int) -> Any:
        """Return a given value; the default for null. Raises RequestInvalid."""
        return self.default if value is None else self.kind.parse(self.name, value, now)


def _refused(name: str, value: Any, wanted: str) -> RequestInvalid:
    shown = str(value)[:100]
    return RequestInvalid(f"Failed to parse value [{shown}] of parameter [{name}]", hint=f"give {wanted}")


def _boolean(name: str, value: Any, _: int) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false", ""):  # a bare ?name is true
        return bool(value != "false")
    raise _refused(name, value, "true or false")


def _double(name: str, value: Any, _: int) -> float:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise _refused(name, value, "a number")


def _integer(name: str, value: Any, _: int) -> int:
    number = value
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,18}", value, re.ASCII):
        number = int(value)
    if isinstance(value, float) and value.is_integer():
        number = int(value)
    if isinstance(number, int) and not isinstance(number, bool):
        return number
    raise _refused(name, value, "a whole number")


def _count(name: str, value: Any, now: int) -> int:
    number = _integer(name, value, now)
    if number < 0:
        raise RequestInvalid(f"Parameter [{name}] cannot be < 0", hint="give 0 or more")
    if number > MAX_PAGE:
        raise RequestInvalid(
            f"Result window is too large, [{name}] must be less than or equal to: [{MAX_PAGE}] but was [{number}]",
            hint=WINDOW_HINT,
        )
    return number


def _text(name: str, value: Any, _: int) -> str:
    if isinstance(value, str):
        return value
    raise _refused(name, value, "text")


def _page(name: str, value: Any, now: int) -> dict[str, int]:
    """Parse ``{"from": …, "size": …}``; what is absent has its default."""
    if not isinstance(value, Mapping):
        raise _refused(name, value, 'an object such as {"from": 0, "size": 100}')
    parts = {part.name: part for part in (FROM, SIZE)}
    for given in value:
        if given not in parts:
            raise RequestInvalid(f"[page] unknown field [{given}]", hint=_PAGE_HINT, kind="x_content_parse_exception")
    return {part: parameter.parsed(value.get(part), now) for part, parameter in parts.items()}


def _time(name: str, value: Any, now: int) -> int | None:
    """Parse a time: epoch milliseconds, ISO 8601 or date math. Return epoch milliseconds, None for no limit."""
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else None
    if text in UNBOUNDED:
        return None
    try:
        if text is not None and _MILLISECONDS.fullmatch(text):
            return min(max(int(text[:30]), to_ms(EARLIEST)), to_ms(LATEST))
        if text is not None:
            return parse_milliseconds(text, now=now)
    except UsageError:
        pass
    raise RequestInvalid(
        f"Query param [{name}] with value [{str(value)[:100]}] cannot be parsed as a date or converted to a number of "
        "milliseconds since the epoch",
        hint="give epoch milliseconds, 2026-05-01T08:00:00Z, or now-7d",
        kind="parse_exception",
    )


def _moment(name: str, value: Any, now: int) -> int:
    found = _time(name, value, now)
    if found is None:
        raise _refused(name, value, "a bucket's start, such as epoch milliseconds")
    return found


def _span(name: str, value: Any, _: int) -> int:
    try:
        span = parse_span(value) if isinstance(value, str) else 0
    except UsageError:
        span = 0
    if not 0 < span < LATEST:
        raise _refused(name, value, "a time span with its unit, such as 2h")
    return span


def _format(name: str, value: Any, _: int) -> str:
    if value != "json":
        raise RequestInvalid(
            f"{name} [{str(value)[:20]}] is not supported",
            hint="ask for json",
            status=406,
            kind="media_type_header_exception",
        )
    return "json"


_PAGE_HINT = 'give {"from": 0, "size": 100}'
_TIME_SCHEMA = {
    "oneOf": [{"type": "integer"}, {"type": "string"}],
    "description": "Epoch milliseconds, ISO 8601, or date math.",
}
BOOLEAN = Kind({"type": "boolean"}, _boolean)
DOUBLE = Kind({"type": "number"}, _double)
INTEGER = Kind({"type": "integer"}, _integer)
COUNT = Kind({"type": "integer", "minimum": 0, "maximum": MAX_PAGE}, _count)
TEXT = Kind({"type": "string"}, _text)
FORMAT = Kind({"type": "string", "enum": ["json"]}, _format)
TIME = Kind(_TIME_SCHEMA, _time)
MOMENT = Kind(_TIME_SCHEMA, _moment)
SPAN = Kind({"type": "string", "pattern": r"^0*[1-9][0-9]{0,8}(s|m|h|d|w)$"}, _span)
PAGE = Kind(
    {
        "type": "object",
        "properties": {"from": COUNT.schema, "size": COUNT.schema},
        "additionalProperties": False,
    },
    _page,
)

FROM = Parameter("from", COUNT, "Number of results to skip.", 0, in_body=False, beside_body=True)
SIZE = Parameter("size", COUNT, "Number of results to return.", 100, in_body=False, beside_body=True)
PAGING = (FROM, SIZE, Parameter("page", PAGE, "In a body, instead of from and size."))
RANGE = (
    Parameter("start", TIME, "Only results of buckets that begin here or later."),
    Parameter("end", TIME, "Only results of buckets that begin before this time."),
)
EXCLUDE_INTERIM = Parameter("exclude_interim", BOOLEAN, "Without interim results.", False)
DESC = Parameter("desc", BOOLEAN, "Sort in descending order.", True)

COMMON = (
    Parameter("pretty", BOOLEAN, "Indent the answer.", False, in_body=False),
    Parameter("human", BOOLEAN, "Add timestamp_string beside each timestamp.", False, in_body=False),
    Parameter("error_trace", BOOLEAN, "Without effect.", False, in_body=False),
    Parameter("filter_path", TEXT, "Only these parts of the answer: dotted paths with * and **.", in_body=False),
    Parameter("format", FORMAT, "The form of the answer.", "json", in_body=False),
)
"""Query parameters of every operation."""
