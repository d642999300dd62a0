"""Keeping the secrets of a destination's URL out of texts that others write: libraries that log, servers that quote."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from ipi_es.errors import ClusterError

SHORTEST_SECRET = 4
"""Characters of a URL's part that may be a secret; shorter ones are words of its form."""

_PART = re.compile(r"[^/:@?&=#,;+]+")


def redactor(url: str) -> Callable[[str], str]:
    """Give what replaces each part of a URL in a text by an ellipsis, as it is written and with its quoting undone."""
    parts = {part for part in _PART.findall(url.partition("://")[2]) if len(part) >= SHORTEST_SECRET}
    parts |= {unquote(part) for part in parts}
    secret = re.compile("|".join(re.escape(part) for part in sorted(parts, key=len, reverse=True)) or r"(?!)")
    return lambda text: secret.sub("…", text)


@contextmanager
def unquoted(url: str | None) -> Iterator[None]:
    """Let errors of a cluster or console pass without what they quote of a URL: servers repeat what they refuse."""
    try:
        yield
    except ClusterError as error:
        hidden = error.message if url is None else redactor(url)(error.message)
        if hidden == error.message:
            raise
        # not “from error”: the client's own error below it has the text too
        raise type(error)(hidden, hint=error.hint, status=error.status) from None
