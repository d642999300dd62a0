"""Find the known name that is most similar to a wrong one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

CUTOFF = 0.6
"""Similarity (difflib's ratio, 0–1) from which a name is proposed; difflib's own default."""


def nearest(name: str, candidates: Iterable[str], cutoff: float = CUTOFF) -> str | None:
    """Return the candidate most similar to ``name``, or None if none is similar enough.

    Case doesn't count, and ``-``, ``_`` and ``.`` count as equal: ``srouce_ip`` → ``source.ip``, ``usr.name`` →
    ``user.name``.
    """
    spelled = {_plain(candidate): candidate for candidate in candidates}
    found = get_close_matches(_plain(name), list(spelled), n=1, cutoff=cutoff)
    return spelled[found[0]] if found else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return an addition for the end of a message: ``; did you mean “bucket_span”?``, or an empty text."""
    found = nearest(name, candidates)
    return f"; did you mean “{found}”?" if found is not None else ""


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")
