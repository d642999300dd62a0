"""Reading the fields of stored documents: an impossible value raises an error that names the field.

Documents can be changed by hand, restored from another cluster or cut by a proxy, and their values decide which events
are scored next.
"""

from __future__ import annotations

import json
import math
from collections.abc import Container, Mapping
from typing import Any, NoReturn

from ipi_es.errors import IpiEsError, SnapshotForeign, StateDamaged
from ipi_es.times import from_ms, to_ms

LATEST = 4_102_444_800
"""Epoch seconds of 2100-01-01: times in stored documents may not be later."""
_MOST_FORMATS = 1 << 31
_LONGEST = 80
"""Characters of a value that a message shows."""


class Fields:
    """The fields of one document; ``what`` names it in messages, ``hint`` is the next step for a wrong value.

    Every method that reads a value raises ``error`` where the value is of another type or outside its range.
    """

    def __init__(self, source: Mapping[str, Any], what: str, hint: str, error: type[IpiEsError] = StateDamaged) -> None:
        self._source, self._what, self._hint, self._error = source, what, hint, error

    def wrong(self, name: str, value: object, wanted: str) -> NoReturn:
        """Raise the error for a field's value; ``wanted`` describes a right one."""
        shown = json.dumps(value, ensure_ascii=False, default=str)
        shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
        is_ = f"is {shown}" if value is not None else "is missing or null"
        raise self._error(f"{self._what}: its field “{name}” {is_}, not {wanted}", hint=self._hint)

    def refuse_newer(self, what: str, newest: int, otherwise: str = "run the job where the newer one is") -> None:
        """Raise SnapshotForeign where the document's ``format`` is above ``newest``; an absent format counts as 0."""
        found = self.number("format", 0, _MOST_FORMATS, absent=0)
        if found > newest:
            raise SnapshotForeign(
                f"{what} was written by a newer ipi-es (format {found})", hint=f"upgrade ipi-es here, or {otherwise}"
            )

    @property
    def names(self) -> list[str]:
        """The names of the fields."""
        return list(self._source)

    def without(self, names: Container[str]) -> dict[str, Any]:
        """Return all fields but ``names`` with their values, unchecked."""
        return {name: value for name, value in self._source.items() if name not in names}

    def inside(self, name: str) -> Fields:
        """Return the fields of an object; no fields where it is absent."""
        return Fields(self.mapping(name), f"{self._what}: in its {name}", self._hint, self._error)

    def text(self, name: str) -> str:
        """Return a text that isn't empty."""
        value = self._source.get(name)
        if not isinstance(value, str) or not value:
            self.wrong(name, value, "a text")
        return value

    def text_or_none(self, name: str) -> str | None:
        """Return a text, or None where it is absent."""
        value = self._source.get(name)
        if value is not None and not isinstance(value, str):
            self.wrong(name, value, "a text")
        return value

    def flag(self, name: str) -> bool:
        """Return True or False; False where it is absent."""
        value = self._source.get(name, False)
        if not isinstance(value, bool):
            self.wrong(name, value, "true or false")
        return value

    def number(self, name: str, least: int, most: int, absent: int | None = None) -> int:
        """Return a whole number in [least, most]; ``absent`` where the field is missing."""
        return self.whole(name, self._source.get(name, absent), least, most)

    def whole(self, name: str, value: object, least: int, most: int) -> int:
        """Return ``value``, a part of the field, as a whole number in [least, most]."""
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.wrong(name, value, f"a whole number from {least} to {most}")
        return value

    def real(self, name: str) -> float:
        """Return a finite number, a whole one too, as it is stored."""
        value = self._source.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            self.wrong(name, value, "a number")
        return value

    def texts(self, name: str) -> list[str]:
        """Return a list of texts; an empty one where it is absent."""
        value = self.rows(name)
        if not all(isinstance(each, str) for each in value):
            self.wrong(name, value, "a list of texts")
        return value

    def rows(self, name: str) -> list[Any]:
        """Return a list; an empty one where it is absent."""
        value = self._source.get(name)
        if value is not None and not isinstance(value, list):
            self.wrong(name, value, "a list")
        return value or []

    def time(self, name: str) -> int:
        """Return epoch seconds of a time that is stored in milliseconds."""
        value = self._source.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value % 1_000 or not 0 <= value <= to_ms(LATEST):
            self.wrong(name, value, "a time before the year 2100, in milliseconds and of whole seconds")
        return from_ms(value)

    def time_or_none(self, name: str) -> int | None:
        """Return epoch seconds as :meth:`time` does, or None where it is absent."""
        return None if self._source.get(name) is None else self.time(name)

    def mapping(self, name: str) -> Mapping[str, Any]:
        """Return an object; an empty one where it is absent."""
        return self.mapping_or_none(name) or {}

    def mapping_or_none(self, name: str) -> Mapping[str, Any] | None:
        """Return an object, or None where it is absent."""
        value = self._source.get(name)
        if value is not None and not isinstance(value, Mapping):
            self.wrong(name, value, "an object")
        return value
