"""From events to scores, with TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
from ipinsights_events import small_company

from ipi_es.ipinsights.hyperparameters import Hyperparameters
from ipi_es.ipinsights.scorer import Scorer
from ipi_es.ipinsights.training import Trained, train

ARCHITECTURES = ("hybrid", "ip_insights")
QUICK = {"epochs": 5, "combiner_epochs": 4, "vector_dim": 16}


@pytest.fixture(scope="module")
def both() -> dict[str, Trained]:
    events = small_company(seed=1)
    return {name: train(events, Hyperparameters(architecture=name, **QUICK)) for name in ARCHITECTURES}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_held_out_pairs_are_told_from_random_ones(both: dict[str, Trained], architecture: str) -> None:
    assert both[architecture].metrics["discriminator_auc"] > 0.95
    assert both[architecture].metrics["network_discriminator_auc"] > 0.9


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_calibration_sample_is_the_last_part_in_order(both: dict[str, Trained], architecture: str) -> None:
    events, sample = small_company(seed=1), both[architecture].calibration
    assert 0.1 < len(sample.time) / len(events) < 0.35
    assert (np.diff(sample.time) >= 0).all()
    assert sample.time[-1] == events.time[-1]
    assert np.isfinite(sample.compatibility).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_own_address_is_more_usual_than_a_strangers(both: dict[str, Trained], architecture: str) -> None:
    events, trained = small_company(seed=1), both[architecture]
    scorer = Scorer(trained.snapshot, trained.history)
    recent = np.arange(len(events) - 200, len(events))
    own = scorer.score(events.entities, events.addresses, events.entity[recent], events.ip[recent])
    other = scorer.score(events.entities, events.addresses, events.entity[recent], np.roll(events.ip[recent], 17))
    assert np.median(own.log_odds) > np.median(other.log_odds) + 2


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_same_seed_gives_the_same_scores(both: dict[str, Trained], architecture: str) -> None:
    again = train(small_company(seed=1), Hyperparameters(architecture=architecture, **QUICK))
    np.testing.assert_allclose(again.calibration.compatibility, both[architecture].calibration.compatibility, atol=1e-5)
