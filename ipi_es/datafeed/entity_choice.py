"""Choice of an entity's name among the fields that a job names in order of preference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from ipi_es.config.entity_names import EntitySource

PLACEHOLDERS = frozenset({"", "-"})
"""Values that stand for no value in Windows' events and in web servers' logs."""

Choice = Callable[[Mapping[str, Any]], Any]
"""From a composite's key to an entity's name."""


def as_text(value: Any) -> str:
    """Spell a key that isn't a string (number, boolean) as the cluster would write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def entity_choice(sources: Sequence[EntitySource], keys: Mapping[str, str]) -> Choice:
    """Return the function that names the entity of a row.

    ``keys`` are the fields by their names in a composite's keys. A single field's value is returned as it is;
    otherwise the name of the first source whose fields all hold values, "" if there is none.
    """
    if len(keys) == 1 and sources[0].is_field:
        return itemgetter(next(iter(keys)))
    name_of = {field: name for name, field in keys.items()}
    wanted = [(source, tuple(name_of[field] for field in source.fields)) for source in sources]

    def choose(key: Mapping[str, Any]) -> str:
        for source, names in wanted:
            values = [_value(key[name]) for name in names]
            if not PLACEHOLDERS & set(values):
                return source.name(values)
        return ""

    return choose


def _value(value: Any) -> str:
    return "" if value is None else as_text(value).strip()
