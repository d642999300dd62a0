"""Conversion of raw rows to an EventBucket: spelling of entities and addresses, drops and their counts, merging.

Pure. A document with several entities or addresses gives a row for each combination (as the cluster's
composite does), and is counted in each: for such documents, the counts of rows and of malformed and private addresses
count combinations.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses, IpPick, is_private
from ipi_es.config.entity_names import EntityStep, normalize_entity
from ipi_es.datafeed.bucket_context import context_of_ips
from ipi_es.datafeed.entity_choice import as_text
from ipi_es.datafeed.event_bucket import Dropped, EventBucket
from ipi_es.datafeed.numbering import MALFORMED, Numbers, compact, merge, number_ips, number_texts
from ipi_es.datafeed.searches.pages import NO_ROWS, Rows
from ipi_es.datafeed.searches.read_plan import NOTHING, CountedBucket
from ipi_es.datafeed.spec import SUCCESS, UNKNOWN
from ipi_es.embedded_addresses import Embedding
from ipi_es.errors import FieldTypeWrong
from ipi_es.index_pairs import packed_pairs
from ipi_es.pseudonyms import Pseudonyms

MAX_OUTCOMES = 127
"""Distinct outcomes that an int8 can number; ECS defines three."""


_NO_INDICES = np.empty(0, dtype=np.int32)
_NO_OUTCOMES = np.empty(0, dtype=np.int8)
_NO_ADDRESSES = np.empty((0, 16), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Normalizer:
    """Converts Rows to EventBuckets for one datafeed."""

    entity_normalize: tuple[EntityStep, ...] = ()
    ignore_private: bool = False
    only_outcome: str = SUCCESS  # the outcome of rows that carry none
    translators: tuple[Embedding, ...] = ()
    """Prefixes of translators, in addition to the well-known ones."""
    exclude_entities: tuple[str, ...] = ()
    """Patterns of entities whose rows are dropped."""
    ip_pick: IpPick | None = None
    """Which address of a text with several counts; None: such a text is malformed."""
    pseudonyms: Pseudonyms | None = None
    """What event buckets have in place of names; None: the names."""

    def bucket(
        self, start: int, span: int, rows: Rows, counted: CountedBucket = NOTHING, groups: Rows = NO_ROWS
    ) -> EventBucket:
        """Build the EventBucket of [start, start + span); rows keep their order, equal rows are merged, counts added.

        ``groups`` are rows with the entities' groups in the place of the IPs.
        Raises FieldTypeWrong if the outcome field has more than 127 distinct values.
        """
        missing = Dropped(missing_entity=counted.missing_entity, missing_ip=counted.missing_ip)
        if not rows.entities:
            return _empty(start, span, counted, missing)
        names, entity, folded = number_texts(rows.entities, self._spell)
        ips, addresses, ip, alike = number_ips(rows.ips, self.translators, self.ip_pick)
        outcomes, outcome, mixed = self._outcomes(rows.outcomes, len(entity))
        counts = rows.counts
        context, changing = context_of_ips(len(ips), ip, rows.operators, rows.countries)
        keep, dropped = self._judge(names, entity, addresses, ip, counts)
        if keep is not None:
            entity, ip, outcome, counts = entity[keep], ip[keep], outcome[keep], counts[keep]
            names, entity, _ = compact(names, entity)
            ips, ip, kept = compact(ips, ip)
            outcomes, outcome, _ = compact(outcomes, outcome)
            addresses = addresses[kept]
            context = context.take(kept) if context is not None else None
        members = self._groups(groups, names)
        if self.pseudonyms is not None:  # what comes after this has no names
            names = self.pseudonyms.of(names)
            members = dict(zip(self.pseudonyms.of(members), members.values(), strict=True))
        if folded or alike or mixed or changing or rows.chosen:
            key = packed_pairs(packed_pairs(entity, ip, len(ips)), outcome, len(outcomes))
            first, counts = merge(key, counts)
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
            context=context or None,
            given_context=context or None,
            entity_groups=members,
            seq_no=counted.seq_no,
        )

    def _spell(self, spellings: list[Any]) -> list[str]:
        names = spellings if set(map(type, spellings)) == {str} else list(map(as_text, spellings))
        if self.entity_normalize:
            names = [normalize_entity(name, self.entity_normalize) for name in names]
        return names

    def _groups(self, rows: Rows, names: list[str]) -> dict[str, tuple[str, ...]]:
        """Return the groups of the entities ``names`` that are in any, sorted."""
        if not rows.entities:
            return {}
        members, wanted = defaultdict[str, set[str]](set), set(names)
        for entity, group in zip(self._spell(rows.entities), rows.ips, strict=True):
            if entity in wanted:
                members[entity].add(as_text(group))
        return {entity: tuple(sorted(groups)) for entity, groups in members.items()}

    def _outcomes(self, values: list[Any] | None, rows: int) -> tuple[list[str], Numbers, bool]:
        if values is None:
            return [self.only_outcome], np.zeros(rows, dtype=np.int32), False
        result = number_texts(values, lambda distinct: [UNKNOWN if one is None else as_text(one) for one in distinct])
        if len(result[0]) > MAX_OUTCOMES:
            raise FieldTypeWrong(
                f"the outcome field has {len(result[0])} distinct values in one event bucket",
                hint="name a field with few values, such as event.outcome, or none (outcome_field: null)",
            )
        return result

    def _judge(
        self, names: list[str], entity: Numbers, addresses: Addresses, ip: Numbers, counts: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_] | None, Dropped]:
        """Return the rows to keep, bool[rows] (None: all), and the documents of the others by reason."""
        unwanted = np.zeros(len(ip), dtype=np.bool_)
        nameless = malformed = private = excluded = 0
        if "" in names:
            unwanted = entity == names.index("")
            nameless = int(counts[unwanted].sum())
        broken = ip == MALFORMED
        if broken.any():
            malformed = int(counts[broken].sum())
            unwanted = unwanted | broken
        if self.ignore_private and len(addresses):
            inner = is_private(addresses)[ip] & ~broken
            private = int(counts[inner].sum())
            unwanted = unwanted | inner
        if self.exclude_entities:
            left_out = self._excluded(names)[entity]
            excluded = int(counts[left_out].sum())
            unwanted = unwanted | left_out
        if not unwanted.any():
            return None, Dropped()
        return ~unwanted, Dropped(
            missing_entity=nameless, malformed_ip=malformed, private_ip=private, excluded_entity=excluded
        )

    def _excluded(self, names: list[str]) -> NDArray[np.bool_]:
        """Return which names a pattern of ``exclude_entities`` matches, bool[names]."""
        patterns = [normalize_entity(pattern, self.entity_normalize) for pattern in self.exclude_entities]
        found = [any(fnmatchcase(name, pattern) for pattern in patterns) for name in names]
        return np.array(found, dtype=np.bool_)


def _empty(start: int, span: int, counted: CountedBucket, dropped: Dropped) -> EventBucket:
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
        event_count=counted.events,
        dropped=dropped,
        seq_no=counted.seq_no,
    )
