"""Phrases that the sentences of several result types share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ipi_es.lists import some
from ipi_es.networks.network_types import TYPES_FIELD
from ipi_es.results.words import SCHEDULED_EVENTS
from ipi_es.times import from_ms, iso

_RAREST = 1e-12
"""Smaller probabilities are “less than 1 in a trillion”: more digits don't help a reader."""

NAMED_GROUPS = 5
"""The most groups in a sentence; the others are counted."""

_DAY_TEXT = len("2026-05-31")


TYPE_LABELS = {
    "hosting": "hosting provider",
    "vpn": "VPN",
    "proxy": "proxy",
    "relay": "privacy relay",
    "tor": "Tor network",
    "mobile": "mobile network",
    "business": "business",
}
"""Type of a network → noun."""


def types_text(result: Mapping[str, Any]) -> str:
    """Name the types of a result's networks: ``a hosting provider and a VPN``; empty where none is known."""
    types: Sequence[str] = result.get(TYPES_FIELD) or ()
    nouns = [f"{'the' if name == 'tor' else 'a'} {TYPE_LABELS.get(name, name)}" for name in types]
    return " and ".join([*filter(None, [", ".join(nouns[:-1])]), *nouns[-1:]])


def of_types(ip: str, result: Mapping[str, Any]) -> list[str]:
    """Return a sentence on the types of an address's networks: ``192.0.2.1 belongs to a proxy and a VPN``."""
    text = types_text(result)
    return [f"{ip} belongs to {text}"] if text else []


def of_groups(entity: str, groups: Sequence[str]) -> list[str]:
    """Return a sentence on the groups of an entity: ``alice is in the groups admins, staff``."""
    return [f"{entity} is in the group{'' if len(groups) == 1 else 's'} {some(groups, NAMED_GROUPS)}"] if groups else []


def plural(number: int, noun: str) -> str:
    """Format a number with its noun: ``1 event``, ``2,000 events``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def events_text(result: Mapping[str, Any]) -> str:
    """Format the event count, by outcome where the job scores several: ``3 events: 2 failure, 1 success``."""
    text = plural(int(result.get("event_count", 1)), "event")
    outcomes: Sequence[Mapping[str, Any]] = result.get("outcomes") or ()
    each = ", ".join(f"{int(one['count']):,} {one['outcome']}" for one in outcomes)
    return f"{text}: {each}" if each else text


def learned_before(timestamp: int, claims: Sequence[str]) -> list[str]:
    """Join clauses to one sentence on what was learned before the UTC day of ``timestamp``, epoch milliseconds."""
    if not claims:
        return []
    day = iso(from_ms(timestamp))[:_DAY_TEXT] if timestamp else "this"
    return [f"In what was learned before {day}, {'; '.join(claims)}"]


def begun_with_capital(text: str) -> str:
    """Return the text with its first letter capitalized."""
    return text[:1].upper() + text[1:]


def one_in(probability: float, noun: str = "event") -> str:
    """Format a probability as ``1 event in 6,000``, or ``1 in 6,000`` without a noun; rounded to two digits."""
    one = f"1 {noun} in" if noun else "1 in"
    if probability < _RAREST:
        return f"less than {one} a trillion"
    rarity = 1.0 / probability
    if rarity < 100:
        return f"{one} {rarity:.0f}"
    magnitude = 10 ** (len(str(int(rarity))) - 2)
    return f"{one} {round(rarity / magnitude) * magnitude:,}"


def dated_repeat(begun: int | None, where: str = "", *, now: int | None = None) -> str:
    """Name the first finding of a repeat by its bucket's start, epoch seconds; None if the start isn't known.

    ``now``: the start of the repeat's own bucket; the first finding may be another result of it.
    """
    which = "an earlier finding" if begun is None else f"the finding of {iso(begun)}"
    what = "Part of" if begun is not None and begun == now else "Repeat of"
    return f"{what} {which}" + (f" {where}" if where else "")


def rule_text(rule: str) -> str:
    """Name the rule of the allow list that allows a result."""
    return f"Allowed by {rule}, so it raises no alarm"


def scheduled_text(source: Mapping[str, Any]) -> list[str]:
    """Return a sentence that names the scheduled events of a result's bucket; none where it is inside of none."""
    names: Sequence[str] = source.get(SCHEDULED_EVENTS) or ()
    which = "the scheduled event" if len(names) == 1 else "the scheduled events"
    return [f"In {which} {', '.join(names)}, so it raises no alarm and isn't learned"] if names else []
