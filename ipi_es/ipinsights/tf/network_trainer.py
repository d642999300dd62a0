"""Trains the network: a compiled loop over arrays in memory, row-wise Adagrad on the rows that a step uses.

Gradients are coded by hand: a tape would materialize the vectors of all parts of all addresses, in both directions.
Here they are summed while they are read (`SparseSegmentSum`), which is 3 to 5 times as fast. A tape is used for the
dense layers alone. Within this module vectors are (v, bias, 1) for entities and (v, 1, bias) for addresses, so that a
log-odds is a single dot product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import tensorflow as tf

from ipi_es.ipinsights.network.network import SLOTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.ipinsights.network.epoch_rows import ChunkRows

_ACCUMULATOR_START = 1e-3
"""Adagrad's initial sum of squares: bounds the first steps of rare rows."""
_INPUTS = (
    *("entity", "entity_row", "entity_member", "entity_group", "part_row", "part_count", "place", "segment"),
    *("member", "group", "shifts", "entity_bounds", "row_bounds", "part_bounds"),
)
"""Fields of :class:`~ipi_es.ipinsights.network.epoch_rows.ChunkRows` that the loop takes."""

Inputs: TypeAlias = dict[str, tf.Tensor]


class _Table:
    """A table of vectors with Adagrad's sums of squares [n, 2]: the mean over the vector, and the bias's."""

    def __init__(self, values: NDArray[np.float32], *, bias: int) -> None:
        """Take ``values`` float32[n, d + 1] with the bias last; it is moved to the column ``bias``, d or d + 1.

        The other of these two columns is the constant one.
        """
        width = values.shape[1]
        wide = np.zeros((len(values), width + 1), dtype=np.float32)
        wide[:, : width - 1], wide[:, bias] = values[:, :-1], values[:, -1]
        self.bias = bias
        self.rows = tf.Variable(wide)
        self.sums = tf.Variable(tf.fill([len(values), 2], tf.constant(_ACCUMULATOR_START)))
        spread = np.zeros((2, width + 1), dtype=np.float32)
        spread[0, : width - 1], spread[1, bias] = 1.0, 1.0
        self._spread = tf.constant(spread)  # [2, d + 2]: the sum that scales a column; none for the constant
        self._mean = tf.constant(spread.T / np.maximum(spread.sum(axis=1), 1.0))

    def values(self) -> NDArray[np.float32]:
        """Return float32[n, d + 1], the bias last."""
        wide = self.rows.numpy()
        return np.concatenate([wide[:, :-2], wide[:, self.bias, None]], axis=1)

    def update(self, rows: tf.Tensor, vectors: tf.Tensor, gradient: tf.Tensor, rate: float) -> None:
        """Apply Adagrad's step to the rows int32[m], each once; ``vectors`` [m, d + 2]: their present values."""
        sums = tf.gather(self.sums, rows) + tf.matmul(tf.square(gradient), self._mean)
        # subtracting in place (scatter_sub) would take ten times as long as writing whole rows
        step = gradient * tf.matmul(rate * tf.math.rsqrt(sums), self._spread)
        self.sums.scatter_update(tf.IndexedSlices(sums, rows))
        self.rows.scatter_update(tf.IndexedSlices(vectors - step, rows))


class NetworkTrainer:
    """Holds the tables as variables; :meth:`run` trains the steps of one chunk."""

    def __init__(
        self,
        *,
        entity_table: NDArray[np.float32],
        part_table: NDArray[np.float32],
        layers: NDArray[np.float32],
        batch: int,
        negatives: int,
        learning_rate: float,
        weight_decay: float,
        deterministic: bool,
    ) -> None:
        """Take tables as in :class:`~ipi_es.ipinsights.network.network.Network`; ``part_table``: prefixes and context.

        ``batch``: pairs per step; ``negatives``: sampled addresses per pair.
        """
        if deterministic:
            tf.config.experimental.enable_op_determinism()
        dim = entity_table.shape[1] - 1
        self._dim, self._batch, self._sampled = dim, batch, negatives
        self._rate = learning_rate
        self._entities = _Table(entity_table, bias=dim)
        self._entities.rows[:, dim + 1].assign(tf.ones(len(entity_table)))
        self._parts = _Table(part_table, bias=dim + 1)
        # row s < SLOTS of the part table is the sum of the unseen vectors of the levels from s on
        self._unseen = _Table(part_table[:SLOTS], bias=dim + 1)
        self._add_unseen_up()
        self._layers = tf.Variable(layers)
        self._layer_sums = tf.Variable(tf.fill(layers.shape, tf.constant(_ACCUMULATOR_START)))
        one = np.zeros(dim + 2, dtype=np.float32)
        one[dim] = 1.0
        self._one = tf.constant(one)
        self._wide = tf.ones([1, dim + 2])
        pull = np.where(np.arange(dim + 2) < dim, 2.0 * weight_decay / batch, 0.0).astype(np.float32)[None]
        self._pull = tf.constant(pull)  # [1, d + 2]: factor of the weight decay's gradient; 0 for biases
        self._pull_left = tf.constant(np.repeat(pull, batch, axis=0))
        self._sign = tf.constant(np.repeat(np.array([-1.0] + [1.0] * negatives, dtype=np.float32), batch))
        self._steps = tf.function(self._loop, reduce_retracing=True)

    def run(self, rows: ChunkRows) -> float:
        """Train all steps of a chunk; return the sum over its pairs of the cross-entropy of pair and negatives."""
        inputs = {name: tf.constant(getattr(rows, name)) for name in _INPUTS}
        return float(self._steps(inputs, tf.constant(rows.steps), tf.constant(rows.parts, tf.float32)).numpy())

    def arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return the present (entity table, part table, layers)."""
        parts = self._parts.values()
        parts[:SLOTS] = self._unseen.values()
        return self._entities.values(), parts, self._layers.numpy()

    def _add_unseen_up(self) -> None:
        sums = tf.cumsum(self._unseen.rows, axis=0, reverse=True)
        self._parts.rows.scatter_update(tf.IndexedSlices(sums, tf.range(SLOTS)))

    def _loop(self, inputs: Inputs, steps: tf.Tensor, parts: tf.Tensor) -> tf.Tensor:
        total = tf.constant(0.0)
        for step in tf.range(steps):
            total += self._step(inputs, step, parts)
        return total

    def _step(self, inputs: Inputs, step: tf.Tensor, parts: tf.Tensor) -> tf.Tensor:
        at = slice(step * self._batch, (step + 1) * self._batch)
        of_parts = slice(inputs["part_bounds"][step], inputs["part_bounds"][step + 1])
        of_rows = slice(inputs["row_bounds"][step], inputs["row_bounds"][step + 1])
        entity, rows = inputs["entity"][at], inputs["part_row"][of_rows]
        left = tf.gather(self._entities.rows, entity)
        part = tf.gather(self._parts.rows, rows)
        addresses = (1 + self._sampled) * self._batch
        total = _summed(part, inputs["place"][of_parts], inputs["segment"][of_parts], addresses)
        total = tf.nn.bias_add(total, self._one)
        loss, of_left, of_total = self._gradients(entity, left, total, inputs["shifts"][step])
        of_left += self._pull_left * left
        self._update_entities(inputs, step, at, of_left)
        gradient = _summed(of_total, inputs["member"][of_parts], inputs["group"][of_parts], tf.shape(rows)[0])
        self._update_parts(rows, part, gradient, inputs["part_count"][of_rows] / parts)
        return loss

    def _gradients(
        self, entity: tf.Tensor, left: tf.Tensor, total: tf.Tensor, shifts: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return (loss, gradient by ``left`` [batch, d + 2], by ``total`` [(1 + K) · batch, d + 2]).

        Gradients are divided by the batch size; the loss isn't. The dense layers are updated here.
        """
        if not self._layers.shape[0]:
            return self._of_log_odds(entity, left, total, shifts)
        layers = tf.convert_to_tensor(self._layers)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([total, layers])
            encoded = self._encoded(total, layers)
        loss, of_left, of_encoded = self._of_log_odds(entity, left, encoded, shifts)
        of_total, of_layers = tape.gradient(encoded, [total, layers], output_gradients=of_encoded)
        self._layer_sums.assign_add(tf.square(of_layers))
        self._layers.assign_sub(self._rate * of_layers * tf.math.rsqrt(self._layer_sums))
        return loss, of_left, of_total

    def _of_log_odds(
        self, entity: tf.Tensor, left: tf.Tensor, right: tf.Tensor, shifts: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return what :meth:`_gradients` does, for encoded addresses: the batch's real ones, then each negative's."""
        lefts = tf.concat([left] * (1 + self._sampled), axis=0)
        odds = tf.reduce_sum(lefts * right, axis=-1)
        loss = tf.reduce_sum(tf.nn.softplus(self._sign * odds))
        slope = self._spread(tf.math.sigmoid(self._sign * odds) * self._sign)
        of_right = slope * lefts
        of_left = tf.reduce_sum(tf.reshape(slope * right, [1 + self._sampled, self._batch, self._dim + 2]), axis=0)
        own, of_own = right[: self._batch], of_right[: self._batch]
        for roll in range(shifts.shape[0]):
            shift = shifts[roll]
            with tf.control_dependencies([of_own]):  # in sequence: in parallel they would need too much memory
                other = tf.roll(own, shift, axis=0)
            odds = tf.reduce_sum(left * other, axis=-1)
            strange = tf.cast(tf.not_equal(entity, tf.roll(entity, shift, axis=0)), tf.float32)
            loss += tf.reduce_sum(strange * tf.nn.softplus(odds))
            slope = self._spread(strange * tf.math.sigmoid(odds))
            of_left += slope * other
            of_own += tf.roll(slope * left, -shift, axis=0)
        of_right = tf.concat([of_own, of_right[self._batch :]], axis=0)
        return loss, of_left, of_right

    def _spread(self, slope: tf.Tensor) -> tf.Tensor:
        """Copy [n] / batch to all columns, by a matrix product: much faster than broadcasting."""
        return tf.matmul(slope[:, None] / self._batch, self._wide)

    def _encoded(self, total: tf.Tensor, layers: tf.Tensor) -> tf.Tensor:
        vector = total[:, : self._dim]
        for index in range(self._layers.shape[0]):
            vector += tf.tanh(tf.matmul(vector, layers[index, :-1]) + layers[index, -1])
        return tf.concat([vector, total[:, self._dim :]], axis=1)

    def _update_entities(self, inputs: Inputs, step: tf.Tensor, at: slice, gradient: tf.Tensor) -> None:
        bounds = inputs["entity_bounds"]
        rows = inputs["entity_row"][bounds[step] : bounds[step + 1]]
        summed = _summed(gradient, inputs["entity_member"][at], inputs["entity_group"][at], tf.shape(rows)[0])
        self._entities.update(rows, tf.gather(self._entities.rows, rows), summed, self._rate)

    def _update_parts(self, rows: tf.Tensor, part: tf.Tensor, gradient: tf.Tensor, share: tf.Tensor) -> None:
        """Update the parts' rows; ``part`` and ``gradient`` [m, d + 2]: their values and gradients.

        ``share`` [m]: number of addresses that have the part, divided by the number of levels; scales the weight decay.
        """
        # from the sums of unseen vectors to the single vectors
        share = tf.concat([tf.cumsum(share[:SLOTS]), share[SLOTS:]], axis=0)
        unseen = tf.convert_to_tensor(self._unseen.rows)
        gradient = tf.concat([tf.cumsum(gradient[:SLOTS], axis=0), gradient[SLOTS:]], axis=0)
        part = tf.concat([unseen, part[SLOTS:]], axis=0)
        gradient += tf.matmul(share[:, None], self._pull) * part
        self._unseen.update(tf.range(SLOTS), unseen, gradient[:SLOTS], self._rate)
        self._parts.update(rows[SLOTS:], part[SLOTS:], gradient[SLOTS:], self._rate)
        self._add_unseen_up()


def _summed(data: tf.Tensor, indices: tf.Tensor, segments: tf.Tensor, number: tf.Tensor | int) -> tf.Tensor:
    """Return [number, w]: the sums of ``data[indices]`` by segment, 0 for empty segments; segments ascend."""
    return tf.raw_ops.SparseSegmentSumWithNumSegments(
        data=data, indices=indices, segment_ids=segments, num_segments=number
    )
