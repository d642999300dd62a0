"""From training pairs to a :class:`~ipi_es.ipinsights.network.Network`: rows, negatives, epochs, progress."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.ipinsights.entities import UNKNOWN_ROW, found_in, hashed_rows
from ipi_es.ipinsights.metrics import roc_auc
from ipi_es.ipinsights.negatives import near_addresses, random_addresses
from ipi_es.ipinsights.network import SLOTS, Network, vocabulary_rows
from ipi_es.ipinsights.prefixes import prefix_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.ipinsights.hyperparameters import Hyperparameters
    from ipi_es.ipinsights.scorer import Snapshot
    from ipi_es.ipinsights.tf.network_trainer import EpochRows
    from ipi_es.ipinsights.training_events import TrainingEvents

MIN_ROWS_OF_A_NETWORK = 2
"""Rows in which training must have seen a network to give it a vector: so the "unseen" vectors meet real pairs too."""
MIN_STEPS = 150
"""Steps of an epoch, at least: ``mini_batch_size`` is made smaller where rows are few."""
MAX_VALIDATION_ROWS = 20_000
"""Held-out rows that ``discriminator_auc`` is measured on after an epoch."""
_ENTITY_SPREAD = 1.0
"""Norm of an entity vector before training (address vectors start at 0)."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is; what is not known at a stage is None."""

    stage: str  # "network", "combiner", "done"
    epoch: int | None = None  # from 1
    epochs: int | None = None
    batch: int | None = None  # steps done in this epoch
    batches: int | None = None
    loss: float | None = None  # mean a pair
    examples_per_second: float | None = None  # pairs with their negatives
    discriminator_auc: float | None = None  # real against random, held-out part


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """n rows (entity, address, day), each once."""

    hashes: NDArray[np.uint64]  # [n]
    address: NDArray[np.int32]  # [n] index into addresses
    addresses: Addresses  # uint8[m, 16]

    @classmethod
    def of_days(cls, events: TrainingEvents, hashes: NDArray[np.uint64], first: int, stop: int) -> Pairs:
        """The rows that teach of the days [first, stop)."""
        day = events.day
        rows = np.flatnonzero(events.learns & (day >= first) & (day < stop))
        triple = np.stack([day[rows], events.entity[rows], events.ip[rows]], axis=1)
        _, once = np.unique(triple, axis=0, return_index=True)
        return cls.of_rows(events, hashes, rows[np.sort(once)])

    @classmethod
    def of_rows(cls, events: TrainingEvents, hashes: NDArray[np.uint64], rows: NDArray[np.intp]) -> Pairs:
        """The given rows."""
        return cls(hashes=hashes[events.entity[rows]], address=events.ip[rows], addresses=events.addresses)

    def __len__(self) -> int:
        return len(self.hashes)

    def take(self, rows: NDArray[np.intp]) -> Pairs:
        """Some of the rows."""
        return Pairs(hashes=self.hashes[rows], address=self.address[rows], addresses=self.addresses)


def capped(pairs: Pairs, most: int, rng: np.random.Generator) -> Pairs:
    """At most ``most`` rows of each entity, chosen uniformly."""
    shuffled = rng.permutation(len(pairs))
    order = shuffled[np.argsort(pairs.hashes[shuffled], kind="stable")]
    ranked = pairs.hashes[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return pairs.take(np.sort(order[rank < most]))


def fit_network(
    pairs: Pairs,
    held_out: Pairs,
    hyperparameters: Hyperparameters,
    *,
    rng: np.random.Generator,
    report: Callable[[Progress], None],
    base: Snapshot | None = None,
) -> tuple[Network, float]:
    """Train; (the network, its ``discriminator_auc`` on ``held_out``)."""
    from ipi_es.ipinsights.tf.network_trainer import NetworkTrainer

    pairs = capped(pairs, hyperparameters.max_rows_per_entity, rng)
    network = _initial(pairs, hyperparameters, rng, base)
    batch = max(1, min(hyperparameters.mini_batch_size, len(pairs) // MIN_STEPS))
    batches = len(pairs) // batch
    trainer = NetworkTrainer(
        entity_table=network.entity_table,
        prefix_table=network.prefix_table,
        layers=network.layers,
        batch=batch,
        learning_rate=hyperparameters.learning_rate,
        weight_decay=hyperparameters.weight_decay,
        deterministic=hyperparameters.deterministic,
    )
    used, place = np.unique(pairs.address, return_inverse=True)
    local = Pairs(hashes=pairs.hashes, address=place.astype(np.int32), addresses=pairs.addresses[used])
    prefixes = network.prefix_rows(prefix_keys(local.addresses))
    entity = network.entity_rows(local.hashes)
    check = held_out.take(_some(len(held_out), rng))
    strangers = random_addresses(check.addresses[check.address], rng)
    auc = float("nan")
    for epoch in range(1, hyperparameters.epochs + 1):
        began = time.perf_counter()
        rows = _epoch_rows(
            network,
            local,
            prefixes,
            entity,
            take=batch * batches,
            steps=batches,
            hyperparameters=hyperparameters,
            rng=rng,
        )
        loss = 0.0
        for begin in range(0, batches, hyperparameters.batch_metrics_publish_interval):
            end = min(begin + hyperparameters.batch_metrics_publish_interval, batches)
            loss = trainer.run(rows, begin, end)
            speed = end * batch / (time.perf_counter() - began)
            report(Progress("network", epoch, hyperparameters.epochs, end, batches, loss, speed))
        network = _with(network, *trainer.arrays())
        auc = _discriminator_auc(network, check, strangers)
        speed = batches * batch / (time.perf_counter() - began)
        report(Progress("network", epoch, hyperparameters.epochs, batches, batches, loss, speed, auc))
    return network, auc


def _some(n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    return np.sort(rng.permutation(n)[:MAX_VALIDATION_ROWS])


def _initial(
    pairs: Pairs, hyperparameters: Hyperparameters, rng: np.random.Generator, base: Snapshot | None
) -> Network:
    """Tables before training: entities random, networks zero; known ones from ``base``."""
    dim, layers = hyperparameters.vector_dim, max(hyperparameters.num_ip_encoder_layers - 1, 0)
    trained = np.unique(pairs.hashes)
    size = hyperparameters.num_entity_vectors
    if size is None:
        size = 2 * len(trained)
        if base is not None and base.network.num_entity_vectors >= len(trained):
            size = base.network.num_entity_vectors
    entity = rng.standard_normal((size + 1, dim + 1)).astype(np.float32) * np.float32(_ENTITY_SPREAD / dim**0.5)
    entity[:, -1] = 0.0
    entity[UNKNOWN_ROW] = 0.0
    counts = np.bincount(hashed_rows(pairs.hashes, size), minlength=size + 1)
    used, inverse = np.unique(pairs.address, return_inverse=True)
    keys, place = np.unique(prefix_keys(pairs.addresses[used])[:, :SLOTS], return_inverse=True)
    rows = np.bincount(place.reshape(-1, SLOTS)[inverse].ravel(), minlength=len(keys))
    keys = keys[rows >= MIN_ROWS_OF_A_NETWORK]
    if base is not None and base.network.vector_dim == dim:
        keys = np.union1d(keys, base.network.prefix_keys)
    prefix = np.zeros((SLOTS + len(keys), dim + 1), dtype=np.float32)
    depth = np.zeros((layers, dim + 1, dim), dtype=np.float32)
    if base is not None and base.network.vector_dim == dim:
        old = base.network
        position, found = found_in(old.prefix_keys, keys)
        prefix[:SLOTS] = old.prefix_table[:SLOTS]
        prefix[SLOTS:][found] = old.prefix_table[position[found] + SLOTS]
        if old.layers.shape == depth.shape:
            depth = old.layers.copy()
        if old.num_entity_vectors == size:
            kept = (old.trained_count > 0) | (np.arange(size + 1) == UNKNOWN_ROW)
            entity[kept] = old.entity_table[kept]
            counts = counts + old.trained_count
            trained = np.union1d(trained, old.trained_entities)
    return Network(
        entity_table=entity,
        trained_count=np.minimum(counts, 2**32 - 1).astype(np.uint32),
        trained_entities=trained,
        prefix_keys=keys,
        prefix_table=prefix,
        layers=depth,
    )


def _with(
    network: Network,
    entity_table: NDArray[np.float32],
    prefix_table: NDArray[np.float32],
    layers: NDArray[np.float32],
) -> Network:
    return Network(
        entity_table=entity_table,
        trained_count=network.trained_count,
        trained_entities=network.trained_entities,
        prefix_keys=network.prefix_keys,
        prefix_table=prefix_table,
        layers=layers,
    )


def _epoch_rows(
    network: Network,
    pairs: Pairs,
    prefixes: NDArray[np.int32],
    entity: NDArray[np.int32],
    *,
    take: int,
    steps: int,
    hyperparameters: Hyperparameters,
    rng: np.random.Generator,
) -> EpochRows:
    """A new order, new negatives and new entity dropout."""
    from ipi_es.ipinsights.tf.network_trainer import EpochRows

    order = rng.permutation(len(pairs))[:take]
    observed = pairs.addresses[pairs.address[order]]
    sampled = [
        vocabulary_rows(network.prefix_keys, prefix_keys(random_addresses(observed, rng)))
        for _ in range(hyperparameters.random_negative_sampling_rate)
    ] + [
        vocabulary_rows(network.prefix_keys, prefix_keys(near_addresses(rng.permutation(observed), rng)))
        for _ in range(hyperparameters.hard_negative_sampling_rate)
    ]
    negative = np.stack(sampled, axis=1) if sampled else np.zeros((take, 0, SLOTS), dtype=np.int32)
    dropped = rng.random(take) < hyperparameters.entity_dropout
    batch = take // steps
    shuffled = hyperparameters.shuffled_negative_sampling_rate
    return EpochRows(
        entity=np.where(dropped, np.int32(UNKNOWN_ROW), entity[order]),
        positive=prefixes[pairs.address[order]],
        negative=negative,
        shifts=rng.integers(1, max(batch, 2), (steps, shuffled)).astype(np.int32),
    )


def _discriminator_auc(network: Network, pairs: Pairs, strangers: Addresses) -> float:
    """Held-out pairs against one random address each (SageMaker's ``discriminator_auc``)."""
    if not len(pairs):
        return float("nan")
    vectors = network.entity_vectors(pairs.hashes)
    each = np.arange(len(pairs), dtype=np.int32)
    real = network.log_odds(vectors, network.address_vectors(prefix_keys(pairs.addresses[pairs.address])), each, each)
    other = network.log_odds(vectors, network.address_vectors(prefix_keys(strangers)), each, each)
    return roc_auc(real, other)
