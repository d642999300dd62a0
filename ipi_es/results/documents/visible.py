"""Safe display of names in results, which come from the events: :func:`visible`."""

from __future__ import annotations

import unicodedata

_UNSEEN = "\ufffd"
"""Replaces each invisible character: Unicode's replacement character."""

_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's controls, formats (they can change the text direction), lone surrogates, line and paragraph ends."""


def visible(text: object) -> str:
    """Replace characters that would move a cursor, colour a terminal or change the direction of text."""
    return "".join(_UNSEEN if unicodedata.category(char) in _UNSEEN_CATEGORIES else char for char in str(text))
