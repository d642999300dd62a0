"""A demo on a server that is kept: nothing of an earlier one's job is left, other jobs are left alone."""

from __future__ import annotations

import pytest
from verdict_parts import said
from worker_parts import TestClock

from ipi_es.demo import demo_run as demo
from ipi_es.setup import setup_plan
from ipi_es.state.job_state import StateStore
from ipi_es.state.verdict_store import VerdictStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.upkeep.removal import is_known

SAID_AT = 1_780_000_000


@pytest.fixture
def cluster() -> MemoryCluster:
    """Set up, and not used yet."""
    made = MemoryCluster()
    setup_plan.apply(made, setup_plan.plan(made))
    return made


def used(cluster: MemoryCluster, job_id: str) -> None:
    states = StateStore(cluster)
    states.release(states.acquire_lease(job_id, "worker:1:1", TestClock(SAID_AT).now(), 24, alive=lambda _: False))
    VerdictStore(cluster, job_id).add_verdict(said("alice", "192.0.2.1", time=SAID_AT))


def test_what_an_earlier_demo_left_of_its_job_goes(cluster: MemoryCluster) -> None:
    demo.forget(cluster)  # nothing is there yet
    used(cluster, "demo")
    used(cluster, "mine")
    assert is_known(cluster, "demo")
    demo.forget(cluster)
    assert not is_known(cluster, "demo")
    assert VerdictStore(cluster, "demo").all().verdicts == ()
    assert is_known(cluster, "mine")
    assert len(VerdictStore(cluster, "mine").all().verdicts) == 1
