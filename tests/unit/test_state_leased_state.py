"""The holder of a claimed job's state: renewals and writes at the same time, and a job that was lost."""

from __future__ import annotations

import threading
import time

import pytest
from live_parts import Stopwatch

from ipi_es.errors import ClusterUnreachable, LostJob
from ipi_es.setup import setup_plan
from ipi_es.state.details import JobDetails
from ipi_es.state.job_state import STATE_INDEX, StateStore
from ipi_es.state.leased_state import LeasedState
from ipi_es.testing.memory_cluster import MemoryCluster

NOW, LEASE = 1_777_593_600, 24


class Bench:
    def __init__(self, lease: int = LEASE) -> None:
        self.cluster = MemoryCluster()
        setup_plan.apply(self.cluster, setup_plan.plan(self.cluster))
        self.states, self.watch, self.now = StateStore(self.cluster), Stopwatch(), NOW
        state = self.states.acquire_lease("job", "one:1:1", NOW, lease, alive=lambda _: True)
        self.held = LeasedState(self.states, state, now=lambda: self.now, lease=lease, monotonic=self.watch)

    def robbed(self) -> None:
        self.states.acquire_lease("job", "two:2:2", NOW, LEASE, alive=lambda _: False)

    def stored(self):
        return self.states.read("job")


def test_renewal_moves_the_leases_end_and_nothing_else() -> None:
    bench = Bench()
    before = bench.held.state
    after = bench.held.renew(NOW + 8, LEASE)
    assert after.lease_expires == NOW + 8 + LEASE
    assert after.external_version == before.external_version
    assert bench.stored() == after


def test_what_is_being_done_is_told_with_the_next_renewal_and_forgotten_when_the_job_is_given_back() -> None:
    bench = Bench()
    bench.now = NOW + 5
    bench.held.set_purpose("training")
    assert bench.stored().lease_for is None, "no request of its own"
    bench.held.renew(NOW + 8, LEASE)
    assert (bench.stored().lease_for, bench.stored().lease_since) == ("training", NOW + 5)
    bench.held.release()
    assert (bench.stored().lease_for, bench.stored().lease_since) == (None, None)


def test_state_that_was_made_before_a_renewal_is_written_after_it() -> None:
    bench = Bench()
    after = bench.held.state.advanced(checkpoint=NOW)
    bench.held.renew(NOW + 20, LEASE)
    bench.now = NOW + 21
    saved = bench.held.save(after)
    assert (saved.checkpoint, saved.version, saved.lease_expires) == (NOW, 1, NOW + 21 + LEASE)


def test_who_lost_the_job_is_refused_everything_from_then_on() -> None:
    bench = Bench()
    bench.robbed()
    with pytest.raises(LostJob, match="two:2:2 holds it now"):
        bench.held.renew(NOW, LEASE)
    for refused in (bench.held.check, bench.held.release, lambda: bench.held.save(bench.held.state.advanced())):
        with pytest.raises(LostJob):
            refused()
    assert bench.stored().lease_owner == "two:2:2"


def test_check_asks_the_cluster_only_when_it_could_be_lost() -> None:
    bench = Bench()
    bench.robbed()
    bench.held.check()  # known to be ours a moment ago
    bench.watch.time = LEASE / 3
    bench.held.check()
    bench.watch.time = LEASE / 3 + 0.1
    with pytest.raises(LostJob):
        bench.held.check()


def test_check_that_can_not_ask_refuses() -> None:
    bench = Bench()

    def away(operation: str, index: str) -> None:
        raise ClusterUnreachable("away")

    bench.cluster.before = away
    bench.watch.time = LEASE
    with pytest.raises(ClusterUnreachable):
        bench.held.check()
    bench.cluster.before = lambda _operation, _index: None
    bench.held.check()


def test_release_changes_details_and_leaves_the_others() -> None:
    bench = Bench()
    bench.held.save(bench.held.state.advanced(details=JobDetails(scored_from=1, waits_for="b", other={"a": 2})))
    bench.held.release(waits_for=None, cleaned_at=3)
    assert bench.stored().details == JobDetails(scored_from=1, cleaned_at=3, other={"a": 2})
    assert (bench.stored().lease_owner, bench.stored().lease_expires) == (None, None)


def test_lease_is_renewed_in_the_background_until_it_is_over() -> None:
    bench = Bench(lease=1)
    writes: list[float] = []
    bench.cluster.before = lambda operation, index: (
        writes.append(time.monotonic()) if (operation, index) == ("put", STATE_INDEX) else None
    )
    with bench.held.renewed():
        time.sleep(0.8)
    assert len(writes) == 2
    bench.held.release()
    time.sleep(0.5)
    assert len(writes) == 3


def test_renewing_in_the_background_ends_with_a_warning_when_the_job_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(lease=1)
    bench.robbed()
    with bench.held.renewed():
        for thread in threading.enumerate():
            if thread.name == "ipi-es-lease":
                thread.join(60)
                assert not thread.is_alive()
    assert [(each.levelname, "two:2:2 holds it now" in each.message) for each in caplog.records] == [("WARNING", True)]


def test_renewals_and_writes_from_many_threads_are_all_kept() -> None:
    bench, errors = Bench(), []

    def renew() -> None:
        try:
            for _ in range(40):
                bench.held.renew(NOW, LEASE)
        except LostJob as error:
            errors.append(error)

    threads = [threading.Thread(target=renew) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(40):
        bench.held.save(bench.held.state.advanced(checkpoint=NOW + number))
    for thread in threads:
        thread.join()
    assert errors == []
    assert (bench.stored().version, bench.stored().checkpoint) == (40, NOW + 39)
