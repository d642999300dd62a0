"""Untrained parts with fixed random numbers: what scores without TensorFlow."""

from __future__ import annotations

import numpy as np
from ipinsights_events import FIRST_DAY, small_company

from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.ipinsights.combiner.combiner import HIDDEN, Combiner
from ipi_es.ipinsights.combiner.features import FEATURES
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.history.deltas import DayDelta
from ipi_es.ipinsights.history.history import History
from ipi_es.ipinsights.network.network import SLOTS, Network
from ipi_es.ipinsights.prefixes import prefix_keys
from ipi_es.ipinsights.scorer import TrainedNetwork
from ipi_es.ipinsights.training.training_events import TrainingEvents


def a_snapshot(seed: int, events: TrainingEvents, *, dim: int = 6, members: int = 2, layers: int = 1) -> TrainedNetwork:
    """A snapshot of random weights that knows the events' entities and networks."""
    rng = np.random.default_rng(seed)
    hashes = np.sort(entity_hashes(events.entities))
    keys = np.unique(prefix_keys(events.addresses)[:, :SLOTS])

    def some(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    network = Network(
        entity_table=some(2 * len(hashes) + 1, dim + 1),
        trained_count=rng.integers(1, 50, 2 * len(hashes) + 1).astype(np.uint32),
        trained_entities=hashes,
        prefix_keys=keys,
        prefix_table=some(SLOTS + len(keys), dim + 1),
        layers=some(layers, dim + 1, dim) * np.float32(0.1),
    )
    width = len(FEATURES)
    combiner = Combiner(
        mean=some(width),
        scale=np.abs(some(width)),
        hidden_1=some(members, width + 1, HIDDEN) * np.float32(0.2),
        hidden_2=some(members, HIDDEN + 1, HIDDEN) * np.float32(0.2),
        output=some(members, HIDDEN + 1),
    )
    return TrainedNetwork(
        Hyperparameters(vector_dim=dim), network, combiner, {"discriminator_auc": 0.5}, {"rows": len(events)}
    )


def day_deltas(events: TrainingEvents) -> list[DayDelta]:
    """One delta a day."""
    hashes = entity_hashes(events.entities)
    return [events.delta(int(day), hashes, np.flatnonzero(events.day == day)) for day in np.unique(events.day)]


def a_history(events: TrainingEvents) -> History:
    """The history after all of the events."""
    history = History.empty(FIRST_DAY, pair_keys=10_000, network_keys=5_000)
    for delta in day_deltas(events):
        history.apply(delta)
    return history


__all__ = ["a_history", "a_snapshot", "day_deltas", "small_company"]
