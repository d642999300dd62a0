"""Raw anomaly score → score by three caps; renormalization decides what is worth a write."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.scoring.array_checks import F64
from ipi_es.scoring.normalizer import BOUND_NAMES, Normalized, largest_cap, normalize, probability_cap, rank_cap
from ipi_es.scoring.probability import LN_L, LN_MIN, ln_written, raw_score, written_probability
from ipi_es.scoring.quantiles import CELLS, DAY_S, LARGEST_CAP, Quantiles
from ipi_es.scoring.renormalizer import PATIENCE_S, LastRenormalization, renormalize, visible

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "scoring.json").read_text())
raw_scores = st.lists(st.one_of(st.just(0.0), st.floats(1e-3, 100)), max_size=40)
display = st.floats(0, 100)


@pytest.mark.parametrize("value", GOLDEN["largest_ever"], ids=lambda value: f"n={value['n']}")
def test_the_largest_result_ever_gets_more_the_more_history_there_is(value: dict[str, float]) -> None:
    before = Quantiles.empty().added([0.01] * value["n"])
    final = normalize([7.0], [-20.0], before.added([7.0]))
    interim = normalize([7.0], [-20.0], before, counted=False)
    assert round(final.score[0]) == value["score"]
    assert interim.score[0] == final.score[0]
    assert final.bound[0] == "rank"


@pytest.mark.parametrize("value", GOLDEN["probability_cap"], ids=lambda value: f"p={value['p']}")
def test_no_score_is_higher_than_its_probability_allows(value: dict[str, float]) -> None:
    assert probability_cap(np.log([value["p"]]))[0] == pytest.approx(value["cap"], abs=value["to"])


@pytest.mark.parametrize(
    ("percentile", "cap"),
    [(35, 0.5), (70, 1.0), (85, 1.2), (90, 1.5), (95, 3.0), (97, 20.0), (98, 35.0), (99, 50.0), (99.9, 90.0)],
)
def test_the_cap_by_the_rank_in_a_history_so_long_that_the_rank_is_certain(percentile: float, cap: float) -> None:
    counts = np.zeros(CELLS + 1)
    counts[[0, CELLS]] = np.array([percentile, 100.0 - percentile]) * 1e10
    assert rank_cap(np.array([1.0]), Quantiles(counts), counted=False)[0] == pytest.approx(cap, abs=0.01)


def test_the_probability_cap_is_never_negative() -> None:
    assert probability_cap(np.array([0.0, LN_L]))[0] == 0.0


@pytest.mark.parametrize(("share", "cap"), [(0.0, 0.0), (0.1, 15.0), (0.5, 75.0), (0.75, 87.5), (1.0, 100.0)])
def test_the_cap_by_the_share_of_the_largest(share: float, cap: float) -> None:
    assert largest_cap(np.array([share * 4.0]), 4.0)[0] == pytest.approx(cap)


def test_a_new_largest_and_an_empty_history_are_not_capped_by_the_largest() -> None:
    assert largest_cap(np.array([5.0]), 4.0)[0] == 100.0
    assert largest_cap(np.array([5.0]), 0.0)[0] == 100.0
    assert largest_cap(np.array([90.0]), LARGEST_CAP)[0] == 100.0


def test_what_chance_gives_among_so_many_results_is_not_critical() -> None:
    quiet = Quantiles.empty().added(np.zeros(300_000))  # nothing rare at all: the largest seen says nothing
    for p, critical in ((2e-4, False), (1e-5, True)):
        s = raw_score([math.log(p)])
        assert (normalize(s, [math.log(p)], quiet.added(s)).score[0] >= 75) == critical


def by(quantiles: Quantiles) -> Callable[[F64, F64], Normalized]:
    """Score by one level that has the results already."""
    return lambda s, ln_p: normalize(s, ln_p, quantiles)


def test_what_three_sources_reached_blinds_nobody() -> None:
    usual = Quantiles.empty().added([0.0] * 5_000)
    s, ln_p = raw_score([math.log(1e-4)]), [math.log(1e-4)]
    alone = normalize(s, ln_p, usual.added(s)).c2[0]
    keys = np.array([7, 7, 8, 9])
    assert normalize(s, ln_p, usual.added([60.0, 50.0, 60.0, 60.0], keys=keys).added(s)).c2[0] > alone - 0.1
    assert normalize(s, ln_p, usual.added([60.0] * 4, keys=keys + np.arange(4)).added(s)).c2[0] < 25


def test_what_many_reached_blinds_a_job_for_a_week_not_longer() -> None:
    usual = Quantiles.empty().added([0.0] * 5_000)
    loud = usual.added([60.0] * 4)
    s, ln_p = raw_score([math.log(1e-4)]), [math.log(1e-4)]
    scores = [normalize(s, ln_p, loud.aged(days * DAY_S).added(s)).c2[0] for days in (0, 7, 14, 21)]
    assert scores[0] < 25
    assert scores[-1] > 90
    assert scores == sorted(scores)


def test_zero_stays_zero_whatever_the_history() -> None:
    result = normalize([0.0, 0.0], [-0.1, LN_L + 0.01], Quantiles.empty())
    assert result.score.tolist() == [0.0, 0.0]
    assert result.bound.tolist() == ["none", "none"]


def test_which_cap_bound_is_told() -> None:
    long = Quantiles.empty().added(np.zeros(100_000))
    assert normalize([2.0], [math.log(1e-3)], long.added([2.0])).bound[0] == "probability"
    assert normalize([1.0], [math.log(1e-9)], long.added([1.0, 7.0])).bound[0] == "largest"
    assert normalize([1.0], [math.log(1e-9)], long.added([1.0] * 90_000)).bound[0] == "rank"
    everything = normalize([7.0], [math.log(1e-9)], Quantiles.empty().added(np.zeros(10**7)).added([7.0]))
    assert everything.score[0] == pytest.approx(100, abs=0.2)
    assert set(BOUND_NAMES) >= set(everything.bound)


@settings(max_examples=60, deadline=None)
@given(raw_scores, st.floats(0, 60 * DAY_S), st.lists(st.floats(LN_MIN, LN_L), min_size=1, max_size=20))
def test_the_less_probable_of_two_never_scores_less(history: list[float], span: float, ln_p: list[float]) -> None:
    ordered = np.sort(ln_p)
    s = raw_score(ordered)
    state = Quantiles.empty().added(history).aged(span).added(s)
    result = normalize(s, ordered, state)
    assert (np.diff(result.score) <= 1e-9).all()
    assert (result.score >= 0).all()
    assert (result.score <= 100).all()
    assert (result.score <= np.minimum(np.minimum(result.c1, result.c2), result.c3) + 1e-12).all()


def test_an_interim_score_changes_no_state() -> None:
    state = Quantiles.empty().added([0.0] * 50)
    before = state.to_array()
    normalize([3.0], [-13.0], state, counted=False)
    assert (state.to_array() == before).all()


def test_many_results_are_scored_as_one_by_one() -> None:
    rng = np.random.default_rng(1)
    ln_p = -rng.exponential(4.0, 500)
    s = raw_score(ln_p)
    state = Quantiles.empty().added(s)
    together = normalize(s, ln_p, state).score
    alone = [normalize(s[i : i + 1], ln_p[i : i + 1], state).score[0] for i in range(0, 500, 17)]
    assert together[::17].tolist() == alone
    assert rank_cap(np.zeros(0), state).shape == (0,)


def test_what_is_not_a_number_is_not_scored() -> None:
    for s, ln_p in (([math.nan], [-3.0]), ([1.0], [math.nan])):
        with pytest.raises(ValueError, match="not a number"):
            normalize(s, ln_p, Quantiles.empty())


@given(display)
def test_a_score_is_never_visibly_different_from_itself(score: float) -> None:
    assert not visible([score], [score])[0]


@pytest.mark.parametrize(
    ("old", "new", "seen"),
    [
        (74.9, 75.0, True),  # another severity
        (80.0, 81.5, True),
        (80.0, 81.4, False),
        (80.0, 78.5, True),
        (1.2, 0.39, True),  # less than a third
        (1.2, 0.41, False),
        (0.39, 1.2, False),
        (0.0, 0.0, False),
    ],
)
def test_a_change_is_written_only_if_it_can_be_seen(old: float, new: float, seen: bool) -> None:
    assert visible([old], [new])[0] == seen


@settings(max_examples=60, deadline=None)
@given(raw_scores, st.lists(st.tuples(st.floats(LN_MIN, 0.0), display), min_size=1, max_size=20))
def test_renormalizing_twice_writes_nothing_the_second_time(
    history: list[float], stored: list[tuple[float, float]]
) -> None:
    ln_p, old = (np.array(column) for column in zip(*stored, strict=True))
    state = Quantiles.empty().added(history)
    first = renormalize(ln_p, old, by(state))
    now = np.where(first.write, first.normalized.score, old)
    assert not renormalize(ln_p, now, by(state)).write.any()


def test_renormalizing_in_an_unmoved_history_gives_the_scores_of_the_first_time() -> None:
    ln_p = np.log([1e-30, 1e-6, 1e-4, 0.01, 0.034])
    s = raw_score(ln_p)
    state = Quantiles.empty().added(np.zeros(1_000)).added(s)
    first = normalize(s, ln_p, state).score
    again = renormalize(ln_written(written_probability(ln_p)), first, by(state))
    assert again.normalized.score == pytest.approx(first, rel=1e-9)
    assert not again.write.any()


def test_a_score_of_zero_stays_zero() -> None:
    again = renormalize(np.log([0.04]), [0.0], by(Quantiles.empty().added([0.0] * 500)))
    assert again.normalized.score[0] == 0.0
    assert not again.write[0]


def test_scores_move_both_ways() -> None:
    ln_p = np.log([1e-5])
    s = raw_score(ln_p)
    quiet, busy = (Quantiles.empty().added(np.zeros(2_000)).added(more) for more in (s, np.full(200, 7.0)))
    high, low = (normalize(s, ln_p, state).score for state in (quiet, busy))
    assert renormalize(ln_p, high, by(busy)).normalized.score[0] < high[0]
    assert renormalize(ln_p, low, by(quiet)).normalized.score[0] > low[0]
    assert renormalize(ln_p, high, by(busy)).write[0]


def test_it_is_due_when_a_largest_grew_by_more_than_a_tenth_or_after_six_hours() -> None:
    def levels(**largest: float) -> dict[str, Quantiles]:
        return {name: Quantiles.empty().added([score]) for name, score in largest.items()}

    last = LastRenormalization.at(100, levels(record=1.0))
    assert not last.next_is_due(100, levels(record=1.1))
    assert last.next_is_due(100, levels(record=1.11))
    assert not last.next_is_due(100 + PATIENCE_S - 1, levels(record=0.2))
    assert last.next_is_due(100 + PATIENCE_S, levels(record=0.2))
    assert last.next_is_due(100, levels(record=1.0, bucket_time=0.5))
    assert not LastRenormalization(100, {}).next_is_due(100, levels(record=0.0))
