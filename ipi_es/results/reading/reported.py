"""Findings that were reported before, by which repeats are recognized.

They are read from stored documents, or remembered when documents are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ipi_es.cluster.port import Document
from ipi_es.times import from_ms

FIELD = "reported_extent"
"""The field of a record and of an influencer that holds its Extent."""

EGRESS_MOVE = "egress_move"
"""The field of an influencer that reports the move of a group of accounts."""

RECORD_SCORE, INFLUENCER_SCORE = "initial_record_score", "initial_influencer_score"

OF_IP = ("influencer_field_value", "timestamp", INFLUENCER_SCORE, FIELD, "failures_only")
OF_PAIR = ("partition_field_value", "by_field_value", "timestamp", RECORD_SCORE, FIELD, "failures_only")
OF_MOVE = ("timestamp", INFLUENCER_SCORE, "repeat_of", EGRESS_MOVE)
OF_HELD = (*OF_PAIR, "held_until", "repeat_of")
"""The fields to read from the documents."""


class Extent(NamedTuple):
    """How much was reported. A finding that exceeds any of these numbers is no repeat."""

    score: float = 0.0
    """The highest initial score of the record and its influencers, 0–100."""
    addresses: int = 1
    """Unusual addresses of the entity in that bucket; IPv6 addresses of one /64 count once."""
    networks: int = 1
    """The networks (/24, /48) of these addresses."""
    accounts: int = 1
    """Entities for which the address was unusual in that bucket."""

    def widened(self, other: Extent) -> Extent:
        """Return the larger of both extents, field by field."""
        return Extent(
            max(self.score, other.score),
            max(self.addresses, other.addresses),
            max(self.networks, other.networks),
            max(self.accounts, other.accounts),
        )

    def to_source(self) -> dict[str, float]:
        """Return the object that a document stores."""
        return self._asdict()

    @classmethod
    def of(cls, source: Mapping[str, Any], score: str) -> Extent:
        """Create it from a document; an earlier ipi-es wrote no extent, only the score in the field ``score``."""
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

    @classmethod
    def of(cls, document: Document) -> ReportedPair:
        """Create it from a record with the fields of :data:`OF_PAIR`."""
        return cls(*_pair(document), document.id, *_reported(document.source, RECORD_SCORE))


class ReportedIp(NamedTuple):
    """A critical influencer of an IP that repeats nothing."""

    ip: str
    time: int
    id: str
    extent: Extent = Extent()
    failures_only: bool = False

    @classmethod
    def of(cls, document: Document) -> ReportedIp:
        """Create it from an influencer with the fields of :data:`OF_IP`."""
        source = document.source
        value = source["influencer_field_value"]
        return cls(value, _seconds(source["timestamp"]), document.id, *_reported(source, INFLUENCER_SCORE))


class ReportedMove(NamedTuple):
    """The move of a group of accounts to another network, as influencers report it."""

    network: str
    """/24 or /48."""
    time: int
    """The start of the bucket that reported it first with this score, epoch seconds."""
    id: str
    """That bucket's influencer."""
    score: float
    """Its initial score."""
    former: tuple[str, ...] = ()
    """The networks that its accounts left."""
    repeats: bool = False
    """Whether the influencer repeats an earlier one: it only adds former networks."""

    @classmethod
    def of(cls, document: Document) -> ReportedMove:
        """Create it from an influencer with the fields of :data:`OF_MOVE`."""
        source = document.source
        move = source[EGRESS_MOVE]
        return cls(
            move["network"],
            _seconds(source["timestamp"]),
            document.id,
            float(source[INFLUENCER_SCORE]),
            tuple(move["former_networks"]),
            "repeat_of" in source,
        )

    def followed_by(self, later: ReportedMove) -> ReportedMove:
        """Return the move after a later influencer about it: one that repeats nothing stands alone.

        The influencers before it may be too old to be read back by the time it is.
        """
        return self._replace(former=tuple(dict.fromkeys((*self.former, *later.former)))) if later.repeats else later


class First(NamedTuple):
    """The first result of a finding, which its repeats name."""

    time: int  # epoch s, the bucket's start
    id: str
    extent: Extent = Extent()


class Recent(NamedTuple):
    """The reported pairs, addresses and moves by which repeats are recognized."""

    pairs: list[ReportedPair]
    ips: list[ReportedIp]
    moves: list[ReportedMove]


class HeldRecord(NamedTuple):
    """The hold that a stored record describes; times in epoch seconds."""

    entity: str
    ip: str
    time: int
    until: int
    id: str
    extent: Extent | None = None
    """The extent reported with it; None for a repeat."""

    @classmethod
    def of(cls, document: Document) -> HeldRecord:
        """Create it from a record with the fields of :data:`OF_HELD`."""
        source = document.source
        extent = None if "repeat_of" in source else Extent.of(source, RECORD_SCORE)
        return cls(*_pair(document), _seconds(source["held_until"]), document.id, extent)


class BucketEntity(NamedTuple):
    """An entity with omitted unusual pairs in the bucket at ``time``: none of its pairs there is learned."""

    time: int
    entity: str


def _pair(document: Document) -> tuple[str, str, int]:
    source = document.source
    return source["partition_field_value"], source["by_field_value"], _seconds(source["timestamp"])


def _reported(source: Mapping[str, Any], score: str) -> tuple[Extent, bool]:
    return Extent.of(source, score), "failures_only" in source


def _seconds(milliseconds: Any) -> int:
    return from_ms(milliseconds)
