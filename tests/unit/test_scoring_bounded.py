"""Adding to a level: no source decides what others are measured against, many sources do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.scoring.bounded import LN_CRITICAL, MOST_A_SOURCE, added, critical_cell, least_of_each
from ipi_es.scoring.normalizer import normalize, probability_cap
from ipi_es.scoring.probability import raw_score, taking_part
from ipi_es.scoring.quantiles import Quantiles

HOUR = 3_600
ODD = math.log(1e-6)


def usual(results: int = 5_000) -> Quantiles:
    """A level that has seen ordinary results of so many accounts."""
    ln_p = np.log((np.arange(results) + 0.5) / results)
    return added(Quantiles.empty(), taking_part(ln_p), ln_p, np.arange(results, dtype=np.int64) + 1_000)


def score_of(quantiles: Quantiles, ln_p: float) -> float:
    ln = np.array([ln_p])
    after = added(quantiles, raw_score(ln), ln, np.array([1]))
    return float(normalize(raw_score(ln), ln, after).score[0])


def flooded(quantiles: Quantiles, ln_p: float, *, sources: int, results: int, buckets: int) -> Quantiles:
    """So many results of each of these sources in each of these buckets."""
    keys = np.repeat(np.arange(sources, dtype=np.int64) + 10, results)
    ln = np.full(len(keys), ln_p)
    for _ in range(buckets):
        quantiles = added(quantiles.aged(HOUR), raw_score(ln), ln, keys)
    return quantiles


def test_nothing_is_critical_above_its_probability() -> None:
    assert probability_cap(np.array([LN_CRITICAL]))[0] == pytest.approx(75.0)


def test_least_of_each_key_are_kept() -> None:
    keys, values = np.array([1, 2, 1, 1, 2]), np.array([0.3, 0.5, 0.1, 0.1, 0.2])
    assert least_of_each(keys, values, 1).tolist() == [False, False, True, False, True]
    assert least_of_each(keys, values, 2).tolist() == [False, True, True, True, True]
    assert least_of_each(keys[:0], values[:0], 2).tolist() == []


def test_one_source_counts_in_a_bucket_with_its_few_least_probable_results() -> None:
    ln_p = np.log(np.linspace(0.01, 1.0, 300))
    after = added(Quantiles.empty(), taking_part(ln_p), ln_p, np.full(300, 7))
    assert after.n == MOST_A_SOURCE


@pytest.mark.parametrize("ln_p", [math.log(1e-4), ODD, math.log(1e-12), math.log(1e-300)])
@pytest.mark.parametrize(("results", "buckets"), [(1, 200), (400, 24), (1, 1)])
def test_three_sources_hide_nothing_critical(ln_p: float, results: int, buckets: int) -> None:
    before = usual()
    quiet = before.aged(buckets * HOUR)
    loud = flooded(before, ln_p, sources=3, results=results, buckets=buckets)
    for odd in (ODD, math.log(1e-5), math.log(1e-9)):
        assert score_of(quiet, odd) >= 75.0
        assert score_of(loud, odd) >= 75.0


def test_noise_of_many_sources_moves_the_history() -> None:
    before = usual()
    noisy = flooded(before, ODD, sources=400, results=1, buckets=1)
    assert score_of(noisy, ODD) < 50.0


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.floats(-60.0, -0.01), st.integers(1, 30)), min_size=1, max_size=40),
    st.floats(-30.0, -11.0),
)
def test_no_history_of_three_sources_takes_a_severity_away(noise: list[tuple[int, float, int]], attack: float) -> None:
    before = quiet = usual()
    loud = before
    for source, ln_p, results in noise:
        ln = np.full(results, ln_p)
        loud = added(loud.aged(HOUR), taking_part(ln), ln, np.full(results, source + 10))
        quiet = quiet.aged(HOUR)
    if score_of(quiet, attack) >= 78.0:  # three points: some results more, and chance alone gives a little more
        assert score_of(loud, attack) >= 75.0


def test_critical_begins_at_the_cell_whose_score_is_critical() -> None:
    cell = critical_cell(usual())
    assert cell is not None
    assert critical_cell(Quantiles.empty()) is None  # nothing is, while the job warms up
