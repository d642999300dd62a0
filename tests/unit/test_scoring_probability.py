"""ln p ↔ raw anomaly score, severities, what is written."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipi_es.scoring.probability import (
    LN_L,
    LN_M,
    LN_MIN,
    LN_S,
    P_MIN,
    Severity,
    inverse,
    ln_written,
    raw_score,
    severity,
    severity_levels,
    taking_part,
    written_probability,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "scoring.json").read_text())
ln_ps = st.floats(min_value=2 * LN_MIN, max_value=0.0)


@pytest.mark.parametrize("value", GOLDEN["raw_score"], ids=lambda value: f"p={value['p']}")
def test_reference_values(value: dict[str, float]) -> None:
    assert raw_score([math.log(value["p"])])[0] == pytest.approx(value["s"], abs=value["to"])


@given(ln_ps, ln_ps)
def test_a_smaller_probability_never_has_a_smaller_raw_score(a: float, b: float) -> None:
    low, high = sorted((a, b))
    s = raw_score([low, high])
    assert s[0] >= s[1]


@pytest.mark.parametrize("seam", [LN_L, LN_S, LN_M, LN_MIN])
def test_the_seams_of_the_branches_are_monotone_and_continuous(seam: float) -> None:
    x = seam + np.arange(-200, 201) * np.spacing(abs(seam))
    s = raw_score(x)
    assert (np.diff(s) <= 0).all()
    assert np.ptp(s) < 1e-9


@given(st.floats(min_value=LN_MIN, max_value=LN_L))
def test_inverse_undoes_the_raw_score(ln_p: float) -> None:
    # a relative error of p is an absolute one of ln p
    assert abs(inverse(raw_score([ln_p]))[0] - ln_p) < 1e-9


@given(st.floats(min_value=0, max_value=100))
def test_the_raw_score_undoes_inverse(s: float) -> None:
    assert raw_score(inverse([s]))[0] == pytest.approx(s, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("s", [-0.001, 100.001, math.nan])
def test_inverse_refuses_what_is_no_raw_score(s: float) -> None:
    with pytest.raises(ValueError, match="lies in"):
        inverse([s])


def test_an_unknown_probability_does_not_become_an_inconspicuous_score() -> None:
    assert np.isnan(raw_score([math.nan, -1.0])[0])


def test_a_result_above_0_035_takes_part_with_zero() -> None:
    s = taking_part(np.log([0.0351, 0.0349]))
    assert s[0] == 0.0
    assert s[1] == raw_score([math.log(0.0349)])[0] > 0.0


def test_written_probabilities_are_never_zero_nor_above_one() -> None:
    assert written_probability([-1e6, 1e-18, LN_MIN, 0.0]).tolist() == [P_MIN, 1.0, P_MIN, 1.0]


@given(st.floats(min_value=LN_MIN, max_value=0.0))
def test_a_written_probability_gives_its_raw_score_back(ln_p: float) -> None:
    back = ln_written(written_probability([ln_p]))
    assert raw_score(back)[0] == pytest.approx(raw_score([ln_p])[0], rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("p", [0.0, -0.1, 1.1, math.nan])
def test_what_is_no_written_probability_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="written probability"):
        ln_written([p])


@pytest.mark.parametrize(
    ("score", "name"),
    [
        (0, "warning"),
        (24.999, "warning"),
        (25, "minor"),
        (50, "major"),
        (74.9, "major"),
        (75, "critical"),
        (100, "critical"),
    ],
)
def test_severity_thresholds_are_inclusive(score: float, name: str) -> None:
    assert str(severity(score)) == name


def test_severities_are_in_order_and_know_their_threshold() -> None:
    assert [level.threshold for level in sorted(Severity)] == [0, 25, 50, 75]
    assert severity_levels([[10.0, 30.0], [60.0, 80.0]]).tolist() == [[0, 1], [2, 3]]


def test_a_score_that_is_not_a_number_has_no_severity() -> None:
    with pytest.raises(ValueError, match="not a number"):
        severity(math.nan)
