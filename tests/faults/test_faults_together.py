"""Commands and workers on one job at the same moment: each works, or says who holds the job; nothing torn stays."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import live_parts as live
import numpy as np
import pytest
import worker_company as company
import worker_parts as parts
import write_stages as stages
from cli_run import run
from fault_parts import dump, same
from fault_place import END, SCORE_DAYS, Place
from job_command import Command
from live_parts import DELAY, Worker
from live_process import Moved
from worker_company import HOUR, SCORED_FROM
from write_stages import JOB

from ipi_es.alerts.message import Notification
from ipi_es.alerts.notifier import Notifier
from ipi_es.service.tick_outcome import TickResult
from ipi_es.state.job_state import StateStore, first_epoch
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.history.history_keeper import HistoryId, load_history
from ipi_es.worker.job_resources import JobResources

pytestmark = pytest.mark.faults

MINUTE = 60
COMMANDS = ("train", "backfill", "verdict", "delete", "work")
REFUSALS = (
    "is held by",
    "is being claimed by several",
    "is no longer ours",
    "has no snapshot yet",
    "has no state",
    "was deleted",
    "is scored up to",
    "in the meantime",
)
"""What a command may say that did not do its work: who has the job, or that there is nothing to work on."""


def findings(place: Place, file: Path) -> Counter[tuple[str, str]]:
    """What `ipi-es check` finds, by check and status."""
    result = run("--config", place.directory / "ipi-es.yml", "check", file, "--format", "json")
    return Counter((row["check"], row["status"]) for row in json.loads(result.stdout) if row["status"] == "problem")


@pytest.mark.parametrize("seed", range(3))
def test_train_backfill_verdict_delete_and_a_worker_at_once_leave_no_torn_state(
    one_opensearch: Place, seed: int
) -> None:
    place, rng = one_opensearch, np.random.default_rng(seed)
    clock = Moved(END + DELAY + seed * MINUTE)  # one for all commands, later than that of the seed before
    place.fresh(first_epoch(clock.now()))
    file = place.job_file()
    before = findings(place, file)
    order = [COMMANDS[n] for n in rng.permutation(len(COMMANDS))]
    commands = [Command.start(name, place.url, place.job, clock) for name in order]
    for each in commands:
        each.go()
        time.sleep(float(rng.uniform(0.0, 0.3)))
    said = {name: each.ended() for name, each in zip(order, commands, strict=True)}
    assert "done" in said.values(), said
    refused = [each for each in said.values() if each != "done"]
    assert [each for each in refused if "\n" in each or not any(why in each for why in REFUSALS)] == []
    if StateStore(place.cluster).read(place.job.job_id) is not None:
        Command.start("work", place.url, place.job, clock).go().ended()  # goes on from wherever the last one stopped
    nothing_torn(place)
    assert findings(place, file) == before


def nothing_torn(place: Place) -> None:
    """Assert that the job is whole, or not there at all."""
    cluster, job = place.cluster, place.job
    state = StateStore(cluster).read(job.job_id)
    if state is None:
        assert dump(cluster, job) == {}
        return
    assert state.lease_owner is None
    work = JobResources(cluster, job)
    if state.snapshot_id is None:
        assert [each for each in dump(cluster, job).values() if each.get("type") != "job_state"] == []
        return
    work.snapshot(state.snapshot_id)
    assert state.history_id is not None
    load_history(work.stores.blobs, job.job_id, HistoryId.parse(state.history_id))
    buckets = [each for each in parts.of_kind(parts.results(cluster, job), "bucket") if not each["is_interim"]]
    times = [each["timestamp"] // 1_000 for each in buckets]
    assert all(time < int(state.checkpoint or 0) for time in times)
    if times:
        work.stores.quantiles.read(str(state.quantiles_id))
        assert times == list(range(times[0], int(state.checkpoint or 0), job.bucket_span))
        events = Counter(each[0] // job.bucket_span * job.bucket_span for each in company.events(score_days=SCORE_DAYS))
        assert {at: each["event_count"] for at, each in zip(times, buckets, strict=True)} == {
            at: events.get(at, 0) for at in times
        }


class Post:
    """Takes every message."""

    def __init__(self) -> None:
        self.notifications: list[Notification] = []

    def send(self, notification: Notification) -> None:
        self.notifications.append(notification)


def test_two_workers_with_different_files_of_a_job_do_not_flip_it_nor_alert_twice(trained: MemoryCluster) -> None:
    """The second one's file has another bucket_span, and a job that the first one doesn't have."""
    notify: dict[str, Any] = {"on": ["records"], "threshold": 1, "notify": [{"name": "ops", "webhook": "http://x/"}]}
    alone, cluster = stages.own_events(trained), stages.own_events(trained)
    for end in range(SCORED_FROM + 3 * HOUR, END + 1, 3 * HOUR):
        Worker(alone, JOB).tick(end)
    other = stages.job("vpn", training={**stages.TRAINING, "min_history": "7d"}, results_index_name="vpn")
    first = stages.job(alerts=notify)
    second = stages.job(alerts=notify, analysis_config={"bucket_span": "1h"})
    ours = Worker(cluster, first)
    theirs = {job.job_id: Worker(cluster, job, owner="two:2:2") for job in (second, other)}
    posts = {"one": Post(), "two": Post()}
    clock = parts.TestClock(END)
    notifiers = [
        Notifier(cluster, jobs, name, clock.now, way=lambda _, name=name: posts[name])
        for name, jobs in (("one", [first]), ("two", [second, other]))
    ]
    for each in notifiers:
        each.begin()
    for end in range(SCORED_FROM + 3 * HOUR, END + 1, 3 * HOUR):
        changed = theirs["signins"].tick(end)
        assert changed.did is TickResult.FAILED
        assert "bucket_span was 3h and is 1h" in changed.text
        assert ours.tick(end).did is TickResult.WORKED
        assert theirs["vpn"].tick(end).did is TickResult.WORKED
        threads = [threading.Thread(target=each.once) for each in notifiers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    (reason,) = [str(each.trouble) for each in theirs["signins"].health.reasons(END + DELAY)]
    assert reason == "failing"
    assert ours.health.reasons(END + DELAY) == []
    assert live.state_of(cluster, other).checkpoint == live.state_of(cluster, JOB).checkpoint == END
    found = {place: each for place, each in dump(cluster, JOB, stamped=False).items() if each.get("type") != "alerts"}
    same(found, dump(alone, JOB, stamped=False))
    ids = [name for post in posts.values() for notification in post.notifications for name in notification.finding_ids]
    assert ids
    assert len(ids) == len(set(ids))
