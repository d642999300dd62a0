"""Reference network: the architecture that Amazon documents for SageMaker IP Insights, in plain Keras.

Entity embedding · multilayer perceptron over the address's bits = log-odds; binary cross-entropy of real pairs against
one random and one shuffled address each; `fit` with Adam. It is a reference for quality and speed; no job uses it.
Addresses have 128 bits here, IPv4 in its mapped form (SageMaker accepts IPv4 alone).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from ipi_es.addresses import is_v4

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses

VECTOR_DIM = 128
"""SageMaker's recommendation."""
EPOCHS = 5
LEARNING_RATE = 1e-3
"""SageMaker's default, for Adam."""
BATCH = 64
"""Real pairs per step: SageMaker's 10,000 would be one step per epoch where rows are few. With 256 and 1,024 the
reference was weaker, by .01 and .05 of the mean AUC on real events."""
HIDDEN = (256, 256)
"""Units of the perceptron's hidden layers. One of 128 was weaker by .01 of the mean AUC, two of 512 gained
.003."""
_BYTES, _BITS = 16, 128
_V4_FREE = 4
"""Bytes of an IPv4-mapped address that are drawn for a random one."""


class SageMakerLike:
    """The reference network with its training; entities are numbered from 0."""

    def __init__(
        self,
        entities: int,
        *,
        rng: np.random.Generator,
        vector_dim: int = VECTOR_DIM,
        learning_rate: float = LEARNING_RATE,
        hidden: Sequence[int] = HIDDEN,
    ) -> None:
        """Build it. ``entities``: rows of the embedding; ``hidden``: units by layer; ``rng``: all randomness."""
        keras = tf.keras
        self._rng = rng
        seeds = iter(rng.integers(0, 2**31, 2 + len(hidden)).tolist())
        embedding = keras.layers.Embedding(
            entities, vector_dim, embeddings_initializer=keras.initializers.RandomNormal(stddev=0.05, seed=next(seeds))
        )
        glorot = keras.initializers.GlorotUniform
        entity = keras.Input((), dtype="int32", name="entity")
        addresses = keras.Input((None, _BYTES), dtype="uint8", name="addresses")
        vector = _Bits()(addresses)
        for units in hidden:
            vector = keras.layers.Dense(units, activation="relu", kernel_initializer=glorot(seed=next(seeds)))(vector)
        vector = keras.layers.Dense(vector_dim, kernel_initializer=glorot(seed=next(seeds)))(vector)
        log_odds = _Dot()([embedding(entity), vector])
        self.network = keras.Model([entity, addresses], log_odds)
        """(entity int32[n], addresses uint8[n, k, 16]) → log-odds float32[n, k], high = usual."""
        self.network.compile(
            optimizer=keras.optimizers.Adam(learning_rate),
            loss=keras.losses.BinaryCrossentropy(from_logits=True),
        )

    def fit(
        self, entity: NDArray[np.int32], addresses: Addresses, *, epochs: int = EPOCHS, batch: int = BATCH
    ) -> float:
        """Train on n pairs (entity int32[n], addresses uint8[n, 16]); return the last epoch's mean loss.

        Every epoch has a new order and new negatives, ``batch`` real pairs per step. nan for 0 epochs.
        """
        loss = float("nan")
        target = np.tile(np.array([[1.0, 0.0, 0.0]], dtype=np.float32), (len(entity), 1))
        for _ in range(epochs):
            order = self._rng.permutation(len(entity))
            real = addresses[order]
            sampled = [real, random_of_family(real, self._rng), real[self._rng.permutation(len(real))]]
            inputs = [entity[order].astype(np.int32), np.stack(sampled, axis=1)]
            fitted = self.network.fit(inputs, target, batch_size=batch, epochs=1, shuffle=False, verbose=0)
            loss = float(fitted.history["loss"][-1])
        return loss

    def log_odds(self, entity: NDArray[np.int32], addresses: Addresses, *, batch: int = 4_096) -> NDArray[np.float64]:
        """Return float64[n]: log-odds of pairs (entity int32[n], addresses uint8[n, 16]), by Keras's ``predict``."""
        if not len(entity):
            return np.zeros(0)
        inputs = [entity.astype(np.int32), addresses[:, None, :]]
        scores: NDArray[np.float32] = self.network.predict(inputs, batch_size=batch, verbose=0)
        return scores[:, 0].astype(np.float64)


def random_of_family(addresses: Addresses, rng: np.random.Generator) -> Addresses:
    """Draw for each address uint8[n, 16] one that is uniform over all of its family."""
    fresh = rng.integers(0, 256, addresses.shape, dtype=np.uint8)
    v4 = is_v4(addresses)
    fresh[v4, :-_V4_FREE] = addresses[v4, :-_V4_FREE]
    return fresh


class _Bits(tf.keras.layers.Layer):  # type: ignore[misc]
    """uint8[…, 16] → float32[…, 128]: the address's bits, highest first, as -1 and 1."""

    def call(self, addresses: Any) -> Any:
        shifts = tf.constant(np.arange(7, -1, -1), dtype=tf.uint8)
        bits = tf.bitwise.bitwise_and(tf.bitwise.right_shift(addresses[..., None], shifts), tf.constant(1, tf.uint8))
        shape = tf.concat([tf.shape(addresses)[:-1], [_BITS]], axis=0)
        flat = tf.reshape(tf.cast(bits, tf.float32), shape)
        flat.set_shape([*addresses.shape[:-1], _BITS])
        return 2.0 * flat - 1.0

    def compute_output_spec(self, addresses: Any) -> Any:
        """Return the output's shape and dtype: Keras calls this instead of tracing uint8 operations."""
        return tf.keras.KerasTensor((*addresses.shape[:-1], _BITS), dtype="float32")


class _Dot(tf.keras.layers.Layer):  # type: ignore[misc]
    """(float32[n, d], float32[n, k, d]) → float32[n, k]."""

    def call(self, vectors: Any) -> Any:
        entity, address = vectors
        return tf.einsum("nd,nkd->nk", entity, address)

    def compute_output_spec(self, vectors: Any) -> Any:
        """Return the shape and dtype of `call`'s output."""
        return tf.keras.KerasTensor(vectors[1].shape[:-1], dtype="float32")
