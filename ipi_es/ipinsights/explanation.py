"""Why a pair is compatible or not, in the user's terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.addresses import canonical
from ipi_es.ipinsights.entities import entity_hashes
from ipi_es.ipinsights.features import address_view, entity_view
from ipi_es.ipinsights.hashing import joined
from ipi_es.ipinsights.prefixes import ADDRESS, SITE, network_text, shared_bits

if TYPE_CHECKING:
    from ipi_es.ipinsights.scorer import Scorer


@dataclass(frozen=True, slots=True)
class UsualNetwork:
    """A site that the entity uses."""

    network: str  # CIDR: /24 or /48
    address: str  # the last address seen there
    weight: float  # decayed days, a day with more events up to 8
    share: float  # of the entity's whole weight, 0 to 1
    last_day: int  # days since the epoch


@dataclass(frozen=True, slots=True)
class Explanation:
    """What history says of one (entity, address) before ``History.day``."""

    entity: str
    address: str
    network: str
    """The address's site, /24 or /48."""
    entity_seen: bool
    prior_events: float
    first_occurrence: bool
    """The entity never used this address."""
    network_first_occurrence: bool
    """The entity never used this site."""
    relative_rarity: float
    """1 - the share of the entity's weight that lies in this site: 1 = never, 0 = nothing else."""
    usual: tuple[UsualNetwork, ...]
    """Heaviest first, at most eight."""
    shared_prefix_length: int
    """Bits of the longest prefix shared with an address of the usual networks; 0 = none of this family."""
    shared_prefix_with: str | None
    network_new_to_everybody: bool
    entities_on_network: int
    """Distinct entities ever seen in the site (an upper bound)."""
    entities_on_address: int
    compatibility: float
    typical_compatibility: float | None
    """The median over the usual networks' addresses; None for an entity without any."""


def explain(scorer: Scorer, entity: str, address: bytes) -> Explanation:
    """Explain one pair; ``address`` is 16 bytes in network order (IPv4 mapped)."""
    history = scorer.history
    hashes = entity_hashes([entity])
    addresses = np.frombuffer(address, dtype=np.uint8).reshape(1, 16)
    seen = entity_view(history, hashes)
    known = bool(seen.events[0] > 0)
    view = address_view(history, addresses)
    pair = history.pairs.read_count(history.pairs.cells(joined(hashes[:, None], view.keys)))
    pair = np.minimum.accumulate(pair, axis=1)[0] if known else np.zeros_like(pair[0])
    members = np.minimum.accumulate(history.networks.read_members(history.networks.cells(view.keys)), axis=1)[0]
    usual, blobs = _usual(scorer, hashes)
    total = _weight(scorer, hashes)
    shared, with_whom = max(((shared_bits(address, blob), blob) for blob in blobs), default=(0, None))
    pairs = np.frombuffer(b"".join([address, *blobs]), dtype=np.uint8).reshape(-1, 16)
    index = np.arange(len(pairs), dtype=np.int32)
    compatibility = scorer.score_hashed(hashes, pairs, np.zeros_like(index), index).log_odds
    share = min(float(pair[SITE]) * history.scale() / total, 1.0) if total else 0.0
    return Explanation(
        entity=entity,
        address=canonical(address),
        network=network_text(address, SITE),
        entity_seen=known,
        prior_events=float(seen.events[0]),
        first_occurrence=bool(pair[ADDRESS] == 0),
        network_first_occurrence=bool(pair[SITE] == 0),
        relative_rarity=1.0 - share,
        usual=usual,
        shared_prefix_length=shared,
        shared_prefix_with=canonical(with_whom) if with_whom is not None and shared else None,
        network_new_to_everybody=bool(members[SITE] == 0),
        entities_on_network=int(members[SITE]),
        entities_on_address=int(members[ADDRESS]),
        compatibility=float(compatibility[0]),
        typical_compatibility=float(np.median(compatibility[1:])) if blobs else None,
    )


def _weight(scorer: Scorer, hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> float:
    """The entity's whole decayed weight."""
    row, found = scorer.history.profiles.find(hashes)
    return float(scorer.history.profiles.weight[row[0]]) * scorer.history.scale() if found[0] else 0.0


def _usual(
    scorer: Scorer, hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]
) -> tuple[tuple[UsualNetwork, ...], list[bytes]]:
    """The entity's usual networks, heaviest first, and their addresses."""
    history = scorer.history
    row, found = history.profiles.find(hashes)
    if not found[0]:
        return (), []
    table, at = history.profiles, row[0]
    total = _weight(scorer, hashes)
    order = [place for place in np.argsort(-table.usual_count[at], kind="stable") if table.usual_key[at, place]]
    usual, blobs = [], []
    for place in order:
        blob = table.usual_address[at, place].tobytes()
        weight = float(table.usual_count[at, place]) * history.scale()
        usual.append(
            UsualNetwork(
                network=network_text(blob, SITE),
                address=canonical(blob),
                weight=weight,
                share=min(weight / total, 1.0) if total else 0.0,
                last_day=int(table.usual_last[at, place]) - 1 + history.origin,
            )
        )
        blobs.append(blob)
    return tuple(usual), blobs
