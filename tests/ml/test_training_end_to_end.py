"""From events to scores, with TensorFlow."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from ipinsights_events import FIRST_DAY, small_company

from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.history.history import History
from ipi_es.ipinsights.network.network_fitting import TrainingProgress
from ipi_es.ipinsights.scorer import Scorer
from ipi_es.ipinsights.storage import history_to_bytes, snapshot_to_bytes
from ipi_es.ipinsights.training.training import Trained, train

ARCHITECTURES = ("hybrid", "ip_insights")
QUICK = {"epochs": 5, "combiner_epochs": 4, "vector_dim": 16}


@pytest.fixture(scope="module")
def both() -> dict[str, Trained]:
    events = small_company(seed=1)
    return {name: train(events, Hyperparameters(**QUICK).replaced(architecture=name)) for name in ARCHITECTURES}


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
    again = train(small_company(seed=1), Hyperparameters(**QUICK).replaced(architecture=architecture))
    np.testing.assert_allclose(again.calibration.compatibility, both[architecture].calibration.compatibility, atol=1e-5)


def test_deterministic_training_gives_the_same_bytes() -> None:
    events, settings = small_company(seed=2), Hyperparameters(deterministic=True, **QUICK)
    one, two = (train(events, settings) for _ in range(2))
    assert snapshot_to_bytes(one.snapshot) == snapshot_to_bytes(two.snapshot)
    assert history_to_bytes(one.history) == history_to_bytes(two.history)
    assert one.calibration.compatibility.tobytes() == two.calibration.compatibility.tobytes()


def test_another_seed_gives_other_scores(both: dict[str, Trained]) -> None:
    other = train(small_company(seed=1), Hyperparameters(seed=7, **QUICK))
    assert not np.allclose(other.calibration.compatibility, both["hybrid"].calibration.compatibility, atol=1e-3)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_warm_start_keeps_what_the_base_knows(both: dict[str, Trained], architecture: str) -> None:
    base = both[architecture].snapshot
    settings = Hyperparameters(**QUICK | {"epochs": 1}).replaced(architecture=architecture)
    again = train(small_company(seed=1), settings, base=base)
    cold = train(small_company(seed=1), settings)
    assert again.snapshot.about["warm_start"] is True
    assert again.snapshot.network.num_entity_vectors == base.network.num_entity_vectors
    assert again.metrics["network_discriminator_auc"] >= cold.metrics["network_discriminator_auc"] - 0.02
    assert np.isin(base.network.trained_entities, again.snapshot.network.trained_entities).all()


def test_the_calibration_is_what_production_would_have_scored(both: dict[str, Trained]) -> None:
    """The first calibration day, scored again with a history that ends before it, gives the sample's numbers."""
    events, trained = small_company(seed=1), both["hybrid"]
    hashes = entity_hashes(events.entities)
    first = int(trained.calibration.time[0]) // 86_400
    history = History.empty(int(events.day[0]), pair_keys=trained.history.pairs.count.shape[1] // 4, network_keys=1)
    for day in range(int(events.day[0]), first):
        history.apply(events.delta(day, hashes, np.flatnonzero(events.day == day)))
    rows = np.flatnonzero(events.day == first)
    scorer = Scorer(trained.snapshot, history)
    result = scorer.score(events.entities, events.addresses, events.entity[rows], events.ip[rows])
    sample = trained.calibration.time // 86_400 == first
    np.testing.assert_allclose(result.log_odds, trained.calibration.compatibility[sample], atol=1e-6)
    np.testing.assert_array_equal(result.prior_events[events.entity[rows]], trained.calibration.prior_events[sample])


def test_the_final_history_holds_everything_that_teaches() -> None:
    events = small_company(seed=3)
    learns = np.arange(len(events)) % 5 > 0
    trained = train(dataclasses.replace(events, learns=learns), Hyperparameters(**QUICK))
    expected = np.bincount(events.entity[learns], minlength=len(events.entities))
    row, found = trained.history.profiles.find(entity_hashes(events.entities))
    assert (np.where(found, trained.history.profiles.events[row], 0) == expected).all()
    assert trained.history.day == FIRST_DAY + 12
    assert len(trained.calibration.time) == (trained.calibration.time[0] <= events.time).sum()


@pytest.mark.parametrize("end", [None, (FIRST_DAY + 12) * 86_400, (FIRST_DAY + 12) * 86_400 - 3_600])
def test_history_stands_at_the_day_of_the_end(end: int | None) -> None:
    trained = train(dataclasses.replace(small_company(seed=3), end=end), Hyperparameters(**QUICK))
    whole_days = end is None or end % 86_400 == 0
    assert trained.history.day == FIRST_DAY + (12 if whole_days else 11)


def test_odd_names_and_one_entity_with_most_events_are_trained_on() -> None:
    events = small_company(seed=4)
    entity = np.where(np.arange(len(events)) % 10 > 0, 0, events.entity).astype(np.int32)
    names = ["x" * 10_000, "", "\ud800", "Ünïcode\n", *events.entities[4:]]
    trained = train(dataclasses.replace(events, entity=entity, entities=names), Hyperparameters(**QUICK))
    assert np.isfinite(trained.calibration.compatibility).all()
    assert trained.metrics["discriminator_auc"] > 0.6


def test_progress_tells_epochs_loss_and_auc() -> None:
    seen: list[TrainingProgress] = []
    train(
        small_company(seed=1), Hyperparameters(**QUICK | {"batch_metrics_publish_interval": 40}), progress=seen.append
    )
    epochs = [one for one in seen if one.stage == "network" and one.discriminator_auc is not None]
    assert [one.epoch for one in epochs] == [1, 2, 3, 4, 5]
    assert all(one.epochs == 5 and one.examples_per_second for one in epochs)
    assert epochs[-1].loss is not None
    assert epochs[0].loss is not None
    assert epochs[-1].loss < epochs[0].loss
    assert any(one.batch == 40 for one in seen)
    assert [one.stage for one in seen[-2:]] == ["combiner", "done"]


def test_the_rival_is_measured_on_the_same_rows_and_history(both: dict[str, Trained]) -> None:
    rival = both["hybrid"].snapshot
    again = train(small_company(seed=1), Hyperparameters(seed=3, **QUICK), rival=rival)
    assert again.rival is not None
    assert again.snapshot.about["warm_start"] is False
    # the same events, and so the same history: it gives what it gave when it was new
    np.testing.assert_array_equal(again.rival.calibration.compatibility, both["hybrid"].calibration.compatibility)
    np.testing.assert_array_equal(again.rival.calibration.time, again.calibration.time)
    assert abs(again.rival.discriminator_auc - again.metrics["discriminator_auc"]) < 0.02


def test_rows_of_known_entities_keep_their_meaning_over_a_warm_start(both: dict[str, Trained]) -> None:
    base = both["hybrid"].snapshot
    again = train(small_company(seed=1, days=13), Hyperparameters(**QUICK | {"epochs": 1}), base=base).snapshot
    known = entity_hashes(small_company(seed=1).entities)
    old, new = (each.network.entity_vectors(known) for each in (base, again))
    np.testing.assert_array_equal(base.network.entity_rows(known), again.network.entity_rows(known))
    likeness = (old * new).sum(axis=1) / np.linalg.norm(old, axis=1) / np.linalg.norm(new, axis=1)
    assert np.median(likeness) > 0.9
