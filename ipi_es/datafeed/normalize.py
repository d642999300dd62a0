"""Raw rows of one event bucket → an EventBucket: spelling of entities and addresses, drops and their counts, merging.

Pure. Work is done once for each distinct string; the rows themselves are only touched by C loops and NumPy.

A document with several entities or addresses gives a row for each combination (so the cluster's composite does), and
is counted in each: for such documents counts of rows, and of malformed and private addresses, are of combinations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import canonical, is_private, packed
from ipi_es.config.entity_names import EntityStep, normalize_entity
from ipi_es.datafeed.event_bucket import Dropped, EventBucket
from ipi_es.datafeed.plan import NOTHING, Counted
from ipi_es.datafeed.spec import SUCCESS, UNKNOWN
from ipi_es.errors import FieldTypeWrong

CACHED_ADDRESSES = 200_000
"""Spelled addresses that are remembered across event buckets: about 40 MB at the most."""

MAX_OUTCOMES = 127
"""Distinct outcomes that an int8 can number; ECS knows three."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Unique rows of one event bucket as the cluster gave them; equal lengths. ``outcomes`` None: only one is read."""

    entities: list[Any]
    ips: list[Any]
    outcomes: list[Any] | None
    counts: NDArray[np.int64]  # [rows], documents


NO_ROWS = Rows([], [], None, np.empty(0, dtype=np.int64))
_NO_INDICES = np.empty(0, dtype=np.int32)
_NO_OUTCOMES = np.empty(0, dtype=np.int8)
_NO_ADDRESSES = np.empty((0, 16), dtype=np.uint8)


@dataclass(slots=True)
class _Addresses:
    """Spelled addresses seen before. Only grows; the threads' races at worst parse one twice."""

    blobs: dict[Any, bytes] = field(default_factory=dict)  # spelling → 16 bytes, none if malformed
    other: dict[Any, str] = field(default_factory=dict)  # spelling → canonical text, where that differs

    def take(self, spellings: list[Any]) -> list[bytes]:
        """Give the 16 bytes of each spelling, no bytes for a malformed one."""
        known = self.blobs
        for spelling in [one for one in spellings if one not in known]:
            blob = packed(spelling) if isinstance(spelling, str) else None
            if blob is not None and (text := canonical(blob)) != spelling:
                self.other[spelling] = text
            known[spelling] = blob or b""
        return [known[spelling] for spelling in spellings]


@dataclass(slots=True)
class Normalizer:
    """Turns Rows into EventBuckets for one datafeed; remembers addresses. Safe to share between threads."""

    entity_normalize: tuple[EntityStep, ...] = ()
    ignore_private: bool = False
    only_outcome: str = SUCCESS  # of all rows that carry none
    _addresses: _Addresses = field(default_factory=_Addresses)

    def bucket(self, start: int, span: int, rows: Rows, counted: Counted = NOTHING) -> EventBucket:
        """Make the EventBucket of [start, start + span); rows keep their order, equal ones become one, counts added.

        Raises FieldTypeWrong if the outcome field has more than 127 distinct values.
        """
        missing = Dropped(missing_entity=counted.missing_entity, missing_ip=counted.missing_ip)
        if not rows.entities:
            return _empty(start, span, counted.events, missing)
        names, entity, folded = self._entities(rows.entities)
        ips, blobs, ip, same = self._ips(rows.ips)
        outcomes, outcome, mixed = self._outcomes(rows.outcomes, len(entity))
        counts = rows.counts
        addresses = np.frombuffer(b"".join(blobs), dtype=np.uint8).reshape(-1, 16)
        keep, dropped = self._judge(names, entity, addresses, ip, counts)
        if keep is not None:
            entity, ip, outcome, counts = entity[keep], ip[keep], outcome[keep], counts[keep]
            names, entity, _ = _compact(names, entity)
            ips, ip, used = _compact(ips, ip)
            outcomes, outcome, _ = _compact(outcomes, outcome)
            addresses = addresses[used]
        if folded or same or mixed:
            key = (entity.astype(np.int64) * len(ips) + ip) * len(outcomes) + outcome
            first, counts = _merge(key, counts)
            entity, ip, outcome = entity[first], ip[first], outcome[first]
        return EventBucket(
            start=start,
            span=span,
            entities=names,
            ips=ips,
            addresses=addresses,
            outcomes=outcomes,
            entity=entity,
            ip=ip,
            outcome=outcome.astype(np.int8),
            count=counts,
            event_count=counted.events,
            dropped=missing + dropped,
        )

    def _entities(self, values: list[Any]) -> tuple[list[str], NDArray[np.int32], bool]:
        """Distinct names, the rows' numbers in them, whether any spellings became one."""
        spellings = list(dict.fromkeys(values))
        names = spellings if set(map(type, spellings)) == {str} else list(map(_text, spellings))
        if self.entity_normalize:
            names = [normalize_entity(name, self.entity_normalize) for name in names]
        return _number(values, spellings, names)

    def _ips(self, values: list[Any]) -> tuple[list[str], list[bytes], NDArray[np.int32], bool]:
        """Distinct addresses, their 16 bytes, the rows' numbers in them (−1: malformed), whether any became one."""
        known = self._addresses
        if len(known.blobs) > CACHED_ADDRESSES:
            known = self._addresses = _Addresses()
        spellings = list(dict.fromkeys(values))
        blobs = known.take(spellings)
        if b"" not in blobs and known.other.keys().isdisjoint(spellings):
            texts, codes, same = _number(values, spellings, spellings)
            return texts, blobs, codes, same
        good = {one: blob for one, blob in zip(spellings, blobs, strict=True) if blob}
        texts = [known.other.get(one, one) for one in good]
        first = dict(zip(reversed(texts), reversed(good.values()), strict=True))
        names = dict.fromkeys(texts)
        number = dict(zip(names, range(len(names)), strict=True))
        lookup = dict.fromkeys(spellings, -1) | {one: number[text] for one, text in zip(good, texts, strict=True)}
        return list(names), [first[text] for text in names], _codes(values, lookup), len(names) < len(good)

    def _outcomes(self, values: list[Any] | None, rows: int) -> tuple[list[str], NDArray[np.int32], bool]:
        if values is None:
            return [self.only_outcome], np.zeros(rows, dtype=np.int32), False
        spellings = list(dict.fromkeys(values))
        result = _number(values, spellings, [UNKNOWN if one is None else _text(one) for one in spellings])
        if len(result[0]) > MAX_OUTCOMES:
            raise FieldTypeWrong(
                f"the outcome field has {len(result[0])} distinct values in one event bucket",
                hint="name a field with few values, such as event.outcome, or none (outcome_field: null)",
            )
        return result

    def _judge(
        self,
        names: list[str],
        entity: NDArray[np.int32],
        addresses: NDArray[np.uint8],
        ip: NDArray[np.int32],
        counts: NDArray[np.int64],
    ) -> tuple[NDArray[np.bool_] | None, Dropped]:
        """Which rows to keep (None: all), and how many documents the others had."""
        unwanted = np.zeros(len(ip), dtype=np.bool_)
        nameless = malformed = private = 0
        if "" in names:
            unwanted = entity == names.index("")
            nameless = int(counts[unwanted].sum())
        if ip.min() < 0:
            broken = ip < 0
            malformed = int(counts[broken].sum())
            unwanted = unwanted | broken
        if self.ignore_private and len(addresses):
            inner = is_private(addresses)[ip] & (ip >= 0)
            private = int(counts[inner].sum())
            unwanted = unwanted | inner
        if not unwanted.any():
            return None, Dropped()
        return ~unwanted, Dropped(missing_entity=nameless, malformed_ip=malformed, private_ip=private)


def _text(value: Any) -> str:
    """Spell a key that isn't a string (number, boolean) as the cluster would write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(values: list[Any], spellings: list[Any], names: list[str]) -> tuple[list[str], NDArray[np.int32], bool]:
    """Distinct ``names`` (one a spelling, in the order of appearance), each value's number, whether any were equal."""
    distinct = list(dict.fromkeys(names))
    number = dict(zip(distinct, range(len(distinct)), strict=True))
    lookup = number if names is spellings else dict(zip(spellings, map(number.__getitem__, names), strict=True))
    return distinct, _codes(values, lookup), len(distinct) < len(spellings)


def _codes(values: list[Any], lookup: dict[Any, int]) -> NDArray[np.int32]:
    return np.fromiter(map(lookup.__getitem__, values), dtype=np.int32, count=len(values))


def _compact(names: list[str], codes: NDArray[np.int32]) -> tuple[list[str], NDArray[np.int32], NDArray[np.intp]]:
    """Only the names that are still used, renumbered in the order of first appearance; and their old numbers."""
    used, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    old = used[order].astype(np.intp)
    return [names[at] for at in old], rank[inverse], old


def _merge(key: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Where each distinct key was first, in that order, and its total count."""
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    totals = np.zeros(len(first), dtype=np.int64)
    np.add.at(totals, inverse, counts)
    order = np.argsort(first)
    return first[order], totals[order]


def _empty(start: int, span: int, events: int, dropped: Dropped) -> EventBucket:
    return EventBucket(
        start=start,
        span=span,
        entities=[],
        ips=[],
        addresses=_NO_ADDRESSES,
        outcomes=[],
        entity=_NO_INDICES,
        ip=_NO_INDICES,
        outcome=_NO_OUTCOMES,
        count=NO_ROWS.counts,
        event_count=events,
        dropped=dropped,
    )
