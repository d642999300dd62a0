"""Levels: what succeeded is measured against successes, what only failed against everything."""

from __future__ import annotations

import math

import numpy as np
import pytest
from worker_company import make_job

from ipi_es.scoring.bounded import MOST_A_SOURCE
from ipi_es.scoring.calibration import Calibration
from ipi_es.scoring.normalizer import normalize
from ipi_es.scoring.probability import raw_score
from ipi_es.scoring.quantiles import Quantiles
from ipi_es.scoring.references import Correlations, References
from ipi_es.worker.scoring.normalizer_state import FAILED, NormalizerState, level_names, record_level
from ipi_es.worker.scoring.outcome_views import Participation, learned, views_of
from ipi_es.worker.scoring.scored_pairs import ScoredPairs

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


@pytest.mark.parametrize("failed", [False, True])
def test_a_level_counts_a_few_results_of_an_account_and_of_an_address_that_failed(failed: bool) -> None:
    one, each = np.zeros(20, dtype=np.int32), np.arange(20, dtype=np.int32)
    ln_p, hashes = np.full(20, LN_P[0]), np.arange(20, dtype=np.uint64) << np.uint64(40)
    pairs = ScoredPairs(
        entity=each if failed else one,
        ip=one if failed else each,
        count=np.ones(20, dtype=np.int64),
        compatibility=np.zeros(20),
        history_class=np.full(20, 4, dtype=np.int8),
        prior_events=np.full(20, 999.0),
        ln_p=ln_p,
        plain_ln_p=ln_p,
        calibrated_ln_p=ln_p,
        extrapolated=np.zeros(20, dtype=np.bool_),
        rule=np.full(20, -1, dtype=np.int32),
        failures_only=np.full(20, failed),
    )
    references = References.alike(Calibration.fit(np.arange(1_000.0), np.full(1_000, 4)), Correlations())
    part = Participation.everything(20, 20)
    views = views_of(pairs, part, 20, 20, references)
    empty = NormalizerState.empty(FIELDS)
    levels = learned(empty, make_job(), 3_600, pairs, part, views, entity_hashes=hashes, ip_hashes=hashes)
    assert levels[record_level(failures_only=failed)].n == MOST_A_SOURCE
    assert levels[record_level(failures_only=not failed)].n == 0.0
