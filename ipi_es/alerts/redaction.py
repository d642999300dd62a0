"""Removal of a destination URL's secrets from texts of libraries that log, and of servers that quote."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from ipi_es.errors import ClusterError

SHORTEST_SECRET = 4
"""Fewest characters of a URL's part that may be a secret; shorter parts are ordinary words."""

_PART = re.compile(r"[^/:@?&=#,;+]+")


def redactor(url: str) -> Callable[[str], str]:
    """Return a function that replaces each part of a URL in a text with an ellipsis, percent-encoded or decoded."""
    parts = {part for part in _PART.findall(url.partition("://")[2]) if len(part) >= SHORTEST_SECRET}
    parts |= {unquote(part) for part in parts}
    secret = re.compile("|".join(re.escape(part) for part in sorted(parts, key=len, reverse=True)) or r"(?!)")
    return lambda text: secret.sub("…", text)


@contextmanager
def unquoted(url: str | None) -> Iterator[None]:
    """Remove parts of a URL from errors of a cluster or console raised inside: servers quote what they refuse."""
    try:
        yield
    except ClusterError as error:
        hidden = error.message if url is None else redactor(url)(error.message)
        if hidden == error.message:
            raise
        # not “from error”: the client's own error also contains the text
        raise type(error)(hidden, hint=error.hint, status=error.status) from None
