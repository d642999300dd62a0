"""The datafeed's output: the unique (entity, IP, outcome) rows of one ``bucket_span``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses, words
from ipi_es.config.rules.allow_list import Matchable
from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.hashing import joined, mix

NO_ROWS_DIGEST = "0" * 16
"""The digest of no rows."""


def _context_keys(context: AddressContext | None, n: int) -> NDArray[np.uint64]:
    """Return a uint64[n] key for each address; all 0 without a context."""
    if context is None:
        return np.zeros(n, dtype=np.uint64)
    return mix((context.operator.astype(np.uint64) << np.uint64(16)) | context.country.astype(np.uint64))


@dataclass(frozen=True, slots=True)
class Dropped:
    """Documents that match the query but can't be scored, by reason (a document counts once for each reason)."""

    missing_entity: int = 0
    missing_ip: int = 0
    malformed_ip: int = 0
    private_ip: int = 0
    excluded_entity: int = 0

    def __add__(self, other: Dropped) -> Dropped:
        return Dropped(
            self.missing_entity + other.missing_entity,
            self.missing_ip + other.missing_ip,
            self.malformed_ip + other.malformed_ip,
            self.private_ip + other.private_ip,
            self.excluded_entity + other.excluded_entity,
        )

    @property
    def unparsable(self) -> int:
        """Documents without a usable entity or IP; what the configuration leaves out doesn't count."""
        return self.missing_entity + self.missing_ip + self.malformed_ip

    def counts(self) -> dict[str, int]:
        """Return ``{reason: documents}``, for people and for logs."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class EventBucket:
    """Unique (entity, IP, outcome) rows of the interval [start, start + span).

    ``entities`` and ``ips`` are the distinct, normalized strings in the order of first appearance, ``addresses``
    uint8[len(ips), 16] the same IPs as arrays; a job with pseudonyms has these in place of the entities' names. A row i
    is (``entities[entity[i]]``, ``ips[ip[i]]``, ``outcomes[outcome[i]]``) and was seen in ``count[i]`` documents.
    """

    start: int  # epoch seconds, UTC; a multiple of span
    span: int  # seconds
    entities: list[str]
    ips: list[str]
    addresses: Addresses
    outcomes: list[str]
    entity: NDArray[np.int32]  # [rows]
    ip: NDArray[np.int32]  # [rows]
    outcome: NDArray[np.int8]  # [rows]
    count: NDArray[np.int64]  # [rows]
    event_count: int  # documents that match the query, before any filtering
    dropped: Dropped = field(default_factory=Dropped)
    context: AddressContext | None = None
    """Operator and country of each of ``ips``; None where nothing is known of any."""
    given_context: AddressContext | None = None
    """The context from the events' own fields alone, without files of networks."""
    network_types: NDArray[np.uint8] | None = None
    """The types of the networks of each of ``ips``, a set each; None: no files of networks."""
    entity_groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The groups that the events name of their entities, sorted; entities without any are absent."""
    seq_no: str | None = None
    """Largest and sum of the documents' sequence numbers, read before the rows; None: not known."""

    @property
    def end(self) -> int:
        """The exclusive end, epoch seconds."""
        return self.start + self.span

    def with_outcome(self, outcomes: Collection[str]) -> NDArray[np.bool_]:
        """Return which rows have one of these outcomes, bool[rows]."""
        wanted = np.array([name in outcomes for name in self.outcomes], dtype=np.bool_)
        rows: NDArray[np.bool_] = wanted[self.outcome]
        return rows

    @property
    def matchable(self) -> Matchable:
        """What rules of the allow list are matched against."""
        context = self.context
        return Matchable(
            self.entities,
            self.addresses,
            self.entity_groups,
            None if context is None else context.operator,
            None if context is None else context.country,
            self.network_types,
            self.start,
        )

    def digest(self, hashes: NDArray[np.uint64] | None = None) -> str:
        """Return a digest of the rows, 16 hexadecimal digits: equal for equal rows in any order.

        It is the same in every process and on every machine. Another operator, country or group in the events gives
        another digest. ``hashes``: the hashes of ``entities``, if already computed.
        """
        if not len(self.entity):
            return NO_ROWS_DIGEST
        high, low = words(self.addresses)
        places = joined(joined(mix(high), mix(low)), _context_keys(self.given_context, len(self.addresses)))
        names = entity_hashes(self.entities) if hashes is None else hashes
        keys = joined(joined(names[self.entity], places[self.ip]), entity_hashes(self.outcomes)[self.outcome])
        keys = mix(joined(keys, mix(self.count.astype(np.uint64))))
        return f"{int(np.append(keys, self._group_keys()).sum(dtype=np.uint64)):016x}"

    def _group_keys(self) -> NDArray[np.uint64]:
        """Return a uint64 key for each entity in each of its groups."""
        members = [(entity, group) for entity, groups in self.entity_groups.items() for group in groups]
        if not members:
            return np.empty(0, dtype=np.uint64)
        entities, groups = (entity_hashes(list(names)) for names in zip(*members, strict=True))
        return mix(joined(entities, groups))
