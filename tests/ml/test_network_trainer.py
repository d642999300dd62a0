"""The compiled loop, against a plain one: the gradients that it writes out are those of the loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf

import ipi_es.ipinsights.tf  # noqa: F401  (quiet, before TensorFlow itself)
from ipi_es.ipinsights.network.epoch_rows import NO_PART, ChunkRows, chunk_rows
from ipi_es.ipinsights.network.network import SLOTS
from ipi_es.ipinsights.tf.network_trainer import NetworkTrainer

DIM, BATCH, STEPS, NEGATIVES, SHUFFLED = 5, 12, 3, 2, 2
ENTITIES, PARTS = 6, 20
RATE, DECAY, START = 0.05, 1e-2, 1e-3
GPU = tf.config.list_physical_devices("GPU")


@dataclass(frozen=True)
class Tables:
    entity: np.ndarray
    part: np.ndarray
    layers: np.ndarray

    @classmethod
    def random(cls, layers: int) -> Tables:
        rng = np.random.default_rng(3)

        def some(*shape: int) -> np.ndarray:
            return rng.standard_normal(shape).astype(np.float32) * np.float32(0.5)

        return cls(some(ENTITIES, DIM + 1), some(SLOTS + PARTS, DIM + 1), some(layers, DIM + 1, DIM))


def some_rows() -> tuple[ChunkRows, np.ndarray, list[np.ndarray]]:
    """A chunk, and what it was made of: each address's depth of known networks is drawn."""
    rng = np.random.default_rng(4)
    entity = rng.integers(0, ENTITIES, STEPS * BATCH).astype(np.int32)
    parts = []
    for _ in range(1 + NEGATIVES):
        known = rng.integers(SLOTS, SLOTS + PARTS, (len(entity), SLOTS))
        depth = rng.integers(0, SLOTS + 1, len(entity))[:, None]
        level = np.arange(SLOTS)[None]
        parts.append(np.where(level < depth, known, np.where(level == depth, level, NO_PART)).astype(np.int32))
    shifts = rng.integers(1, BATCH, (STEPS, SHUFFLED)).astype(np.int32)
    return chunk_rows(entity, parts, shifts), entity, parts


def trained(tables: Tables, rows: ChunkRows) -> tuple[float, tuple[np.ndarray, ...]]:
    trainer = NetworkTrainer(
        entity_table=tables.entity,
        part_table=tables.part,
        layers=tables.layers,
        batch=BATCH,
        negatives=NEGATIVES,
        learning_rate=RATE,
        weight_decay=DECAY,
        deterministic=False,
    )
    loss = trainer.run(rows)
    return loss, trainer.arrays()


def plainly(tables: Tables, rows: ChunkRows, entity: np.ndarray, parts: list[np.ndarray]) -> tuple[float, list]:
    """The same with a tape over whole tables, level by level."""
    variables = [tf.Variable(each) for each in (tables.entity, tables.part, tables.layers)]
    sums = [np.full((len(each), 2), START) for each in (tables.entity, tables.part)]
    layer_sums, total = np.full(tables.layers.shape, START), 0.0
    for step in range(STEPS):
        at = slice(step * BATCH, (step + 1) * BATCH)
        with tf.GradientTape() as tape:
            left = tf.gather(variables[0], entity[at])
            loss, penalty, own = 0.0, tf.reduce_sum(left[:, :-1] ** 2), None
            for kind, lists in enumerate(parts):
                full = np.where(lists[at] == NO_PART, np.arange(SLOTS), lists[at])
                each = tf.gather(variables[1], full)
                penalty += tf.reduce_sum(each[..., :-1] ** 2) / SLOTS
                summed = tf.reduce_sum(each, axis=1)
                vector, bias = summed[:, :-1], summed[:, -1]
                for layer in range(len(tables.layers)):
                    weights = variables[2][layer]
                    vector += tf.tanh(vector @ weights[:-1] + weights[-1])
                odds = tf.reduce_sum(left[:, :-1] * vector, axis=1) + left[:, -1] + bias
                loss += tf.reduce_sum(tf.nn.softplus(odds if kind else -odds))
                own = (vector, bias) if own is None else own
            for shift in rows.shifts[step]:
                vector, bias = (tf.roll(each, int(shift), axis=0) for each in own)
                odds = tf.reduce_sum(left[:, :-1] * vector, axis=1) + left[:, -1] + bias
                strange = entity[at] != np.roll(entity[at], shift)
                loss += tf.reduce_sum(tf.nn.softplus(odds) * strange.astype(np.float32))
            goal = (loss + DECAY * penalty) / BATCH
        total += float(loss)
        found = tape.gradient(goal, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        gradients = [tf.convert_to_tensor(one).numpy() for one in found]
        for table, (variable, gradient) in enumerate(zip(variables[:2], gradients[:2], strict=True)):
            sums[table] += np.stack([(gradient[:, :-1] ** 2).mean(axis=1), gradient[:, -1] ** 2], axis=1)
            speed = RATE / np.sqrt(sums[table])
            variable.assign_sub(gradient * np.concatenate([np.repeat(speed[:, :1], DIM, 1), speed[:, 1:]], 1))
        layer_sums += gradients[2] ** 2
        variables[2].assign_sub(RATE * gradients[2] / np.sqrt(layer_sums))
    return total, [each.numpy() for each in variables]


@pytest.mark.parametrize("layers", [0, 2])
def test_a_chunk_trains_as_a_plain_loop_with_a_tape_does(layers: int) -> None:
    rows, entity, parts = some_rows()
    loss, found = trained(Tables.random(layers), rows)
    expected, plain = plainly(Tables.random(layers), rows, entity, parts)
    assert loss == pytest.approx(expected, rel=1e-5)
    for own, other in zip(found, plain, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-3, atol=2e-5)


@pytest.mark.skipif(not GPU, reason="TensorFlow sees no GPU: agreement with the CPU is NOT TESTED here")
@pytest.mark.parametrize("layers", [0, 2])
def test_a_gpu_trains_what_the_cpu_trains(layers: int) -> None:
    rows, _, _ = some_rows()
    with tf.device("/GPU:0"):
        loss, found = trained(Tables.random(layers), rows)
    with tf.device("/CPU:0"):
        expected, others = trained(Tables.random(layers), rows)
    assert loss == pytest.approx(expected, rel=1e-4)
    for own, other in zip(found, others, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-2, atol=1e-4)
