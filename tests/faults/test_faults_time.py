"""Clocks that are set, zones that change, events that come late, too early, all at once, or not at all."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import live_parts as live
import pytest
import worker_company as company
import worker_parts as parts
import write_stages as stages
from fault_parts import Dump, counted_once, dump, same
from late_parts import add_events
from live_parts import DELAY, Worker
from worker_company import DAY, HOUR, SCORED_FROM
from write_stages import JOB, STRANGER

from ipi_es.cluster.port import Put
from ipi_es.config.job_config import Job
from ipi_es.ipinsights.storage import delta_from_bytes
from ipi_es.results.words import RESULT_KINDS
from ipi_es.service.tick_outcome import TickResult
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session

pytestmark = pytest.mark.faults

END = SCORED_FROM + 48 * HOUR
MORNING, EVENING = SCORED_FROM + 29 * HOUR, SCORED_FROM + 39 * HOUR
"""Of the second scored day: when somebody looks every half hour, and the clock is set."""
HALF_HOURLY = stages.job(
    analysis_config={"bucket_span": "30m"}, datafeed_config={"frequency": "15m"}, hold_probability=0, blind_after=0
)
TEACHING = stages.job(late_window="2d", hold_probability=0)
"""Nothing is held back: history shows all that was counted."""


class World:
    """Events that arrive when they happen, ``delay`` seconds after it; those before the morning are there already."""

    def __init__(
        self,
        like: MemoryCluster,
        delay: int = 30,
        document: Callable[[company.Event], dict[str, Any]] = company.document,
    ) -> None:
        self.cluster = stages.own_events(like)
        self._document = document
        self.delay, self._next, self._ids = delay, 0, itertools.count()
        self.coming = sorted(each for each in company.events() if MORNING <= each[0] < EVENING)
        self.cluster.delete_index(company.EVENTS)
        self.cluster.create_index(company.EVENTS, {"mappings": company.MAPPINGS})
        self._put(each for each in company.events() if each[0] < MORNING)

    def at(self, now: int) -> None:
        """It is ``now`` in the world."""
        begin = self._next
        while self._next < len(self.coming) and self.coming[self._next][0] + self.delay <= now:
            self._next += 1
        self._put(self.coming[begin : self._next])

    def _put(self, found: Iterable[company.Event]) -> None:
        made = [Put(company.EVENTS, f"{next(self._ids)}", self._document(each)) for each in found]
        self.cluster.bulk(made, refresh=True)


@pytest.fixture(scope="module")
def half_hourly(made_training: pytest.MonkeyPatch) -> MemoryCluster:
    cluster = trained_as(HALF_HOURLY)
    Worker(cluster, HALF_HOURLY).tick(MORNING)
    return cluster


@pytest.fixture(scope="module")
def undisturbed(half_hourly: MemoryCluster) -> Dump:
    """All events in time, a clock that goes right."""
    world = World(half_hourly)
    looks(Worker(world.cluster, HALF_HOURLY), world, stepping(0, 0))
    return final(world.cluster)


def trained_as(job: Job) -> MemoryCluster:
    cluster = stages.bare()
    with open_session(JobResources(cluster, job, clock=parts.TestClock(parts.NOW - 3_600))) as session:
        session.train(company.LEARN_FROM, SCORED_FROM)
    return cluster


def final(cluster: MemoryCluster, job: Job = HALF_HOURLY) -> Dump:
    """What is final, whatever the batches; renormalizations fall on other batches and are left out."""
    found = dump(cluster, job, stamped=False)
    return {
        place: {name: value for name, value in each.items() if name != "quantiles_id"}
        for place, each in found.items()
        if not each.get("is_interim")
    }


def looks(worker: Worker, world: World, times: Iterable[tuple[int, int]]) -> None:
    """Look at the job at each (true time, time of the worker's clock)."""
    for true, told in times:
        world.at(true)
        worker.clock.time = max(worker.clock.time, told)
        outcome = worker.live.tick(told)
        assert outcome.did in (TickResult.WORKED, TickResult.NOTHING), outcome


def stepping(first: int, second: int) -> Iterator[tuple[int, int]]:
    """Every half hour; after an hour the clock is wrong by ``first`` seconds for three, then by ``second``."""
    for true in range(MORNING, EVENING + 1, HOUR // 2):
        hours = (true - MORNING) // HOUR
        wrong = first if 1 <= hours < 4 else second if 4 <= hours < 7 else 0
        yield true + DELAY, true + DELAY + wrong


@pytest.mark.parametrize(
    ("first", "second"), [(-HOUR, 0), (-HOUR, -HOUR), (-HOUR, 2 * HOUR)], ids=["once", "for long", "and forward"]
)
def test_clock_that_is_set_back_by_an_hour(
    half_hourly: MemoryCluster, undisturbed: Dump, first: int, second: int
) -> None:
    world = World(half_hourly)
    looks(Worker(world.cluster, HALF_HOURLY), world, stepping(first, second))
    counted_once(world.cluster, HALF_HOURLY, world.coming, MORNING, EVENING)
    if second <= 0:
        same(final(world.cluster), undisturbed)


def test_clock_that_is_set_forward_by_an_hour_scores_too_early_and_mends_it(half_hourly: MemoryCluster) -> None:
    world = World(half_hourly)
    worker = Worker(world.cluster, HALF_HOURLY)
    looks(worker, world, stepping(HOUR, 0))
    counted_once(world.cluster, HALF_HOURLY, world.coming, MORNING, EVENING)
    mended = [each for each in parts.results(world.cluster, HALF_HOURLY).values() if each.get("revision")]
    assert mended, "buckets were scored before their events came"
    worker.tick(END)  # over the end of the day: what came late is learned with it
    quiet = World(half_hourly)
    quiet.at(END)
    Worker(quiet.cluster, HALF_HOURLY).tick(END)
    assert history_of(world.cluster, HALF_HOURLY) == history_of(quiet.cluster, HALF_HOURLY)


def history_of(cluster: MemoryCluster, job: Job) -> Counter[tuple[str, str]]:
    """How many events of each pair the days' deltas have: (entity's hash, address) → count."""
    blobs, found = ClusterBlobs(cluster), Counter[tuple[str, str]]()
    for info in blobs.list(job.job_id, "history_delta"):
        delta = delta_from_bytes(blobs.read(job.job_id, info.id))
        for entity, address, count in zip(delta.entity, delta.address, delta.count, strict=True):
            found[f"{entity:x}", address.tobytes().hex()] += int(count)
    return found


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Sets the process's time zone, and puts it back."""

    def set_to(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield set_to
    os.environ.pop("TZ", None)
    time.tzset()


@pytest.mark.parametrize("change", ["XST-1XDT,J90/2,J243/3", "XST-1XDT,J243/2,J300/3"], ids=["back", "forward"])
def test_summer_time_that_begins_or_ends_changes_nothing(
    half_hourly: MemoryCluster, undisturbed: Dump, zone: Any, change: str
) -> None:
    """On the second scored day clocks change, and the events say local time with its offset."""
    zone(change)
    assert time.localtime(SCORED_FROM + 12 * HOUR).tm_gmtoff != time.localtime(SCORED_FROM + 36 * HOUR).tm_gmtoff
    world = World(half_hourly, document=in_local_time)
    looks(Worker(world.cluster, HALF_HOURLY), world, stepping(0, 0))
    same(final(world.cluster), undisturbed)
    counted_once(world.cluster, HALF_HOURLY, world.coming, MORNING, EVENING)


def in_local_time(event: company.Event) -> dict[str, Any]:
    local = dt.datetime.fromtimestamp(event[0]).astimezone().isoformat()
    assert not local.endswith("+00:00")
    return {**company.document(event), "@timestamp": local}


def each_before(end: int) -> list[company.Event]:
    return [each for each in company.events() if SCORED_FROM <= each[0] < end]


@pytest.mark.parametrize("ahead", [HOUR, 3 * DAY, 70 * 365 * DAY], ids=["an hour", "three days", "seventy years"])
def test_events_in_the_future_wait_until_it_is_there(
    trained: MemoryCluster, undisturbed_days: Dump, ahead: int
) -> None:
    cluster = stages.own_events(trained)
    add_events(cluster, [(END + ahead + n, f"person{n:02d}", STRANGER) for n in range(5)])
    worker = Worker(cluster, JOB)
    for end in range(SCORED_FROM, END + 1, 6 * HOUR):
        worker.tick(end)
    counted_once(cluster, JOB, each_before(END), SCORED_FROM, END)
    same(without(cluster), undisturbed_days)
    if ahead < DAY:
        worker.tick(END + 6 * HOUR)
        (bucket,) = (each for each in buckets(cluster) if each["timestamp"] == END * 1_000)
        assert bucket["event_count"] == 5


@pytest.fixture(scope="module")
def undisturbed_days(trained: MemoryCluster) -> Dump:
    cluster = stages.own_events(trained)
    worker = Worker(cluster, JOB)
    for end in range(SCORED_FROM, END + 1, 6 * HOUR):
        worker.tick(end)
    return without(cluster)


def without(cluster: MemoryCluster) -> Dump:
    return {place: each for place, each in dump(cluster, JOB).items() if not each.get("is_interim")}


def buckets(cluster: MemoryCluster, job: Job = JOB) -> list[dict[str, Any]]:
    return parts.of_kind(parts.results(cluster, job), "bucket")


def test_events_a_minute_late_come_in_time(half_hourly: MemoryCluster, undisturbed: Dump) -> None:
    world = World(half_hourly, delay=60)
    looks(Worker(world.cluster, HALF_HOURLY), world, stepping(0, 0))
    same(final(world.cluster), undisturbed)
    assert not any(each.get("revision") for each in parts.results(world.cluster, HALF_HOURLY).values())


def test_events_a_day_late_mend_their_buckets(trained: MemoryCluster) -> None:
    job = TEACHING
    late = [(SCORED_FROM + 14 * HOUR + 60 * n, f"person{n:02d}", STRANGER) for n in range(6)]
    found = {}
    for when in ("in time", "late"):
        cluster = stages.own_events(trained)
        worker = Worker(cluster, job)
        if when == "in time":
            add_events(cluster, late)
        for end in range(SCORED_FROM, SCORED_FROM + 40 * HOUR, 3 * HOUR):
            worker.tick(end)
        if when == "late":
            add_events(cluster, late)
        worker.tick(SCORED_FROM + 40 * HOUR)
        worker.tick(SCORED_FROM + 42 * HOUR)
        found[when] = cluster
        events = [*each_before(SCORED_FROM + 42 * HOUR), *((*each, "success") for each in late)]
        counted_once(cluster, job, events, SCORED_FROM, SCORED_FROM + 42 * HOUR)
        worker.tick(SCORED_FROM + 48 * HOUR)
    names = ("event_count", "probability", "actual", "typical", "repeat_of")
    at = (SCORED_FROM + 12 * HOUR) * 1_000
    mended, expected = (
        {
            place: {name: each.get(name) for name in names}
            for place, each in parts.results(found[when], job).items()
            if each["timestamp"] == at and each["result_type"] in RESULT_KINDS
        }
        for when in ("late", "in time")
    )
    assert mended == expected
    revised = {each["timestamp"] for each in parts.results(found["late"], job).values() if each.get("revision")}
    assert revised == {at}
    assert history_of(found["late"], job) == history_of(found["in time"], job)


def test_a_bucket_with_very_many_events_is_one_bucket(trained: MemoryCluster) -> None:
    cluster, many = stages.own_events(trained), 30_000
    start = SCORED_FROM + 24 * HOUR
    made = [
        Put(company.EVENTS, f"many-{n}", company.document((start + n % 600, f"person{n % 60:02d}", ip, "success")))
        for n in range(many)
        for ip in (f"85.{n % 7}.{n % 40}.{n % 9}",)
    ]
    cluster.bulk(made, refresh=True)
    Worker(cluster, TEACHING).tick(END)
    (bucket,) = (each for each in buckets(cluster) if each["timestamp"] == start * 1_000)
    usual = sum(start <= each[0] < start + JOB.bucket_span for each in company.events())
    assert bucket["event_count"] == many + usual
    assert len([each for each in buckets(cluster) if not each["is_interim"]]) == 16
    counted = history_of(cluster, TEACHING)
    assert max(counted.values()) < many / 100
    assert many < sum(counted.values()) <= many + len(each_before(END))


def test_ten_thousand_empty_buckets_are_scored_each_once(made_training: pytest.MonkeyPatch) -> None:
    job = stages.job(
        analysis_config={"bucket_span": "30m"}, datafeed_config={"frequency": "30m"}, renormalization_window_days=0
    )
    cluster = trained_as(job)
    end = company.SCORED_TO + 10_000 * job.bucket_span
    worker = Worker(cluster, job)
    worker.tick(company.SCORED_TO)
    assert worker.tick(end).did is TickResult.WORKED
    results = parts.results(cluster, job)
    found = parts.of_kind(results, "bucket")
    assert [each["timestamp"] // 1_000 for each in found] == list(range(SCORED_FROM, end, job.bucket_span))
    assert sum(each["event_count"] for each in found) == len(each_before(end))
    assert any(each.get("annotation_type") == "blind" for each in results.values())
    assert live.state_of(cluster, job).checkpoint == end
