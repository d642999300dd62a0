"""One event bucket → influencers and bucket, and the two patterns that must stand out."""

from __future__ import annotations

import math
from functools import cache
from typing import Literal

import numpy as np
import pytest

from ipi_es.scoring.aggregate import Aggregated, BucketPairs, BucketView, Membership, aggregate, leading
from ipi_es.scoring.bounded import MOST_A_SOURCE
from ipi_es.scoring.calibration import Calibration
from ipi_es.scoring.combine import ENTITY_OR_IP, combine
from ipi_es.scoring.normalizer import normalize
from ipi_es.scoring.probability import LN_TAKES_PART, severity, taking_part
from ipi_es.scoring.quantiles import Quantiles
from ipi_es.scoring.references import Correlations, Reference

USUAL = 400
"""Usual pairs of an hour, each of an entity and an IP of its own."""


UNCORRELATED = Correlations()


@cache
def calibration_of(size: int) -> Calibration:
    """So many normal events."""
    none = np.zeros(0)
    return Calibration((np.linspace(-5.0, 5.0, size), none, none, none, none))


def members_of(pairs: BucketPairs, part: np.ndarray | None = None, ips: np.ndarray | None = None) -> Membership:
    """All pairs and all IPs, unless others are given."""
    part = np.ones(len(pairs.ln_p), dtype=np.bool_) if part is None else part
    return Membership(part, part, np.ones(pairs.n_ips, dtype=np.bool_) if ips is None else ips)


def aggregated(pairs: BucketPairs, correlations: Correlations = UNCORRELATED, size: int = 20_000) -> Aggregated:
    """All pairs, compared with so many normal events."""
    return aggregate(pairs, members_of(pairs), Reference(calibration_of(size), correlations))


def hour(
    p: list[float],
    entity: list[int],
    ip: list[int],
    *,
    correlations: Correlations = UNCORRELATED,
    part: np.ndarray | None = None,
    ips: np.ndarray | None = None,
    made_up: np.ndarray | None = None,
    sources: Literal["entity", "ip"] = "entity",
) -> Aggregated:
    """An hour of 400 usual pairs, and the given ones; their entities and IPs are numbered from 0, like the usual."""
    usual = np.random.default_rng(0).uniform(0.05, 1.0, USUAL)
    n_entities, n_ips = max(entity, default=-1) + 1, max(ip, default=-1) + 1
    pairs = BucketPairs.of(
        np.log(np.concatenate([p, usual])),
        np.concatenate([entity, n_entities + np.arange(USUAL)]),
        np.concatenate([ip, n_ips + np.arange(USUAL)]),
        n_entities + USUAL,
        n_ips + USUAL,
    )
    reference = Reference(calibration_of(20_000), correlations)
    return aggregate(pairs, members_of(pairs, part, ips), reference, made_up=made_up, sources=sources)


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
    mild, odd = spraying(0.02, 0.45), spraying(5e-4, 0.45)
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
    seen = aggregated(BucketPairs.of(ln_p, entity, ip, 200, 100), same, 5_000)
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
    same = Correlations(same_ip=(0.01, 0.01))
    found = aggregated(BucketPairs.of(ln_p, np.arange(300), one, 300, 1), same, calibration_size).ips
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
    with_, without = hour([1e-9, 1e-9], [0, 0], [0, 1], part=part), hour([], [], [])
    assert with_.entities.count[0] == 0
    assert with_.entities.s[0] == 0.0
    assert with_.bucket_time == without.bucket_time
    assert with_.by_ip == without.by_ip


def test_an_ip_that_repeats_is_scored_but_no_member_of_its_bucket() -> None:
    part = np.ones(USUAL + 1, dtype=bool)
    part[0] = False
    seen = hour([1e-9], [0], [0], ips=part)
    assert seen.ips.s[0] > 0
    assert seen.by_ip.members == USUAL
    assert seen.by_ip.s == 0.0
    assert seen.bucket_time.s > 0


@pytest.mark.parametrize(("sources", "entities"), [("entity", 20), ("ip", MOST_A_SOURCE)])
def test_of_one_address_only_a_few_entities_count_where_addresses_are_the_sources(
    sources: Literal["entity", "ip"], entities: int
) -> None:
    seen = hour([0.01] * 20, list(range(20)), [0] * 20, sources=sources)
    assert (seen.bucket_time.members, seen.by_ip.members) == (USUAL + entities, USUAL + 1)


@pytest.mark.parametrize(("sources", "ips"), [("entity", MOST_A_SOURCE), ("ip", 20)])
def test_of_one_entity_only_a_few_addresses_count_where_entities_are_the_sources(
    sources: Literal["entity", "ip"], ips: int
) -> None:
    seen = hour([0.01] * 20, [0] * 20, list(range(20)), sources=sources)
    assert (seen.bucket_time.members, seen.by_ip.members) == (USUAL + 1, USUAL + ips)


def test_the_least_probable_member_leads_its_group_and_the_first_of_equals() -> None:
    groups, ln_p = np.array([0, 0, 2, 2, 2]), np.array([-1.0, -3.0, -2.0, -2.0, -0.5])
    assert leading(groups, ln_p, np.array([5, 6, 7, 8, 9]), 4).tolist() == [6, -1, 7, -1]


def test_a_bucket_without_pairs_is_inconspicuous() -> None:
    seen = aggregated(BucketPairs.of([], [], [], 0, 0))
    assert seen.bucket_time == BucketView(ln_p=0.0, s=0.0, members=0)
    assert seen.by_ip.ln_p > LN_TAKES_PART


def test_the_order_of_pairs_does_not_matter() -> None:
    rng = np.random.default_rng(6)
    ln_p, entity, ip = -rng.exponential(3.0, 500), rng.integers(0, 90, 500), rng.integers(0, 80, 500)
    order = rng.permutation(500)
    same = Correlations(same_ip=(0.2, 0.3))
    a = aggregated(BucketPairs.of(ln_p, entity, ip, 90, 80), same, 5_000)
    b = aggregated(BucketPairs.of(ln_p[order], entity[order], ip[order], 90, 80), same, 5_000)
    assert a.ips.s == pytest.approx(b.ips.s, rel=1e-9)
    assert a.by_ip.s == pytest.approx(b.by_ip.s, rel=1e-9)
    assert a.bucket_time.ln_p == pytest.approx(b.bucket_time.ln_p, rel=1e-9)


def test_codes_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="ip"):
        BucketPairs.of([-1.0], [0], [3], 1, 3)
