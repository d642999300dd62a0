"""One event bucket → influencers and bucket, and the two patterns that must stand out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ipi_es.scoring.aggregate import Aggregated, BucketView, Correlations, aggregate
from ipi_es.scoring.combine import ENTITY_OR_IP, combine
from ipi_es.scoring.normalizer import normalize
from ipi_es.scoring.probability import LN_TAKES_PART, severity, taking_part
from ipi_es.scoring.quantiles import Quantiles

USUAL = 400
"""Usual pairs of an hour, each of an entity and an IP of its own."""


def hour(p: list[float], entity: list[int], ip: list[int], seed: int = 0, **options: object) -> Aggregated:
    """An hour of 400 usual pairs, and the given ones; their entities and IPs are numbered from 0, like the usual."""
    usual = np.random.default_rng(seed).uniform(0.05, 1.0, USUAL)
    n_entities, n_ips = max(entity, default=-1) + 1, max(ip, default=-1) + 1
    return aggregate(
        np.log(np.concatenate([p, usual])),
        np.concatenate([entity, n_entities + np.arange(USUAL)]),
        np.concatenate([ip, n_ips + np.arange(USUAL)]),
        n_entities=n_entities + USUAL,
        n_ips=n_ips + USUAL,
        calibration_size=20_000,
        **{"correlations": Correlations(), **options},  # type: ignore[arg-type]
    )


def ten_days(members: int) -> Quantiles:
    """Ten normal days of hourly results of a level with so many members: p is uniform, as calibration sees to."""
    rng = np.random.default_rng(9)
    state = Quantiles.empty()
    for _ in range(240):
        state = state.aged(3600).added(taking_part(np.log(rng.random(members))))
    return state


def influencer_score(s: float, ln_p: float, members: int = USUAL) -> float:
    return float(normalize([s], [ln_p], ten_days(members).added([s])).score[0])


def bucket_score(whole: BucketView) -> float:
    return influencer_score(whole.s, whole.ln_p, members=1)


def spraying(p: float, same_ip: float) -> Aggregated:
    return hour([p] * 60, list(range(60)), [0] * 60, correlations=Correlations(same_ip=(same_ip, same_ip)))


@pytest.mark.parametrize("same_ip", [0.0, 0.02, 0.05])
def test_spraying_over_sixty_accounts_is_critical_although_no_record_is(same_ip: float) -> None:
    seen = spraying(0.02, same_ip)
    assert str(severity(influencer_score(seen.ips.s[0], seen.ips.ln_p[0]))) == "critical"
    assert str(severity(bucket_score(seen.by_ip))) == "critical"
    record = influencer_score(taking_part([math.log(0.02)])[0], math.log(0.02))
    assert str(severity(record)) == "warning"


def test_spraying_where_colleagues_move_together_takes_p_near_a_thousandth() -> None:
    mild, odd = spraying(0.02, 0.45), spraying(6e-4, 0.45)
    assert influencer_score(mild.ips.s[0], mild.ips.ln_p[0]) < 50
    assert str(severity(influencer_score(odd.ips.s[0], odd.ips.ln_p[0]))) == "critical"
    assert odd.ips.ln_extreme[0] < math.log(1e-3)


@pytest.mark.parametrize("invented", [1, 200, 20_000])
def test_invented_names_hide_no_spraying_among_them(invented: int) -> None:
    p = [0.02] * 60 + [0.5] * invented
    entities = list(range(60 + invented))
    made_up = np.zeros(len(p) + USUAL, dtype=bool)
    made_up[60 : len(p)] = True
    alone = hour([0.02] * 60, list(range(60)), [0] * 60)
    seen = hour(p, entities, [0] * len(p), made_up=made_up)
    assert seen.ips.ln_p[0] == pytest.approx(alone.ips.ln_p[0] + math.log(2), rel=1e-9)
    assert seen.ips.count[0] == 60 + invented
    assert str(severity(influencer_score(seen.ips.s[0], seen.ips.ln_p[0]))) == "critical"
    assert str(severity(bucket_score(seen.by_ip))) == "critical"


def test_invented_names_alone_are_judged_as_a_group() -> None:
    made_up = np.array([True] * 60 + [False] * USUAL)
    p = [0.02] * 60, list(range(60)), [0] * 60
    assert hour(*p, made_up=made_up).ips.ln_p[0] == hour(*p).ips.ln_p[0]


def test_five_odd_among_fifty_five_usual_score_zero() -> None:
    p = [0.02] * 5 + list(np.linspace(0.1, 1.0, 55))
    seen = hour(p, list(range(60)), [0] * 60, correlations=Correlations(same_ip=(0.3, 0.3)))
    assert seen.ips.s[0] == 0.0
    assert influencer_score(seen.ips.s[0], seen.ips.ln_p[0]) == 0.0


def test_one_entity_from_many_odd_addresses_is_critical() -> None:
    seen = hour([0.003] * 8, [0] * 8, list(range(8)))
    assert str(severity(influencer_score(seen.entities.s[0], seen.entities.ln_p[0]))) == "critical"
    assert str(severity(bucket_score(seen.bucket_time))) == "critical"
    assert seen.bucket_time.s > 10 * seen.by_ip.s


def test_a_bucket_can_stay_low_while_an_influencer_in_it_is_critical() -> None:
    seen = hour([5e-5], [0], [0])
    assert str(severity(influencer_score(seen.entities.s[0], seen.entities.ln_p[0]))) == "critical"
    assert str(severity(bucket_score(seen.bucket_time))) in {"warning", "minor"}


def test_influencers_are_what_combine_says_of_each_group() -> None:
    rng = np.random.default_rng(3)
    ln_p, entity, ip = -rng.exponential(2.0, 900), rng.integers(0, 200, 900), rng.integers(0, 100, 900)
    same = Correlations(same_entity=(0.01, 0.02), same_ip=(0.2, 0.4))
    seen = aggregate(ln_p, entity, ip, n_entities=200, n_ips=100, correlations=same, calibration_size=5_000)
    for groups, codes, count, rho in (
        (seen.entities, entity, 200, same.same_entity),
        (seen.ips, ip, 100, same.same_ip),
    ):
        alone = combine(ln_p, codes, count, ENTITY_OR_IP, correlation=rho, max_joint=500)
        assert (groups.s == alone.s).all()
        assert (groups.ln_p == alone.ln_p).all()


@pytest.mark.parametrize(("calibration_size", "max_joint"), [(1_000, 100), (20_000, 2_000)])
def test_groups_count_as_a_tenth_of_the_calibration_at_most(calibration_size: int, max_joint: int) -> None:
    ln_p = np.log(np.random.default_rng(7).uniform(0.001, 0.05, 300))
    one = np.zeros(300, dtype=np.int64)
    options: dict[str, Any] = {"n_entities": 300, "n_ips": 1, "correlations": Correlations(same_ip=(0.01, 0.01))}
    found = aggregate(ln_p, np.arange(300), one, calibration_size=calibration_size, **options).ips
    expected = combine(ln_p, one, 1, ENTITY_OR_IP, correlation=(0.01, 0.01), max_joint=max_joint)
    assert (found.ln_joint[0], found.ln_p[0]) == (expected.ln_joint[0], expected.ln_p[0])
    other = combine(ln_p, one, 1, ENTITY_OR_IP, correlation=(0.01, 0.01), max_joint=300 if max_joint < 300 else 100)
    assert found.ln_joint[0] != other.ln_joint[0]


def test_the_bucket_over_entities_and_over_ips() -> None:
    seen = hour([1e-6], [0], [0])
    assert seen.bucket_time == seen.by_entity
    assert seen.bucket_time.members == USUAL + 1
    expected = math.log(-math.expm1((USUAL + 1) * math.log1p(-1e-6)))
    assert seen.bucket_time.ln_p == pytest.approx(expected, rel=1e-9)
    assert seen.by_ip.ln_p == pytest.approx(expected, rel=1e-9)


def test_what_takes_no_part_counts_nowhere() -> None:
    part = np.ones(USUAL + 2, dtype=bool)
    part[:2] = False
    with_, without = hour([1e-9, 1e-9], [0, 0], [0, 1], takes_part=part), hour([], [], [])
    assert with_.entities.count[0] == 0
    assert with_.entities.s[0] == 0.0
    assert with_.bucket_time == without.bucket_time
    assert with_.by_ip == without.by_ip


def test_an_ip_that_repeats_is_scored_but_no_member_of_its_bucket() -> None:
    part = np.ones(USUAL + 1, dtype=bool)
    part[0] = False
    seen = hour([1e-9], [0], [0], ip_takes_part=part)
    assert seen.ips.s[0] > 0
    assert seen.by_ip.members == USUAL
    assert seen.by_ip.s == 0.0
    assert seen.bucket_time.s > 0


def test_a_bucket_without_pairs_is_inconspicuous() -> None:
    seen = aggregate([], [], [], n_entities=0, n_ips=0, correlations=Correlations(), calibration_size=1_000)
    assert seen.bucket_time == BucketView(ln_p=0.0, s=0.0, members=0)
    assert seen.by_ip.ln_p > LN_TAKES_PART


def test_the_order_of_pairs_does_not_matter() -> None:
    rng = np.random.default_rng(6)
    ln_p, entity, ip = -rng.exponential(3.0, 500), rng.integers(0, 90, 500), rng.integers(0, 80, 500)
    order = rng.permutation(500)
    options = {
        "n_entities": 90,
        "n_ips": 80,
        "correlations": Correlations(same_ip=(0.2, 0.3)),
        "calibration_size": 5_000,
    }
    a = aggregate(ln_p, entity, ip, **options)  # type: ignore[arg-type]
    b = aggregate(ln_p[order], entity[order], ip[order], **options)  # type: ignore[arg-type]
    assert a.ips.s == pytest.approx(b.ips.s, rel=1e-9)
    assert a.by_ip.s == pytest.approx(b.by_ip.s, rel=1e-9)
    assert a.bucket_time.ln_p == pytest.approx(b.bucket_time.ln_p, rel=1e-9)


def test_codes_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="ip"):
        aggregate([-1.0], [0], [3], n_entities=1, n_ips=3, correlations=Correlations(), calibration_size=10)
