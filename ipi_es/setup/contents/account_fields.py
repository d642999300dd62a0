"""Choose the field that names single people or machines among fields that hold names, by figures. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ipi_es.times import SECONDS

ONE_EACH = 0.9
"""Share of different values among a field's events above which it identifies events, not accounts."""

MORE_VALUES = 2
"""Times as many values that a field must have to be the members of another's groups."""

MEMBERS, MANY_MEMBERS = 3, 10
"""Members of a typical group, where they have addresses of their own, and in any case: a person has several devices."""

OWN_ADDRESSES = 0.4
"""Share of a group's addresses, in the sum of its members', from which these have their own: devices share a home's."""

IDS = 0.5
"""Share of ids among a field's values (digits, letters without a word) from which it may be of devices or sessions."""

OF_ONE_GROUP = 1.5
"""Groups of a typical member up to which one field divides the other: some people change their role."""

CROWD, CROWD_ADDRESSES = 5, 3
"""Accounts of a typical value, and times as many addresses, from which a field is an application's, a host's."""

JOINED = 0.02
"""Share of further names in a field with addresses of mail from which the other field joins people."""

MAILS = 0.9
"""Share of values with an @ in the middle from which a field counts as addresses of mail."""

PASSING = SECONDS["d"]
"""Seconds between the first and the last event of a typical value below which it is a session's or a request's."""

LONG_ENOUGH = 3 * SECONDS["d"]
"""Seconds of events from which a short life of values says anything."""


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """Figures of one field. All but ``events`` and ``values`` are medians over its most frequent values."""

    name: str
    events: int
    values: int
    """About how many distinct values."""
    addresses: float = 0
    operators: float | None = None
    """None: no field gives the operators."""
    lasting: float = 0
    """Seconds between the first and the last event of a value."""
    siblings: Mapping[str, float] = field(default_factory=dict)
    """``{other field: its values beside one value of this field}``."""
    mails: float = 0
    """Share of the sampled values that are addresses of mail, 0 to 1."""
    ids: float = 0
    """Share of the sampled values that are made of digits and letters without a word, 0 to 1."""
    named: bool = False
    """Whether the field's name speaks of people."""

    @property
    def of_people(self) -> bool:
        """Whether its name or its values speak of people."""
        return self.named or self.mails >= MAILS

    @property
    def text(self) -> str:
        """The figures in words: ``96 values with about 2 addresses each``."""
        return f"{self.values:,} {_plural('value', self.values)} with about {_number(self.addresses, 'address')} each"


@dataclass(frozen=True, slots=True)
class SharedField:
    """A field whose values several people share, and the one that distinguishes them."""

    shared: AccountFigures
    better: AccountFigures

    @property
    def text(self) -> str:
        """The reason in figures: ``role is shared: each of its 5 values has about 19 session and 31 addresses``."""
        one, other = self.shared, self.better
        beside = one.siblings.get(other.name, 0)
        if beside < MEMBERS:
            return f"{one.name} joins accounts: it has {one.values:,} values where {other.name} has {other.values:,}"
        held = [f"{round(beside):,} {other.name}", _number(one.addresses, "address")]
        if one.operators is not None and one.operators >= 2:
            held.append(_number(one.operators, "operator"))
        each = "its one value" if one.values == 1 else f"each of its {one.values:,} values"
        return f"{one.name} is shared: {each} has about {', '.join(held[:-1])} and {held[-1]}"


def usable_fields(figures: Mapping[str, AccountFigures], seconds: int) -> dict[str, AccountFigures]:
    """Return the fields that may hold accounts: no ids of events, and none of sessions or requests.

    ``seconds`` is the length of the time range of the figures.
    """
    found = {}
    for name, one in figures.items():
        if one.values < 2 or one.values > ONE_EACH * one.events:
            continue
        if seconds >= LONG_ENOUGH and one.lasting < PASSING:
            continue
        found[name] = one
    return found


def better_fields(figures: Mapping[str, AccountFigures]) -> dict[str, list[str]]:
    """Return ``{shared field: the fields that distinguish the people who share it}``, the best first.

    A field that is shared itself comes after those that aren't.
    """
    found = {
        name: [other.name for other in figures.values() if other.name != name and _distinguishes(other, one)]
        for name, one in figures.items()
    }

    def rank(name: str) -> tuple[bool, int]:
        return bool(found[name]), -figures[name].values

    return {name: sorted(better, key=rank) for name, better in found.items() if better}


def _distinguishes(other: AccountFigures, one: AccountFigures) -> bool:
    """Return whether ``other`` distinguishes the people who share the values of ``one``."""
    members, groups = one.siblings.get(other.name, 0), other.siblings.get(one.name, 0)
    if not groups:
        return False
    if groups > OF_ONE_GROUP:  # people use several applications
        crowd = members >= CROWD and one.addresses >= CROWD_ADDRESSES * other.addresses
        return crowd and other.values >= one.values
    if other.values >= MORE_VALUES * one.values and _are_members(other, one, members):
        return True
    joins = other.values > (1 + JOINED) * one.values + 1 and groups <= 1
    return joins and other.mails >= MAILS > one.mails and other.events >= MAILS * one.events


def _are_members(other: AccountFigures, one: AccountFigures, members: float) -> bool:
    """Return whether so many values of ``other`` beside one of ``one`` are people, not one person's devices."""
    own = one.addresses >= OWN_ADDRESSES * members * other.addresses
    if other.of_people or not one.of_people:
        if other.ids >= IDS > one.ids and not other.of_people:
            return own and members >= MANY_MEMBERS
        return members >= MANY_MEMBERS or (own and members >= MEMBERS)
    return other.ids < IDS and members >= MANY_MEMBERS


def _number(value: float, word: str) -> str:
    rounded = max(1, round(value))
    return f"{rounded:,} {_plural(word, rounded)}"


def _plural(word: str, number: int) -> str:
    if number == 1:
        return word
    return f"{word}es" if word.endswith("s") else f"{word}s"
