"""From a trained network and days of events to a :class:`~ipi_es.ipinsights.combiner.Combiner`.

History is replayed day by day. The features of a day's rows, and of the addresses that their entities did not come
from, are read before the day is taken in; the network never saw these days.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ipi_es.ipinsights.features import address_view, entity_view, pair_features
from ipi_es.ipinsights.negatives import near_addresses, random_addresses
from ipi_es.ipinsights.network_fitting import Pairs, Progress
from ipi_es.ipinsights.prefixes import SITE, prefix_keys
from ipi_es.ipinsights.split import Split, day_slices

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.ipinsights.combiner import Combiner
    from ipi_es.ipinsights.history import History
    from ipi_es.ipinsights.hyperparameters import Hyperparameters
    from ipi_es.ipinsights.network import Network
    from ipi_es.ipinsights.training_events import TrainingEvents

NEGATIVE_WEIGHTS = {"random": 0.5, "shuffled": 0.7, "elsewhere": 0.5, "near": 0.4}
"""Weight of a kind's negatives against a real row's 1.

``elsewhere`` is an address of another entity's drawn by network, not by row, so that networks which few use are met
as often as the large ones. Over ten simulated companies it took the found sprayings from 85 to 95 % and lowered the
same-IP correlation; the weights of the others followed.
"""
NEAR_V4, NEAR_V6 = (6, 20), (20, 40)
"""Bits that a near negative keeps, [low, high). Longer ones than the network's: counts tell churn from a stranger."""
MAX_ROWS = 60_000
"""Real rows the combiner learns from, at most (a uniform choice): 2,500 weights don't need more."""
MAX_REPEATS = 4
"""Negatives of each kind a real row, at most, where rows are few; they share the kind's weight."""


def trained_feature(network: Network, rows: NDArray[np.int32]) -> NDArray[np.float32]:
    """float32[n]: log(1 + trainings) of entity rows; 0 for the unknown row."""
    return np.where(rows > 0, np.log1p(network.trained_count[rows].astype(np.float32)), np.float32(0))


def features_of(
    network: Network, history: History, hashes: NDArray[np.uint64], addresses: Addresses
) -> NDArray[np.float32]:
    """float32[n, F] of the pairs (hashes[i], addresses[i]) as history stands."""
    unique, entity = np.unique(hashes, return_inverse=True)
    each = np.arange(len(hashes), dtype=np.int32)
    known, seen = entity_view(history, unique), address_view(history, addresses)
    rows = network.entity_rows(unique)
    at = entity.astype(np.int32)
    alone = network.log_odds(network.entity_table[rows], network.address_vectors(seen.keys), at, each)
    trained = trained_feature(network, rows)
    return pair_features(history, known, seen, at, each, trained=trained, network_log_odds=alone)


def fit_combiner(
    events: TrainingEvents,
    hashes: NDArray[np.uint64],
    network: Network,
    history: History,
    *,
    split: Split,
    hyperparameters: Hyperparameters,
    rng: np.random.Generator,
    report: Callable[[Progress], None],
) -> Combiner:
    """Train on the days [split.combiner, split.calibration); ``history`` is moved to their end."""
    from ipi_es.ipinsights.tf.combiner_trainer import fit_combiner as fit

    for day, rows in day_slices(events, split.first, split.combiner):
        history.apply(events.delta(day, hashes, rows))
    whole = Pairs.of_days(events, hashes, split.combiner, split.calibration)
    networks = _row_of_each_network(whole)
    in_part = (events.day >= split.combiner) & (events.day < split.calibration)
    count = max(int((events.learns & in_part).sum()), 1)
    keep = min(1.0, MAX_ROWS / count)
    repeats = min(max(MAX_ROWS // (2 * count), 1), MAX_REPEATS)
    features: list[NDArray[np.float32]] = []
    weights: list[NDArray[np.float32]] = []
    real: list[NDArray[np.float32]] = []
    for day, rows in day_slices(events, split.combiner, split.calibration):
        history.day = day
        pairs = Pairs.of_rows(events, hashes, rows[events.learns[rows]])
        pairs = pairs.take(np.flatnonzero(rng.random(len(pairs)) < keep))
        if len(pairs):
            own = pairs.addresses[pairs.address]
            own_kind = ("real", own, np.ones(len(own), dtype=np.bool_))
            sampled = [kind for _ in range(repeats) for kind in _sampled(own, pairs.hashes, whole, networks, rng)]
            for name, address, valid in [own_kind, *sampled]:
                columns = features_of(network, history, pairs.hashes[valid], address[valid])
                weight = 1.0 if name == "real" else NEGATIVE_WEIGHTS[name] / repeats
                features.append(columns)
                weights.append(np.full(len(columns), weight, dtype=np.float32))
                real.append(np.full(len(columns), name == "real", dtype=np.float32))
        history.apply(events.delta(day, hashes, rows))
    combiner, loss = fit(
        np.concatenate(features),
        np.concatenate(real),
        np.concatenate(weights),
        members=hyperparameters.combiner_members,
        epochs=hyperparameters.combiner_epochs,
        rng=rng,
    )
    epochs = hyperparameters.combiner_epochs
    report(Progress("combiner", epochs, epochs, loss=loss / hyperparameters.combiner_members))
    return combiner


def _row_of_each_network(pairs: Pairs) -> NDArray[np.intp]:
    """int64[m]: the first row of each distinct site (/24, /48)."""
    site = prefix_keys(pairs.addresses)[:, SITE][pairs.address]
    return np.unique(site, return_index=True)[1]


def _sampled(
    own: Addresses, hashes: NDArray[np.uint64], whole: Pairs, networks: NDArray[np.intp], rng: np.random.Generator
) -> list[tuple[str, Addresses, NDArray[np.bool_]]]:
    """Each kind's address for every row, and which of them can be used."""
    other = rng.integers(0, len(whole), len(own))
    rare = networks[rng.integers(0, len(networks), len(own))]
    everywhere = np.ones(len(own), dtype=np.bool_)
    return [
        ("random", random_addresses(own, rng), everywhere),
        ("shuffled", whole.addresses[whole.address[other]], whole.hashes[other] != hashes),
        ("elsewhere", whole.addresses[whole.address[rare]], whole.hashes[rare] != hashes),
        ("near", near_addresses(own, rng, NEAR_V4, NEAR_V6), everywhere),
    ]
