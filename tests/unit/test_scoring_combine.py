"""Many probabilities → one: joint, extreme, combined, and the patterns that must stand out."""

from __future__ import annotations

import itertools
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from ipi_es.scoring import extreme
from ipi_es.scoring.combine import ENTITY_OR_IP, OVER_MEMBERS, Combination, Combined, combine
from ipi_es.scoring.joint import (
    PRIOR_CORRELATION,
    PRIOR_GROUPS,
    group_correlation,
    ln_upper_gamma,
    squared_z,
)
from ipi_es.scoring.normalizer import probability_cap
from ipi_es.scoring.probability import LN_TAKES_PART, raw_score

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "scoring.json").read_text())
probabilities = st.floats(min_value=-700.0, max_value=0.0).map(float)


def one(p: list[float] | np.ndarray, how: Combination = ENTITY_OR_IP, rho: float = 0.0, most: int = 10**6) -> Combined:
    return combine(np.log(p), np.zeros(len(p), dtype=int), 1, how, correlation=rho, max_joint=most)


def ordered_exactly(t: list[Fraction], n: int) -> Fraction:
    """Pr(the j-th smallest of n uniforms ≤ t_j for all j), summed over all counts between the bounds."""
    steps = [b - a for a, b in itertools.pairwise([Fraction(0), *t])]
    total = Fraction(0)
    for counts in itertools.product(range(n + 1), repeat=len(t)):
        inside = list(itertools.accumulate(counts))
        if inside[-1] > n or any(have < j for j, have in enumerate(inside, start=1)):
            continue
        ways, left, weight = 1, n, Fraction(1)
        for count, step in zip(counts, steps, strict=True):
            ways, left, weight = ways * math.comb(left, count), left - count, weight * step**count
        total += ways * weight * (1 - t[-1]) ** left
    return total


@pytest.mark.parametrize("scale", [1, 30, 10**4])
@pytest.mark.parametrize("n", [2, 3, 5, 7])
def test_the_extreme_part_agrees_with_exact_arithmetic(n: int, scale: int) -> None:
    t = [Fraction(j, (20 + 7 * n) * scale) for j in (2, 3, 3, 5, 8)][: min(n, 5)]
    thresholds = np.array([[math.log(x) for x in t] + [0.0] * (5 - len(t))])
    both = (
        extreme._ln_chain(np.minimum(thresholds, -1e-15), np.array([n]))[0],
        extreme._ln_ordered(thresholds, np.array([n]), np.ones((1, 5), dtype=bool))[0],
    )
    for m in range(1, len(t) + 1):
        exact = math.log(ordered_exactly(t[:m], n))
        # the second way may leave what it isn't asked for at its limit; here everything is asked for
        assert [way[m - 1] for way in both] == pytest.approx([exact, exact], rel=1e-9, abs=1e-11)


def test_both_ways_to_the_extreme_part_agree_for_large_groups() -> None:
    rng = np.random.default_rng(0)
    n = rng.integers(5, 20_000, 300)
    spread = rng.choice([0.5, 2.0, 20.0], (300, 1)) / n[:, None]
    t = np.sort(np.minimum(rng.random((300, 5)) * spread, 0.999), axis=1)
    chain, complement = np.exp(extreme._ln_chain(np.log(t), n)), 1 - extreme._failing(t, n)
    assert complement == pytest.approx(chain, abs=1e-11)


def test_the_extreme_part_stays_exact_where_probabilities_are_tiny() -> None:
    ln_p = np.full((1, 5), -690.0)
    found = extreme._ln_chain(ln_p, np.array([60]))[0]
    assert found == pytest.approx([m * -690.0 + math.log(math.comb(60, m)) for m in range(1, 6)], rel=1e-12)


def test_one_minimum_of_many() -> None:
    assert one([0.01, 0.5, 0.7], OVER_MEMBERS).ln_extreme[0] == pytest.approx(math.log(1 - 0.99**3))
    tiny = combine([-700.0, -0.1], [0, 0], 1, OVER_MEMBERS, correlation=0, max_joint=0)
    assert tiny.ln_extreme[0] == pytest.approx(-700.0 + math.log(2))


@pytest.mark.parametrize("a", [1, 2, 8, 30, 200])
def test_ln_q_is_exact_also_where_it_underflows(a: int) -> None:
    x = np.linspace(a, a + 3_000, 200)
    # Q of a whole a is a Poisson sum: e^-x Σ_{i<a} x^i / i!
    terms = np.array([[i * math.log(v) - math.lgamma(i + 1) for i in range(a)] for v in x])
    exact = np.logaddexp.reduce(terms, axis=1) - x
    found = ln_upper_gamma(np.full(200, float(a)), x)
    assert found == pytest.approx(exact, rel=1e-10)
    assert (np.diff(found) < 0).all()


@pytest.mark.parametrize("a", [0.5, 3.7, 400.0, 50_000.0])
def test_ln_q_is_continuous_where_its_way_changes(a: float) -> None:
    x = np.linspace(a, 1.2 * a + 3_000, 400_000)
    ln_q = ln_upper_gamma(np.full(len(x), a), x)
    assert ln_q[-1] < -700
    steps = np.diff(ln_q)
    assert (steps <= 0).all()
    near = np.flatnonzero(ln_q < -600)
    assert np.abs(np.diff(steps[near[0] : near[0] + 40_000])).max() < 1e-4


def test_a_group_of_one_is_its_member() -> None:
    for p in (0.9, 0.036, 0.034, 1e-3, 1e-9):
        group = one([p], rho=0.4)
        assert group.ln_p[0] == math.log(p)
        assert group.s[0] == (raw_score([math.log(p)])[0] if p <= 0.035 else 0.0)


def test_an_empty_group_is_inconspicuous() -> None:
    groups = combine([-5.0], [1], 3, ENTITY_OR_IP, correlation=0.0, max_joint=100)
    assert groups.count.tolist() == [0, 1, 0]
    assert groups.ln_p.tolist() == [0.0, -5.0, 0.0]
    assert groups.s[[0, 2]].tolist() == [0.0, 0.0]
    assert combine([], [], 0, OVER_MEMBERS, correlation=0.0, max_joint=0).s.shape == (0,)


def test_both_parts_usual_give_zero_and_their_weighted_product() -> None:
    group = one([0.4, 0.6, 0.3])
    assert group.s[0] == 0.0
    assert group.ln_p[0] == pytest.approx(0.5 * group.ln_joint[0] + 0.5 * group.ln_extreme[0])
    assert group.ln_p[0] > LN_TAKES_PART


def test_otherwise_the_raw_scores_are_averaged() -> None:
    group = one([1e-4, 0.2])
    expected = 0.5 * raw_score(group.ln_joint)[0] + 0.5 * raw_score(group.ln_extreme)[0]
    assert group.s[0] == pytest.approx(expected)
    assert raw_score(group.ln_p)[0] == pytest.approx(expected)


def test_a_probability_above_0_035_with_a_raw_score_is_kept() -> None:
    # one part at 0.02, the other usual: half of s(0.02) is s(0.03…), so aim the parts closer
    found = [one([p, 0.98]) for p in np.linspace(0.01, 0.03, 200)]
    kept = [group for group in found if group.s[0] > 0 and group.ln_p[0] > LN_TAKES_PART]
    assert kept
    assert all(raw_score(group.ln_p)[0] == pytest.approx(group.s[0], rel=1e-9) for group in kept)


def test_a_group_beyond_a_tenth_of_the_sample_counts_as_one_of_that_size() -> None:
    larger, largest = one([1e-3] * 20, most=10), one([1e-3] * 10, most=10)
    assert larger.ln_joint[0] == pytest.approx(largest.ln_joint[0], rel=1e-12)
    assert larger.s[0] > one([1e-3], most=10).s[0]
    usual = one(np.linspace(0.001, 1.0, 1_000), most=100)
    assert usual.s[0] == 0.0


def test_the_joint_part_of_a_group_beyond_it_is_never_above_its_extreme_part() -> None:
    one_odd = one([1e-12, *np.linspace(0.01, 1.0, 60)], most=20)
    assert one_odd.ln_joint[0] > one_odd.ln_extreme[0]
    assert one_odd.ln_p[0] == one_odd.ln_extreme[0]
    none = one([1e-12, *np.linspace(0.01, 1.0, 60)], most=0)
    assert math.isnan(none.ln_joint[0])
    assert none.ln_p[0] == one_odd.ln_p[0]


@pytest.mark.parametrize("p", [0.02, 0.005, 1e-4])
@pytest.mark.parametrize("rho", [0.0, 0.05, 0.3])
def test_more_members_that_are_as_odd_take_away_no_more_than_the_extreme_part(p: float, rho: float) -> None:
    groups = [one([p] * n, rho=rho, most=100) for n in (50, 90, 100, 101, 150, 1_000, 30_000)]
    for fewer, more in itertools.pairwise(groups):
        assert more.ln_joint[0] <= fewer.ln_joint[0] + 1e-9
        assert more.s[0] >= 0.5 * raw_score(fewer.ln_joint)[0] * (1 - 1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(probabilities, min_size=1, max_size=12), st.randoms(use_true_random=False), st.floats(0, 1))
def test_the_order_of_members_does_not_matter(ln_p: list[float], random: object, rho: float) -> None:
    shuffled = list(ln_p)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    group = np.zeros(len(ln_p), dtype=int)
    a, b = (combine(x, group, 1, ENTITY_OR_IP, correlation=rho, max_joint=100) for x in (ln_p, shuffled))
    assert a.s[0] == pytest.approx(b.s[0], rel=1e-9, abs=1e-12)
    assert a.ln_p[0] == pytest.approx(b.ln_p[0], rel=1e-9, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(probabilities, min_size=1, max_size=8), st.integers(0, 7), st.floats(0, 50), st.floats(0, 1))
def test_an_odder_member_never_makes_its_group_less_odd(ln_p: list[float], i: int, less: float, rho: float) -> None:
    odder = list(ln_p)
    odder[i % len(odder)] -= less
    group = np.zeros(len(ln_p), dtype=int)
    for how in (ENTITY_OR_IP, OVER_MEMBERS):
        a, b = (combine(x, group, 1, how, correlation=rho, max_joint=100) for x in (ln_p, odder))
        assert b.s[0] >= a.s[0] - 1e-9 * (1 + a.s[0])


def test_groups_do_not_see_each_other() -> None:
    rng = np.random.default_rng(4)
    ln_p, group = -rng.exponential(3.0, 2_000), rng.integers(0, 300, 2_000)
    together = combine(ln_p, group, 300, ENTITY_OR_IP, correlation=0.3, max_joint=100)
    for g in range(0, 300, 37):
        members = ln_p[group == g]
        alone = combine(members, np.zeros(len(members), int), 1, ENTITY_OR_IP, correlation=0.3, max_joint=100)
        assert alone.s[0] == pytest.approx(together.s[g], rel=1e-9)
        assert alone.ln_p[0] == pytest.approx(together.ln_p[g], rel=1e-9)


@pytest.mark.parametrize("how", [ENTITY_OR_IP, OVER_MEMBERS])
@pytest.mark.parametrize("n", [2, 4, 60])
def test_the_extreme_part_is_super_uniform_where_it_scores(n: int, how: Combination) -> None:
    groups = 20_000
    ln_p = np.log(np.random.default_rng(n).random(groups * n))
    found = combine(ln_p, np.repeat(np.arange(groups), n), groups, how, correlation=0.0, max_joint=0).ln_extreme
    # The divisor of the minimum over m is a little too small for large p: up to 24 % at 0.1, 5 % from 0.01 down.
    excess = {0.1: 1.24, 0.01: 1.05, 0.001: 1.05} if how.m_to > 1 else {0.1: 1.0, 0.01: 1.0, 0.001: 1.0}
    for alpha, factor in excess.items():
        share = (found <= math.log(alpha)).mean()
        assert share <= factor * alpha + 4 * math.sqrt(alpha / groups)


@pytest.mark.parametrize("n", [2, 5, 60])
def test_the_joint_part_of_independent_members_is_super_uniform(n: int) -> None:
    groups = 20_000
    ln_p = np.log(np.random.default_rng(n).random(groups * n))
    found = combine(ln_p, np.repeat(np.arange(groups), n), groups, ENTITY_OR_IP, correlation=0.0, max_joint=n).ln_joint
    for alpha in (0.5, 0.1, 0.01):
        assert (found <= math.log(alpha)).mean() <= alpha + 4 * math.sqrt(alpha / groups)


def test_what_is_not_odd_has_no_say_in_the_joint_part() -> None:
    odd = [math.log(0.01)] * 3
    beside = [[*odd, math.log(p), math.log(p)] for p in (0.101, 1.0)]
    found = [combine(x, np.zeros(5, int), 1, ENTITY_OR_IP, correlation=0.1, max_joint=100).ln_joint[0] for x in beside]
    assert found[0] == found[1]


def dependent(groups: int, n: int, rho: float, seed: int) -> np.ndarray:
    """ln p (float64[groups · n]) of members whose z² correlate by ρ₂ = rho within their group."""
    rng, r = np.random.default_rng(seed), math.sqrt(rho)
    common = np.repeat(rng.standard_normal(groups), n)
    x = math.sqrt(r) * common + math.sqrt(1 - r) * rng.standard_normal(groups * n)
    return special.log_ndtr(-np.abs(x)) + math.log(2)


def test_taking_colleagues_for_independent_would_invent_alarms() -> None:
    ln_p, group = dependent(5_000, 30, 0.1, 1), np.repeat(np.arange(5_000), 30)
    alarms = [
        (combine(ln_p, group, 5_000, ENTITY_OR_IP, correlation=rho, max_joint=100).ln_joint < math.log(1e-4)).mean()
        for rho in (0.0, group_correlation(ln_p, group))
    ]
    assert alarms[0] > 30 * 1e-4
    assert alarms[1] < 20 * 1e-4


def test_the_correlation_of_the_odd_ones_follows_the_one_of_all() -> None:
    group = np.repeat(np.arange(4_000), 6)
    narrow, wide = zip(*(group_correlation(dependent(4_000, 6, rho, 2), group) for rho in (0.0, 0.1, 0.4)), strict=True)
    assert wide[0] < 0.01 < 0.04 < wide[1] < 0.1 < 0.2 < wide[2] < 0.4
    assert narrow[0] < 0.01 < 0.02 < narrow[1] < 0.1 < narrow[2] < wide[2]


def test_an_office_at_the_same_middling_probability_every_day_is_no_correlation() -> None:
    rng = np.random.default_rng(5)
    ln_p = np.log(rng.random((400, 30)))
    ln_p[::2] = np.log(rng.uniform(0.11, 0.2, (200, 30)))
    assert max(group_correlation(ln_p.ravel(), np.repeat(np.arange(400), 30))) < 0.05


def test_each_view_of_a_group_finds_what_the_other_loses() -> None:
    # rho of each view, as a company with big offices has them
    few, many = [math.log(0.06)] * 25 + [-0.5] * 5, [math.log(0.03)] * 30
    for ln_p, rho, lost_with in ((few, (0.05, 0.05), 0), (many, (0.05, 0.6), 1)):
        group = np.zeros(30, dtype=int)
        both = combine(ln_p, group, 1, ENTITY_OR_IP, correlation=rho, max_joint=100).ln_joint[0]
        assert both < math.log(0.001)
        z2 = squared_z(np.array(ln_p))[lost_with].sum()
        c = 1 + 29 * rho[lost_with]
        assert special.gammaincc(30 / c / 2, z2 / c / 2) > 0.01


def drawn(estimate: float, groups: int) -> float:
    """What an estimate over so many groups is drawn to."""
    return (groups * estimate + PRIOR_GROUPS * PRIOR_CORRELATION) / (groups + PRIOR_GROUPS)


def test_one_big_office_does_not_decide_the_correlation() -> None:
    rng = np.random.default_rng(3)
    office = np.full(300, math.log(1e-3))
    ln_p = np.concatenate([office, np.log(rng.random(6_000))])
    group = np.concatenate([np.zeros(300, int), 1 + np.repeat(np.arange(2_000), 3)])
    # by pairs the office would weigh 44,850 to 6,000; by members it weighs 300 to 6,000
    assert max(group_correlation(ln_p, group)) < 0.9
    z2 = squared_z(ln_p)[1]
    a = (z2 - z2.mean()) / z2.std()
    by_members = (300 * a[0] ** 2 + 6_000 * a[300:].mean() ** 2) / 6_300
    assert group_correlation(ln_p, group)[1] == pytest.approx(drawn(by_members, 2_001), abs=0.01)


def test_a_few_groups_hardly_move_the_assumed_correlation() -> None:
    ln_p = np.log(np.concatenate([np.full(4, 1e-6), np.linspace(0.01, 1.0, 2_000)]))
    group = np.concatenate([np.repeat(np.arange(2), 2), 2 + np.arange(2_000)])
    for rho in group_correlation(ln_p, group):
        assert PRIOR_CORRELATION < rho <= drawn(1.0, 2)


def test_a_negative_correlation_counts_as_none_and_a_sample_without_groups_is_zero() -> None:
    ln_p = np.log(np.tile([0.9, 0.03], 500))
    assert group_correlation(ln_p, np.repeat(np.arange(500), 2)) == pytest.approx([drawn(0.0, 500)] * 2)
    assert group_correlation(ln_p, np.arange(1_000)) == (0.0, 0.0)
    assert group_correlation([], []) == (0.0, 0.0)
    assert group_correlation([-1.0, -1.0], [0, 0]) == (0.0, 0.0)


@pytest.mark.parametrize("value", GOLDEN["one_odd_pair_in_a_bucket"], ids=lambda value: f"of {value['members']}")
def test_one_odd_pair_in_a_bucket_is_weighed_against_its_members(value: dict[str, float]) -> None:
    bucket = one(np.append(np.full(value["members"] - 1, 0.5), value["p"]), OVER_MEMBERS)
    assert probability_cap(bucket.ln_p)[0] == pytest.approx(value["cap"], abs=value["to"])


def test_weights_and_ranges_are_checked() -> None:
    for wrong in ((0.5, 0.6, 1, 1), (-0.5, 1.5, 1, 1), (0.5, 0.5, 0, 1), (0.5, 0.5, 3, 2)):
        with pytest.raises(ValueError, match=r"weights|m_from"):
            Combination(*wrong)
    with pytest.raises(ValueError, match="not a number"):
        one([math.nan])
    with pytest.raises(ValueError, match="correlation"):
        one([0.5], rho=1.5)
    with pytest.raises(ValueError, match="group"):
        combine([-1.0], [1], 1, OVER_MEMBERS, correlation=0.0, max_joint=0)
    with pytest.raises(ValueError, match="one length"):
        combine([-1.0, -1.0], [0], 1, OVER_MEMBERS, correlation=0.0, max_joint=0)
