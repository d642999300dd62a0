"""Levels: what succeeded is measured against successes, what only failed against everything."""

from __future__ import annotations

import math

import numpy as np

from ipi_es.scoring.normalizer import normalize
from ipi_es.scoring.probability import raw_score
from ipi_es.scoring.quantiles import Quantiles
from ipi_es.worker.scoring.normalizer_state import FAILED, NormalizerState, level_names, record_level

FIELDS = ("user.name", "source.ip")
LN_P = np.array([math.log(3e-4)])
S = raw_score(LN_P)


def score(successes: int, failures: int) -> float:
    """Of one guess, where so many results of each kind were seen, none of them unusual."""
    levels = NormalizerState(
        {
            record_level(): Quantiles.empty().added([], zeros=successes),
            FAILED + "record": Quantiles.empty().added([], zeros=failures),
        }
    )
    return float(levels.score(record_level(failures_only=True), S, LN_P, counted=False).score[0])


def alone(results: int) -> float:
    return float(normalize(S, LN_P, Quantiles.empty().added([], zeros=results), counted=False).score[0])


def test_a_guess_among_few_failures_is_measured_against_successes_too() -> None:
    assert alone(500) >= 75.0
    assert score(100_000, 500) == alone(100_500) < 50.0
    assert score(100_000, 0) == alone(100_000)


def test_a_job_that_scores_failures_alone_has_them_to_measure_by() -> None:
    assert score(0, 500) == alone(500)


def test_failures_say_nothing_of_successes() -> None:
    levels = NormalizerState({FAILED + "record": Quantiles.empty().added([9.0] * 500)})
    found = levels.score(record_level(), S, LN_P, counted=False)
    assert found.score.tolist() == normalize(S, LN_P, Quantiles.empty(), counted=False).score.tolist()


def test_levels_of_failures_are_no_other_fields() -> None:
    names = level_names(FIELDS)
    assert NormalizerState({name: Quantiles.empty() for name in (*names, FAILED + "record")}).are_of(FIELDS)
    assert not NormalizerState({name: Quantiles.empty() for name in names[1:]}).are_of(FIELDS)
    assert NormalizerState.empty(FIELDS)[FAILED + "record"].n == 0.0
