"""A scorer that caches its scores: from hour to hour, mostly the same entities use the same addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.ipinsights.hashing import joined
from ipi_es.ipinsights.key_index import found_in
from ipi_es.ipinsights.prefixes import address_keys
from ipi_es.ipinsights.scorer import Compatibility, Scorer, TrainedNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.ipinsights.address_context import AddressContext
    from ipi_es.ipinsights.history.history import History

REMEMBERED_PAIRS = 1 << 21
"""Cached pairs beyond which the cache is emptied: 40 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class PairScores:
    """Scores of n distinct pairs by the history of one day, wherever they were computed."""

    day: int
    """The history's day, days since the epoch."""
    pairs: NDArray[np.uint64]
    """[n]: keys of the pairs, ascending."""
    log_odds: NDArray[np.float64]  # [n]
    network_log_odds: NDArray[np.float32]  # [n]


class DayScorer(Scorer):
    """Gives the same results as :class:`~ipi_es.ipinsights.scorer.Scorer`, but scores a pair once per history day.

    Until history moves, a score depends on its pair alone, so it can be looked up. Pairs are identified by 64 bits:
    the chance that any two of a day's million pairs collide is 3e-8.
    """

    def __init__(self, snapshot: TrainedNetwork, history: History, *, remembered: int = REMEMBERED_PAIRS) -> None:
        """``remembered``: pairs in the cache, beyond which it is emptied."""
        super().__init__(snapshot, history)
        self._remembered = remembered
        self._expected: list[PairScores] = []
        self._forget()

    def expect(self, scores: PairScores) -> None:
        """Take scores of pairs that a scorer with the same snapshot and history of that day has computed.

        They are used once the history is at that day; scores of earlier days are dropped.
        """
        self._expected.append(scores)

    def score_hashed(
        self,
        hashes: NDArray[np.uint64],
        addresses: Addresses,
        entity: NDArray[np.int32],
        ip: NDArray[np.int32],
        context: AddressContext | None = None,
    ) -> Compatibility:
        """Score pairs as :class:`~ipi_es.ipinsights.scorer.Scorer` does, from the cache where possible."""
        if self.history.day != self._day or len(self._pairs) > self._remembered:
            self._forget()
        self._take_expected()
        pairs = _keys(hashes, addresses, entity, ip, context)
        position, known = found_in(self._pairs, pairs)
        if not known.all():
            new = np.flatnonzero(~known)
            new = new[np.unique(pairs[new], return_index=True)[1]]
            who, local = np.unique(entity[new], return_inverse=True)
            where, place = np.unique(ip[new], return_inverse=True)
            fresh = super().score_hashed(
                hashes[who],
                addresses[where],
                local.astype(np.int32),
                place.astype(np.int32),
                context.take(where) if context else None,
            )
            self._remember(pairs[new], fresh.log_odds, fresh.network_log_odds)
            position, _ = found_in(self._pairs, pairs)
        prior = self.history.profiles.events_of(hashes)
        return Compatibility(self._log_odds[position], prior, self._network_log_odds[position])

    def pair_scores(
        self,
        hashes: NDArray[np.uint64],
        addresses: Addresses,
        entity: NDArray[np.int32],
        ip: NDArray[np.int32],
        context: AddressContext | None = None,
    ) -> PairScores:
        """Score pairs as :meth:`score_hashed` does; return each distinct pair once, for :meth:`expect`."""
        scored = self.score_hashed(hashes, addresses, entity, ip, context)
        pairs, first = np.unique(_keys(hashes, addresses, entity, ip, context), return_index=True)
        return PairScores(self.history.day, pairs, scored.log_odds[first], scored.network_log_odds[first])

    def _take_expected(self) -> None:
        expected, self._expected = self._expected, [each for each in self._expected if each.day > self._day]
        for each in expected:
            if each.day == self._day:
                new = ~found_in(self._pairs, each.pairs)[1]
                self._remember(each.pairs[new], each.log_odds[new], each.network_log_odds[new])

    def _forget(self) -> None:
        self._day = self.history.day
        self._pairs = np.zeros(0, dtype=np.uint64)  # ascending
        self._log_odds = np.zeros(0, dtype=np.float64)
        self._network_log_odds = np.zeros(0, dtype=np.float32)

    def _remember(
        self, pairs: NDArray[np.uint64], log_odds: NDArray[np.float64], network_log_odds: NDArray[np.float32]
    ) -> None:
        pairs = np.concatenate([self._pairs, pairs])
        order = np.argsort(pairs, kind="stable")  # the stable sort merges two ascending runs
        self._pairs = pairs[order]
        self._log_odds = np.concatenate([self._log_odds, log_odds])[order]
        self._network_log_odds = np.concatenate([self._network_log_odds, network_log_odds])[order]


def _keys(
    hashes: NDArray[np.uint64],
    addresses: Addresses,
    entity: NDArray[np.int32],
    ip: NDArray[np.int32],
    context: AddressContext | None,
) -> NDArray[np.uint64]:
    """Return uint64[n], the keys of pairs: of entity, address, and the address's operator and country."""
    places = address_keys(addresses)
    if context:
        for level in context.keys().T:
            places = joined(places, level)
    keys: NDArray[np.uint64] = joined(hashes[entity], places[ip])
    return keys
