"""The invented internet of the demo: operators and their addresses.

Every operator, prefix and AS number here is **made up**. The prefixes lie in ordinary public space, as in real
logs, but have nothing to do with the real holders of these addresses. AS numbers are of the private-use range. The
plan is the same for every seed; its use by people is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

FIRST_AS = 4_200_000_000  # start of the private-use AS numbers (RFC 6996)

_EUROPE = (31, 37, 46, 62, *range(77, 96), 109, 176, 178, 188, 193, 195, 212, 213, 217)
_AMERICA = (24, 50, *range(63, 77), 96, 97, 98, 99, 107, 108, 173, 174, 184)
_ASIA = (27, 36, 42, 49, 59, 60, 61, 101, 103, 106, *range(110, 126))

COUNTRIES: dict[str, tuple[float, str]] = {
    "DE": (1.0, "europe"),
    "GB": (0.0, "europe"),
    "US": (-5.0, "america"),
    "IN": (5.5, "asia"),
    "PL": (1.0, "europe"),
    "FR": (1.0, "europe"),
    "NL": (1.0, "europe"),
    "ES": (1.0, "europe"),
    "IT": (1.0, "europe"),
    "SE": (1.0, "europe"),
    "SG": (8.0, "asia"),
    "AE": (4.0, "asia"),
}
"""Country → (hours ahead of UTC, registry). Staff live in the first eight and travel to all. No summer time."""

FAR_COUNTRIES: dict[str, str] = {"BR": "america", "VN": "asia", "ID": "asia", "UA": "europe", "TR": "europe"}
"""Country → registry, for countries that only guesses come from."""

_OCTETS = {"europe": _EUROPE, "america": _AMERICA, "asia": _ASIA}
_V6_START = {"europe": 0x2A020000, "america": 0x26010000, "asia": 0x24010000}  # first /32 of each registry's share
_STEMS = (
    "Alder", "Basalt", "Cedar", "Delta", "Ember", "Fjord", "Garnet", "Harbor", "Iris", "Juniper", "Kestrel", "Lark",
    "Maple", "Nimbus", "Onyx", "Pine", "Quartz", "Raven", "Sable", "Tern", "Umber", "Vesper", "Willow", "Xenon",
    "Yarrow", "Zephyr",
)  # fmt: skip

HOME_ACCESS: dict[str, float] = {"Cable": 1 / 45, "DSL": 0.35, "Fibre": 1 / 150, "Broadband": 1 / 8}
"""Kind of home line → chance that its IPv4 address (and IPv6 prefix) changes overnight."""

_SHAPES: dict[str, tuple[int, ...]] = {
    "home": (16, 17, 18),
    "mobile": (18, 19, 19),
    "business": (18, 19, 20, 20),
    "hotel": (21, 21),
    "hosting": (19, 20, 21, 21, 22),
    "cloud": (17, 17, 18, 18, 18, 19),
}
"""Kind of operator → lengths of its IPv4 prefixes, large before small."""


@dataclass(frozen=True)
class Provider:
    """One invented operator; ``v4`` holds (first address, prefix length), ``v6`` the high 64 bits of its /32."""

    index: int
    name: str
    kind: str
    country: str
    v4: tuple[tuple[int, int], ...]
    v6: int

    @property
    def asn(self) -> int:
        """An AS number of the private-use range."""
        return FIRST_AS + self.index

    @property
    def access(self) -> str:
        """The last word of the name; for home operators a key of HOME_ACCESS."""
        return self.name.rpartition(" ")[2]

    def pools(self, length: int) -> list[int]:
        """List the first addresses of all IPv4 networks of ``length`` in those prefixes that are large enough."""
        return [
            base + (i << (32 - length)) for base, own in self.v4 if own <= length for i in range(1 << (length - own))
        ]


@dataclass
class _Allocator:
    """Allocates prefixes of one registry: large ones get a /16 of their own, small ones share one."""

    octets: tuple[int, ...]
    next_v6: int
    taken: int = 0
    shared: int = 0
    used: int = 1 << 16

    def sixteen(self) -> int:
        """Return the first address of the next free /16; adjacent ones go to different operators, as in reality."""
        octet = self.octets[self.taken % len(self.octets)]
        second = (self.taken // len(self.octets) * 37 + octet * 11) % 256
        self.taken += 1
        return octet << 24 | second << 16

    def v4(self, length: int) -> tuple[int, int]:
        if length <= 17:
            return self.sixteen(), length
        size = 1 << (32 - length)
        offset = -(-self.used // size) * size
        if offset + size > 1 << 16:
            self.shared, offset = self.sixteen(), 0
        self.used = offset + size
        return self.shared + offset, length

    def v6(self) -> int:
        self.next_v6 += 13  # operators next to each other in the table are apart in the address space
        return self.next_v6 << 32


@dataclass(frozen=True)
class Plan:
    """All operators, and the owners of addresses."""

    providers: tuple[Provider, ...]
    _starts: NDArray[np.uint64] = field(repr=False)
    _ends: NDArray[np.uint64] = field(repr=False)
    _owners: NDArray[np.int64] = field(repr=False)

    def of(self, kind: str, country: str | None = None) -> list[Provider]:
        """List the operators of a kind, in one country or in all, in the plan's order."""
        return [p for p in self.providers if p.kind == kind and country in (None, p.country)]

    def owner(self, high: NDArray[np.uint64], low: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the provider's index of each address (halves uint64[n]): int64[n], -1 for none.

        IPv4 addresses are looked up as 0…2³², IPv6 addresses by their high half, so that the two never overlap.
        """
        place = np.where(high == 0, low & np.uint64(0xFFFF_FFFF), high)
        row = np.searchsorted(self._starts, place, side="right") - 1
        found = (row >= 0) & (place < self._ends[row])
        return np.where(found, self._owners[row], -1)


def _shopping_list() -> Iterator[tuple[str, str, str, str]]:
    """Yield (kind, country, registry, name's last word) of every operator, in a fixed order."""
    for country, (_, registry) in COUNTRIES.items():
        for word in HOME_ACCESS:
            yield "home", country, registry, word
        for word in ("Mobile", "Wireless", "Cellular"):
            yield "mobile", country, registry, word
        for word in ("Business", "Carrier"):
            yield "business", country, registry, word
        yield "hotel", country, registry, "Hospitality"
    for country, registry in FAR_COUNTRIES.items():
        yield "home", country, registry, "Broadband"
        yield "home", country, registry, "DSL"
        yield "hosting", country, registry, "Hosting"
    for country in ("DE", "NL", "US", "FR", "SG", "GB", "US", "NL"):
        yield "hosting", country, COUNTRIES[country][1], "Hosting"
    for country in ("US", "DE", "US", "SG"):
        yield "cloud", country, COUNTRIES[country][1], "Cloud"


@cache
def plan() -> Plan:
    """Build the plan once: about 150 operators with several prefixes each."""
    allocators = {name: _Allocator(_OCTETS[name], _V6_START[name]) for name in _OCTETS}
    providers = []
    for index, (kind, country, registry, word) in enumerate(_shopping_list()):
        desk = allocators[registry]
        v4 = tuple(desk.v4(length) for length in _SHAPES[kind])
        name = f"{_STEMS[index * 7 % len(_STEMS)]}{country.title()} {word}"
        providers.append(Provider(index, name, kind, country, v4, desk.v6()))
    rows = sorted(
        [(base, base + (1 << (32 - length)), p.index) for p in providers for base, length in p.v4]
        + [(p.v6, p.v6 + (1 << 32), p.index) for p in providers]
    )
    starts, ends, owners = zip(*rows, strict=True)
    return Plan(tuple(providers), np.array(starts, np.uint64), np.array(ends, np.uint64), np.array(owners, np.int64))
