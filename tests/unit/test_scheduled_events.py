"""What scheduled events do in a job: scores are written, nothing is alerted, held, learned or put into quantiles."""

from __future__ import annotations

from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from event_parts import planned
from hypothesis import example, given, settings
from hypothesis import strategies as st
from late_parts import add_events, live
from rule_parts import JOB as PLAIN_JOB
from rule_parts import NOMADS_FROM, score, trained_copy

from ipi_es.config.rules.allow_list import AllowList
from ipi_es.ipinsights.storage import delta_from_bytes
from ipi_es.results.words import ALIAS, SCHEDULED_EVENTS, SCORE_FIELDS, raises_alarm
from ipi_es.scheduled_events import Calendar, ScheduledEvent
from ipi_es.state.calendar_store import CalendarStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.late.late_rescoring import rescore_late

JOB = PLAIN_JOB.model_copy(update={"hold_probability": 0.03})
SPAN = JOB.bucket_span
DAY, HOUR = company.DAY, company.HOUR
ATTACK = company.SCORED_FROM + DAY + 9 * HOUR, company.SCORED_FROM + DAY + 15 * HOUR
"""The buckets with the takeover and the spraying."""
OF_THE_RUN = {"event.ingested", "processing_time_ms"}
"""Fields of a result that differ from run to run."""


@pytest.fixture
def cluster() -> MemoryCluster:
    return trained_copy()


def resources_of(cluster: MemoryCluster) -> JobResources:
    return JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW))


def results_of(cluster: MemoryCluster) -> list[dict[str, Any]]:
    cluster.refresh(ALIAS)
    return [each for each in parts.results(cluster, JOB).values() if each["result_type"] != "annotation"]


def in_range(found: list[dict[str, Any]], start: int, end: int) -> list[dict[str, Any]]:
    """The scored results; incidents, which are made of them, are left out."""
    return [each for each in found if each["result_type"] in SCORE_FIELDS and start <= each["timestamp"] // 1_000 < end]


@pytest.mark.parametrize(
    ("start", "end", "inside"),
    [
        (100, 200, False),
        (100, 301, True),
        (100, 300, False),
        (399, 400, True),
        (400, 500, False),
        (350, 350, False),
        (500, 350, False),  # ended before it began
        (0, 1_000, True),
    ],
)
def test_a_bucket_is_inside_where_it_overlaps(start: int, end: int, *, inside: bool) -> None:
    calendar = Calendar((ScheduledEvent("other", 0, 1), ScheduledEvent("move", start, end)))
    assert calendar.of_bucket(300, 400) == (("move",) if inside else ())


def test_scores_are_written_and_nothing_of_an_event_raises_an_alarm(cluster: MemoryCluster) -> None:
    plain = trained_copy()
    score(resources_of(plain), company.SCORED_FROM, company.SCORED_TO)
    CalendarStore(cluster).add_event(planned(start=ATTACK[0] + 60, end=ATTACK[1] - 60))
    score(resources_of(cluster), company.SCORED_FROM, company.SCORED_TO)
    inside, before = in_range(results_of(cluster), *ATTACK), in_range(results_of(plain), *ATTACK)
    assert {each["result_type"] for each in inside} == {"record", "influencer", "bucket"}
    assert all(each[SCHEDULED_EVENTS] == ["move"] and not raises_alarm(each) for each in inside)
    names = ("result_type", "partition_field_value", "by_field_value", "influencer_field_value")
    first = [
        {tuple(each.get(name) for name in names) for each in in_range(found, ATTACK[0], ATTACK[0] + SPAN)}
        for found in (inside, before)
    ]
    assert first[0] == first[1]
    assert max(each.get("influencer_score", 0.0) for each in inside) > 75
    assert max(each.get("anomaly_score", 0.0) for each in inside) > 40
    assert all("In the scheduled event move" in each["reason"] for each in inside if "reason" in each)
    buckets = [each for each in inside if each["result_type"] == "bucket"]
    assert [(each["new_record_count"], each["max_record_score"]) for each in buckets] == [(0, 0.0)] * len(buckets)
    assert not any({"held_until", "reported_extent", "unlearned_entities"} & each.keys() for each in inside)
    assert all(any(field in each for each in before) for field in ("held_until", "reported_extent"))
    outside = [each for each in results_of(cluster) if not ATTACK[0] <= each["timestamp"] // 1_000 < ATTACK[1]]
    assert not any(SCHEDULED_EVENTS in each for each in outside)


def without_events(start: int, end: int) -> MemoryCluster:
    """The company's cluster without any sign-in of [start, end)."""
    cluster = trained_copy()
    where = {"range": {"@timestamp": {"gte": start * 1_000, "lt": end * 1_000, "format": "epoch_millis"}}}
    for each in list(cluster.scan(company.EVENTS, where)):
        cluster.delete(company.EVENTS, each.id)
    cluster.refresh(company.EVENTS)
    return cluster


def facts(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(({name: value for name, value in each.items() if name not in OF_THE_RUN} for each in found), key=repr)


@settings(max_examples=5, deadline=None)
@given(
    st.integers(company.SCORED_FROM, company.SCORED_TO - 1),
    st.integers(1, 2 * DAY),
    st.integers(1, company.SCORE_DAYS * DAY // SPAN - 1),
)
@example(ATTACK[0], ATTACK[1] - ATTACK[0], 12)
@example(NOMADS_FROM - 3 * HOUR, 30 * HOUR, 28)
def test_all_other_results_are_those_of_a_job_without_the_events_sign_ins(start: int, length: int, split: int) -> None:
    """So nothing in the event was learned, held, counted in the quantiles, or can be repeated."""
    cluster, end = trained_copy(), start + length
    CalendarStore(cluster).add_event(planned(start=start, end=end))
    first, last = start // SPAN * SPAN, -(-end // SPAN) * SPAN
    other = without_events(first, last)
    middle = company.SCORED_FROM + split * SPAN
    for each in (cluster, other):  # each by two processes: what the second one reads back leaves the event out too
        score(resources_of(each), company.SCORED_FROM, middle)
        score(resources_of(each), middle, company.SCORED_TO)
    assert all(SCHEDULED_EVENTS in each for each in in_range(results_of(cluster), first, last))
    for begin, stop in ((company.SCORED_FROM, first), (last, company.SCORED_TO)):
        assert facts(in_range(results_of(cluster), begin, stop)) == facts(in_range(results_of(other), begin, stop))


def test_a_worker_that_goes_on_sees_an_event_that_was_added_or_ended(cluster: MemoryCluster) -> None:
    begin, middle, end = (NOMADS_FROM + hours * HOUR for hours in (6, 12, 24))
    resources, store = resources_of(cluster), CalendarStore(cluster)
    score(resources, company.SCORED_FROM, begin)
    store.add_event(planned(start=begin, end=company.SCORED_TO))
    score(resources, begin, middle)
    store.end_event("move", end, "ann")
    score(resources, middle, company.SCORED_TO)
    inside = {each["timestamp"] // 1_000 for each in results_of(cluster) if SCHEDULED_EVENTS in each}
    assert inside == set(range(begin, end, SPAN))


@pytest.mark.parametrize("goes_on", [True, False])
def test_what_was_gathered_today_is_not_learned_once_an_event_that_began_earlier_is_added(
    cluster: MemoryCluster, *, goes_on: bool
) -> None:
    """A process that goes on decides as one that starts anew."""
    resources, noon = resources_of(cluster), NOMADS_FROM + 12 * HOUR
    score(resources, company.SCORED_FROM, noon)
    before = {each.id for each in resources.stores.blobs.list(JOB.job_id, "history_delta")}
    CalendarStore(cluster).add_event(planned(start=NOMADS_FROM, end=NOMADS_FROM + DAY))
    resources = resources if goes_on else resources_of(cluster)
    score(resources, noon, NOMADS_FROM + DAY)
    (new,) = {each.id for each in resources.stores.blobs.list(JOB.job_id, "history_delta")} - before
    delta = delta_from_bytes(resources.stores.blobs.read(JOB.job_id, new))
    assert len(delta.entity) == 0


def test_events_of_other_jobs_change_nothing(cluster: MemoryCluster) -> None:
    CalendarStore(cluster).add_event(planned(start=company.SCORED_FROM, end=company.SCORED_TO, jobs=("other",)))
    score(resources_of(cluster), company.SCORED_FROM, company.SCORED_TO)
    assert not any(SCHEDULED_EVENTS in each for each in results_of(cluster))


def test_a_late_sign_in_of_a_bucket_in_an_event_raises_no_alarm(cluster: MemoryCluster) -> None:
    checkpoint = NOMADS_FROM + 6 * HOUR
    CalendarStore(cluster).add_event(planned(start=NOMADS_FROM, end=checkpoint))
    score(resources_of(cluster), company.SCORED_FROM, checkpoint)
    add_events(cluster, [(NOMADS_FROM + 60, "person05", "45.9.9.7")])
    with live(cluster, JOB, parts.NOW + 7_200) as session:
        (rescored,) = rescore_late(session, parts.NOW + 7_200)
    assert (rescored.start, rescored.new_records) == (NOMADS_FROM, 0)
    found = in_range(results_of(cluster), NOMADS_FROM, NOMADS_FROM + SPAN)
    assert "45.9.9.7" in {each.get("by_field_value") for each in found}
    assert all(each[SCHEDULED_EVENTS] == ["move"] for each in found)


def test_a_training_learns_and_calibrates_nothing_of_an_event(cluster: MemoryCluster) -> None:
    end = NOMADS_FROM + DAY
    CalendarStore(cluster).add_event(planned(start=NOMADS_FROM, end=end))
    resources = resources_of(cluster)
    collector = resources.collector(NOMADS_FROM, company.SCORED_TO)
    for bucket in resources.read(NOMADS_FROM, company.SCORED_TO):
        collector.take(bucket)
    events = collector.events(company.SCORED_TO)
    inside = events.time < end
    assert inside.any()
    assert not (events.learns | events.calibrates)[inside].any()
    assert (events.learns & events.calibrates)[~inside].any()


def test_an_allow_list_with_other_events_is_another_one() -> None:
    one = AllowList((), calendar=Calendar((ScheduledEvent("move", 1, 2),)))
    assert one != AllowList(())
    assert one == AllowList((), calendar=Calendar((ScheduledEvent("move", 1, 2),)))
