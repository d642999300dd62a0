"""Trying again: bounded, with growing delays, and only where it can help."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipi_es.cluster.transport.retry import FIRST_DELAY, LONGEST_DELAY, Retry
from ipi_es.errors import ClusterBusy, ClusterError, ClusterTimeout, ClusterUnreachable, RequestRejected


class Flaky:
    """Fails so many times, then answers."""

    def __init__(self, failures: int, error: type[ClusterError] = ClusterBusy) -> None:
        self.failures, self.error, self.calls = failures, error, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error("no")
        return "yes"


@pytest.mark.parametrize("error", [ClusterBusy, ClusterUnreachable, ClusterTimeout])
def test_tries_again_until_it_works(error: type[ClusterError]) -> None:
    slept: list[float] = []
    action = Flaky(3, error)
    assert Retry(5, slept.append).run(action) == "yes"
    assert (action.calls, len(slept)) == (4, 3)


@pytest.mark.parametrize("max_retries", [0, 1, 4])
def test_gives_up_after_max_retries(max_retries: int) -> None:
    action = Flaky(100)
    with pytest.raises(ClusterBusy):
        Retry(max_retries, lambda _: None).run(action)
    assert action.calls == max_retries + 1


def test_what_can_not_get_better_is_not_tried_again() -> None:
    action = Flaky(1, RequestRejected)
    with pytest.raises(RequestRejected):
        Retry(5, lambda _: pytest.fail("slept")).run(action)
    assert action.calls == 1


def test_the_errors_on_the_way_are_handed_over() -> None:
    seen: list[ClusterError] = []
    Retry(5, lambda _: None).run(Flaky(2), seen)
    assert [type(error) for error in seen] == [ClusterBusy, ClusterBusy]


@given(st.integers(0, 30), st.integers(0, 2**32))
def test_delays_grow_within_their_bounds(attempt: int, seed: int) -> None:
    slept: list[float] = []
    Retry(50, slept.append, np.random.default_rng(seed)).pause(attempt, "why")
    longest = min(LONGEST_DELAY, FIRST_DELAY * 2**attempt)
    assert longest / 2 <= slept[0] <= longest
