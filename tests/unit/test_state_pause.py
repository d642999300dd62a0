"""Pausing a job: said once, seen by every worker."""

from __future__ import annotations

import pytest

from ipi_es.errors import LostJob, NotFound
from ipi_es.setup import setup_plan
from ipi_es.state.job_state import JobState, StateStore, first_epoch, state_id
from ipi_es.testing.memory_cluster import MemoryCluster

NOW = 1_777_593_600


def made_states(cluster: MemoryCluster | None = None) -> StateStore:
    cluster = cluster or MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    return StateStore(cluster)


def claim(states: StateStore, owner: str, now: int) -> JobState:
    return states.acquire_lease("job", owner, now, 60, alive=lambda _: True)


def test_pausing_is_seen_by_all_and_stops_the_holder_at_its_next_write() -> None:
    states = made_states()
    held = claim(states, "a", NOW)
    assert states.pause("job", True, NOW).paused
    with pytest.raises(LostJob):
        states.save(held.advanced(checkpoint=NOW))
    again = claim(states, "b", NOW + 60)
    assert again.paused, "a command may still work on a paused job, and leaves it paused"
    assert states.reset(again).paused
    assert not states.pause("job", False, NOW).paused


def test_pausing_twice_writes_once() -> None:
    states = made_states()
    first = states.pause("job", True, NOW)
    assert states.pause("job", True, NOW).stored == first.stored


def test_pausing_is_tried_again_where_the_holder_writes_in_between() -> None:
    cluster = MemoryCluster()
    states = made_states(cluster)
    held, puts = claim(states, "a", NOW), list[str]()

    def beat_once(operation: str, index: str) -> None:
        if operation == "put":
            puts.append(index)
            if len(puts) == 1:
                cluster.put("ipi-es-state", state_id("job"), held.advanced(checkpoint=NOW).to_source())

    cluster.before = beat_once
    paused = states.pause("job", True, NOW)
    assert (paused.paused, paused.checkpoint, paused.version) == (True, NOW, 1)


def test_job_that_never_ran_can_be_paused_and_starts_above_its_predecessors() -> None:
    states = made_states()
    assert states.pause("job", True, NOW).lease_epoch == first_epoch(NOW)
    assert claim(states, "a", NOW).lease_epoch > first_epoch(NOW)


def test_cluster_that_is_not_set_up_is_refused() -> None:
    with pytest.raises(NotFound, match="ipi-es-state"):
        StateStore(MemoryCluster()).pause("job", True, NOW)
