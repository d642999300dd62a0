"""What failures do to the probabilities of successes: nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.errors import NotEnoughHistory
from ipi_es.scoring.calibration import Calibration
from ipi_es.scoring.references import FEWEST_SUCCESSES, References

SUCCESSES = 2_000
PROBED = np.linspace(-8.0, 4.0, 50)
AGE = 20


def fitted(successes: int, failures: int, *, failures_at: float = -6.0, seed: int = 1) -> References:
    """References of so many successes around 0 and failures around ``failures_at``, ten to a bucket."""
    rng = np.random.default_rng(seed)
    usual, odd = rng.normal(0.0, 1.0, successes), np.random.default_rng(seed + 1).normal(failures_at, 1.0, failures)
    n = successes + failures
    # a success keeps its group, whatever failures there are
    group = np.concatenate([np.arange(successes) // 10, successes + np.arange(failures) // 10])
    return References.fit(
        np.concatenate([usual, odd]),
        np.full(n, 100.0),
        np.full(n, AGE),
        np.arange(n) >= successes,
        group,
        group,
    )


def ln_p(references: References, *, failures_only: bool) -> np.ndarray:
    alike = np.full(len(PROBED), failures_only)
    return references.judge(PROBED, np.full(len(PROBED), 100.0), AGE, alike).ln_p


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 20_000), st.floats(-10.0, 3.0))
def test_no_number_of_failures_changes_the_probability_of_a_success(failures: int, at: float) -> None:
    alone, among = fitted(SUCCESSES, 0), fitted(SUCCESSES, failures, failures_at=at)
    np.testing.assert_array_equal(ln_p(among, failures_only=False), ln_p(alone, failures_only=False))
    assert among.successes.correlations == alone.successes.correlations


def test_failures_are_compared_with_successes_and_failures() -> None:
    references = fitted(SUCCESSES, 2_000)
    both = references.failures.calibration
    assert both.total == SUCCESSES + 2_000
    found = both.ln_probability(PROBED, both.classes(np.full(len(PROBED), 100.0), AGE)).ln_p
    np.testing.assert_array_equal(ln_p(references, failures_only=True), found)
    assert (ln_p(references, failures_only=True) > ln_p(references, failures_only=False))[PROBED < -3].all()


def test_a_mixture_is_judged_row_by_row() -> None:
    references = fitted(SUCCESSES, 2_000)
    mixed = np.arange(len(PROBED)) % 2 == 0
    found = references.judge(PROBED, np.full(len(PROBED), 100.0), AGE, mixed).ln_p
    np.testing.assert_array_equal(found[mixed], ln_p(references, failures_only=True)[mixed])
    np.testing.assert_array_equal(found[~mixed], ln_p(references, failures_only=False)[~mixed])


def test_too_few_successes_are_compared_with_everything() -> None:
    references = fitted(FEWEST_SUCCESSES - 1, 2_000)
    assert references.successes is references.failures
    assert references.of(failures_only=False).calibration.total == FEWEST_SUCCESSES + 1_999


def test_without_failures_there_is_one_reference() -> None:
    references = fitted(SUCCESSES, 0)
    assert references.successes is references.failures


def test_nothing_to_compare_with_is_an_error() -> None:
    with pytest.raises(NotEnoughHistory):
        fitted(0, 0)


def test_one_sample_can_serve_both() -> None:
    references = fitted(SUCCESSES, 2_000)
    alike = References.alike(references.failures.calibration, references.failures.correlations)
    assert isinstance(alike.of(failures_only=False).calibration, Calibration)
    assert alike.of(failures_only=False) is alike.of(failures_only=True)
