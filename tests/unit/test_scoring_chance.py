"""What chance alone scores is what the scores promise; the simulation is the benchmark's own."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import special


@pytest.fixture(scope="module")
def chance() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "chance.py"
    spec = importlib.util.spec_from_file_location("benchmark_chance", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=[0.0, 0.4], ids=["independent", "colleagues move together"])
def counted(request: pytest.FixtureRequest, chance: ModuleType) -> object:
    return chance.simulate(2_000, request.param, seed=7)


def lower_end(events: int, of: int) -> float:
    """The lower end of the exact one-sided 99.9 % interval of a share."""
    return float(special.betaincinv(events, of - events + 1, 0.001)) if events else 0.0


def test_shares_of_normal_pairs_are_in_their_bands(counted, chance: ModuleType) -> None:  # type: ignore[no-untyped-def]
    for alpha, events in counted.pairs_at.items():
        assert alpha / 2 <= events / counted.pairs <= 2 * alpha
    for alpha, events in counted.ips_at.items():
        assert alpha / 2 <= events / counted.ips <= 2 * alpha


@pytest.mark.parametrize("threshold", [25, 50, 75])
def test_no_more_buckets_pass_a_score_than_promised(counted, chance: ModuleType, threshold: int) -> None:  # type: ignore[no-untyped-def]
    promised = chance.PROMISED[threshold]
    assert lower_end(counted.time_above[threshold], counted.buckets) <= promised
    # The largest of two bucket influencers, and a calibration with errors of its own: "about", up to twice.
    assert lower_end(counted.any_above[threshold], counted.buckets) <= 2 * promised
    assert lower_end(counted.scored_above[threshold], counted.buckets) <= 2 * promised


def test_the_promised_shares_are_the_probabilities_of_the_third_cap(chance: ModuleType) -> None:
    for threshold, share in chance.PROMISED.items():
        assert chance.probability_cap(np.log([share]))[0] == pytest.approx(threshold, abs=0.1)
