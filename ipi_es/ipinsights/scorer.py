"""Compatibility of (entity, address) pairs, in NumPy: a pure function of (trained network, history, pair)."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ipi_es.addresses import parse_many
from ipi_es.ipinsights.combiner.combiner import DIGITS, Combiner
from ipi_es.ipinsights.combiner.features import AddressView, EntityView, address_view, entity_view, pair_features
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.hashing import joined
from ipi_es.ipinsights.key_index import distinct
from ipi_es.ipinsights.prefixes import address_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.config.hyperparameters import Hyperparameters
    from ipi_es.ipinsights.address_context import AddressContext
    from ipi_es.ipinsights.history.history import History
    from ipi_es.ipinsights.network.network import Network

_BLOCK_PAIRS = 1 << 13
"""Pairs whose features a thread holds at a time: 2.5 MiB."""
_BLOCK_ADDRESSES = 1 << 14
"""Addresses that a thread looks up at a time."""
_MANY_PAIRS = 1 << 15
"""Number of pairs from which starting threads pays off."""
_THREADS = min(os.cpu_count() or 1, 8)


@dataclass(frozen=True, slots=True, eq=False)
class TrainedNetwork:
    """Result of a training: immutable, stored separately from the history, which changes daily."""

    hyperparameters: Hyperparameters
    network: Network
    combiner: Combiner | None
    """None for the architecture ``ip_insights``."""
    metrics: dict[str, float] = field(default_factory=dict)
    """``discriminator_auc`` and the training's other measurements."""
    about: dict[str, Any] = field(default_factory=dict)
    """Description of the training data: first and last event, rows, entities, addresses (JSON values)."""


@dataclass(frozen=True, slots=True, eq=False)
class Compatibility:
    """Scores of n pairs of m entities."""

    log_odds: NDArray[np.float64]  # [n], high = usual
    prior_events: NDArray[np.float64]  # [m] events of each entity before the history's day; 0 = never seen
    network_log_odds: NDArray[np.float32]  # [n], the network's alone


class Scorer:
    """Scores pairs with one trained network and one history; it changes neither."""

    def __init__(self, snapshot: TrainedNetwork, history: History) -> None:
        self.snapshot = snapshot
        self.history = history

    def score(
        self,
        entities: Sequence[str],
        addresses: Addresses,
        entity: NDArray[np.int32],
        ip: NDArray[np.int32],
        context: AddressContext | None = None,
    ) -> Compatibility:
        """Return the compatibility of the pairs (entities[entity[i]], addresses[ip[i]]); addresses uint8[n, 16].

        ``context`` is that of the addresses; None where neither operators nor countries are known.
        """
        return self.score_hashed(entity_hashes(entities), addresses, entity, ip, context)

    def score_hashed(
        self,
        hashes: NDArray[np.uint64],
        addresses: Addresses,
        entity: NDArray[np.int32],
        ip: NDArray[np.int32],
        context: AddressContext | None = None,
    ) -> Compatibility:
        """Return the same as :meth:`score` for entities given by hash uint64[m]."""
        history = self.history
        if len(entity) < _MANY_PAIRS:
            return self._score(entity_view(history, hashes), self._seen(addresses, context), entity, ip)
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="ipi-es-score") as pool:
            known = pool.submit(entity_view, history, hashes)
            blocks = _slices(len(addresses), _BLOCK_ADDRESSES)
            contexts = [context.take(block) if context else None for block in blocks]
            seen = _Seen.joined(list(pool.map(self._seen, [addresses[block] for block in blocks], contexts)))
            return self._score(known.result(), seen, entity, ip, pool)

    def score_pairs(self, entities: Sequence[str], ips: Sequence[str]) -> NDArray[np.float64]:
        """Return float64[n]: log-odds of the pairs (entities[i], ips[i]) given as text; nan for invalid addresses.

        Repeated pairs are scored once; pairs are identified by 64 bits.
        """
        hashes, (addresses, valid) = entity_hashes(entities), parse_many(ips)
        first, place = distinct(joined(hashes, address_keys(addresses)))
        who, entity = distinct(hashes[first])
        where, ip = distinct(address_keys(addresses[first]))
        found = self.score_hashed(hashes[first][who], addresses[first][where], entity, ip).log_odds[place]
        found[~valid] = np.nan
        return found

    def _seen(self, addresses: Addresses, context: AddressContext | None) -> _Seen:
        view = address_view(self.history, addresses, context)
        return _Seen(view, self.snapshot.network.address_vectors(view.keys, context))

    def _score(
        self,
        known: EntityView,
        seen: _Seen,
        entity: NDArray[np.int32],
        ip: NDArray[np.int32],
        pool: ThreadPoolExecutor | None = None,
    ) -> Compatibility:
        network, combiner = self.snapshot.network, self.snapshot.combiner
        rows = network.entity_rows(known.hashes)
        vectors = network.entity_table[rows]
        trained = np.log1p(network.trained_count[rows]).astype(np.float32) * (rows > 0)
        alone = np.empty(len(entity), dtype=np.float32)
        log_odds = np.empty(len(entity), dtype=np.float64)

        def block_of(block: slice) -> None:
            alone[block] = network.log_odds(vectors, seen.vectors, entity[block], ip[block])
            if combiner is None:
                log_odds[block] = alone[block].astype(np.float64).round(DIGITS)
                return
            columns = pair_features(
                self.history,
                known,
                seen.view,
                entity[block],
                ip[block],
                trained=trained,
                network_log_odds=alone[block],
            )
            log_odds[block] = combiner.log_odds(columns)

        for _ in (pool.map if pool else map)(block_of, _slices(len(entity), _BLOCK_PAIRS)):
            pass
        return Compatibility(log_odds=log_odds, prior_events=known.events, network_log_odds=alone)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """History's view and the network's vectors of n addresses."""

    view: AddressView
    vectors: NDArray[np.float32]  # [n, d + 1]

    @classmethod
    def joined(cls, parts: Sequence[_Seen]) -> _Seen:
        """Concatenate parts in order."""
        return cls(
            AddressView.concatenated([part.view for part in parts]), np.concatenate([part.vectors for part in parts])
        )


def _slices(n: int, most: int) -> list[slice]:
    return [slice(start, start + most) for start in range(0, n, most)]
