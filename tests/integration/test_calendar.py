"""A scheduled event on real servers: results are written and marked, nothing alerts, is learned or counted."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import worker_company as company
import worker_parts as parts
from event_parts import planned
from late_parts import add_events, delta_of, live
from worker_company import DAY, HOUR

from ipi_es.alerts import found_alerts
from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.results.reading.rule_uses import event_uses
from ipi_es.results.store import ResultStore
from ipi_es.results.words import SCHEDULED_EVENTS
from ipi_es.state.calendar_store import CALENDARS_INDEX, CalendarStore
from ipi_es.worker.late.late_rescoring import rescore_late

BEGIN = company.SCORED_FROM + DAY
"""The day of the spraying and the takeover."""
END = BEGIN + DAY
STRANGER = "85.11.9.7"
LATER = parts.NOW + 7_200


@pytest.fixture
def job(cluster: Cluster, index: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """A job of its own, trained, with three days of events to score."""
    name = f"calendar-{uuid.uuid4().hex[:8]}"
    alerts = {"on": ["records", "influencers", "buckets"], "threshold": 1, "max_age": "36500d"}
    made = company.make_job(name, index, alerts=alerts)
    company.fill(cluster, index, score_days=3)
    parts.train_by(monkeypatch)
    with live(cluster, made, parts.NOW - 3_600) as session:
        session.train(company.LEARN_FROM, company.SCORED_FROM)
    yield made
    parts.remove(cluster, name)


@pytest.fixture
def event(cluster: Cluster, job: Job) -> Iterator[str]:
    """The name of an event over the second day, which concerns that job."""
    name = f"move of {job.job_id}"
    CalendarStore(cluster).add_event(planned(name, start=BEGIN + 60, end=END - 60, jobs=(job.job_id,)))
    yield name
    cluster.delete(CALENDARS_INDEX, f"calendar:{name}")


def test_nothing_of_an_event_alerts_or_is_learned(cluster: Cluster, index: str, job: Job, event: str) -> None:
    with live(cluster, job) as session:
        session.catch_up(BEGIN + 12 * HOUR, lambda _: None)
    with live(cluster, job) as session:  # the second half by another process
        session.catch_up(END + 3 * HOUR, lambda _: None)
    store = ResultStore(cluster, job.job_id)
    results = [each.source for each in store.scan_window(company.SCORED_FROM, END + 3 * HOUR)]
    inside = [each for each in results if BEGIN <= each["timestamp"] // 1_000 < END]
    assert {each["result_type"] for each in inside} == {"record", "influencer", "bucket"}
    assert {tuple(each.get(SCHEDULED_EVENTS, ())) for each in inside} == {(event,)}
    assert not any(SCHEDULED_EVENTS in each for each in results if each not in inside)
    assert not any("held_until" in each for each in inside)
    assert max(each.get("influencer_score", 0.0) for each in inside) > 75
    assert event_uses(cluster, job.job_id)[event].worst > 75
    new = [each.source["timestamp"] // 1_000 for each in store.read("influencer", ResultFilter(new=True), size=10_000)]
    assert not [time for time in new if BEGIN <= time < END]
    alerts = found_alerts.find(cluster, job, 0, LATER)
    assert alerts
    assert not [each for each in alerts if BEGIN <= each.message.when < END]
    assert len(delta_of(cluster, job, BEGIN // DAY).entity) == 0
    assert len(delta_of(cluster, job, BEGIN // DAY - 1).entity) > 0
    add_events(cluster, [(END - HOUR, "person05", STRANGER)], index)
    with live(cluster, job, LATER) as session:
        (rescored,) = rescore_late(session, LATER)
    assert (rescored.start, rescored.new_records) == (END - 3 * HOUR, 0)
    (late,) = store.read("record", ResultFilter(ip=STRANGER))
    assert late.source[SCHEDULED_EVENTS] == [event]
