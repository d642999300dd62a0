"""What the datafeed hands on: the unique (entity, IP, outcome) of one ``bucket_span``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses
from ipi_es.ipinsights.context import Context


@dataclass(frozen=True, slots=True)
class Dropped:
    """Documents that match the query but can't be scored, counted by why (a document counts once a reason)."""

    missing_entity: int = 0
    missing_ip: int = 0
    malformed_ip: int = 0
    private_ip: int = 0

    def __add__(self, other: Dropped) -> Dropped:
        return Dropped(
            self.missing_entity + other.missing_entity,
            self.missing_ip + other.missing_ip,
            self.malformed_ip + other.malformed_ip,
            self.private_ip + other.private_ip,
        )

    @property
    def unparsable(self) -> int:
        """Without a usable entity or IP; what a person left out (private addresses) isn't among them."""
        return self.missing_entity + self.missing_ip + self.malformed_ip

    def counts(self) -> dict[str, int]:
        """``{reason: documents}``, for people and for logs."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class EventBucket:
    """Unique (entity, IP, outcome) rows of the interval [start, start + span).

    ``entities`` and ``ips`` are the distinct, normalized strings in the order of first appearance, ``addresses``
    uint8[len(ips), 16] the same IPs as arrays. A row i is (``entities[entity[i]]``, ``ips[ip[i]]``,
    ``outcomes[outcome[i]]``) and was seen in ``count[i]`` documents.
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
    context: Context | None = None
    """Operator and country of each of ``ips``; None where nothing is known of any."""

    @property
    def end(self) -> int:
        """The exclusive end, epoch seconds."""
        return self.start + self.span
