"""What is seen from outside of a job that really works: the numbers are those of the results that it wrote."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import live_parts as live
import pytest
import worker_company as company
import worker_parts as parts
from live_parts import DELAY, Worker
from prometheus_client.parser import text_string_to_metric_families
from service_parts import FixedClock
from worker_company import DAY, HOUR, SCORED_FROM

from ipi_es.errors import ClusterUnreachable
from ipi_es.results.store import ResultStore
from ipi_es.scoring.probability import severity
from ipi_es.service.health.http_server import Listener
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster

JOB = live.live_job(blind_after=3, datafeed_config={"frequency": "3h"})
SPAN, START, END = 3 * HOUR, SCORED_FROM, SCORED_FROM + 2 * DAY


@pytest.fixture(scope="module")
def trained() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        yield parts.trained_cluster(JOB, patch)


@pytest.fixture
def cluster(trained: MemoryCluster) -> MemoryCluster:
    return parts.copy_of(trained)


class Outside:
    """A worker, and who asks it over HTTP at the same time."""

    def __init__(self, cluster: MemoryCluster, **how: Any) -> None:
        self.worker, self.clock = Worker(cluster, JOB, **how), FixedClock()
        self.fleet = self.worker.fleet

    def tick(self, now: int) -> None:
        self.clock.time = now + DELAY
        self.worker.tick(now)

    def ready(self) -> tuple[int, list[str], dict[str, int]]:
        """(status, reasons, jobs by what they are at)."""
        with Listener("127.0.0.1:0", self.fleet, self.clock) as listener:
            try:
                with urllib.request.urlopen(f"{listener.url}/readyz", timeout=10) as answer:
                    status, said = answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                with error:
                    status, said = error.code, json.load(error)
        return status, [each["reason"] for each in said["reasons"]], said["jobs"]

    def metrics(self) -> dict[str, dict[tuple[str, ...], float]]:
        """{sample: {(label's values after job_id): value}}."""
        with Listener("127.0.0.1:0", self.fleet, self.clock) as listener:
            body = urllib.request.urlopen(f"{listener.url}/metrics", timeout=10).read().decode()
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for family in text_string_to_metric_families(body):
            for sample in family.samples:
                labels = tuple(value for name, value in sample.labels.items() if name != "job_id")
                found.setdefault(sample.name, {})[labels] = sample.value
        return found


def test_counts_are_those_of_the_results(cluster: MemoryCluster) -> None:
    outside = Outside(cluster)
    outside.tick(END)
    seen, written = outside.metrics(), parts.results(cluster, JOB)
    buckets, records = parts.of_kind(written, "bucket"), parts.of_kind(written, "record")
    assert seen["ipi_es_buckets_total"][()] == len(buckets) == 16
    assert seen["ipi_es_events_total"][()] == sum(each["event_count"] for each in buckets) > 400
    severities = Counter(str(severity(each["initial_record_score"])) for each in records)
    assert {key[0]: value for key, value in seen["ipi_es_records_total"].items()} == severities
    assert seen["ipi_es_checkpoint_timestamp_seconds"][()] == END
    assert (seen["ipi_es_lag_buckets"][()], seen["ipi_es_lag_seconds"][()]) == (0, 0)
    assert seen["ipi_es_unparsable_share"][()] == 0
    assert seen["ipi_es_lease_held"][()] == 1
    assert seen["ipi_es_snapshot_age_seconds"][()] == END + DELAY - SCORED_FROM
    steps, seconds = seen["ipi_es_step_seconds_count"], seen["ipi_es_step_seconds_sum"]
    batches = parts.stored_quantiles(cluster, JOB)
    assert steps[("load",)] == 1
    assert steps[("read",)] == 16
    assert steps[("score",)] == steps[("write",)] == len(batches) >= 2
    assert steps[("renormalize",)] >= 1
    assert all(seconds[(step,)] > 0 for step in ("load", "read", "score", "write", "renormalize"))
    assert outside.ready() == (200, [], {"running": 1})


def test_lag_grows_while_nobody_works_and_is_gone_after_the_next_tick(cluster: MemoryCluster) -> None:
    outside = Outside(cluster)
    outside.tick(START + SPAN)
    outside.clock.time = START + 6 * SPAN + DELAY + 7
    seen = outside.metrics()
    assert (seen["ipi_es_lag_buckets"][()], seen["ipi_es_lag_seconds"][()]) == (5, 4 * SPAN + 7)
    assert outside.ready()[:2] == (503, ["lagging"])
    outside.tick(START + 6 * SPAN)
    assert outside.ready()[0] == 200


def test_a_cluster_that_is_away_is_a_reason_until_it_is_back(cluster: MemoryCluster) -> None:
    outside = Outside(cluster)
    outside.tick(START + SPAN)

    def away(operation: str, index: str) -> None:
        raise ClusterUnreachable("nothing listens")

    cluster.before = away
    outside.tick(START + 2 * SPAN)
    assert outside.ready()[:2] == (503, ["cluster_away"])
    assert outside.metrics()["ipi_es_errors_total"] == {("ClusterUnreachable",): 1}
    cluster.before = lambda operation, index: None
    outside.tick(START + 3 * SPAN)
    assert outside.ready()[:2] == (200, [])
    assert outside.metrics()["ipi_es_trouble"][("cluster_away",)] == 0


def test_a_day_without_events_is_blind_until_they_come_again(cluster: MemoryCluster) -> None:
    outside = Outside(cluster)
    outside.tick(END)
    outside.tick(END + 4 * SPAN)  # 6 to 12 o'clock: two buckets that should have had some
    assert outside.ready()[0] == 200
    outside.tick(END + 5 * SPAN)
    assert outside.ready()[:2] == (503, ["blind"])
    again = Outside(cluster)  # a new process knows it too
    again.tick(END + 6 * SPAN)
    assert again.ready()[:2] == (503, ["blind"])
    again.tick(END + DAY + 3 * SPAN)
    assert again.ready()[0] == 200
    store = ResultStore(cluster, JOB.job_id)
    store.show()
    (noted,) = store.annotations(types=["blind"])
    last_event = max(time for time, *_ in company.events() if time < END)
    first_empty = last_event // SPAN * SPAN + SPAN
    first_event = min(time for time, *_ in company.events() if time >= END)
    assert noted.source["timestamp"] == first_empty * 1_000
    assert noted.source["end_timestamp"] == first_event // SPAN * SPAN * 1_000


def test_of_two_workers_both_are_ready_and_one_says_how_far_the_job_is(cluster: MemoryCluster) -> None:
    one, two = Outside(cluster), Outside(cluster, owner="two:2:2")
    one.tick(START + SPAN)
    for worker in (two, one, two):
        worker.tick(START + 2 * SPAN)
    for outside in (one, two):
        outside.clock.time = START + 2 * SPAN + DELAY
    assert one.ready() == (200, [], {"running": 1})
    assert two.ready() == (200, [], {"standing_by": 1})
    assert one.metrics()["ipi_es_lag_buckets"] == {(): 0}
    assert "ipi_es_lag_buckets" not in two.metrics()
    assert (one.metrics()["ipi_es_lease_held"], two.metrics()["ipi_es_lease_held"]) == ({(): 1}, {(): 0})


def test_a_paused_job_is_no_reason(cluster: MemoryCluster) -> None:
    outside = Outside(cluster)
    outside.tick(START + SPAN)
    StateStore(cluster).pause(JOB.job_id, True, START)
    outside.tick(START + 8 * SPAN)
    assert outside.ready() == (200, [], {"paused": 1})
    StateStore(cluster).pause(JOB.job_id, False, START)
    outside.tick(START + 9 * SPAN)
    assert outside.ready() == (200, [], {"running": 1})
    assert outside.metrics()["ipi_es_checkpoint_timestamp_seconds"] == {(): START + 9 * SPAN}
