"""Lists within sentences."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 3
"""Entries that a message names where nothing else is said."""


def some(entries: Sequence[str], most: int = SHOWN, separator: str = ", ", *, total: int = 0) -> str:
    """The first entries, and how many more there are: ``a, b, c and 2 more``.

    ``total``: of how many ``entries`` are the first ones, where that is more than they are.
    """
    named = entries[:most]
    more = max(total, len(entries)) - len(named)
    return separator.join(named) + (f" and {more:,} more" if more and named else "")
