"""Parts of sentences that several kinds of results share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ipi_es.times import iso

_RAREST = 1e-12
"""Probabilities below are “less than 1 in a trillion”: nobody reads more digits."""

_DAY_TEXT = len("2026-05-31")


def plural(number: int, noun: str) -> str:
    """``1 event``, ``2,000 events``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def events_text(result: Mapping[str, Any]) -> str:
    """``3 events``, and by outcome where the job scores several: ``3 events: 2 failure, 1 success``."""
    text = plural(int(result.get("event_count", 1)), "event")
    outcomes: Sequence[Mapping[str, Any]] = result.get("outcomes") or ()
    each = ", ".join(f"{int(one['count']):,} {one['outcome']}" for one in outcomes)
    return f"{text}: {each}" if each else text


def learned_before(timestamp: int, claims: Sequence[str]) -> list[str]:
    """The claims as one sentence about what was learned before the UTC day of ``timestamp``, epoch milliseconds."""
    if not claims:
        return []
    day = iso(timestamp // 1_000)[:_DAY_TEXT] if timestamp else "this"
    return [f"In what was learned before {day}, {'; '.join(claims)}"]


def begun_with_capital(text: str) -> str:
    """The text as a sentence begins."""
    return text[:1].upper() + text[1:]


def one_in(probability: float, noun: str = "event") -> str:
    """``1 event in 6,000``, without a noun ``1 in 6,000``: two digits say enough of a rarity."""
    one = f"1 {noun} in" if noun else "1 in"
    if probability < _RAREST:
        return f"less than {one} a trillion"
    rarity = 1.0 / probability
    if rarity < 100:
        return f"{one} {rarity:.0f}"
    magnitude = 10 ** (len(str(int(rarity))) - 2)
    return f"{one} {round(rarity / magnitude) * magnitude:,}"


def dated_repeat(begun: int | None, where: str = "") -> str:
    """Name the first finding by its bucket's start, epoch seconds; None: when that was isn't known."""
    which = "an earlier finding" if begun is None else f"the finding of {iso(begun)}"
    return f"Repeat of {which}" + (f" {where}" if where else "")


def rule_text(rule: str) -> str:
    """Say which rule of the allow list allows a result."""
    return f"Allowed by {rule}, so it is never learned"
