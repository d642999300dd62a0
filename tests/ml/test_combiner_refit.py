"""How much a fit that begins with the shipped combiner moves away from it."""

from __future__ import annotations

import numpy as np

from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.ipinsights.combiner.combiner import Combiner
from ipi_es.ipinsights.combiner.combiner_fitting import MIX_FROM, REFIT_FROM, CombinerRows, fitted
from ipi_es.ipinsights.combiner.features import FEATURES
from ipi_es.ipinsights.combiner.pretrained import pretrained_combiner
from ipi_es.ipinsights.tf.combiner_trainer import fit_combiner


def rows_of(real: int) -> CombinerRows:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((3 * real, len(FEATURES))).astype(np.float32)
    return CombinerRows(features, (np.arange(3 * real) < real).astype(np.float32), np.ones(3 * real, dtype=np.float32))


def distance(one: Combiner, other: Combiner) -> float:
    return float(np.square(one.hidden_1 - other.hidden_1).sum())


def test_where_a_combiner_comes_from_follows_from_the_number_of_real_rows() -> None:
    few, shipped = Hyperparameters(combiner_epochs=1, combiner_members=4), pretrained_combiner()
    near = []
    for real, made in ((REFIT_FROM, "refitted"), (MIX_FROM, "mixed")):
        combiner, found = fitted(rows_of(real), few, rng=np.random.default_rng(0), report=lambda _: None)
        assert found == made
        assert combiner.hidden_1.shape == (4, *shipped.hidden_1.shape[1:])
        assert (combiner.mean == shipped.mean).all()
        assert (combiner.scale == shipped.scale).all()
        near.append(np.square(combiner.hidden_1 - shipped.hidden_1[:4]).mean(axis=(1, 2)) < 0.01)
    assert [each.tolist() for each in near] == [[True] * 4, [True, True, False, False]]


def test_a_heavier_anchor_holds_the_weights_nearer() -> None:
    rows, start = rows_of(200), pretrained_combiner()
    far, near = (
        fit_combiner(
            rows.features,
            rows.real,
            rows.weight,
            start,
            epochs=1,
            rng=np.random.default_rng(0),
            anchor=anchor,
        )[0]
        for anchor in (1e-4, 1e-1)
    )
    assert 0 < distance(near, start) < distance(far, start)
