"""The nearest right name for a wrong one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

CUTOFF = 0.6
"""Similarity (difflib's ratio, 0–1) from which on a name is worth proposing; difflib's own default."""


def nearest(name: str, candidates: Iterable[str], cutoff: float = CUTOFF) -> str | None:
    """The candidate most like ``name`` (case and ``-``/``_`` don't count), or None if none is near.

    A dotted field name also matches by its last part: ``srouce_ip`` → ``source.ip``, ``usr.name`` → ``user.name``.
    """
    spelled = {_plain(candidate): candidate for candidate in candidates}
    found = get_close_matches(_plain(name), list(spelled), n=1, cutoff=cutoff)
    return spelled[found[0]] if found else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """``; did you mean “bucket_span”?``, or nothing: to be put behind a message."""
    found = nearest(name, candidates)
    return f"; did you mean “{found}”?" if found is not None else ""


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")
