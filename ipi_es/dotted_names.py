"""Dotted field names in nested documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def flatten(source: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all leaf values by dotted name; ``{"user": {"name": …}}`` and ``{"user.name": …}`` are the same field."""
    for key, value in source.items():
        name = f"{prefix}{key}"
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Mapping):
                yield from flatten(each, f"{name}.")
            elif each is not None:
                yield name, each
