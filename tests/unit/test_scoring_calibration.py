"""Compatibility → ln p: body, tail, classes, state."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from calibration_shares import shares
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special

from ipi_es.errors import NotEnoughHistory, SnapshotDamaged, SnapshotError
from ipi_es.scoring.calibration import (
    CLASS_NAMES,
    LN_P_LIMIT,
    N_CLASSES,
    Calibration,
    comparable_events,
    history_class,
)
from ipi_es.scoring.tail import fit_tail


def fitted(n: int, seed: int = 0) -> tuple[Calibration, np.ndarray]:
    points = np.random.default_rng(seed).logistic(size=n)
    return Calibration.fit(points, np.full(n, 3)), np.sort(points)


def ln_p(calibration: Calibration, compatibility: np.ndarray | list[float], class_: int = 3) -> np.ndarray:
    c = np.asarray(compatibility, dtype=np.float64)
    return calibration.ln_probability(c, np.full(len(c), class_)).ln_p


def test_classes_by_prior_events() -> None:
    assert history_class([0, 1, 5, 6, 30, 31, 200, 201, 10**7]).tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert history_class(np.array([0.4, 1.0])).dtype == np.int8


def test_the_body_is_the_conformal_estimate() -> None:
    calibration = Calibration.fit([1.0, 2.0, 2.0, 4.0], [0, 0, 0, 0])
    assert np.exp(ln_p(calibration, [0.0, 1.0, 1.5, 2.0, 3.0, 4.0, math.inf])) == pytest.approx(
        [1 / 5, 2 / 5, 2 / 5, 4 / 5, 4 / 5, 1.0, 1.0]
    )


def test_a_small_sample_has_no_tail() -> None:
    calibration, _ = fitted(499)
    result = calibration.ln_probability([-1e9, -math.inf], [3, 3])
    assert np.exp(result.ln_p) == pytest.approx(1 / 500)
    assert not result.extrapolated.any()
    assert not calibration.has_tail(3)


def test_from_500_points_on_a_tail_goes_below_the_floor_and_says_so() -> None:
    calibration, points = fitted(500)
    result = calibration.ln_probability([points[0] - 5, points[100]], [3, 3])
    assert result.ln_p[0] < math.log(calibration.floor([3])[0])
    assert result.extrapolated.tolist() == [True, False]


@pytest.mark.parametrize("n", [500, 5_000, 50_000])
def test_the_tail_continues_the_body(n: int) -> None:
    calibration, points = fitted(n)
    k = max(50, n // 100)
    just_below = np.nextafter(points[k], -math.inf)
    assert ln_p(calibration, [just_below])[0] == pytest.approx(math.log((k + 1) / (n + 1)), abs=1e-9)
    assert ln_p(calibration, [points[k]])[0] == pytest.approx(math.log((k + 2) / (n + 1)), abs=1e-9)


def test_no_single_event_goes_beyond_two_floors() -> None:
    calibration, _ = fitted(1_000)
    assert ln_p(calibration, [-1e300, -math.inf]) == pytest.approx(-LN_P_LIMIT * math.log(1_001))


def test_an_exponential_tail_is_extrapolated_rightly() -> None:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(60):
        calibration = Calibration.fit(-rng.exponential(size=2_000), np.full(2_000, 3))
        found.append(ln_p(calibration, [math.log(1e-5)])[0])
    # the truth is ln 1e-5; the exact law of the next excess is on the safe side of it
    assert math.log(1e-5) < np.mean(found) < math.log(3e-5)


def test_a_heavy_tail_is_not_taken_for_an_exponential_one() -> None:
    points = -np.random.default_rng(6).pareto(3.0, size=20_000)
    calibration = Calibration.fit(points, np.full(20_000, 3))
    # true p of −99 is 100^−3 = 1e-6; an exponential fitted to the same points says less than 1e-12
    assert math.log(1e-8) < ln_p(calibration, [-99.0])[0] < math.log(1e-4)


def log_odds_sample(n: int, seed: int) -> np.ndarray:
    """float64[n]: log-odds of real pairs, N(6, 12) against N(-6, 12): their ratio is e^c, so these are log-odds."""
    return np.random.default_rng(seed).normal(6.0, math.sqrt(12.0), size=n)


def test_log_odds_fall_at_least_as_they_say_below_the_sample() -> None:
    # a few travellers stretch the tail that the curve follows; where they end is known from the log-odds alone
    travellers = np.random.default_rng(3).uniform(-7.0, 2.0, 100)
    points = np.concatenate([np.random.default_rng(1).normal(8.0, 2.0, 9_900), travellers])
    tail = fit_tail(np.sort(points))
    assert tail is not None
    curve = replace(tail, ln_level=math.inf)
    far, none = np.array([-10.0, -12.0]), np.zeros(2, dtype=np.int64)
    assert (tail.ln_probability(far, none) == tail.ln_level + far).all()
    assert (tail.ln_probability(far, none) < curve.ln_probability(far, none) - 1.5).all()
    # and nowhere below what the sample itself allows
    low = np.sort(points)[:50]
    seen = np.arange(1, 51)
    assert (tail.ln_level + low >= np.log(special.gammaincinv(seen + 1, 0.95) / 10_001) - 1e-9).all()


@pytest.mark.parametrize("n", [2_000, 20_000])
def test_the_probabilities_of_log_odds_are_never_far_too_small(n: int) -> None:
    found, true = [], special.log_ndtr((-12.0 - 6.0) / math.sqrt(12.0))
    for seed in range(40):
        calibration = Calibration.fit(log_odds_sample(n, seed), np.full(n, 3))
        found.append(ln_p(calibration, [-12.0])[0])
    assert np.mean(np.array(found) < true) < 0.1


def test_points_far_out_overrule_the_curve() -> None:
    rng = np.random.default_rng(7)
    points = np.concatenate([rng.normal(size=9_990), rng.normal(-60.0, 0.1, size=10)])
    calibration = Calibration.fit(points, np.full(10_000, 3))
    # ten of 10,000 normal events lie there: nobody may be told one in a million
    assert ln_p(calibration, [-59.5])[0] > math.log(5e-4)


def test_one_stray_point_does_not_blunt_the_tail() -> None:
    rng = np.random.default_rng(8)
    clean = rng.normal(size=9_999)
    stray = Calibration.fit(np.append(clean, -30.0), np.full(10_000, 3))
    # below the floor, and critical; the body alone would say 2e-4 all the way down to the stray
    assert ln_p(stray, [-8.0])[0] < math.log(1e-4)


def test_constant_samples_and_ties_have_a_body_only() -> None:
    calibration = Calibration.fit(np.ones(1_000), np.full(1_000, 3))
    assert not calibration.has_tail(3)
    assert np.exp(ln_p(calibration, [0.5, 1.0])) == pytest.approx([1 / 1001, 1.0])
    few_below = np.concatenate([np.zeros(20), np.ones(980)])
    assert fit_tail(few_below) is None


def test_of_entities_that_were_never_seen_nothing_is_extrapolated() -> None:
    points = np.random.default_rng(1).logistic(size=2_000)
    calibration = Calibration.fit(points, np.zeros(2_000))
    assert not calibration.has_tail(0)
    assert ln_p(calibration, [-1e9], class_=0) == pytest.approx(math.log(1 / 2_001))
    assert calibration.has_tail(1)  # of the same points: they are all that it has


def test_ties_at_the_threshold_belong_to_one_side() -> None:
    points = np.sort(np.concatenate([np.arange(40.0), np.full(30, 45.0), np.arange(50.0, 1_000.0)]))
    tail = fit_tail(points)
    assert tail is not None
    assert tail.threshold == 50.0
    assert tail.ln_start == pytest.approx(math.log(71 / (len(points) + 1)))


samples = hnp.arrays(np.float64, st.integers(1, 1_200), elements=st.floats(-50, 50, width=16))


@settings(max_examples=40, deadline=None)
@given(samples, hnp.arrays(np.float64, 60, elements=st.floats(-200, 200)))
def test_a_lower_compatibility_never_has_a_higher_probability(points: np.ndarray, queries: np.ndarray) -> None:
    calibration = Calibration.fit(points, np.zeros(len(points)))
    found = ln_p(calibration, np.sort(np.concatenate([queries, points])))
    assert (np.diff(found) >= 0).all()
    assert (found <= 0).all()
    assert (found >= LN_P_LIMIT * np.log(calibration.floor([0])[0]) - 1e-9).all()


@pytest.mark.parametrize("n", [30, 499])
def test_the_conformal_probability_is_super_uniform(n: int) -> None:
    rng = np.random.default_rng(n)
    found = np.concatenate(
        [ln_p(Calibration.fit(rng.standard_cauchy(n), np.zeros(n)), rng.standard_cauchy(20)) for _ in range(1_000)]
    )
    for alpha in (0.5, 0.1, 0.05, 0.01):
        share, error = (found <= math.log(alpha)).mean(), math.sqrt(alpha / len(found)) + math.sqrt(alpha / n / 1_000)
        assert share <= alpha + 3 * error


@pytest.mark.parametrize("shape", ["normal", "logistic", "laplace", "gumbel"])
def test_shares_of_normal_events_are_in_their_bands_with_a_tail(shape: str) -> None:
    rng = np.random.default_rng(11)
    draw = getattr(rng, shape)
    classes = rng.integers(0, N_CLASSES, 40_000)
    calibration = Calibration.fit(draw(size=40_000) + classes, classes)
    test_classes = rng.integers(0, N_CLASSES, 200_000)
    found = calibration.ln_probability(draw(size=200_000) + test_classes, test_classes).ln_p
    seen = shares(found, test_classes, calibration)
    assert [share.name for share in seen[::3]] == ["all events", *CLASS_NAMES]
    assert [share for share in seen if not share.within] == []


def test_shares_are_of_all_events_and_of_each_class_with_500_points_of_its_own() -> None:
    classes = np.repeat([0, 4], [500, 499])
    calibration = Calibration.fit(np.arange(999.0), classes)
    seen = shares(np.log([0.5, 0.1, 0.01, 1e-9]), [0, 0, 4, 4], calibration)
    assert [(share.class_, share.alpha, share.events, share.of) for share in seen] == [
        (None, 0.1, 3, 4),
        (None, 0.01, 2, 4),
        (None, 0.001, 1, 4),
        (0, 0.1, 1, 2),
        (0, 0.01, 0, 2),
        (0, 0.001, 0, 2),
    ]


def test_a_share_is_out_of_its_band_only_where_the_data_say_so() -> None:
    calibration, _ = fitted(600)
    few, many = np.full(20, -1.0), np.full(20_000, -1.0)
    few[:1] = many[:1_000] = math.log(0.005)
    of_all = [shares(x, np.ones(len(x)), calibration)[:3] for x in (few, many)]
    by_alpha = [{share.alpha: share.within for share in found} for found in of_all]
    assert by_alpha[0] == {0.1: True, 0.01: True, 0.001: True}
    assert by_alpha[1] == {0.1: True, 0.01: False, 0.001: False}


def test_no_events_contradict_nothing() -> None:
    calibration, _ = fitted(600)
    assert all(share.within and share.share == 0.0 for share in shares([], [], calibration))


def test_a_small_class_takes_its_neighbours_then_all() -> None:
    sizes = [600, 100, 350, 10, 10]
    classes = np.repeat(np.arange(5), sizes)
    calibration = Calibration.fit(np.arange(len(classes), dtype=float), classes)
    everything = (0, 1, 2, 3, 4)
    assert [calibration.used(i) for i in range(5)] == [(0,), (0, 1, 2), everything, everything, everything]
    assert calibration.size([0, 1, 2]).tolist() == [600, 1050, 1070]
    assert calibration.floor([0]) == pytest.approx(1 / 601)
    assert calibration.own_size(3) == 10
    assert calibration.total == 1070
    assert calibration.typical([0])[0] == np.median(np.arange(600))


def mixed(own: int, neighbours: int = 2_000, shift: float = 3.0) -> tuple[Calibration, np.ndarray]:
    """A class of ``own`` points, ``shift`` below those of its neighbour; (calibration, its sorted points)."""
    rng = np.random.default_rng(own)
    points = np.sort(rng.logistic(-shift, size=own))
    class_ = np.repeat([2, 3], [own, neighbours])
    return Calibration.fit(np.concatenate([points, rng.logistic(size=neighbours)]), class_), points


@pytest.mark.parametrize("own", [100, 499])
def test_from_100_points_on_a_class_has_its_own_body(own: int) -> None:
    calibration, points = mixed(own)
    assert np.exp(ln_p(calibration, points[9:], class_=2)) == pytest.approx(np.arange(11, own + 2) / (own + 1))
    assert calibration.used(2) == (1, 2, 3)


def test_with_99_points_a_class_has_its_neighbours_body() -> None:
    calibration, points = mixed(99)
    assert np.exp(ln_p(calibration, points[[50]], class_=2)) < 0.1


def test_below_its_ten_lowest_points_a_class_goes_on_as_its_neighbours_do() -> None:
    calibration, points = mixed(200)
    start, apart = points[9], np.array([0.0, 1.0, 4.0, 9.0])
    own, lent = ln_p(calibration, start - apart, class_=2), ln_p(calibration, start - apart, class_=1)
    assert own - own[0] == pytest.approx(lent - lent[0])
    assert calibration.ln_probability([start - 20], [2]).extrapolated.all()


@given(st.integers(100, 499), st.floats(-8, 8), hnp.arrays(np.float64, 40, elements=st.floats(-60, 60)))
@settings(max_examples=40, deadline=None)
def test_where_a_class_has_its_own_body_a_lower_compatibility_never_has_a_higher_probability(
    own: int, shift: float, queries: np.ndarray
) -> None:
    calibration, _ = mixed(own, neighbours=600, shift=shift)
    found = ln_p(calibration, np.sort(queries), class_=2)
    assert (np.diff(found) >= -1e-12).all()
    assert (found <= 0).all()
    assert (found >= -LN_P_LIMIT * math.log(calibration.size(2) + 1) - 1e-9).all()


def test_classes_are_calibrated_apart() -> None:
    rng = np.random.default_rng(1)
    classes = np.repeat([0, 4], 1_000)
    calibration = Calibration.fit(rng.normal(size=2_000) + 5 * classes, classes)
    assert ln_p(calibration, [5.0], 0)[0] > math.log(0.9)
    assert ln_p(calibration, [5.0], 4)[0] < math.log(0.01)


def test_an_order_free_fit() -> None:
    rng = np.random.default_rng(2)
    points, classes = rng.normal(size=3_000), rng.integers(0, 5, 3_000)
    order = rng.permutation(3_000)
    a, b = Calibration.fit(points, classes), Calibration.fit(points[order], classes[order])
    query = rng.normal(size=500) * 3
    assert (a.ln_probability(query, classes[:500]).ln_p == b.ln_probability(query, classes[:500]).ln_p).all()


def test_the_state_comes_back_exactly() -> None:
    rng = np.random.default_rng(3)
    points, classes = rng.normal(size=3_000), rng.integers(0, 5, 3_000)
    calibration = Calibration.fit(points, classes)
    again = Calibration.from_arrays(calibration.to_arrays())
    query = rng.normal(size=500) * 3
    before, after = (c.ln_probability(query, classes[:500]) for c in (calibration, again))
    assert (before.ln_p == after.ln_p).all()
    assert (before.extrapolated == after.extrapolated).all()


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"compatibility": np.ones(3)},
        {"compatibility": np.ones(3), "class_sizes": np.array([1, 1, 0, 0, 0])},
        {"compatibility": np.ones((3, 1)), "class_sizes": np.array([3, 0, 0, 0, 0])},
        {"compatibility": np.ones(3), "class_sizes": np.array([4, -1, 0, 0, 0])},
        {"compatibility": np.array(["a"]), "class_sizes": np.array([1, 0, 0, 0, 0])},
    ],
)
def test_a_damaged_state_is_refused(arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(SnapshotDamaged):
        Calibration.from_arrays(arrays)


def test_without_a_normal_event_there_is_nothing_to_calibrate() -> None:
    with pytest.raises(NotEnoughHistory, match="longer time range"):
        Calibration.fit([], [])


def test_a_compatibility_that_is_not_a_number_is_an_error() -> None:
    calibration, _ = fitted(100)
    with pytest.raises(SnapshotError, match="1 of 2"):
        calibration.ln_probability([math.nan, 0.0], [0, 0])
    with pytest.raises(SnapshotError, match="learning_rate"):
        Calibration.fit([math.nan], [0])


def test_codes_and_lengths_are_checked() -> None:
    calibration, _ = fitted(100)
    with pytest.raises(ValueError, match="class_"):
        calibration.ln_probability([0.0], [5])
    with pytest.raises(ValueError, match="one length"):
        calibration.ln_probability([0.0], [0, 0])
    with pytest.raises(ValueError, match="one dimension"):
        calibration.ln_probability([[0.0]], [0])


def test_no_pairs_give_no_probabilities() -> None:
    calibration, _ = fitted(100)
    assert calibration.ln_probability([], []).ln_p.shape == (0,)


def test_prior_events_are_compared_at_the_age_of_the_calibrations_history() -> None:
    scaled = comparable_events([0.0, 1.0, 300.0, 300.0], [10, 40, 10, 40], 20.0)
    assert scaled.tolist() == [0.0, 1.0, 600.0, 150.0]


def test_a_calibration_without_a_reference_takes_prior_events_as_they_are() -> None:
    plain = Calibration.fit([0.0], [0])
    assert plain.classes([0, 250], 999).tolist() == [0, 4]
    aged = Calibration.fit([0.0], [0], reference_days=10.0)
    again = Calibration.from_arrays(aged.to_arrays())
    assert again.classes([0, 250], 20).tolist() == aged.classes([0, 250], 20).tolist() == [0, 3]
