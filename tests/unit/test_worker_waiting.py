"""Who comes while a worker is amid a job waits for its tick's end, for a while."""

from __future__ import annotations

import pytest
import worker_parts as parts

from ipi_es.errors import JobBusy
from ipi_es.setup import setup_plan
from ipi_es.state.job_state import JobState, StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import iso
from ipi_es.worker.lease_wait import POLL, LeaseWait

LEASE = 24


@pytest.fixture
def states() -> StateStore:
    """Of a cluster where a worker of another host is amid the job."""
    cluster = MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    store = StateStore(cluster)
    store.acquire_lease("signins", "worker:1:1", parts.NOW, LEASE, alive=lambda _: True, doing="training")
    return store


class Waiter:
    """Claims; ``after`` says what happens at each second look."""

    def __init__(self, states: StateStore) -> None:
        self.states, self.clock, self.slept = states, parts.TestClock(parts.NOW), 0.0

    def claim(self, patience: float = 60.0) -> JobState:
        wait = LeaseWait(self.clock, patience, self.sleep)
        return wait.acquire(self.states, "signins", "command:1:1", LEASE, alive=lambda _: True)

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.clock.time = parts.NOW + int(self.slept)


def test_waits_until_the_worker_gives_the_job_back(states: StateStore, caplog: pytest.LogCaptureFixture) -> None:
    class Working(Waiter):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            state = states.read("signins")
            assert state is not None
            states.release(state) if self.slept == 3 * POLL else states.renew(state, self.clock.now(), LEASE)

    waiter = Working(states)
    assert waiter.claim().lease_owner == "command:1:1"
    assert waiter.slept == 3 * POLL
    (said,) = [record.getMessage() for record in caplog.records if "waiting" in record.getMessage()]
    assert said.startswith(f"job signins is held by process 1 on worker, training since {iso(parts.NOW)}: waiting")
    assert said.endswith("waiting for it, up to 60 s")


def test_waits_for_the_end_of_a_dead_workers_lease(states: StateStore) -> None:
    waiter = Waiter(states)
    assert waiter.claim().lease_owner == "command:1:1"
    assert LEASE - 2 < waiter.slept <= LEASE  # the clock of the tests goes on at each look


def test_gives_up_when_its_patience_is_over(states: StateStore) -> None:
    waiter = Waiter(states)
    with pytest.raises(JobBusy, match="is held by process 1 on worker, training since") as caught:
        waiter.claim(patience=3)
    assert "ipi-es status signins" in str(caught.value)
    assert "ipi-es job pause signins" in str(caught.value)
    assert waiter.slept == 3


def test_without_patience_it_fails_at_once_and_says_nothing(
    states: StateStore, caplog: pytest.LogCaptureFixture
) -> None:
    waiter = Waiter(states)
    with pytest.raises(JobBusy):
        waiter.claim(patience=0)
    assert waiter.slept == 0
    assert not caplog.records


def test_nobody_waits_for_a_job_that_is_free(states: StateStore) -> None:
    waiter = Waiter(states)
    waiter.clock.time = parts.NOW + LEASE
    waiter.claim()
    assert waiter.slept == 0
