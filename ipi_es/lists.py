"""Lists within sentences."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 3
"""Entries that a message names where nothing else is said."""


def some(entries: Sequence[str], most: int = SHOWN, separator: str = ", ") -> str:
    """The first entries, and how many more there are: ``a, b, c and 2 more``."""
    more = f" and {len(entries) - most:,} more" if len(entries) > most else ""
    return separator.join(entries[:most]) + more
