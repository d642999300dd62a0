"""Names of the columns of a file of events, and the values of a row by what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ipi_es.errors import UsageError

ALIAS = "@timestamp"
"""The column of times where there is none of the default name."""


@dataclass(frozen=True, slots=True)
class EventColumns:
    """The name of each column; None: there is none."""

    time: str = "timestamp"
    entity: str = "entity"
    ip: str = "ip"
    group: str | None = "group"
    label: str | None = "label"
    operator: str | None = None
    country: str | None = None
    count: str | None = None

    @classmethod
    def named(cls, given: Mapping[str, str | None]) -> EventColumns:
        """Take the names that are given, by meaning. Raises UsageError where one name is given for two meanings."""
        chosen = {meaning: name for meaning, name in given.items() if name is not None}
        names = list(chosen.values())
        for meaning, name in chosen.items():
            if names.count(name) > 1:
                raise UsageError(
                    f"“{name}” is given for more than one column", hint=f"look at --{meaning}-column and the others"
                )
        return cls(**chosen)

    @property
    def needed(self) -> dict[str, str]:
        """Names by meaning of the columns that a file must have: all but a group and a label of the default name."""
        defaults = {each.name: each.default for each in fields(self)}
        names = {each: getattr(self, each) for each in defaults}
        return {
            meaning: name
            for meaning, name in names.items()
            if name is not None and not (meaning in ("group", "label") and name == defaults[meaning])
        }

    def places(self, header: list[str]) -> dict[str, int]:
        """Return the position in the header of each column that is there, by meaning."""
        names = {each.name: getattr(self, each.name) for each in fields(self)}
        if self.time not in header and self.time == EventColumns().time:
            names["time"] = ALIAS
        return {meaning: header.index(name) for meaning, name in names.items() if name in header}

    def values(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a JSON object by meaning; ``user.name`` is a key, or a path through nested objects."""
        names = {each.name: getattr(self, each.name) for each in fields(self)}
        found = {meaning: _at(document, name) for meaning, name in names.items() if name is not None}
        if found["time"] is None and self.time == EventColumns().time:
            found["time"] = _at(document, ALIAS)
        return {meaning: value for meaning, value in found.items() if value is not None}


def _at(document: Mapping[str, Any], name: str) -> Any:
    if name in document:
        return document[name]
    first, _, rest = name.partition(".")
    inner = document.get(first)
    return _at(inner, rest) if rest and isinstance(inner, dict) else None
