"""Measure what allow rules cover together, on a fixed sample of names and addresses, to refuse overly wide rules.

A single pattern or prefix doesn't show it: ``0.0.0.0/1`` and ``128.0.0.0/1`` together are all of IPv4, ``[!_]*`` is
nearly every name. Each way of writing names is judged alone, since one log writes all of its names in one way: rules
that cover all e-mail addresses cover everything in a log of e-mail addresses.
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cache
from typing import Protocol

from ipi_es.addresses import V4_WORD
from ipi_es.config.entity_names import EntityStep, normalize_entity

MOST = 0.75
"""Share of the sample's pairs from which rules are refused. Half of all addresses (``0.0.0.0/1``), or names of half of
the alphabet, stay possible; both halves together don't."""

SHOWN = 5
"""Maximum number of rules that a message names; the others are counted."""

_FIRST = (
    "anna",
    "bo",
    "chen",
    "dmitri",
    "eva",
    "femi",
    "gül",
    "hugo",
    "ines",
    "jo",
    "kim",
    "li",
    "mia",
    "noor",
    "olga",
)
_SECOND = (
    "paz",
    "quinn",
    "ravi",
    "sato",
    "tran",
    "ueda",
    "vega",
    "wu",
    "xu",
    "yilmaz",
    "zola",
    "adler",
    "ito",
    "ek",
    "o-neil",
)
_ENDINGS = ("com", "org", "co.uk", "de", "io", "fr", "jp")


def _written(form: str) -> tuple[str, ...]:
    """Return the names written as ``form``: parts ``{a}`` and ``{b}``, number ``{n}``, domain ending ``{end}``."""
    pairs = [*zip(_FIRST, _SECOND, strict=True), *zip(_SECOND, _FIRST, strict=True)]
    return tuple(
        form.format(a=a, b=b, n=number, end=_ENDINGS[number % len(_ENDINGS)]) for number, (a, b) in enumerate(pairs)
    )


WRITINGS: dict[str, tuple[str, ...]] = {
    "first.last": _written("{a}.{b}"),
    "first": (*_FIRST, *_SECOND),
    "First Last": tuple(name.title() for name in _written("{a} {b}")),
    "e-mail address": _written("{a}@{b}{n}.{end}"),
    "DOMAIN\\name": tuple(name.replace("*", "\\") for name in (each.upper() for each in _written("{b}{n}*{a}"))),
    "number": tuple(str(12_345 + 2_971 * number) for number in range(30)),
}
"""Ways in which logs write account names, each with names of many initial letters."""

_WILD = re.compile(r"[*?]")

_SPECIAL_BLOCKS = frozenset({10, 127})
_V4_BLOCKS = tuple(block for block in range(1, 224) if block not in _SPECIAL_BLOCKS)
"""First bytes of the addresses that the internet uses; the sample has one of each block of 2^24 addresses."""
_V6_BLOCKS = 128
_SPREAD = 0x9E3779B1  # an odd constant: the places within the blocks are spread evenly, and always the same


class Rule(Protocol):
    """The part of an allow rule that is examined here."""

    @property
    def entity(self) -> str | None:
        """A name or a pattern; None: any entity."""

    @property
    def cidr(self) -> str | None:
        """A network; None: any address."""

    @property
    def name(self) -> str:
        """The name for messages."""


@dataclass(frozen=True, slots=True)
class TooMuch:
    """Rules that together cover too much: their names, and a text for people with what they cover."""

    rules: tuple[str, ...]
    text: str


def too_much(rules: Sequence[Rule], steps: Sequence[EntityStep]) -> TooMuch | None:
    """Find a few rules that together cover :data:`MOST` of one kind of names and addresses; None: no rules do."""
    addresses = {"IPv4": _v4_sample(), "IPv6": _v6_sample()}
    patterns = [None if rule.entity is None else normalize_entity(rule.entity, steps) for rule in rules]
    masks = {kind: _masks([rule.cidr for rule in rules], sample) for kind, sample in addresses.items()}
    for writing, written in WRITINGS.items():
        names = sorted({normalize_entity(name, steps) for name in written})
        matched = _matches(patterns, names)
        for kind, sample in addresses.items():
            found = _covering(matched, masks[kind], len(names), len(sample))
            if found is not None:
                chosen, share = found
                everybody = all(matched[each] == (1 << len(names)) - 1 for each in chosen)
                who = "any account" if everybody else f"accounts written as “{writing}”"
                text = f"{share:.0%} of the sign-ins of {who} from {kind} addresses".replace("%", " %")
                return TooMuch(tuple(rules[each].name for each in sorted(chosen)), text)
    return None


def _covering(matched: list[int], masks: list[int], names: int, addresses: int) -> tuple[list[int], float] | None:
    """Choose rules, large ones first, until they cover :data:`MOST` of the pairs: (indices of rules, share covered).

    ``matched[rule]``: bits of the names that the rule matches; ``masks[rule]``: bits of the addresses that it covers.
    None where all rules together cover less.
    """
    size = {
        rule: found.bit_count() * mask.bit_count()
        for rule, (found, mask) in enumerate(zip(matched, masks, strict=True))
        if found and mask
    }
    covered, chosen, before = [0] * names, list[int](), 0
    for rule in sorted(size, key=lambda each: -size[each]):
        for name in range(names):
            covered[name] |= masks[rule] if matched[rule] >> name & 1 else 0
        now = sum(mask.bit_count() for mask in covered)
        if now > before:
            chosen.append(rule)
        before = now
        if now >= MOST * names * addresses:
            return chosen, now / (names * addresses)
    return None


def _matches(patterns: Sequence[str | None], names: Sequence[str]) -> list[int]:
    """Return a mask for each pattern: bit i is set if it matches name i; None matches all."""
    text = "\n".join(names)
    found: dict[str | None, int] = {None: (1 << len(names)) - 1}
    for pattern in patterns:
        if pattern is not None and pattern not in found:
            found[pattern] = _matching(pattern, names) if _literal(pattern) in text else 0
    return [found[pattern] for pattern in patterns]


def _matching(pattern: str, names: Sequence[str]) -> int:
    compiled = re.compile(translate(pattern))
    return sum(1 << place for place, name in enumerate(names) if compiled.match(name))


def _literal(pattern: str) -> str:
    """Return a text that each name has which the pattern matches: there may be 100,000 that match none of a sample."""
    return max(_WILD.split(pattern.partition("[")[0]), key=len)


def _masks(networks: Sequence[str | None], sample: Sequence[int]) -> list[int]:
    """Return a mask for each network: bit i is set if it contains the sample's address i; None contains all."""
    found = {each: _mask(each, sample) for each in set(networks)}
    return [found[each] for each in networks]


def _mask(cidr: str | None, sample: Sequence[int]) -> int:
    if cidr is None:
        return (1 << len(sample)) - 1
    network = ipaddress.ip_network(cidr)
    shift = int(V4_WORD) if network.version == 4 else 0
    first, last = int(network.network_address) + shift, int(network.broadcast_address) + shift
    begin, end = bisect_left(sample, first), bisect_right(sample, last)
    return (1 << end) - (1 << begin)


@cache
def _v4_sample() -> tuple[int, ...]:
    """Return one address of each block of 2^24 in use, as the number of the IPv4-mapped IPv6 address, sorted."""
    return tuple(int(V4_WORD) | block << 24 | (block * _SPREAD) % 2**24 for block in _V4_BLOCKS)


@cache
def _v6_sample() -> tuple[int, ...]:
    """Return addresses, as numbers, sorted, spread over 2000::/3, the part of IPv6 that the internet uses."""
    step = 2**125 // _V6_BLOCKS
    return tuple((1 << 125) + block * step + (block * _SPREAD) % 2**32 * 2**80 % step for block in range(_V6_BLOCKS))
