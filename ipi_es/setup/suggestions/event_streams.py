"""The places where events may be: data streams and series of indices, as patterns. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ipi_es.setup.facts.facts_fields import plain_name

OWN = "ipi-es-"
"""The beginning of the names of ipi-es's own indices."""

_NUMBERED = re.compile(r"[-_.](?:\d{4}[-._]?\d{2}(?:[-._]?\d{2})?|\d{6,})$")
"""The end of an index of a series: a day, a month, or a number."""


@dataclass(frozen=True, slots=True)
class EventStream:
    """One place of events: ``pattern`` matches ``indices``."""

    pattern: str
    indices: tuple[str, ...]


def event_streams(indices: Iterable[str]) -> list[EventStream]:
    """Group indices to data streams and series, sorted; those of ipi-es and of the server itself are left out."""
    found = defaultdict[str, list[str]](list)
    for index in indices:
        name = plain_name(index)
        if name.startswith((".", OWN)):
            continue
        pattern = name
        while (shorter := _NUMBERED.sub("", pattern)) != pattern:
            pattern = shorter
        # the separator keeps out others that begin with the same letters
        found[name if pattern == name else f"{pattern}{name[len(pattern)]}*"].append(index)
    return [EventStream(pattern, tuple(sorted(names))) for pattern, names in sorted(found.items())]
