"""Find the right place of a setting that is in a wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from ipi_es.config.sections import is_list, section_of

if TYPE_CHECKING:
    from pydantic import BaseModel

SHOWN = 3
"""Maximum number of places that a message names; a name with more of them says little."""


def places_of(name: str, root: type[BaseModel]) -> list[str]:
    """List the places in a file for a setting of this name, such as ``analysis_config.detectors[0].function``."""
    return _places(root).get(name, [])


@lru_cache(maxsize=4)
def _places(root: type[BaseModel]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, place in _walk(root, ""):
        found.setdefault(name, []).append(place)
    return found


def _walk(section: type[BaseModel], above: str) -> Iterator[tuple[str, str]]:
    for name, field in section.model_fields.items():
        yield name, above + name
        inner = section_of(field.annotation)
        if inner is not None:
            yield from _walk(inner, f"{above}{name}{'[0]' if is_list(field.annotation) else ''}.")


def belongs(name: str, root: type[BaseModel]) -> str | None:
    """Return a setting's places as text, joined by “or”, such as ``analysis_config.bucket_span``; None: it has none."""
    places = places_of(name, root)[:SHOWN]
    return " or ".join(f"“{place}”" for place in places) or None
