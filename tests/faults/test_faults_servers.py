"""The same on real servers: storms through a proxy, blocks, kills and stops of worker processes, a server that dies."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import live_process
import numpy as np
import pytest
import worker_company as company
import worker_parts as parts
from fault_parts import checkpoint_of
from fault_place import END, SCORE_DAYS, Place, through
from fault_proxy import Fault, FaultProxy, Script
from live_parts import DELAY, Worker
from worker_company import HOUR, SCORED_FROM

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Put
from ipi_es.node import LocalNode
from ipi_es.results.words import ALIAS
from ipi_es.service.tick_outcome import TickResult
from ipi_es.state.job_state import STATE_INDEX
from ipi_es.times import iso

pytestmark = pytest.mark.faults


def by_chance(chance: float, *faults: Fault) -> Script:
    rng = np.random.default_rng(5)

    def script(_number: int, _method: str, path: str) -> Fault | None:
        usable = [each for each in faults if not each.items or path == "/_bulk"]
        if not usable or rng.random() >= chance:
            return None
        return usable[int(rng.integers(len(usable)))]

    return script


def only_bulks(chance: float, *faults: Fault) -> Script:
    script = by_chance(chance, *faults)
    return lambda number, method, path: script(number, method, path) if path == "/_bulk" else None


def only_state(chance: float, *faults: Fault) -> Script:
    script = by_chance(chance, *faults)
    return lambda n, method, path: script(n, method, path) if method == "PUT" and STATE_INDEX in path else None


def all_of(*scripts: Script) -> Script:
    """The first fault that any of them has."""
    return lambda *request: next((found for each in scripts if (found := each(*request)) is not None), None)


STORMS: dict[str, tuple[Script, float]] = {
    "429, 503 and half-failed bulks": (
        all_of(
            by_chance(0.2, Fault(429, "es_rejected_execution_exception"), Fault(503, "unavailable_shards_exception")),
            only_bulks(0.4, Fault(items=429), Fault(items=503)),
        ),
        30.0,
    ),
    "cut connections, timeouts and version conflicts": (
        all_of(
            only_state(0.1, Fault(409, "version_conflict_engine_exception")),
            by_chance(0.01, Fault(delay=1.5)),
            by_chance(0.2, Fault(close=True), Fault(cut=True), Fault(lost=True)),
        ),
        1.0,
    ),
}
"""What happens, and after how many seconds the worker gives up waiting."""


@pytest.mark.parametrize("storm", STORMS)
def test_a_storm_between_worker_and_server_costs_time_alone(place: Place, storm: str) -> None:
    with FaultProxy(place.url) as proxy:
        connection = Connection(hosts=(proxy.url,), max_retries=3, request_timeout=STORMS[storm][1])
        cluster = connect(connection, sleep=lambda _: None)
        proxy.script = STORMS[storm][0]
        rejected = through(cluster, place).health.report(END).bulk_rejections
        assert proxy.faults > 9
        assert (rejected["busy"] > 9) == ("bulks" in storm)
        assert rejected["refused"] == 0
        cluster.close()
    place.all_is_well()


def test_read_only_results_are_waited_for(place: Place) -> None:
    through(place.cluster, place)  # so that there are indices to block
    place.fresh_state()
    indices = place.cluster.indices(f"{ALIAS}-{place.job.results_index_name}-*")
    assert len(indices) == 2
    block(place, indices, True)
    worker = Worker(place.cluster, place.job)
    outcome = worker.tick(END, patient=False)
    assert outcome.did is TickResult.FAILED
    assert "blocks writing" in outcome.text
    block(place, indices, None)
    assert worker.tick(END, patient=False).did is TickResult.WORKED
    place.all_is_well()


def block(place: Place, indices: list[str], yes: bool | None) -> None:
    for index in indices:
        status, said = place.call("PUT", f"/{index}/_settings", {"index.blocks.read_only_allow_delete": yes})
        assert status == 200, said


def test_worker_processes_that_are_killed_leave_what_one_leaves(place: Place) -> None:
    rng, kills = np.random.default_rng(3), 0
    for number in range(2):
        process, log = place.process(number)
        start = SCORED_FROM + (6 + 18 * number) * HOUR
        assert live_process.wait_for(f"bucket {iso(start)}", process, log), log.read_text()
        time.sleep(float(rng.uniform(0.0, 0.1)))
        process.send_signal(signal.SIGKILL)
        kills += process.wait(60) == -signal.SIGKILL
    assert kills
    process, log = place.process(9)
    assert process.wait(120) == 0, log.read_text()
    place.all_is_well()


def test_worker_process_that_is_stopped_and_comes_back_changes_nothing(place: Place) -> None:
    process, log = place.process(1, lease=3)
    assert live_process.wait_for("bucket 2", process, log)
    process.send_signal(signal.SIGSTOP)
    behind = checkpoint_of(place.cluster, place.job)
    worker = Worker(place.cluster, place.job)
    worker.clock.time = END + DELAY + 60  # the lease is over
    while worker.live.tick(END + DELAY, patient=False).did is TickResult.STOOD_BY:
        worker.clock.time += 10
    after = parts.results(place.cluster, place.job, volatile=True)
    process.send_signal(signal.SIGCONT)
    process.wait(120)
    assert "Traceback" not in log.read_text()
    assert behind <= END
    place.all_is_well()
    assert parts.results(place.cluster, place.job, volatile=True) == after


def test_server_that_is_killed_amid_the_work_and_started_again(
    one_opensearch: Place, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    data = tmp_path / "data"
    node = LocalNode.start(data_dir=data, heap="256m")
    port = int(node.url.rpartition(":")[2])
    request.addfinalizer(node.stop)
    place = Place(node.url, tmp_path / "place", one_opensearch.job, score_days=SCORE_DAYS)
    place.take_over(one_opensearch)
    place.undisturbed = one_opensearch.undisturbed
    cluster = connect(Connection(hosts=(node.url,), max_retries=1), sleep=lambda _: None)
    worker = Worker(cluster, place.job)
    killed: list[int] = []

    def killing(each: Any) -> None:
        if not killed and each.bucket.start >= SCORED_FROM + 27 * HOUR:
            os.kill(node.pid, signal.SIGKILL)
            killed.append(each.bucket.start)

    worker.on_scored = killing
    assert worker.tick(END, patient=False).did is TickResult.FAILED
    assert killed
    again = LocalNode.start(data_dir=data, http_port=port, heap="256m")
    request.addfinalizer(again.stop)
    assert 0 < checkpoint_of(place.cluster, place.job) < END
    for _ in range(3):  # connections that were open are found closed
        if worker.tick(END, patient=False).did is TickResult.WORKED:
            break
    place.all_is_well()
    cluster.close()


MILLION = 1_000_000
CLONES = 20


def test_a_bucket_with_a_million_events_is_one_bucket(one_opensearch: Place) -> None:
    """An index of 50,000 events in one bucket, nineteen times cloned."""
    place, cluster = one_opensearch, one_opensearch.cluster
    place.fresh()
    names = [f"{place.job.datafeed_config.indices[0]}-{n}" for n in range(CLONES)]
    start, each = SCORED_FROM + 24 * HOUR, MILLION // CLONES
    cluster.create_index(names[0], {"mappings": company.MAPPINGS, "settings": {"number_of_replicas": 0}})
    ips = [f"85.{n % 7}.{n % 40}.{n % 9}" for n in range(each)]
    made = (company.document((start + n % 10_000, f"person{n % 60:02d}", ip, "success")) for n, ip in enumerate(ips))
    cluster.bulk((Put(names[0], str(n), source) for n, source in enumerate(made)), refresh=True)
    assert place.call("PUT", f"/{names[0]}/_settings", {"index.blocks.write": True})[0] == 200
    for name in names[1:]:
        assert place.call("POST", f"/{names[0]}/_clone/{name}", {"settings": {"index.blocks.write": None}})[0] == 200
    job = place.job.model_copy(
        update={
            "datafeed_config": place.job.datafeed_config.model_copy(
                update={"indices": (*place.job.datafeed_config.indices, f"{place.job.datafeed_config.indices[0]}-*")}
            )
        }
    )
    try:
        assert Worker(cluster, job).tick(END, patient=False).did is TickResult.WORKED
        found = parts.of_kind(parts.results(cluster, job), "bucket")
        counts = {one["timestamp"] // 1_000: one["event_count"] for one in found}
        usual = sum(start <= at < start + job.bucket_span for at, *_ in company.events(score_days=SCORE_DAYS))
        assert counts[start] == MILLION + usual
        assert len(counts) == len(found) == 17
    finally:
        for name in names:
            cluster.delete_index(name)
