"""Names in results come from outside: :func:`visible` makes them harmless wherever people read them."""

from __future__ import annotations

import unicodedata

_UNSEEN = "\ufffd"
"""Stands for a character that can't be seen: the replacement character says that something is there."""

_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's controls, formats (they turn the direction of text round), lone surrogates, line and paragraph ends."""


def visible(text: object) -> str:
    """The text with everything replaced that would move a cursor, colour a terminal or turn the writing round."""
    return "".join(_UNSEEN if unicodedata.category(char) in _UNSEEN_CATEGORIES else char for char in str(text))
