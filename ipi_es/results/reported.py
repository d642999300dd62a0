"""What was reported before: by it repeats are recognized.

Read back from the documents, or remembered from writing them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

FIELD = "reported_extent"
"""The field of a record and of an influencer that holds its Extent."""


class Extent(NamedTuple):
    """How much was reported. Whatever exceeds it in one of these is no repeat of it."""

    score: float = 0.0
    """The highest initial score of the record and its influencers, 0–100."""
    addresses: int = 1
    """Unusual addresses of the entity in that bucket; of IPv6 those of one /64 count once."""
    networks: int = 1
    """Their networks (/24, /48)."""
    accounts: int = 1
    """Entities for which the address was unusual in that bucket."""

    def widened(self, other: Extent) -> Extent:
        """The larger of both in each."""
        return Extent(
            max(self.score, other.score),
            max(self.addresses, other.addresses),
            max(self.networks, other.networks),
            max(self.accounts, other.accounts),
        )

    def to_source(self) -> dict[str, float]:
        """As a document holds it."""
        return self._asdict()

    @classmethod
    def of(cls, source: Mapping[str, Any], score: str) -> Extent:
        """Take it from a document; ``score`` is the field that says it where an earlier ipi-es wrote the document."""
        known = source.get(FIELD)
        if known is None:
            return cls(float(source.get(score, 0.0)))
        return cls(float(known["score"]), int(known["addresses"]), int(known["networks"]), int(known["accounts"]))


class ReportedPair(NamedTuple):
    """A record that repeats nothing. ``time`` is its bucket's start, epoch seconds, ``id`` the document's."""

    entity: str
    ip: str
    time: int
    id: str
    extent: Extent = Extent()
    failures_only: bool = False


class ReportedIp(NamedTuple):
    """A critical influencer of an IP that repeats nothing."""

    ip: str
    time: int
    id: str
    extent: Extent = Extent()
    failures_only: bool = False


class Recent(NamedTuple):
    """What repeats are recognized by."""

    pairs: list[ReportedPair]
    ips: list[ReportedIp]
