"""A verdict, as tests give it."""

from __future__ import annotations

from typing import Any

from ipi_es.config.given_verdict import SAFE, Verdict, VerdictWord


def said(
    entity: str, ip: str, word: VerdictWord = SAFE, *, time: int = 1_780_000_000, since: int = 0, **more: Any
) -> Verdict:
    """A verdict of Ann's, by default on all of the past."""
    return Verdict(word, entity, ip, "ann", time, since, **more)
