"""Fit a :class:`~ipi_es.ipinsights.network.network.Network` to training pairs: epochs in chunks, negatives, progress.

One thread prepares a chunk's rows while another trains on the chunk before it, so memory holds only a few chunks
however many pairs an epoch has.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ipi_es.ipinsights.entity_hashing import UNKNOWN_ROW
from ipi_es.ipinsights.network.epoch_rows import ChunkRows, chunk_rows
from ipi_es.ipinsights.network.negatives import near_addresses, random_addresses
from ipi_es.ipinsights.network.network import SLOTS
from ipi_es.ipinsights.network.network_tables import encoder_parts, initial_network, joined_table, with_arrays
from ipi_es.ipinsights.network.operator_negatives import OperatorNegatives
from ipi_es.ipinsights.prefixes import prefix_keys
from ipi_es.ipinsights.roc_auc import roc_auc
from ipi_es.malloc import collect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.config.hyperparameters import Hyperparameters
    from ipi_es.ipinsights.address_context import AddressContext
    from ipi_es.ipinsights.combiner.guessed_context import GuessedContext
    from ipi_es.ipinsights.network.network import Network
    from ipi_es.ipinsights.network.pairs import PairSource, TrainingPairs
    from ipi_es.ipinsights.scorer import TrainedNetwork

MIN_STEPS = 150
"""Minimum number of steps per epoch: ``mini_batch_size`` is reduced where rows are few."""
CHUNK_ADDRESSES = 3 << 17
"""Addresses of pairs and of their sampled negatives in a chunk, unless a single batch has more: about 25 MB."""
MAX_VALIDATION_ROWS = 20_000
"""Maximum number of held-out rows that ``discriminator_auc`` is measured on after an epoch."""
CONTEXT_DROPOUT = 0.05
"""Share of the training rows whose operator and country are set to unknown, so that their absence is learned too."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Progress of a training; fields that don't apply to the stage are None."""

    stage: str  # "network", "combiner", "done"
    epoch: int | None = None  # from 1
    epochs: int | None = None
    batch: int | None = None  # steps done in this epoch
    batches: int | None = None  # approximate before the epoch's end where a source resamples its pairs
    loss: float | None = None  # mean cross-entropy of a pair with its negatives
    examples_per_second: float | None = None  # pairs with their negatives
    discriminator_auc: float | None = None  # real against random, held-out part


def fit_network(
    source: PairSource,
    held_out: TrainingPairs,
    hyperparameters: Hyperparameters,
    *,
    rng: np.random.Generator,
    report: Callable[[TrainingProgress], None],
    base: TrainedNetwork | None = None,
    guessed: GuessedContext | None = None,
) -> tuple[Network, float]:
    """Train a network, from ``base``'s tables if given; return it and its ``discriminator_auc`` on ``held_out``.

    ``guessed`` gives the operators and countries of synthetic addresses, where those of the pairs are known.
    """
    from ipi_es.ipinsights.tf.network_trainer import NetworkTrainer

    network = initial_network(source, hyperparameters, rng, base)
    batch = max(1, min(hyperparameters.mini_batch_size, len(source) // MIN_STEPS))
    trainer = NetworkTrainer(
        entity_table=network.entity_table,
        part_table=joined_table(network),
        layers=network.layers,
        batch=batch,
        negatives=hyperparameters.sampled_addresses,
        learning_rate=hyperparameters.learning_rate,
        weight_decay=hyperparameters.weight_decay,
        deterministic=hyperparameters.deterministic,
    )
    check = held_out.take(_some(len(held_out), rng))
    strangers = random_addresses(check.addresses[check.address], rng)
    whose = guessed.guess(strangers, rng) if guessed else None
    chunks = _Chunks(source, network, hyperparameters, batch, rng, guessed)
    reporter = _ProgressReporter(report, hyperparameters, batch, len(source) // batch)
    auc = float("nan")
    for rows in _ahead(chunks.all_epochs()):
        if rows is not None:
            reporter.trained(rows.steps, trainer.run(rows))
            continue
        network = with_arrays(network, *trainer.arrays())
        auc = _discriminator_auc(network, check, strangers, whose)
        reporter.epoch_over(auc)
    del trainer
    collect()
    return network, auc


def _some(n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    return np.sort(rng.permutation(n)[:MAX_VALIDATION_ROWS])


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield the same items; another thread computes the next one while the caller processes its predecessor."""
    none = object()
    with ThreadPoolExecutor(1, thread_name_prefix="ipi-es-chunks") as pool:
        coming = pool.submit(next, items, none)
        while (item := coming.result()) is not none:
            coming = pool.submit(next, items, none)
            yield item  # type: ignore[misc]


@dataclass(frozen=True, slots=True, eq=False)
class _Chunks:
    """Lays out pairs with negatives and dropout as the trainer needs them; both are drawn anew for every epoch."""

    source: PairSource
    network: Network
    hyperparameters: Hyperparameters
    batch: int
    rng: np.random.Generator
    guessed: GuessedContext | None

    def all_epochs(self) -> Iterator[ChunkRows | None]:
        """Yield the chunks of every epoch, and None after each epoch."""
        source, network, settings = self.source, self.network, self.hyperparameters
        parts = encoder_parts(network, source.addresses, source.context)
        entity = network.entity_rows(source.hashes)
        operators = OperatorNegatives.of(source.addresses, source.context)
        pairs = CHUNK_ADDRESSES // (1 + settings.sampled_addresses)
        steps = max(min(settings.batch_metrics_publish_interval, pairs // self.batch), 1)
        for _ in range(settings.epochs):
            for who, where in source.epoch(self.rng, steps * self.batch):
                whole = len(who) // self.batch
                if whole:
                    at = where[: whole * self.batch]
                    lists = [parts[at], *self._made_up(source.addresses[at])]
                    draws = range(settings.operator_negative_sampling_rate)
                    lists += [parts[operators.draw(at, self.rng)] for _ in draws]
                    yield self._chunk(entity[who[: len(at)]], lists, whole)
            yield None

    def _made_up(self, observed: Addresses) -> list[NDArray[np.int32]]:
        """Return the parts of random and near addresses for ``observed``, one array per negative."""
        rng, settings = self.rng, self.hyperparameters
        made_up = [random_addresses(observed, rng) for _ in range(settings.random_negative_sampling_rate)]
        made_up += [near_addresses(rng.permutation(observed), rng) for _ in range(settings.hard_negative_sampling_rate)]
        context = [self.guessed.guess(each, rng) if self.guessed else None for each in made_up]
        return [encoder_parts(self.network, *each) for each in zip(made_up, context, strict=True)]

    def _chunk(self, entity: NDArray[np.int32], parts: list[NDArray[np.int32]], steps: int) -> ChunkRows:
        """Lay out ``steps`` steps; ``parts``: those of the real addresses, then those of each negative."""
        network, rng, settings = self.network, self.rng, self.hyperparameters
        if network.knows_context:
            nameless = np.flatnonzero(rng.random(len(entity)) < CONTEXT_DROPOUT)
            nothing = network.context_rows(None, 1)[0] + len(network.prefix_table)
            for one in parts:
                one[nameless, SLOTS:] = nothing
        dropped = rng.random(len(entity)) < settings.entity_dropout
        shuffled = settings.shuffled_negative_sampling_rate
        return chunk_rows(
            np.where(dropped, np.int32(UNKNOWN_ROW), entity),
            parts,
            rng.integers(1, max(self.batch, 2), (steps, shuffled)).astype(np.int32),
        )


class _ProgressReporter:
    """Reports progress after every ``batch_metrics_publish_interval`` steps and at the end of an epoch."""

    def __init__(
        self, report: Callable[[TrainingProgress], None], hyperparameters: Hyperparameters, batch: int, batches: int
    ) -> None:
        self._report, self._batch, self._batches = report, batch, batches
        self._epochs, self._every = hyperparameters.epochs, hyperparameters.batch_metrics_publish_interval
        self._epoch = 0
        self._start()

    def _start(self) -> None:
        self._epoch += 1
        self._done = self._since = 0
        self._loss = self._last = 0.0
        self._began = time.perf_counter()

    def trained(self, steps: int, loss: float) -> None:
        """Count more steps; ``loss``: the sum of their losses over pairs."""
        self._done, self._since, self._loss = self._done + steps, self._since + steps, self._loss + loss
        if self._since >= self._every:
            self._publish()

    def epoch_over(self, auc: float) -> None:
        """Report the end of an epoch with its ``discriminator_auc``, and start the next."""
        if self._since:
            self._publish()
        self._report(self._progress(self._done, auc))
        self._start()

    def _publish(self) -> None:
        self._last = self._loss / (self._since * self._batch)
        self._report(self._progress(max(self._batches, self._done), None))
        self._since, self._loss = 0, 0.0

    def _progress(self, batches: int, auc: float | None) -> TrainingProgress:
        speed = self._done * self._batch / (time.perf_counter() - self._began)
        return TrainingProgress(
            stage="network",
            epoch=self._epoch,
            epochs=self._epochs,
            batch=self._done,
            batches=batches,
            loss=self._last,
            examples_per_second=speed,
            discriminator_auc=auc,
        )


def _discriminator_auc(
    network: Network, pairs: TrainingPairs, strangers: Addresses, whose: AddressContext | None
) -> float:
    """Return the AUC of held-out pairs against one random address each, SageMaker's ``discriminator_auc``.

    ``whose``: the context of ``strangers``, the random addresses. nan without pairs.
    """
    if not len(pairs):
        return float("nan")
    vectors = network.entity_vectors(pairs.hashes)
    each = np.arange(len(pairs), dtype=np.int32)
    context = pairs.context.take(pairs.address) if pairs.context else None
    places = network.address_vectors(prefix_keys(pairs.addresses[pairs.address]), context)
    real = network.log_odds(vectors, places, each, each)
    other = network.log_odds(vectors, network.address_vectors(prefix_keys(strangers), whose), each, each)
    return roc_auc(real, other)
