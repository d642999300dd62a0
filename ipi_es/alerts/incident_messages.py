"""One message per incident: findings of a bucket with a common entity or address are one incident."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ipi_es.alerts.kinds import SCORED
from ipi_es.alerts.message import Message, named

_WIDTH = {"records": 0, "influencers": 1, "buckets": 2}
"""How much a kind of finding covers; the widest finding of an incident gives its reason."""


def incidents(messages: Iterable[Message]) -> list[Message]:
    """Merge findings of one bucket that have an entity or an address in common, each group into one message.

    A finding of the bucket itself covers all others of the bucket. Messages without a score are never merged.
    """
    alone: list[Message] = []
    buckets: dict[tuple[str, int], list[Message]] = {}
    for message in messages:
        if message.alert in SCORED:
            buckets.setdefault((message.job_id, message.when), []).append(message)
        else:
            alone.append(message)
    return [*alone, *(merged(group) for found in buckets.values() for group in _groups(found))]


def _groups(found: Sequence[Message]) -> list[list[Message]]:
    """Group the findings of one bucket by common entities and addresses."""
    if any(each.alert == "buckets" for each in found):
        return [list(found)]
    groups: list[tuple[set[tuple[str, str]], list[Message]]] = []
    for each in found:
        names = {*(("entity", name) for name in each.entities), *(("address", name) for name in each.addresses)}
        touched = [group for group in groups if group[0] & names]
        groups = [group for group in groups if group not in touched]
        together = [member for _, members in touched for member in members]
        groups.append((names.union(*(known for known, _ in touched)), [*together, each]))
    return [group for _, group in groups]


def merged(group: Sequence[Message]) -> Message:
    """Merge findings of one bucket: the widest gives the reason, the worst gives the score, all are named.

    The id is that of the widest finding, with a digest of all ids where there are several: the same findings always
    have the same id, and one finding more makes another message.
    """
    if len(group) == 1:
        return group[0]
    ordered = sorted(group, key=lambda each: (-_width(each), -_names(each), -(each.score or 0.0), each.id))
    lead, others = ordered[0], ordered[1:]
    worst = max(group, key=lambda each: each.score or 0.0)
    digest = hashlib.blake2b(
        "\n".join(sorted(each.id for each in group)).encode("utf-8", "surrogatepass"), digest_size=8
    ).hexdigest()
    entities = tuple(dict.fromkeys(name for each in ordered for name in each.entities))
    addresses = tuple(dict.fromkeys(name for each in ordered for name in each.addresses))
    whole = lead.alert == "buckets"
    counting = [lead] if whole else group  # a bucket counts only unusual entities, its addresses count usual ones too
    entity_count = max([len(entities), *(each.entity_count for each in counting)])
    address_count = max([len(addresses), *(each.address_count for each in counting)])
    exact = whole or all(map(_hides_nothing, others if _covers(lead, others) else group))
    return replace(
        lead,
        id=f"{lead.id}|+{len(others)}|{digest}",
        score=worst.score,
        severity=worst.severity,
        who=named(entities, entity_count, exact=exact),
        where=named(addresses, address_count, exact=exact),
        entities=entities,
        addresses=addresses,
        entity_count=entity_count,
        address_count=address_count,
        findings=tuple(ordered),
    )


def _width(message: Message) -> int:
    return _WIDTH[message.alert]


def _names(message: Message) -> int:
    return max(message.entity_count, message.address_count)


def _hides_nothing(message: Message) -> bool:
    return message.entity_count <= len(message.entities) and message.address_count <= len(message.addresses)


def _covers(lead: Message, others: Iterable[Message]) -> bool:
    """Return whether the lead counts all names of the others, which then share the lead's own entity or address."""
    if lead.address_count == 1:
        return all(set(lead.addresses) <= set(each.addresses) for each in others)
    return all(set(lead.entities) <= set(each.entities) for each in others)
