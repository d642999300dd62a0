"""One table line for the influencers (an entity and its addresses) of one event."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ipi_es.lists import some
from ipi_es.results.reading.listing import Pair

NAMED = 4
"""Maximum number of entities, and of addresses, that a line names; JSON has all."""

Key = tuple[int, bool, str]
"""Identity of an influencer within a job: (epoch milliseconds of the bucket, whether it is an entity, its name)."""


def joined(influencers: Sequence[Mapping[str, Any]], pairs: Iterable[Pair], entity_field: str) -> list[dict[str, Any]]:
    """Join the influencers of each event to one row, in the order of each event's first influencer.

    An entity and an address belong to one event if, in that bucket, one of them has records with the other only. An
    account that is attacked from seven addresses, one of which attacks forty other accounts, thus gives two events. A
    row is the worst influencer of its event, with ``entities`` and ``addresses`` (its influencers first, then other
    names from its records), ``entity_total`` and ``address_total`` (including those without a record), and the
    ``reason`` of the influencer with the most members.
    """
    keys = [
        (each["timestamp"], each["influencer_field_name"] == entity_field, each["influencer_field_value"])
        for each in influencers
    ]
    there = set(keys)
    linked = [pair for pair in pairs if there & set(_ends(pair))]
    root = _roots(there, linked)
    groups: dict[Key, list[Mapping[str, Any]]] = defaultdict(list)
    for key, each in zip(keys, influencers, strict=True):
        groups[root[key]].append(each)
    named: dict[Key, list[Pair]] = defaultdict(list)
    for pair in linked:
        for key in {root[end] for end in _ends(pair) if end in there}:
            named[key].append(pair)
    return [_row(members, named[key], entity_field) for key, members in groups.items()]


def who(row: Mapping[str, Any]) -> str:
    """Name the row's members: ``alice from 203.0.113.9``; ``alice, bob, carol, dave and 41 more from 203.0.113.9``."""
    parts = (row["entities"], row["entity_total"]), (row["addresses"], row["address_total"])
    return " from ".join(some(names, NAMED, total=total) for names, total in parts if names)


def _ends(pair: Pair) -> tuple[Key, Key]:
    return (pair.timestamp, True, pair.entity), (pair.timestamp, False, pair.ip)


def _roots(there: Iterable[Key], pairs: Sequence[Pair]) -> dict[Key, Key]:
    """Map each influencer to the one that represents its event.

    Only influencers connect: an office's address that isn't an influencer doesn't join all its users to one event.
    """
    above = {key: key for key in there}

    def root(key: Key) -> Key:
        while above[key] != key:
            above[key] = above[above[key]]
            key = above[key]
        return key

    partners: dict[Key, set[Key]] = defaultdict(set)
    for entity, ip in map(_ends, pairs):
        partners[entity].add(ip)
        partners[ip].add(entity)
    for entity, ip in map(_ends, pairs):
        if entity in above and ip in above and 1 in (len(partners[entity]), len(partners[ip])):
            above[root(ip)] = root(entity)
    return {key: root(key) for key in above}


def _row(members: Sequence[Mapping[str, Any]], pairs: Sequence[Pair], entity_field: str) -> dict[str, Any]:
    worst = max(members, key=lambda each: float(each["influencer_score"]))
    entities = [each["influencer_field_value"] for each in members if each["influencer_field_name"] == entity_field]
    addresses = [each["influencer_field_value"] for each in members if each["influencer_field_name"] != entity_field]
    entities += sorted(pair.entity for pair in pairs)
    addresses += sorted(pair.ip for pair in pairs)
    entities, addresses = list(dict.fromkeys(entities)), list(dict.fromkeys(addresses))
    counts = [(int(each.get("entity_count") or 0), int(each.get("ip_count") or 0)) for each in members]
    widest = max(zip(map(max, counts), members, strict=True), key=lambda one: one[0])[1]
    return {
        **worst,
        "entities": entities,
        "addresses": addresses,
        "entity_total": max([len(entities), *(count for count, _ in counts)]),
        "address_total": max([len(addresses), *(count for _, count in counts)]),
        "reason": widest.get("reason"),
    }
