"""The worker with a destination: what `run --once` scores is sent at its end, once; what doesn't leave is seen."""

from __future__ import annotations

import threading
from typing import Any

import alert_results as seeded
import pytest
from alert_results import HOUR, NOW
from notifying_parts import write, written
from service_parts import FixedClock, a_job

from ipi_es.alerts.message import Notification
from ipi_es.config.settings.settings_file import Settings
from ipi_es.errors import NotSent
from ipi_es.results.documents.result_documents import ResultContext, Stamp
from ipi_es.results.store import ResultStore
from ipi_es.results.words import ALIAS
from ipi_es.service.health.health import DEAD_AFTER, Fleet
from ipi_es.service.health.http_server import readiness
from ipi_es.service.health.metrics import exposition, registry
from ipi_es.service.live_job import LiveJob
from ipi_es.service.tick_outcome import TickOutcome, TickResult
from ipi_es.service.worker import Worker
from ipi_es.setup import setup_plan
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import iso

AWAY = "ops: chat.example could not be reached (ConnectionError)"
CONTEXT = ResultContext("logins", HOUR, "user.name", "source.ip")


class Post:
    def __init__(self) -> None:
        self.notifications: list[Notification] = []
        self.away = False

    def send(self, notification: Notification) -> None:
        if self.away:
            raise NotSent(AWAY)
        self.notifications.append(notification)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> tuple[Worker, Post]:
    cluster, post = MemoryCluster(), Post()
    setup_plan.apply(cluster, setup_plan.plan(cluster))

    def scores(live: LiveJob, now: int, *_: Any, **__: Any) -> TickOutcome:
        made = seeded.record(CONTEXT, "alice", "198.51.100.7", 90.0, stamp=Stamp("s", "q", ingested=now))
        ResultStore(cluster, "logins", flat_fields=CONTEXT.flat_fields).write([made], 1)
        cluster.refresh(ALIAS)
        return TickOutcome(TickResult.WORKED, buckets=1)

    for name, done in {"tick": scores, "clean": lambda *_: TickOutcome(TickResult.NOTHING)}.items():
        monkeypatch.setattr(LiveJob, name, done)
    alerts = {"on": ["records"], "notify": [{"name": "ops", "webhook": "http://127.0.0.1:9/x"}]}
    job = a_job("logins", analysis_config={"bucket_span": "1h"}, alerts=alerts)
    stopping = threading.Event()
    return Worker(Settings(), [job], lambda: cluster, FixedClock(NOW), stopping, sender_of=lambda _: post), post


def test_what_one_run_scores_is_sent_at_its_end(worker: tuple[Worker, Post]) -> None:
    run, post = worker
    assert run.once()["logins"].did is TickResult.WORKED
    assert [notification.worst.who for notification in post.notifications] == ["alice"]
    run.once()
    assert len(post.notifications) == 1


def test_metrics_say_that_alerts_do_not_leave(worker: tuple[Worker, Post]) -> None:
    run, post = worker
    fleet = Fleet(run.jobs)
    notifier = run.notifier(run.connect(), fleet)
    notifier.begin()
    write(run.connect(), written(NOW))
    post.away = True
    notifier.once()
    text = exposition(registry(fleet, run.clock), "")[0].decode()
    told = {line for line in text.splitlines() if line.startswith("ipi_es_alerts") and "_created" not in line}
    assert told == {
        'ipi_es_alerts_sent_total{destination="ops",job_id="logins"} 0.0',
        'ipi_es_alerts_refused_total{destination="ops",job_id="logins"} 1.0',
        'ipi_es_alerts_given_up_total{destination="ops",job_id="logins"} 0.0',
        'ipi_es_alerts_waiting{destination="ops",job_id="logins"} 1.0',
    }


def test_a_destination_that_takes_nothing_for_a_quarter_of_an_hour_is_a_reason(worker: tuple[Worker, Post]) -> None:
    run, post = worker
    clock = run.clock
    assert isinstance(clock, FixedClock)

    def look(fleet: Fleet, seconds: int) -> list[str]:
        clock.time = NOW + seconds
        run.notifier(run.connect(), fleet).once()
        for health in fleet:
            health.tick_began(clock.time)
        found = readiness(fleet, clock.time)["reasons"]
        return [each["text"] for each in found if each["reason"] == "destination_dead"]

    fleet = Fleet(run.jobs)
    run.notifier(run.connect(), fleet).begin()
    write(run.connect(), written(NOW))
    post.away = True
    assert look(fleet, 0) == []
    assert look(fleet, DEAD_AFTER - 1) == []
    (text,) = look(fleet, DEAD_AFTER)
    assert text == f"ops has taken no alert since {iso(NOW)}, and 1 wait (the last error: {AWAY})"
    again = Fleet(run.jobs)  # a restart doesn't begin to count anew
    assert len(look(again, DEAD_AFTER + 60)) == 1
    post.away = False
    assert look(again, DEAD_AFTER + 8 * 3_600) == []
    assert len(post.notifications) == 1
