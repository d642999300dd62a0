"""The history of a level: a grid that ages, adds and merges exactly."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.errors import SnapshotDamaged
from ipi_es.scoring.probability import raw_score
from ipi_es.scoring.quantiles import CELLS, DAY_S, LARGEST_CAP, Quantiles, cells_of

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "scoring.json").read_text())
scores = st.lists(st.one_of(st.just(0.0), st.floats(1e-5, 100)), max_size=30)
spans = st.floats(0, 90 * DAY_S)


def same(a: Quantiles, b: Quantiles) -> bool:
    return np.allclose(a.to_array(), b.to_array(), rtol=1e-12, atol=1e-12)


def test_the_cap_of_the_largest_is_the_raw_score_of_1e_minus_10() -> None:
    assert pytest.approx(7.39, abs=0.005) == LARGEST_CAP


@pytest.mark.parametrize("value", GOLDEN["quantile_cells"], ids=lambda value: f"s={value['s']}")
def test_the_layout_of_the_saved_state_does_not_move(value: dict[str, float]) -> None:
    assert cells_of([value["s"]])[0] == value["cell"]


def test_the_smallest_raw_score_of_a_single_result_has_a_cell_of_its_own() -> None:
    assert cells_of(raw_score([math.log(0.035)]))[0] > 1


@given(st.lists(st.floats(0, 100), min_size=2, max_size=20))
def test_cells_are_in_the_order_of_scores(s: list[float]) -> None:
    cells = cells_of(sorted(s))
    assert (np.diff(cells) >= 0).all()
    assert cells.min() >= 0
    assert cells.max() <= CELLS


@given(scores, scores)
def test_adding_one_after_the_other_is_adding_together(a: list[float], b: list[float]) -> None:
    assert same(Quantiles.empty().added(a).added(b), Quantiles.empty().added(a + b))


@given(scores, scores)
def test_merging_is_adding_one_after_the_other(a: list[float], b: list[float]) -> None:
    merged = Quantiles.empty().added(a).merged(Quantiles.empty().added(b))
    assert (merged.to_array() == Quantiles.empty().added(a).added(b).to_array()).all()
    assert (merged.to_array() == Quantiles.empty().added(b).merged(Quantiles.empty().added(a)).to_array()).all()


@given(scores, spans, spans)
def test_ageing_twice_is_ageing_by_the_sum(s: list[float], a: float, b: float) -> None:
    state = Quantiles.empty().added(s)
    assert same(state.aged(a).aged(b), state.aged(a + b))


@given(scores, scores, spans)
def test_ageing_commutes_with_merging(a: list[float], b: list[float], span: float) -> None:
    x, y = Quantiles.empty().added(a), Quantiles.empty().added(b)
    assert same(x.merged(y).aged(span), x.aged(span).merged(y.aged(span)))


def test_zeros_are_counted_whether_listed_or_numbered() -> None:
    listed, numbered = Quantiles.empty().added([0.0, 0.0, 1.0]), Quantiles.empty().added([1.0], zeros=2)
    assert (listed.to_array() == numbered.to_array()).all()
    assert listed.n == 3.0


def test_counts_halve_in_thirty_days_and_the_largest_in_seven() -> None:
    state = Quantiles.empty().added([1.0] * 8)
    assert state.aged(30 * DAY_S).n == pytest.approx(4.0)
    assert state.aged(7 * DAY_S).largest == pytest.approx(0.5)


def test_the_yardstick_is_the_largest_seen_or_what_chance_gives() -> None:
    assert Quantiles.empty().yardstick == 0.0
    assert Quantiles.empty().added([2.0] * 9).yardstick == 2.0
    many = Quantiles.empty().added([0.0] * 300_000)
    assert many.yardstick == pytest.approx(float(raw_score([-math.log(1_200_001)])[0]))


def test_the_largest_is_capped() -> None:
    assert Quantiles.empty().added([80.0]).largest == LARGEST_CAP


def test_warming_up_ends_with_the_tenth_result() -> None:
    assert Quantiles.empty().added([0.0] * 9).warming_up
    assert not Quantiles.empty().added([0.0] * 10).warming_up


def test_nothing_changes_in_place() -> None:
    state = Quantiles.empty()
    state.added([1.0])
    state.aged(5)
    assert state.n == 0.0
    assert state.largest == 0.0


def test_a_result_is_ranked_among_the_others_with_half_of_its_ties() -> None:
    state = Quantiles.empty().added([0.0, 0.0, 1.0, 1.0, 1.0, 5.0])
    share, others = state.percentile([1.0, 5.0])
    assert others.tolist() == [5.0, 5.0]
    assert share.tolist() == [(2 + 1) / 5, 1.0]


def test_an_interim_result_is_ranked_without_being_in_the_history() -> None:
    history = Quantiles.empty().added([0.0, 0.0, 1.0, 2.0])
    for s in (0.5, 1.0, 5.0):
        interim = history.percentile([s], counted=False)
        final = history.added([s]).percentile([s], counted=True)
        assert interim[0][0] == final[0][0]
        assert interim[1][0] == final[1][0]


@settings(deadline=None)
@given(scores, spans, st.booleans())
def test_percentiles_rise_with_the_score(s: list[float], span: float, counted: bool) -> None:
    state = Quantiles.empty().added(s).aged(span)
    share, others = state.percentile(np.geomspace(1e-4, 100, 300), counted=counted)
    assert (others >= 0).all()
    if counted:  # a cell without the result itself is no place where a counted result can be
        held = state.counts[cells_of(np.geomspace(1e-4, 100, 300))] > 0
        share = share[held]
    assert (np.diff(share) >= -1e-12).all()


def test_the_state_comes_back_exactly() -> None:
    state = Quantiles.empty().added([0.0, 0.3, 8.0, 99.0], keys=np.array([5, 6, 2**52 - 1, 8])).aged(12345)
    again = Quantiles.from_array(state.to_array())
    assert (again.counts == state.counts).all()
    assert again.largest == state.largest
    assert again.sources.keys.tolist() == state.sources.keys.tolist() == [8, 2**52 - 1, 6]
    assert (again.sources.scores == state.sources.scores).all()


@pytest.mark.parametrize(
    "array", [[], np.zeros(801), np.full(802, -1.0), np.full(802, math.nan), np.zeros((2, 401)), np.zeros(803)]
)
def test_a_damaged_state_is_refused(array: np.ndarray) -> None:
    with pytest.raises(SnapshotDamaged):
        Quantiles.from_array(array)


def test_what_is_no_raw_score_is_refused() -> None:
    for wrong in ([-1.0], [100.1], [math.nan]):
        with pytest.raises(ValueError, match="raw anomaly score"):
            Quantiles.empty().added(wrong)
    with pytest.raises(ValueError, match="backwards"):
        Quantiles.empty().aged(-1)
