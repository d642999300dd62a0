"""Jobs that lose sight of their events while they work: what is said of it, where, and within how many buckets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import live_parts as live
import pytest
import worker_company as company
import worker_parts as parts
from live_parts import DELAY, Worker
from service_parts import FixedClock
from worker_company import DAY, EVENTS, HOUR, SCORED_FROM

from ipi_es.cluster.port import Drop, Put
from ipi_es.results.store import ResultStore
from ipi_es.service.health.metrics import FleetCollector
from ipi_es.testing.memory_cluster import MemoryCluster

SPAN = 3 * HOUR
JOB = live.live_job(
    datafeed_config={"frequency": "3h", "learn_outcomes": ["success", "failure"]}, late_window="2d", hold_probability=0
)
BROKEN = SCORED_FROM + 9 * HOUR
"""When it happens: Saturday, 9 o'clock; people come from 6 to 22, every day of the week."""

Json = dict[str, Any]


@pytest.fixture(scope="module")
def trained() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        yield parts.trained_cluster(JOB, patch)


@pytest.fixture
def cluster(trained: MemoryCluster) -> MemoryCluster:
    return parts.copy_of(trained)


def renamed(source: Json) -> Json:
    return {**{name: value for name, value in source.items() if name != "source"}, "client": source["source"]}


def respelled(source: Json) -> Json:
    return {**source, "event": {**source["event"], "outcome": source["event"]["outcome"].capitalize()}}


def nameless(source: Json) -> Json:
    return {name: value for name, value in source.items() if name != "user"}


def from_then_on(cluster: MemoryCluster, change: Callable[[Json], Json] | None, keep_each: int = 1) -> dict[str, Json]:
    """Change every event from BROKEN on, or drop all but every so-manieth (0: all of them); what there was, by id."""
    there = {str(number): company.document(each) for number, each in enumerate(company.events()) if each[0] >= BROKEN}
    order = sorted(there, key=lambda place: str(there[place]["@timestamp"]))
    for position, place in enumerate(order):
        if change is not None:
            cluster.bulk([Put(EVENTS, place, change(there[place]))])
        elif not keep_each or position % keep_each:
            cluster.bulk([Drop(EVENTS, place)])
    cluster.refresh(EVENTS)
    return there


def noted(cluster: MemoryCluster) -> Json:
    store = ResultStore(cluster, JOB.job_id)
    store.show()
    (found,) = store.annotations(types=["blind"])
    return found.source


def states(worker: Worker, now: int) -> dict[str, float]:
    """The metric ``ipi_es_blind`` by state."""
    (family,) = [
        each for each in FleetCollector(worker.fleet, FixedClock(now)).collect() if each.name == "ipi_es_blind"
    ]
    return {sample.labels["state"]: sample.value for sample in family.samples}


CASES = {
    "address": (renamed, "address_missing", "source.ip", "`source.ip` is missing in 100% of the events (0% are usual)"),
    "entity": (nameless, "entity_missing", "user.name", "`user.name` is missing in 100% of the events (0% are usual)"),
    "outcome": (respelled, "outcome_missing", "event.outcome", "have `event.outcome` `success`"),
}


@pytest.mark.parametrize("case", CASES)
def test_events_that_can_not_be_used_make_it_half_blind_within_three_buckets(
    cluster: MemoryCluster, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    change, reason, field, text = CASES[case]
    worker = Worker(cluster, JOB)
    worker.tick(BROKEN)
    assert worker.health.reasons(BROKEN + DELAY) == []
    from_then_on(cluster, change)
    with caplog.at_level(logging.WARNING):
        for tick in range(1, 4):
            worker.tick(BROKEN + tick * SPAN)
    now = BROKEN + 3 * SPAN + DELAY
    (why,) = worker.health.reasons(now)
    assert (str(why.trouble), states(worker, now)) == ("half_blind", {"blind": 0.0, "half_blind": 1.0})
    assert text in why.text
    said = noted(cluster)
    assert (said["blind_state"], said["blind_reason"], said["blind_field"]) == ("half_blind", reason, field)
    assert said["annotation"] == why.text
    assert BROKEN - SPAN <= said["timestamp"] // 1_000 <= BROKEN
    assert any(
        "job signins is half blind: " in each.getMessage() and text in each.getMessage() for each in caplog.records
    )


def test_the_outcomes_that_there_are_now_are_named(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    worker.tick(BROKEN)
    from_then_on(cluster, respelled)
    worker.tick(BROKEN + 3 * SPAN)
    (why,) = worker.health.reasons(BROKEN + 3 * SPAN + DELAY)
    assert "Its values now: `Success` (" in why.text
    assert "Name the new spelling in `score_outcomes` and `learn_outcomes`" in why.text
    again = Worker(cluster, JOB, owner="two:1:1", dead={"one:1:1"})  # a takeover knows it, in the same words
    again.tick(BROKEN + 4 * SPAN)
    assert [each.text for each in again.health.reasons(BROKEN + 4 * SPAN + DELAY)] == [why.text]


def test_nine_of_ten_events_gone_is_half_blind_until_they_are_back(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    worker.tick(BROKEN)
    there = from_then_on(cluster, None, keep_each=10)
    worker.tick(BROKEN + 3 * SPAN)
    (why,) = worker.health.reasons(BROKEN + 3 * SPAN + DELAY)
    assert str(why.trouble) == "half_blind"
    assert why.text.startswith("Most events are missing from 2025-08-30T0")
    cluster.bulk(Put(EVENTS, place, source) for place, source in there.items())
    cluster.refresh(EVENTS)
    worker.tick(BROKEN + DAY)
    assert worker.health.reasons(BROKEN + DAY + DELAY) == []
    assert (noted(cluster)["blind_state"], noted(cluster)["blind_reason"]) == ("ended", "few_events")


def test_events_that_are_away_for_a_few_buckets_are_told_and_scored_when_they_are_back(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    worker.tick(BROKEN)
    there = from_then_on(cluster, None, keep_each=0)
    for tick in range(1, 5):
        worker.tick(BROKEN + tick * SPAN)
    (why,) = worker.health.reasons(BROKEN + 4 * SPAN + DELAY)
    assert (str(why.trouble), noted(cluster)["blind_state"]) == ("blind", "blind")
    cluster.bulk(Put(EVENTS, place, source) for place, source in there.items())
    cluster.refresh(EVENTS)
    for tick in range(5, 9):
        worker.tick(BROKEN + tick * SPAN)
    assert worker.health.reasons(BROKEN + 8 * SPAN + DELAY) == []
    assert (noted(cluster)["blind_state"], noted(cluster)["timestamp"]) == ("ended", BROKEN * 1_000)
    buckets = {each["timestamp"] // 1_000: each for each in parts.of_kind(parts.results(cluster, JOB), "bucket")}
    assert all(buckets[BROKEN + tick * SPAN]["event_count"] > 0 for tick in range(4))
    assert all(buckets[BROKEN + tick * SPAN]["revision"] == 1 for tick in range(4))


def test_buckets_keep_the_counts_by_which_usual_rates_are_known(cluster: MemoryCluster) -> None:
    from_then_on(cluster, renamed)
    Worker(cluster, JOB).tick(BROKEN + SPAN)
    before, after = (
        each
        for each in parts.of_kind(parts.results(cluster, JOB), "bucket")
        if each["timestamp"] >= (BROKEN - SPAN) * 1_000
    )
    assert before["usable_outcomes"] == ["failure", "success"]
    assert sum(before["usable_counts"]) == before["event_count"] > 0
    assert (before["missing_ip_count"], before["missing_entity_count"], before["malformed_ip_count"]) == (0, 0, 0)
    assert after["missing_ip_count"] == after["event_count"] > 0
    assert (after["usable_outcomes"], after["usable_counts"]) == ([], [])
