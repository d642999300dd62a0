"""Workers with different files of one job: nothing flips, and nothing alerts twice."""

from __future__ import annotations

import threading
from typing import Any

import live_parts as live
import pytest
import worker_parts as parts
import write_stages as stages
from fault_parts import dump, same
from fault_place import END
from live_parts import DELAY, Worker
from worker_company import HOUR, SCORED_FROM
from write_stages import JOB

from ipi_es.alerts.message import Letter
from ipi_es.alerts.notifier import Notifier
from ipi_es.cluster.memory import MemoryCluster
from ipi_es.service.outcome import Did

pytestmark = pytest.mark.faults


class Post:
    """Takes every message."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    def send(self, letter: Letter) -> None:
        self.letters.append(letter)


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
        assert changed.did is Did.FAILED
        assert "bucket_span was 3h and is 1h" in changed.text
        assert ours.tick(end).did is Did.WORKED
        assert theirs["vpn"].tick(end).did is Did.WORKED
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
    ids = [name for post in posts.values() for letter in post.letters for name in letter.finding_ids]
    assert ids
    assert len(ids) == len(set(ids))
