"""The combiner that ships with the package, and when it is used."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from ipinsights_events import FIRST_DAY, small_company
from ipinsights_parts import a_history, a_snapshot

from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.ipinsights.combiner.combiner_fitting import REFIT_FROM, CombinerRows, fitted
from ipi_es.ipinsights.combiner.features import FEATURES
from ipi_es.ipinsights.combiner.pretrained import FILE, pretrained_combiner, to_bytes
from ipi_es.ipinsights.roc_auc import roc_auc
from ipi_es.ipinsights.scorer import Scorer
from ipi_es.ipinsights.trained_network import unpack

EVENTS = small_company(seed=5)


def test_it_is_small_and_of_features_that_are_computed() -> None:
    assert FILE.stat().st_size < 1_000_000
    assert set(unpack(FILE.read_bytes())[0]["features"]) <= set(FEATURES)
    assert pretrained_combiner().mean.shape == (len(FEATURES),)


def test_it_comes_back_from_its_bytes() -> None:
    combiner = pretrained_combiner()
    assert unpack(to_bytes(combiner))[0]["features"] == list(FEATURES)


def test_it_tells_what_people_do_from_what_others_do_without_any_training() -> None:
    snapshot = a_snapshot(3, EVENTS)
    nothing = dataclasses.replace(
        snapshot.network,
        entity_table=np.zeros_like(snapshot.network.entity_table),
        prefix_table=np.zeros_like(snapshot.network.prefix_table),
        layers=np.zeros_like(snapshot.network.layers),
    )
    snapshot = dataclasses.replace(snapshot, network=nothing, combiner=pretrained_combiner())
    history = a_history(dataclasses.replace(EVENTS, learns=EVENTS.day < FIRST_DAY + 11))
    rows = np.flatnonzero(EVENTS.day >= FIRST_DAY + 11)
    rng = np.random.default_rng(0)
    real = Scorer(snapshot, history).score(EVENTS.entities, EVENTS.addresses, EVENTS.entity[rows], EVENTS.ip[rows])
    theirs = rng.permutation(EVENTS.ip[rows])
    other = Scorer(snapshot, history).score(EVENTS.entities, EVENTS.addresses, EVENTS.entity[rows], theirs)
    assert np.isfinite(real.log_odds).all()
    assert roc_auc(real.log_odds, other.log_odds) > 0.75


@pytest.mark.parametrize("real", [0, REFIT_FROM - 1])
def test_few_rows_are_scored_by_the_shipped_combiner(real: int) -> None:
    rows = CombinerRows(
        np.zeros((2 * real, len(FEATURES)), dtype=np.float32),
        np.repeat(np.array([1, 0], dtype=np.float32), real),
        np.ones(2 * real, dtype=np.float32),
    )
    combiner, made = fitted(rows, Hyperparameters(), rng=np.random.default_rng(0), report=lambda _: None)
    assert made == "shipped"
    assert combiner is pretrained_combiner()


def test_no_rows_at_all_can_be_joined() -> None:
    assert CombinerRows.concatenated([]).features.shape == (0, len(FEATURES))


def test_the_shipped_combiner_needs_no_tensorflow() -> None:
    code = (
        "import sys, ipi_es.ipinsights.combiner.pretrained as p; p.pretrained_combiner(); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
