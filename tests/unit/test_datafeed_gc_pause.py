from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from ipi_es.datafeed.gc_pause import CALM_THRESHOLD, gc_pause


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_collector_is_calm_within_and_usual_afterwards() -> None:
    with gc_pause():
        assert gc.get_threshold() == (CALM_THRESHOLD, 10, 10)
        assert gc.isenabled()
    assert gc.get_threshold() == (700, 10, 10)


def test_collector_stays_calm_until_the_last_has_left() -> None:
    first, second = gc_pause(), gc_pause()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert gc.get_threshold()[0] == CALM_THRESHOLD
    second.__exit__(None, None, None)
    assert gc.get_threshold()[0] == 700


@pytest.mark.parametrize("threshold", [0, 10 * CALM_THRESHOLD])
def test_collector_that_is_off_or_calmer_stays_as_it_is(threshold: int) -> None:
    gc.set_threshold(threshold, 10, 10)
    with gc_pause():
        assert gc.get_threshold()[0] == threshold
    assert gc.get_threshold()[0] == threshold


def test_error_within_restores_the_usual() -> None:
    with pytest.raises(RuntimeError), gc_pause():
        raise RuntimeError
    assert gc.get_threshold() == (700, 10, 10)
