"""Two and three workers on one job; one is stopped (SIGSTOP) before any of its writes and comes back (SIGCONT)."""

from __future__ import annotations

import threading
import time
from typing import Any

import live_parts as live
import numpy as np
import pytest
import worker_company as company
import worker_parts as parts
import write_stages as stages
from fault_parts import Dump, counted_once, dump, same
from live_parts import Stopwatch, Worker
from worker_company import HOUR, SCORED_FROM
from worker_parts import Killed
from write_stages import JOB, STAGES, Stage

from ipi_es.service.live_job import LOOK_ON
from ipi_es.service.tick_outcome import TickResult
from ipi_es.testing.memory_cluster import MemoryCluster

pytestmark = pytest.mark.faults

END = SCORED_FROM + 51 * HOUR
STOPPED_IN = ("catching up", "late events", "interim results", "training again", "cleaning")


@pytest.fixture(scope="module")
def alone(trained: MemoryCluster) -> Dump:
    """What one worker leaves that looks at every bucket's end."""
    cluster = parts.copy_of(trained)
    worker = Worker(cluster, JOB)
    for end in range(SCORED_FROM, END + 1, 3 * HOUR):
        worker.tick(end)
    return without_interim(cluster)


class Stopping(MemoryCluster):
    """Before its write number ``at``, ``meanwhile`` happens: the one who writes is stopped for that long."""

    meanwhile: Any

    def __init__(self, like: MemoryCluster, at: int) -> None:
        super().__init__()
        parts.copy_into(self, like)
        self.at, self.writes, self.meanwhile = at, 0, None

    def _stopped(self) -> None:
        self.writes += 1
        if self.writes == self.at and self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()

    def bulk(self, *args: Any, **how: Any) -> Any:
        self._stopped()
        return super().bulk(*args, **how)

    def put(self, *args: Any, **how: Any) -> Any:
        self._stopped()
        return super().put(*args, **how)

    def delete(self, *args: Any, **how: Any) -> Any:
        self._stopped()
        return super().delete(*args, **how)


@pytest.mark.parametrize("stage", [each for each in STAGES if each.name in STOPPED_IN], ids=lambda each: each.name)
def test_stopped_before_any_write_and_back_it_changes_nothing(
    trained: MemoryCluster, monkeypatch: pytest.MonkeyPatch, stage: Stage
) -> None:
    watch = Stopwatch()
    live.leases_measured_by(monkeypatch, watch)
    begun = stages.own_events(trained)
    stage.begin(begun)
    quiet = Stopping(begun, 0)
    stage.done(quiet, "one:1:1", {"one:1:1"})
    expected = cleaned(quiet, stage)
    assert quiet.writes > 3
    step = max(quiet.writes // 5, 1)
    for at in range(2, quiet.writes, step):  # the first write takes the job
        cluster, after = Stopping(begun, at), list[Any]()

        def meanwhile(cluster: Stopping = cluster, after: list[Any] = after) -> None:
            stage.done(cluster, "two:2:2", {"one:1:1"})
            after.append(results_of(cluster, stage))
            watch.time += 60.0  # longer than any lease

        cluster.meanwhile = meanwhile
        stage.done(cluster, "one:1:1", {"one:1:1"})
        assert after, at
        assert results_of(cluster, stage) == after[0], at
        same(cleaned(cluster, stage), expected, at)


def cleaned(cluster: MemoryCluster, stage: Stage) -> Dump:
    """What is left; of late events by the next cleaning, as a worker may write their rows that has lost the job."""
    if stage.name == "late events":
        Worker(cluster, stage.job).live.clean(stages.LATER + 9 * company.DAY)
    return dump(cluster, stage.job)


def results_of(cluster: MemoryCluster, stage: Stage) -> dict[tuple[str, str], dict[str, Any]]:
    """All of them, byte for byte. Annotations may come twice to the same words."""
    found = parts.results(cluster, stage.job, volatile=True)
    return {place: each for place, each in found.items() if each["result_type"] != "annotation"}


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_that_come_and_go_leave_what_one_leaves(trained: MemoryCluster, alone: Dump, workers: int) -> None:
    """Each look is by a worker that chance chooses; one in five dies amid its work and is replaced by a new one."""
    rng = np.random.default_rng(workers)
    cluster, stopwatch, dead, born, kills = parts.fragile(trained), Stopwatch(), set[str](), workers, 0
    names, now = [f"host:{n}:1" for n in range(workers)], SCORED_FROM
    of = {name: Worker(cluster, JOB, owner=name, dead=dead, stopwatch=stopwatch) for name in names}
    while live.state_of(cluster, JOB).checkpoint != END or live.state_of(cluster, JOB).renormalize_due:
        place = int(rng.integers(workers))
        cluster.writes = 0
        cluster.dies_at = int(rng.integers(2, 12)) if rng.random() < 0.2 else None
        try:
            outcome = of[names[place]].tick(min(now, END))
            assert outcome.did is not TickResult.FAILED, outcome
        except Killed:
            kills, born = kills + 1, born + 1
            dead.add(names[place])
            names[place] = f"host:{born}:1"
            cluster = parts.revived(cluster)
            of = {name: Worker(cluster, JOB, owner=name, dead=dead, stopwatch=stopwatch) for name in names}
        stopwatch.time += LOOK_ON
        now += int(rng.integers(0, 3)) * 3 * HOUR
    cluster.dies_at = None
    assert kills
    same(without_interim(cluster), alone)
    counted_once(cluster, JOB, company.events(), SCORED_FROM, END)


def without_interim(cluster: MemoryCluster) -> Dump:
    found = dump(cluster, JOB, stamped=False)
    return {
        place: {name: value for name, value in each.items() if name not in ("quantiles_id", "revision")}
        for place, each in found.items()
        if not each.get("is_interim")
    }


def test_three_workers_at_the_same_time_leave_what_one_leaves(trained: MemoryCluster, alone: Dump) -> None:
    """Three threads that look again and again, without any patience: one works, the others find the job busy."""
    cluster, until, did = parts.copy_of(trained), threading.Barrier(3), list[TickResult]()

    def run(name: str) -> None:
        worker = Worker(cluster, JOB, owner=name)
        until.wait()
        for end in range(SCORED_FROM + 3 * HOUR, END + 1, 12 * HOUR):
            did.append(worker.tick(end, patient=False).did)
        while worker.tick(END, patient=False).did is TickResult.STOOD_BY:
            time.sleep(0.02)

    threads = [threading.Thread(target=run, args=(f"host:{n}:1",)) for n in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert set(did) <= {TickResult.WORKED, TickResult.NOTHING, TickResult.STOOD_BY}
    assert TickResult.STOOD_BY in did
    same(without_interim(cluster), alone)
    counted_once(cluster, JOB, company.events(), SCORED_FROM, END)
