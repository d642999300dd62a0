"""Types of values in settings: spans, field names, lists that may be one string."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    model_validator,
)

from ipi_es.errors import UsageError
from ipi_es.times import SECONDS, format_span, parse_span


class Inconsistent(ValueError):
    """Settings that contradict each other. A mistake is (place below the section that found it, what is wrong)."""

    def __init__(self, *mistakes: tuple[tuple[str | int, ...], str]) -> None:
        super().__init__("; ".join(text for _, text in mistakes))
        self.mistakes = mistakes


class Section(BaseModel):
    """One mapping of a configuration file: unknown keys are refused, and it is immutable."""

    # hide_input_in_errors: a traceback must not show the values next to a password
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _empty_sections(cls, data: Any) -> Any:
        """Drop empty sections: `elasticsearch:` with every line below commented out is YAML's null."""
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if value is not None or not cls._is_section(name)}

    @classmethod
    def _is_section(cls, name: Any) -> bool:
        field = cls.model_fields.get(name) if isinstance(name, str) else None
        return field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, Section)


def read_span(value: Any) -> int:
    """Return the seconds of a span such as ``15m``; a bare number is refused (its unit is unclear), except for 0."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value == 0:
            return 0
        raise ValueError(f"{value} has no unit: write a whole number and a unit, such as 90s, 15m, 1h, 1d")
    return _parse(value)


def read_timeout(value: Any) -> int:
    """Return the seconds of a span such as ``30s``, or of a bare number of seconds, as the clients accept it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    return _parse(value)


def _parse(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError("must be a time span such as 90s, 15m, 1h or 1d")  # noqa: TRY004  (pydantic takes ValueError for a mistake)
    if value.strip() == "0":
        return 0
    try:
        return parse_span(value)
    except UsageError as error:
        raise ValueError(f"{error.message}: {error.hint}") from None


MIN_BUCKET_SPAN = 60
"""Seconds. A bucket of less than a minute has too few events for a meaningful score, and each costs a search."""

DAY = SECONDS["d"]


def check_bucket_span(seconds: int) -> int:
    """Check a bucket_span in seconds: at least 60, and a divisor of a day. Raises ValueError.

    A bucket then never crosses midnight UTC, when the history moves on to the next day.
    """
    if seconds < MIN_BUCKET_SPAN:
        raise ValueError(f"must be at least {format_span(MIN_BUCKET_SPAN)}; 15m to 1d are usual")
    if DAY % seconds:
        raise ValueError(
            f"{format_span(seconds)} doesn't divide a day, and history moves on at midnight UTC: "
            "take one such as 5m, 15m, 30m, 1h, 2h, 4h, 6h, 12h or 1d"
        )
    return seconds


def _positive(seconds: int) -> int:
    if seconds <= 0:
        raise ValueError("must be longer than 0")
    return seconds


as_span = PlainSerializer(format_span, return_type=str)

Span: TypeAlias = Annotated[int, BeforeValidator(read_span), as_span]
"""Whole seconds ≥ 0, written with a unit (``24h``)."""

PositiveSpan: TypeAlias = Annotated[int, BeforeValidator(read_span), AfterValidator(_positive), as_span]
"""Whole seconds > 0, written with a unit."""

BucketSpan: TypeAlias = Annotated[int, BeforeValidator(read_span), AfterValidator(check_bucket_span), as_span]
"""Whole seconds, 60 to 86,400, dividing a day."""

Timeout: TypeAlias = Annotated[int, BeforeValidator(read_timeout), AfterValidator(_positive), as_span]
"""Whole seconds > 0, with or without a unit."""


def _not_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")  # noqa: TRY004  (pydantic takes ValueError for a mistake)
    return value


Number: TypeAlias = Annotated[float, BeforeValidator(_not_bool)]
Count: TypeAlias = Annotated[int, BeforeValidator(_not_bool)]

_BAD_FIELD = re.compile(r"[\s*?,]|^\.|\.$|\.\.|^$")


def field_name(text: str) -> str:
    """Check the dotted name of one field. Raises ValueError for a pattern, or for several names."""
    if _BAD_FIELD.search(text):
        raise ValueError("must be the full name of one field, such as source.ip (no spaces or wildcards)")
    return text


FieldName: TypeAlias = Annotated[str, AfterValidator(field_name)]
"""The dotted name of one field of the events."""

_NOT_IN_INDEX = re.compile(r"[\s\"\\/?#<>|,]")
_MAX_INDEX_BYTES = 255
"""Bytes of an index's name; both servers' limit."""


def _index_pattern(text: str) -> str:
    """Check that both servers accept a name or pattern in a path, since others could change the request's meaning."""
    remote, colon, name = text.rpartition(":")
    plain = name.removeprefix("-")  # a pattern for exclusion
    if "," in text:
        raise ValueError("names several indices: write them as a list, such as [logs-a, logs-b]")
    if bad := _NOT_IN_INDEX.search(text):
        raise ValueError(f"can't have {bad[0]!r} in the name or pattern of an index (date math isn't possible: use *)")
    if not plain or plain in {".", ".."} or plain.startswith(("_", "+", "-")) or (colon and not remote):
        raise ValueError("must be the name or pattern of an index, such as logs-* (or cluster:logs-*)")
    if plain != plain.lower():
        raise ValueError("has capital letters, which no index has")
    if len(text.encode()) > _MAX_INDEX_BYTES:
        raise ValueError(f"is longer than {_MAX_INDEX_BYTES} bytes, which no index is")
    return text


Text: TypeAlias = Annotated[str, Field(min_length=1)]

IndexPattern: TypeAlias = Annotated[str, Field(min_length=1), AfterValidator(_index_pattern)]
"""The name of one index, data stream or alias, or a pattern; with ``cluster:`` before it, or ``-`` to exclude it."""


def as_list(value: Any) -> Any:
    """Put a single string into a list; other values stay."""
    return [value] if isinstance(value, str) else value


def distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values unchanged. Raises ValueError if one occurs more than once."""
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"names {', '.join(twice)} more than once")
    return values


Texts: TypeAlias = Annotated[tuple[Text, ...], BeforeValidator(as_list), AfterValidator(distinct)]
"""Distinct strings; a single string means a list of one."""

SomeTexts: TypeAlias = Annotated[
    tuple[Text, ...], BeforeValidator(as_list), AfterValidator(distinct), Field(min_length=1)
]
"""Distinct strings, at least one."""

SomeIndices: TypeAlias = Annotated[
    tuple[IndexPattern, ...], BeforeValidator(as_list), AfterValidator(distinct), Field(min_length=1)
]
"""At least one name or pattern of indices."""


def _place(path: Path, info: ValidationInfo) -> Path:
    """Resolve a relative path from the folder of the file that names it, wherever the command was started."""
    base = (info.context or {}).get("base")
    path = path.expanduser()
    return base / path if base is not None and not path.is_absolute() else path


def _readable(path: Path) -> Path:
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        # the path is not shown: the secret itself may have been written in place of its file's name
        raise ValueError(
            f"can't be read: {error.strerror} (a relative path counts from the folder of this file)"
        ) from None


AnyPath: TypeAlias = Annotated[Path, AfterValidator(_place)]
"""A path; a relative one is resolved from the folder of the configuration file."""

ReadableFile: TypeAlias = Annotated[Path, AfterValidator(_place), AfterValidator(_readable)]
"""A file that exists and can be read."""
