from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ipinsights_events import FIRST_DAY, small_company
from scipy.stats import mannwhitneyu

from ipi_es.addresses import is_v4, parse
from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.errors import NotEnoughHistory, SnapshotDamaged
from ipi_es.ipinsights.network.negatives import near_addresses, random_addresses
from ipi_es.ipinsights.network.pairs import TrainingPairs, capped
from ipi_es.ipinsights.prefixes import shared_bits
from ipi_es.ipinsights.roc_auc import roc_auc
from ipi_es.ipinsights.training.time_split import check_enough, day_slices, split_days
from ipi_es.ipinsights.training.training_events import TrainingEvents

EVENTS = small_company(seed=6)
OBSERVED, _ = parse(["192.0.2.1", "8.8.4.4", "2001:db8:1:2::3"] * 300)


def only(events: TrainingEvents, rows: np.ndarray) -> TrainingEvents:
    columns = ("time", "entity", "ip", "count", "learns", "calibrates")
    return dataclasses.replace(events, **{name: getattr(events, name)[rows] for name in columns})


def test_negatives_keep_the_family() -> None:
    rng = np.random.default_rng(0)
    for made in (random_addresses(OBSERVED, rng), near_addresses(OBSERVED, rng)):
        assert (is_v4(made) == is_v4(OBSERVED)).all()


def test_random_addresses_lie_in_unicast_or_observed_space() -> None:
    made = random_addresses(OBSERVED, np.random.default_rng(0))
    v4 = is_v4(made)
    assert made[v4, 12].min() >= 1
    assert made[v4, 12].max() < 224
    assert not np.isin(made[v4, 12], [0, 10, 127]).any()
    assert all(shared_bits(one.tobytes(), OBSERVED[2].tobytes()) >= 12 for one in made[~v4])


def test_a_near_negative_shares_the_wanted_bits_and_no_more() -> None:
    made = near_addresses(OBSERVED, np.random.default_rng(0))
    bits = np.array([shared_bits(a.tobytes(), b.tobytes()) for a, b in zip(made, OBSERVED, strict=True)])
    v4 = is_v4(OBSERVED)
    assert set(bits[v4]) == set(range(6, 16))
    assert set(bits[~v4]) == set(range(20, 32))


def test_negatives_come_from_the_generator_alone() -> None:
    one, two = (random_addresses(OBSERVED, np.random.default_rng(3)) for _ in range(2))
    assert (one == two).all()


def test_the_split_is_in_time_and_covers_all_days() -> None:
    split = split_days(EVENTS, None)
    assert FIRST_DAY == split.first < split.combiner < split.calibration < split.stop == FIRST_DAY + 12
    share = (EVENTS.day >= split.calibration).mean()
    assert 0.1 < share < 0.3


def test_few_rows_go_to_the_combiner_and_many_to_the_network_too() -> None:
    def share(repeats: int) -> float:
        whole = np.repeat(np.arange(len(EVENTS)), repeats)
        split = split_days(only(EVENTS, whole), None)
        return float((EVENTS.day < split.combiner).mean())

    assert share(1) == pytest.approx(0.2, abs=0.06)
    assert share(40) == pytest.approx(0.45, abs=0.06)


def test_calibration_can_be_told_where_to_begin() -> None:
    assert split_days(EVENTS, (FIRST_DAY + 7) * 86_400).calibration == FIRST_DAY + 7


def test_three_days_are_one_for_each_part() -> None:
    split = split_days(only(EVENTS, EVENTS.day < FIRST_DAY + 3), None)
    assert (split.combiner, split.calibration, split.stop) == (FIRST_DAY + 1, FIRST_DAY + 2, FIRST_DAY + 3)


def test_two_days_leave_no_part_for_the_combiner() -> None:
    split = split_days(only(EVENTS, EVENTS.day < FIRST_DAY + 2), None)
    assert (split.combiner, split.calibration, split.stop) == (FIRST_DAY + 1, FIRST_DAY + 1, FIRST_DAY + 2)


def test_day_slices_hold_each_row_once() -> None:
    slices = day_slices(EVENTS, FIRST_DAY, FIRST_DAY + 12)
    assert np.concatenate([rows for _, rows in slices]).tolist() == list(range(len(EVENTS)))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (EVENTS.time < 0, "0 sign-ins"),
        (np.arange(len(EVENTS)) < 60, "60 sign-ins"),
        (EVENTS.day < FIRST_DAY + 1, "1 UTC day;"),
    ],
)
def test_too_few_events_are_refused_with_the_numbers(rows: np.ndarray, says: str) -> None:
    with pytest.raises(NotEnoughHistory, match=says):
        check_enough(only(EVENTS, rows))


def test_one_entity_or_one_address_is_refused() -> None:
    with pytest.raises(NotEnoughHistory, match="one entity"):
        check_enough(dataclasses.replace(EVENTS, entity=np.zeros_like(EVENTS.entity)))
    with pytest.raises(NotEnoughHistory, match="one address"):
        check_enough(dataclasses.replace(EVENTS, ip=np.zeros_like(EVENTS.ip)))


def test_rows_out_of_time_order_are_refused() -> None:
    with pytest.raises(ValueError, match="time order"):
        only(EVENTS, np.arange(len(EVENTS))[::-1])


def test_no_entity_has_more_rows_than_the_cap() -> None:
    hashes = np.repeat(np.array([1, 2, 3], dtype=np.uint64), [50, 5, 1])
    pairs = TrainingPairs(hashes=hashes, address=np.zeros(56, dtype=np.int32), addresses=OBSERVED)
    left = capped(pairs, 10, np.random.default_rng(0))
    assert np.unique(left.hashes, return_counts=True)[1].tolist() == [10, 5, 1]


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30), st.lists(st.integers(0, 20), min_size=1, max_size=30))
def test_roc_auc_is_mann_and_whitneys(real: list[int], sampled: list[int]) -> None:
    one, two = np.array(real, dtype=float), np.array(sampled, dtype=float)
    assert roc_auc(one, two) == pytest.approx(mannwhitneyu(one, two).statistic / (len(one) * len(two)))
    assert roc_auc(one, two) == pytest.approx(1 - roc_auc(two, one))


@pytest.mark.parametrize(
    "wrong",
    [
        {"architecture": "other"},
        {"vector_dim": 3},
        {"epochs": 0},
        {"random_negative_sampling_rate": 0, "shuffled_negative_sampling_rate": 0},
        {"random_negative_sampling_rate": 300, "shuffled_negative_sampling_rate": 300},
        {"learning_rate": 11.0},
        {"num_entity_vectors": 0},
    ],
)
def test_hyperparameters_outside_their_range_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Hyperparameters(**wrong)
    with pytest.raises(SnapshotDamaged, match=next(iter(wrong))):
        Hyperparameters.from_manifest({**Hyperparameters().to_manifest(), **wrong})


def test_hyperparameters_come_back_from_a_manifest() -> None:
    one = Hyperparameters(epochs=3, num_entity_vectors=10)
    assert Hyperparameters.from_manifest({**one.to_manifest(), "of a later version": 1}) == one
    every = Hyperparameters()
    assert (every.architecture, every.entity_rows, every.to_manifest()["num_entity_vectors"]) == ("hybrid", None, None)
    assert Hyperparameters.from_manifest(every.to_manifest()) == every
    assert Hyperparameters.from_manifest({"architecture": "ip_insights"}) == every.replaced(architecture="ip_insights")
