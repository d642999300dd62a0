"""The types of networks, and the words that published files have for them.

A set of types is a number of 8 bits, one bit a type: a table has one byte a network for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias, get_args

NetworkType: TypeAlias = Literal["hosting", "vpn", "proxy", "relay", "tor", "mobile", "business"]

NETWORK_TYPES: tuple[NetworkType, ...] = get_args(NetworkType)
"""All types; type i has bit i."""

TYPES_FIELD = "source.network_type"
"""Field of results with the types of an address's networks. ECS has none: its ``network.type`` is ipv4 or ipv6."""

_BITS: dict[str, int] = {name: 1 << place for place, name in enumerate(NETWORK_TYPES)}

USAGE_WORDS: dict[str, int] = {
    "dch": _BITS["hosting"],  # data center
    "cdn": _BITS["hosting"],
    "mob": _BITS["mobile"],
    "com": _BITS["business"],
    **dict.fromkeys(("isp", "org", "gov", "mil", "edu", "lib", "ses", "rsv"), 0),
}
"""IP2Location's usage types; ``ISP/MOB`` is both."""

PROXY_WORDS: dict[str, int] = {
    "vpn": _BITS["vpn"],
    "tor": _BITS["tor"],
    "dch": _BITS["hosting"],
    "cpn": _BITS["relay"],  # consumer privacy network
    "epn": _BITS["business"],  # enterprise private network
    **dict.fromkeys(("pub", "web", "res"), _BITS["proxy"]),
    "ses": 0,  # search engine
}
"""IP2Proxy's proxy types."""

_MAXMIND_WORDS: dict[str, int] = {
    "business": _BITS["business"],
    "corporate": _BITS["business"],
    "cellular": _BITS["mobile"],
    "content_delivery_network": _BITS["hosting"],
    "consumer_privacy_network": _BITS["relay"],
    **dict.fromkeys(("cable", "dsl", "dialup", "satellite", "residential", "cafe", "college", "government"), 0),
    **dict.fromkeys(("library", "military", "router", "school", "search_engine_spider", "traveler"), 0),
}
"""MaxMind's connection types and user types."""

_WORDS = _BITS | USAGE_WORDS | PROXY_WORDS | _MAXMIND_WORDS | {"consumer": 0, "-": 0}

TYPE_COLUMNS = ("type", "network_type", "usage_type", "proxy_type", "user_type", "connection_type")
"""Columns and keys that hold such words."""

TYPE_FLAGS: dict[str, int] = {
    "is_anonymous_vpn": _BITS["vpn"],
    "is_hosting_provider": _BITS["hosting"],
    "is_tor_exit_node": _BITS["tor"],
    **dict.fromkeys(("is_public_proxy", "is_residential_proxy", "is_anonymous_proxy"), _BITS["proxy"]),
    **{name: _BITS[name] for name in ("hosting", "vpn", "proxy", "relay", "tor", "mobile")},
}
"""Columns and keys that are true or false. ``is_anonymous`` alone says nothing of the type."""

_TRUE = (True, 1, "1", "true", "True", "TRUE")
_SEPARATORS = re.compile(r"[\s/;|,]+")


def type_bits(name: NetworkType | None) -> int:
    """Return a type as a set of types; 0 for None."""
    return 0 if name is None else _BITS[name]


def type_names(bits: int) -> tuple[NetworkType, ...]:
    """Return the names of a set of types, in the order of :data:`NETWORK_TYPES`."""
    return tuple(name for place, name in enumerate(NETWORK_TYPES) if bits >> place & 1)


def bits_of_words(text: str) -> int | None:
    """Return the types that a cell names, as ``hosting`` or ``ISP/MOB``; None if a word in it isn't known."""
    bits = 0
    for word in _SEPARATORS.split(text.strip().lower()):
        if word and word not in _WORDS:
            return None
        bits |= _WORDS.get(word, 0)
    return bits


def is_true(value: object) -> bool:
    """Decide whether a flag is set: true, 1 or ``"true"``."""
    return isinstance(value, bool | int | str) and value in _TRUE


def bits_of_record(places: Iterable[Mapping[str, Any]]) -> int:
    """Return the types that mappings of a database's record have, under any of the known keys."""
    bits = 0
    for place in places:
        for name, flag in TYPE_FLAGS.items():
            bits |= flag if is_true(place.get(name)) else 0
        for name in TYPE_COLUMNS:
            value = place.get(name)
            bits |= (bits_of_words(value) or 0) if isinstance(value, str) else 0
        if place.get("mobile_country_code"):
            bits |= _BITS["mobile"]
    return bits
