"""Lists inside sentences."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 3
"""Entries that a message names unless it sets another number."""


def some(entries: Sequence[str], most: int = SHOWN, separator: str = ", ", *, total: int = 0) -> str:
    """Return the first entries, and how many more there are: ``a, b, c and 2 more``.

    ``total``: the number of all entries, where ``entries`` holds only the first of them.
    """
    named = entries[:most]
    more = max(total, len(entries)) - len(named)
    return separator.join(named) + (f" and {more:,} more" if more and named else "")
