"""From training pairs to a :class:`~ipi_es.ipinsights.network.Network`: rows, negatives, epochs, progress."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.ipinsights.entities import UNKNOWN_ROW
from ipi_es.ipinsights.metrics import roc_auc
from ipi_es.ipinsights.negatives import near_addresses, random_addresses
from ipi_es.ipinsights.network import SLOTS
from ipi_es.ipinsights.network_tables import encoder_rows, initial_network, joined_table, with_arrays
from ipi_es.ipinsights.prefixes import prefix_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.ipinsights.context import Context
    from ipi_es.ipinsights.guessed_context import GuessedContext
    from ipi_es.ipinsights.hyperparameters import Hyperparameters
    from ipi_es.ipinsights.network import Network
    from ipi_es.ipinsights.scorer import Snapshot
    from ipi_es.ipinsights.tf.network_trainer import EpochRows
    from ipi_es.ipinsights.training_events import TrainingEvents

MIN_STEPS = 150
"""Steps of an epoch, at least: ``mini_batch_size`` is made smaller where rows are few."""
MAX_VALIDATION_ROWS = 20_000
"""Held-out rows that ``discriminator_auc`` is measured on after an epoch."""
CONTEXT_DROPOUT = 0.05
"""Share of the training rows whose operator and country are taken for unknown, so that their absence is learnt too."""


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
    context: Context | None = None  # of the addresses

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
        return cls(hashes[events.entity[rows]], events.ip[rows], events.addresses, events.context or None)

    def __len__(self) -> int:
        return len(self.hashes)

    def take(self, rows: NDArray[np.intp]) -> Pairs:
        """Some of the rows."""
        return Pairs(self.hashes[rows], self.address[rows], self.addresses, self.context)

    def used_only(self) -> Pairs:
        """The same rows with those addresses alone that they use."""
        used, place = np.unique(self.address, return_inverse=True)
        context = self.context.take(used) if self.context else None
        return Pairs(self.hashes, place.astype(np.int32), self.addresses[used], context)


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
    guessed: GuessedContext | None = None,
) -> tuple[Network, float]:
    """Train; (the network, its ``discriminator_auc`` on ``held_out``).

    ``guessed`` gives the operators and countries of made-up addresses, where those of the pairs are known.
    """
    from ipi_es.ipinsights.tf.network_trainer import NetworkTrainer

    pairs = capped(pairs, hyperparameters.max_rows_per_entity, rng)
    network = initial_network(pairs, hyperparameters, rng, base)
    batch = max(1, min(hyperparameters.mini_batch_size, len(pairs) // MIN_STEPS))
    batches = len(pairs) // batch
    trainer = NetworkTrainer(
        entity_table=network.entity_table,
        prefix_table=joined_table(network),
        layers=network.layers,
        batch=batch,
        learning_rate=hyperparameters.learning_rate,
        weight_decay=hyperparameters.weight_decay,
        deterministic=hyperparameters.deterministic,
    )
    local = pairs.used_only()
    prefixes = encoder_rows(network, local.addresses, local.context)
    entity = network.entity_rows(local.hashes)
    check = held_out.take(_some(len(held_out), rng))
    strangers = random_addresses(check.addresses[check.address], rng)
    whose = guessed.guess(strangers, rng) if guessed else None
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
            guessed=guessed,
        )
        loss = 0.0
        for begin in range(0, batches, hyperparameters.batch_metrics_publish_interval):
            end = min(begin + hyperparameters.batch_metrics_publish_interval, batches)
            loss = trainer.run(rows, begin, end)
            speed = end * batch / (time.perf_counter() - began)
            report(Progress("network", epoch, hyperparameters.epochs, end, batches, loss, speed))
        network = with_arrays(network, *trainer.arrays())
        auc = _discriminator_auc(network, check, strangers, whose)
        speed = batches * batch / (time.perf_counter() - began)
        report(Progress("network", epoch, hyperparameters.epochs, batches, batches, loss, speed, auc))
    return network, auc


def _some(n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    return np.sort(rng.permutation(n)[:MAX_VALIDATION_ROWS])


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
    guessed: GuessedContext | None,
) -> EpochRows:
    """A new order, new negatives and new dropout."""
    from ipi_es.ipinsights.tf.network_trainer import EpochRows

    order = rng.permutation(len(pairs))[:take]
    observed = pairs.addresses[pairs.address[order]]
    made_up = [random_addresses(observed, rng) for _ in range(hyperparameters.random_negative_sampling_rate)]
    made_up += [
        near_addresses(rng.permutation(observed), rng) for _ in range(hyperparameters.hard_negative_sampling_rate)
    ]
    sampled = [encoder_rows(network, each, guessed.guess(each, rng) if guessed else None) for each in made_up]
    positive = prefixes[pairs.address[order]]
    negative = np.stack(sampled, axis=1) if sampled else np.zeros((take, 0, positive.shape[1]), dtype=np.int32)
    if network.knows_context:
        nameless = np.flatnonzero(rng.random(take) < CONTEXT_DROPOUT)
        nothing = network.context_rows(None, 1)[0] + len(network.prefix_table)
        positive[nameless, SLOTS:] = nothing
        negative[nameless, :, SLOTS:] = nothing
    dropped = rng.random(take) < hyperparameters.entity_dropout
    batch = take // steps
    shuffled = hyperparameters.shuffled_negative_sampling_rate
    return EpochRows(
        entity=np.where(dropped, np.int32(UNKNOWN_ROW), entity[order]),
        positive=positive,
        negative=negative,
        shifts=rng.integers(1, max(batch, 2), (steps, shuffled)).astype(np.int32),
    )


def _discriminator_auc(network: Network, pairs: Pairs, strangers: Addresses, whose: Context | None) -> float:
    """Held-out pairs against one random address each (SageMaker's ``discriminator_auc``); ``whose``: its context."""
    if not len(pairs):
        return float("nan")
    vectors = network.entity_vectors(pairs.hashes)
    each = np.arange(len(pairs), dtype=np.int32)
    context = pairs.context.take(pairs.address) if pairs.context else None
    places = network.address_vectors(prefix_keys(pairs.addresses[pairs.address]), context)
    real = network.log_odds(vectors, places, each, each)
    other = network.log_odds(vectors, network.address_vectors(prefix_keys(strangers), whose), each, each)
    return roc_auc(real, other)
