"""Trains the network: a compiled loop over resident arrays, row-wise Adagrad on the rows that a step touches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ACCUMULATOR_START = 1e-3
"""Adagrad's sum of squares before the first step: bounds the first steps of rare rows."""


@dataclass(frozen=True, slots=True, eq=False)
class EpochRows:
    """The pairs of one epoch in training order; n pairs, K sampled negatives each."""

    entity: NDArray[np.int32]  # [n] entity rows
    positive: NDArray[np.int32]  # [n, S] rows of the parts (prefixes, operator, country) of the real address
    negative: NDArray[np.int32]  # [n, K, S] of the sampled addresses
    shifts: NDArray[np.int32]  # [steps, S]: how far each shuffled negative rolls the batch


class NetworkTrainer:
    """Holds the tables as variables; one :meth:`run` trains some steps of an epoch."""

    def __init__(
        self,
        *,
        entity_table: NDArray[np.float32],
        prefix_table: NDArray[np.float32],
        layers: NDArray[np.float32],
        batch: int,
        learning_rate: float,
        weight_decay: float,
        deterministic: bool,
    ) -> None:
        """Tables as in :class:`~ipi_es.ipinsights.network.Network`; ``batch``: pairs a step."""
        if deterministic:
            tf.config.experimental.enable_op_determinism()
        self._tables = (tf.Variable(entity_table), tf.Variable(prefix_table))
        self._sums = tuple(
            tf.Variable(tf.fill([len(table), 2], tf.constant(_ACCUMULATOR_START)))
            for table in (entity_table, prefix_table)
        )
        self._layers = tf.Variable(layers)
        self._layer_sums = tf.Variable(tf.fill(layers.shape, tf.constant(_ACCUMULATOR_START)))
        self._batch = batch
        self._rate = learning_rate
        self._decay = weight_decay
        self._steps = tf.function(self._loop)

    def run(self, rows: EpochRows, begin: int, end: int) -> float:
        """Train steps [begin, end) of an epoch; the mean loss a pair."""
        loss = self._steps(
            tf.constant(rows.entity),
            tf.constant(rows.positive),
            tf.constant(rows.negative),
            tf.constant(rows.shifts),
            begin=tf.constant(begin),
            end=tf.constant(end),
        )
        return float(loss.numpy()) / max(end - begin, 1)

    def arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """(entity table, prefix table, layers) as they are now."""
        return self._tables[0].numpy(), self._tables[1].numpy(), self._layers.numpy()

    def _loop(
        self,
        entity: tf.Tensor,
        positive: tf.Tensor,
        negative: tf.Tensor,
        shifts: tf.Tensor,
        *,
        begin: tf.Tensor,
        end: tf.Tensor,
    ) -> tf.Tensor:
        total = tf.constant(0.0)
        for step in tf.range(begin, end):
            start = step * self._batch
            stop = start + self._batch
            total += self._step(entity[start:stop], positive[start:stop], negative[start:stop], shifts[step])
        return total

    def _step(self, entity: tf.Tensor, positive: tf.Tensor, negative: tf.Tensor, shifts: tf.Tensor) -> tf.Tensor:
        width = self._tables[0].shape[1]
        count = self._batch
        entity_rows, entity_at = tf.unique(entity)
        slots = positive.shape[1]
        addresses = tf.concat([positive[:, None, :], negative], axis=1)  # [batch, 1 + K, S]
        prefix_rows, prefix_at = tf.unique(tf.reshape(addresses, [-1]))
        entity_part = tf.gather(self._tables[0], entity_rows)
        prefix_part = tf.gather(self._tables[1], prefix_rows)
        layers = tf.convert_to_tensor(self._layers)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([entity_part, prefix_part, layers])
            left = tf.gather(entity_part, entity_at)
            parts = tf.reshape(tf.gather(prefix_part, prefix_at), [-1, slots, width])
            right = self._encoded(tf.reduce_sum(parts, axis=1), layers)
            right = tf.reshape(right, [count, -1, width])
            sampled = _log_odds(left[:, None, :], right)  # [batch, 1 + K]
            loss = tf.reduce_sum(tf.nn.softplus(-sampled[:, 0])) + tf.reduce_sum(tf.nn.softplus(sampled[:, 1:]))
            for roll in range(shifts.shape[0]):
                other = _log_odds(left, tf.roll(right[:, 0], shifts[roll], axis=0))
                strange = tf.cast(tf.not_equal(entity, tf.roll(entity, shifts[roll], axis=0)), tf.float32)
                loss += tf.reduce_sum(strange * tf.nn.softplus(other))
            penalty = tf.reduce_sum(tf.square(left[:, :-1])) + tf.reduce_sum(tf.square(parts[..., :-1])) / slots
            loss = (loss + self._decay * penalty) / tf.cast(count, tf.float32)
        gradients = tape.gradient(loss, [entity_part, prefix_part, layers])
        self._update(0, entity_rows, tf.convert_to_tensor(gradients[0]))
        self._update(1, prefix_rows, tf.convert_to_tensor(gradients[1]))
        if self._layers.shape[0]:
            self._layer_sums.assign_add(tf.square(gradients[2]))
            self._layers.assign_sub(self._rate * gradients[2] * tf.math.rsqrt(self._layer_sums))
        return loss

    def _encoded(self, total: tf.Tensor, layers: tf.Tensor) -> tf.Tensor:
        vector, bias = total[:, :-1], total[:, -1:]
        for index in range(self._layers.shape[0]):
            vector += tf.tanh(tf.matmul(vector, layers[index, :-1]) + layers[index, -1])
        return tf.concat([vector, bias], axis=1)

    def _update(self, which: int, rows: tf.Tensor, gradient: tf.Tensor) -> None:
        """Row-wise Adagrad: one sum of squares for a row's vector (their mean), one for its bias."""
        table, sums = self._tables[which], self._sums[which]
        square = tf.square(gradient)
        added = tf.stack([tf.reduce_mean(square[:, :-1], axis=1), square[:, -1]], axis=1)
        now = tf.gather(sums, rows) + added
        speed = self._rate * tf.math.rsqrt(now)
        width = gradient.shape[1]
        step = gradient * tf.concat([tf.repeat(speed[:, :1], width - 1, axis=1), speed[:, 1:]], axis=1)
        sums.scatter_update(tf.IndexedSlices(now, rows))
        table.scatter_sub(tf.IndexedSlices(step, rows))


def _log_odds(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(left[..., :-1] * right[..., :-1], axis=-1) + left[..., -1] + right[..., -1]
