"""What the worker keeps in a state's ``details`` and reckons with when it is read; other keys may hold anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ipi_es.state.fields import LATEST, Fields

Check: TypeAlias = Callable[[Fields, str], object]
"""Takes the fields of an object and the name of one of them; raises where its value is impossible."""


def _time(fields: Fields, name: str) -> None:
    fields.number(name, 0, LATEST)


def _numbers(fields: Fields, name: str) -> None:
    """An object of numbers, whatever their names."""
    inside = fields.inside(name)
    for each in inside.names:
        inside.real(each)


def _object(parts: Mapping[str, Check]) -> Check:
    """An object with these fields; an empty one, or none, will do."""

    def check(fields: Fields, name: str) -> None:
        inside = fields.inside(name)
        for part, check_part in parts.items() if inside.names else ():
            check_part(inside, part)

    return check


DETAILS: Mapping[str, Check] = {
    "cleaned_at": _time,
    "too_late_looked_at": _time,
    "reverted_from": _time,
    "scored_from": _time,
    "worker": Fields.text_or_none,
    "waits_for": Fields.text_or_none,
    "late_rows": Fields.text_or_none,
    "missing_results": Fields.text_or_none,
    "not_renormalized": Fields.texts,
    "made_with": Fields.mapping,
    "largest": _numbers,
    "last_error": _object({"at": _time, "kind": Fields.text, "text": Fields.text}),
    "reread": _object({"counted_to": _time, "swept_to": Fields.real, "left": Fields.real}),
}


def check_details(details: Mapping[str, Any], fields: Fields) -> None:
    """Raise where a value that is reckoned with has another type; ``fields`` are those of ``details``."""
    for name in details.keys() & DETAILS.keys():
        DETAILS[name](fields, name)
