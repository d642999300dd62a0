"""Where a setting belongs that stands in the wrong place."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from ipi_es.config.sections import is_list, section_of

if TYPE_CHECKING:
    from pydantic import BaseModel

SHOWN = 3
"""Places that a message names; a name that is in more of them says little."""


def places_of(name: str, root: type[BaseModel]) -> list[str]:
    """The places in a file where a setting of this name may stand: ``analysis_config.detectors[0].function``."""
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
    """``analysis_config.bucket_span``, or several with “or” between them; None where no setting has this name."""
    places = places_of(name, root)[:SHOWN]
    return " or ".join(f"“{place}”" for place in places) or None
