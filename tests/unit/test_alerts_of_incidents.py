"""Alerts on incidents: one when an incident reaches the threshold, and one more at each higher severity."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from incident_parts import HOUR, START, change, ready, record, session_on
from service_parts import a_job

from ipi_es.alerts.delivery import Delivery
from ipi_es.alerts.message import Notification
from ipi_es.config.job_config import Job
from ipi_es.results.documents.result_documents import ResultDocument
from ipi_es.testing.memory_cluster import MemoryCluster


def job(**alerts: Any) -> Job:
    given = {"on": ["incidents"], "threshold": 50, "notify": [{"name": "ops", "webhook": "http://127.0.0.1:9/x"}]}
    return a_job("logins", analysis_config={"bucket_span": "1h"}, incident_gap="5h", alerts={**given, **alerts})


@dataclass
class World:
    """A job, and what its destination got."""

    job: Job
    cluster: MemoryCluster = field(default_factory=lambda: ready(MemoryCluster()))
    got: list[Notification] = field(default_factory=list)

    def send(self, notification: Notification) -> None:
        self.got.append(notification)

    def calls(
        self, hour: float, made: list[ResultDocument], gone: list[ResultDocument] | None = None
    ) -> list[tuple[str, str, str]]:
        """(severity, who, from) of the messages after these results were written, and others deleted, at an hour."""
        time = START + int(hour * HOUR)
        courier = Delivery(self.cluster, self.job, "ops", self, "one:1:1")
        courier.begin(START)
        with session_on(self.cluster, self.job, owner=f"one:{time}:1", time=time) as session:
            change(session, made, gone)
            session.update_incidents()
        before = len(self.got)
        courier.deliver(time + 30)
        return [(each.severity, each.who, each.where) for one in self.got[before:] for each in one.messages]


@pytest.fixture
def world() -> World:
    return World(job())


def test_an_incident_calls_once_and_again_when_it_is_worse(world: World) -> None:
    assert world.calls(1, [record(0, "alice", "192.0.2.1", 30.0)]) == [], "below the threshold"
    assert world.calls(2, [record(1, "alice", "192.0.2.1", 60.0)]) == [("major", "alice", "192.0.2.0/24")]
    assert world.calls(3, [record(2, "alice", "192.0.3.1", 70.0)]) == []
    assert world.calls(4, [record(3, "bob", "192.0.3.1", 90.0)]) == [
        ("critical", "bob, alice", "192.0.3.0/24, 192.0.2.0/24")
    ]
    assert world.calls(5, [record(4, "bob", "192.0.4.1", 99.0)]) == []
    assert world.calls(6, []) == []


@pytest.mark.parametrize("hours", [0.2, 3.0])
def test_a_late_result_before_it_and_another_incident_that_joins_it_do_not_repeat_it(
    world: World, hours: float
) -> None:
    assert len(world.calls(9, [record(8, "alice", "192.0.2.1", 90.0)])) == 1
    assert len(world.calls(9.1, [record(8, "bob", "192.0.3.1", 90.0)])) == 1
    assert world.calls(9 + hours, [record(5, "alice", "192.0.2.1", 95.0)]) == [], "its id is another one now"
    assert world.calls(9.1 + hours, [record(7, "bob", "192.0.2.1", 30.0)]) == [], "two are one now"


def test_a_threshold_within_a_severity_is_a_level_too() -> None:
    world = World(job(threshold=85))
    assert world.calls(1, [record(0, "alice", "192.0.2.1", 80.0)]) == []
    assert len(world.calls(2, [record(1, "alice", "192.0.2.1", 95.0)])) == 1
    assert world.calls(3, [record(2, "alice", "192.0.2.1", 99.0)]) == []


def test_a_closed_incident_does_not_call_and_a_reopened_one_may(world: World) -> None:
    mild, closed, opened = (record(0, "alice", "192.0.2.1", 90.0) for _ in range(3))
    closed.source["verdict"] = "safe"
    assert world.calls(1, [closed]) == []
    assert world.calls(2, [opened]) == [("critical", "alice", "192.0.2.0/24")]
    assert world.calls(3, [closed]) == []
    assert world.calls(4, [mild]) == [], "it has called"


def test_results_of_long_ago_do_not_call(world: World) -> None:
    late = 10 * 24
    assert world.calls(late, [record(0, "alice", "192.0.2.1", 90.0)]) == []
    assert len(world.calls(late, [record(late - 2, "alice", "192.0.2.1", 90.0)])) == 1


def test_the_message_says_who_from_where_what_and_where_to_look() -> None:
    world = World(job(console="https://kibana.example.org"))
    world.calls(1, [record(0, "alice", "192.0.2.1", 90.0)])
    (sent,) = world.got
    body = sent.to_dict()
    assert (body["alert"], body["severity"], body["score"]) == ("incidents", "critical", 90.0)
    assert (body["who"], body["from"]) == ("alice", "192.0.2.0/24")
    assert "alice used 192.0.2.1" in body["why"]
    assert body["link"].startswith("https://kibana.example.org/app/dashboards#/view/ipi-es-entity?")
    assert "alice used 192.0.2.1" in sent.text
    assert sent.title == "ipi-es logins: critical 90, alice from 192.0.2.0/24"
