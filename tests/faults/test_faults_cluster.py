"""A cluster that refuses, is away, loses answers, does half: in the end there is what an undisturbed run leaves."""

from __future__ import annotations

import pytest
import worker_company as company
import write_stages as stages
from fault_parts import Dump, counted_once, dump, same
from live_parts import Worker
from troubled_cluster import TROUBLES, WRITES, Trouble, TroubledCluster
from worker_company import HOUR, SCORED_FROM
from write_stages import JOB

from ipi_es.service.tick_outcome import TickResult
from ipi_es.testing.memory_cluster import MemoryCluster

pytestmark = pytest.mark.faults

START, END = SCORED_FROM + 30 * HOUR, SCORED_FROM + 51 * HOUR
"""From before the spraying over the end of a day and of a month."""
CHANCE = 0.05
"""Of an operation to fail; here nobody but the next tick tries it again, and a tick needs some forty."""
AT_MOST = 100
"""Ticks until it must be through."""


@pytest.fixture(scope="module")
def begun(trained: MemoryCluster) -> MemoryCluster:
    cluster = stages.own_events(trained)
    stages.interim_that_vanishes(30)(cluster)
    return cluster


@pytest.fixture(scope="module")
def undisturbed(begun: MemoryCluster) -> Dump:
    cluster = stages.own_events(begun)
    Worker(cluster, JOB).tick(END)
    return dump(cluster, JOB)


def through(cluster: TroubledCluster, worker: Worker) -> int:
    """Tick until all is done; how many ticks that took."""
    for number in range(1, AT_MOST):
        outcome = worker.tick(END)
        if outcome.did is TickResult.WORKED and outcome.again_in is None:
            return number
        assert outcome.did in (TickResult.FAILED, TickResult.STOOD_BY), outcome
    raise AssertionError(f"{cluster.failed} operations failed, and it is not through after {AT_MOST} ticks")


def done_in_spite_of(begun: MemoryCluster, troubles: list[Trouble], undisturbed: Dump, seed: int) -> None:
    writes_alone = all(set(trouble.operations) <= set(WRITES) for trouble in troubles)  # there are few of them
    cluster = TroubledCluster(begun, troubles, 4 * CHANCE if writes_alone else CHANCE, seed)
    ticks = through(cluster, Worker(cluster, JOB))
    cluster.quiet = True
    assert ticks > 1
    assert cluster.failed > 1
    same(dump(cluster, JOB), undisturbed)


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_a_storm_costs_time_and_nothing_else(begun: MemoryCluster, undisturbed: Dump, trouble: Trouble) -> None:
    done_in_spite_of(begun, [trouble], undisturbed, 1)


@pytest.mark.parametrize("seed", range(2))
def test_all_troubles_together_cost_time_and_nothing_else(begun: MemoryCluster, undisturbed: Dump, seed: int) -> None:
    done_in_spite_of(begun, list(TROUBLES.values()), undisturbed, seed)


def test_a_worker_a_tick_in_a_storm_leaves_the_same(begun: MemoryCluster, undisturbed: Dump) -> None:
    cluster = TroubledCluster(begun, list(TROUBLES.values()), CHANCE, 9)
    dead: set[str] = set()
    for number in range(AT_MOST):
        worker = Worker(cluster, JOB, owner=f"one:{number}:1", dead=dead)
        dead.add(worker.owner)
        if worker.tick(END).did is TickResult.WORKED:
            break
    cluster.quiet = True
    same(dump(cluster, JOB), undisturbed)


def test_an_outage_of_days_is_made_good_in_order(trained: MemoryCluster) -> None:
    cluster = TroubledCluster(trained, [TROUBLES["nobody listens"]], 1.0, 1)
    worker = Worker(cluster, JOB)
    for hours in range(0, 48, 3):
        assert worker.tick(SCORED_FROM + hours * HOUR).did is TickResult.FAILED
    cluster.quiet = True
    assert worker.tick(END).did is TickResult.WORKED
    counted_once(cluster, JOB, company.events(), SCORED_FROM, END)
