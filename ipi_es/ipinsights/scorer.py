"""Compatibility of (entity, address) pairs, in NumPy: a pure function of (snapshot, history, pair)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ipi_es.ipinsights.combiner import DIGITS, Combiner
from ipi_es.ipinsights.entities import entity_hashes
from ipi_es.ipinsights.features import AddressView, EntityView, address_view, entity_view, pair_features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.ipinsights.context import Context
    from ipi_es.ipinsights.history import History
    from ipi_es.ipinsights.hyperparameters import Hyperparameters
    from ipi_es.ipinsights.network import Network

_BLOCK_PAIRS = 1 << 14
"""Pairs whose features are held at a time: 3 MiB."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What a training leaves: immutable, stored apart from the history that moves."""

    hyperparameters: Hyperparameters
    network: Network
    combiner: Combiner | None
    """None for the architecture ``ip_insights``."""
    metrics: dict[str, float] = field(default_factory=dict)
    """``discriminator_auc`` and what else the training measured."""
    about: dict[str, Any] = field(default_factory=dict)
    """What it was trained on: first and last event, rows, entities, addresses (JSON values)."""


@dataclass(frozen=True, slots=True, eq=False)
class Compatibility:
    """Of n pairs and m entities."""

    log_odds: NDArray[np.float64]  # [n], high = usual
    prior_events: NDArray[np.float64]  # [m] of each entity before the history's day; 0 = never seen
    network_log_odds: NDArray[np.float32]  # [n], the network's alone


class Scorer:
    """Scores pairs with one snapshot and one history, neither of which it changes."""

    def __init__(self, snapshot: Snapshot, history: History) -> None:
        self.snapshot = snapshot
        self.history = history

    def score(
        self,
        entities: Sequence[str],
        addresses: Addresses,
        entity: NDArray[np.int32],
        ip: NDArray[np.int32],
        context: Context | None = None,
    ) -> Compatibility:
        """Compatibility of the pairs (entities[entity[i]], addresses[ip[i]]); addresses uint8[n, 16].

        ``context`` is that of the addresses, None where neither operators nor countries are known.
        """
        return self.score_hashed(entity_hashes(entities), addresses, entity, ip, context)

    def score_hashed(
        self,
        hashes: NDArray[np.uint64],
        addresses: Addresses,
        entity: NDArray[np.int32],
        ip: NDArray[np.int32],
        context: Context | None = None,
    ) -> Compatibility:
        """The same for entities given by hash uint64[m]."""
        known, seen = entity_view(self.history, hashes), address_view(self.history, addresses, context)
        return self._score(known, seen, entity, ip, context)

    def _score(
        self,
        known: EntityView,
        seen: AddressView,
        entity: NDArray[np.int32],
        ip: NDArray[np.int32],
        context: Context | None,
    ) -> Compatibility:
        network, combiner = self.snapshot.network, self.snapshot.combiner
        rows = network.entity_rows(known.hashes)
        alone = network.log_odds(network.entity_table[rows], network.address_vectors(seen.keys, context), entity, ip)
        if combiner is None:
            log_odds = alone.astype(np.float64).round(DIGITS)
        else:
            trained = np.log1p(network.trained_count[rows]).astype(np.float32) * (rows > 0)
            log_odds = np.empty(len(entity), dtype=np.float64)
            for start in range(0, len(entity), _BLOCK_PAIRS):
                block = slice(start, start + _BLOCK_PAIRS)
                columns = pair_features(
                    self.history, known, seen, entity[block], ip[block], trained=trained, network_log_odds=alone[block]
                )
                log_odds[block] = combiner.log_odds(columns)
        return Compatibility(log_odds=log_odds, prior_events=known.events, network_log_odds=alone)
