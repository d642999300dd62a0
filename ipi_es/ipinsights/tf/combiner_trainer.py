"""Trains the combiner: a few small networks in parallel, with Adam, in one compiled loop over features in memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from ipi_es.ipinsights.combiner.combiner import HIDDEN, Combiner

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BATCH, _MIN_BATCH = 512, 128
_MIN_STEPS = 2_000
"""Minimum number of steps: with few rows, steps are smaller and epochs more."""
_RATE = 3e-3
"""Adam's initial learning rate; it falls to 0 along half a cosine."""
_ANCHORED_RATE = 1e-3
"""The same for a fit that starts from trained weights."""
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8  # Adam's usual constants (Kingma, Ba 2015)
_DECAY = 1e-4
"""L2 on the weights: keeps the weights of correlated features similar. With 1e-5 the combiner overfitted to rare rows
of a few days (journeys), and other entities' journeys looked too unusual; with 1e-3 new addresses stood out less."""


def fit_combiner(
    features: NDArray[np.float32],
    real: NDArray[np.float32],
    weight: NDArray[np.float32],
    start: Combiner,
    *,
    epochs: int,
    rng: np.random.Generator,
    anchor: float = 0.0,
) -> tuple[Combiner, float]:
    """Fit on features float32[n, F], real float32[n] in {0, 1}, weight float32[n]; return (combiner, loss).

    The loss is the last epoch's, summed over members. ``start``: :func:`untrained`'s, or a trained combiner to continue
    from; ``anchor`` > 0 then keeps the weights near its weights, as L2 on the distance.
    """
    batch = min(max(len(features) * epochs // _MIN_STEPS, _MIN_BATCH), _BATCH, len(features))
    steps = len(features) // batch
    epochs = max(epochs, -(-_MIN_STEPS // steps))
    order = np.stack([rng.permutation(len(features))[: steps * batch] for _ in range(epochs)]).astype(np.int32)
    weights, loss = _train(
        start.standardized(features),
        real,
        weight,
        order,
        start=[start.hidden_1, start.hidden_2, start.output],
        anchor=anchor,
        batch=batch,
    )
    return Combiner(start.mean, start.scale, *weights), loss


def standardization(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and 1 / standard deviation (0 for constant features), float32[F] each, of features float32[n, F]."""
    deviation = features.std(axis=0)
    scale = np.where(deviation > 1e-6, 1.0 / np.maximum(deviation, 1e-6), 0.0).astype(np.float32)
    return features.mean(axis=0), scale


def untrained(
    mean: NDArray[np.float32], scale: NDArray[np.float32], members: int, rng: np.random.Generator
) -> Combiner:
    """Return a combiner with random weights and the given standardization (``mean``, ``scale``: float32[F])."""
    shapes = ((members, len(mean) + 1, HIDDEN), (members, HIDDEN + 1, HIDDEN), (members, HIDDEN + 1))
    return Combiner(mean, scale, *(_initial(shape, rng) for shape in shapes))


def _initial(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw initial weights as He et al. (2015); biases, the last of the second axis, are 0."""
    values = rng.standard_normal(shape) * math.sqrt(2.0 / (shape[1] - 1))
    values[:, -1] = 0.0
    return values.astype(np.float32)


def _train(
    features: NDArray[np.float32],
    real: NDArray[np.float32],
    weight: NDArray[np.float32],
    order: NDArray[np.int32],
    *,
    start: list[NDArray[np.float32]],
    anchor: float,
    batch: int,
) -> tuple[list[NDArray[np.float32]], float]:
    steps = order.shape[1] // batch
    whole = order.size // batch
    variables = [tf.Variable(values) for values in start]
    anchors = [tf.constant(values) for values in start] if anchor else [tf.zeros_like(values) for values in start]
    first_rate, decay = (_ANCHORED_RATE, anchor) if anchor else (_RATE, _DECAY)
    moments = [(tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in variables]

    @tf.function  # type: ignore[untyped-decorator]
    def loop(x: tf.Tensor, y: tf.Tensor, w: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        total = tf.constant(0.0)
        for step in tf.range(whole):
            at = rows[step * batch : (step + 1) * batch]
            with tf.GradientTape() as tape:
                loss = _loss(variables, tf.gather(x, at), tf.gather(y, at), tf.gather(w, at))
                distances = [tf.reduce_sum(tf.square(v - near)) for v, near in zip(variables, anchors, strict=True)]
                loss += tf.add_n(distances) * decay
            gradients = tape.gradient(loss, variables)
            done = tf.cast(step, tf.float32) / float(whole)
            rate = first_rate * 0.5 * (1.0 + tf.cos(math.pi * done))
            for variable, (first, second), gradient in zip(variables, moments, gradients, strict=True):
                _adam(variable, first, second, gradient, rate=rate, step=tf.cast(step + 1, tf.float32))
            if step >= whole - steps:
                total += loss
        return total / float(steps)

    loss = loop(tf.constant(features), tf.constant(real), tf.constant(weight), tf.constant(order.ravel()))
    return [variable.numpy() for variable in variables], float(loss.numpy())


def _loss(variables: list[tf.Variable], x: tf.Tensor, y: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
    hidden_1, hidden_2, output = variables
    one = tf.nn.relu(tf.einsum("nf,mfh->mnh", x, hidden_1[:, :-1]) + hidden_1[:, -1:])
    two = tf.nn.relu(tf.matmul(one, hidden_2[:, :-1]) + hidden_2[:, -1:])
    logit = tf.einsum("mnh,mh->mn", two, output[:, :-1]) + output[:, -1:]
    each = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.broadcast_to(y, tf.shape(logit)), logits=logit)
    # members share no weights: summing their means trains each as if it were alone
    return tf.reduce_sum(tf.reduce_sum(each * w, axis=1) / tf.reduce_sum(w))


def _adam(
    variable: tf.Variable,
    first: tf.Variable,
    second: tf.Variable,
    gradient: tf.Tensor,
    *,
    rate: tf.Tensor,
    step: tf.Tensor,
) -> None:
    first.assign(_BETA_1 * first + (1 - _BETA_1) * gradient)
    second.assign(_BETA_2 * second + (1 - _BETA_2) * tf.square(gradient))
    up = first / (1 - tf.pow(_BETA_1, step))
    down = tf.sqrt(second / (1 - tf.pow(_BETA_2, step))) + _EPSILON
    variable.assign_sub(rate * up / down)
