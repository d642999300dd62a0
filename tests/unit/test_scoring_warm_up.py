"""Warm-up: one event of somebody unknown is never major by a borrowed number; many together still are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.scoring.aggregate import BucketPairs, Membership, aggregate
from ipi_es.scoring.calibration import ENOUGH_POINTS, Calibration
from ipi_es.scoring.normalizer import probability_cap
from ipi_es.scoring.references import Correlations, Reference
from ipi_es.scoring.warm_up import MODEST, YOUNG_DAYS, borrowed, modest, warms_up


def calibration(unseen: int, few: int = 600, others: int = 5_000) -> Calibration:
    sizes = (unseen, few, others)
    values = np.concatenate([np.random.default_rng(1).normal(5.0, 1.0, n) for n in sizes])
    return Calibration.fit(values, np.repeat([0, 1, 4], sizes))


def test_entities_with_fewer_than_six_events_warm_up() -> None:
    assert warms_up([0, 1, 2, 3, 4]).tolist() == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("unseen", "age", "held"),
    [
        (ENOUGH_POINTS, YOUNG_DAYS, False),
        (ENOUGH_POINTS, YOUNG_DAYS - 1, True),
        (ENOUGH_POINTS - 1, YOUNG_DAYS, True),
    ],
    ids=["calibrated by its own", "young job", "borrowed sample"],
)
def test_number_is_borrowed_in_a_young_job_or_where_the_class_has_too_few_points(
    unseen: int, age: int, held: bool
) -> None:
    found = modest([-20.0], [0], age, calibration(unseen))
    assert found.tolist() == [math.log(MODEST) if held else -20.0]


def test_known_entities_are_never_held_back() -> None:
    assert modest([-20.0, -20.0, -20.0], [2, 3, 4], 1, calibration(0)).tolist() == [-20.0] * 3


def test_age_may_differ_from_row_to_row() -> None:
    made = calibration(ENOUGH_POINTS)
    assert borrowed([0, 0, 4], [3, 30, 3], made).tolist() == [True, False, False]


def test_what_is_held_back_is_minor_at_most() -> None:
    assert 49 < float(probability_cap(np.array([math.log(MODEST)]))[0]) < 50


@settings(max_examples=50)
@given(st.lists(st.floats(-60, 0), min_size=1, max_size=20), st.integers(0, 40), st.integers(0, 900))
def test_probability_is_only_ever_raised_and_keeps_its_order(ln_p: list[float], age: int, unseen: int) -> None:
    given_ln = np.sort(np.array(ln_p))
    found = modest(given_ln, np.zeros(len(ln_p), dtype=np.int8), age, calibration(unseen))
    assert (found >= given_ln).all()
    assert (np.diff(found) >= 0).all()


def test_many_new_accounts_behind_one_address_still_stand_out() -> None:
    n = 60
    ln_p = modest(np.full(n, -12.0), np.zeros(n, dtype=np.int8), 1, calibration(0))
    who, where = np.arange(n, dtype=np.int32), np.zeros(n, dtype=np.int32)
    everyone = Membership(np.ones(n, dtype=np.bool_), np.ones(n, dtype=np.bool_), np.ones(1, dtype=np.bool_))
    reference = Reference(calibration(0), Correlations(same_ip=(0.05, 0.05)))
    together = aggregate(BucketPairs.of(ln_p, who, where, n, 1), everyone, reference)
    assert float(probability_cap(together.ips.ln_p)[0]) > 75
