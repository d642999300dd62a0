"""The worker's own notifications: what is sent once, again or together; what fails or is killed loses none."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import alert_results as seeded
import pytest
import rison
from alert_results import BUCKET, HOUR, NOW, STAMP
from notifying_parts import CONTEXT, job, ready_cluster, write, written

from ipi_es.alerts.dashboard_links import link
from ipi_es.alerts.delivery import Delivery, DeliveryResult
from ipi_es.alerts.delivery_state import FIRST_PAUSE, LEASE, LONGEST_PAUSE, DeliveryState, DeliveryStateStore, forget
from ipi_es.alerts.found_alerts import find
from ipi_es.alerts.kinds import Kind
from ipi_es.alerts.message import Notification, rounded
from ipi_es.cluster.port import Cluster
from ipi_es.errors import NotSent
from ipi_es.results.documents import result_documents
from ipi_es.results.documents.result_documents import ResultDocument, Stamp
from ipi_es.state.job_state import STATE_INDEX
from ipi_es.testing.memory_cluster import MemoryCluster

SINCE = NOW - 360


@pytest.fixture
def cluster() -> MemoryCluster:
    return ready_cluster()


@dataclass
class Post:
    """Takes notifications; what is in ``refuses`` is not taken."""

    notifications: list[Notification] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    away: bool = False
    wait: int | None = None
    tried: list[str] = field(default_factory=list)

    def send(self, notification: Notification) -> None:
        self.tried.append(notification.worst.who)
        if self.away or notification.worst.who in self.refuses:
            raise NotSent("not today", wait=self.wait)
        self.notifications.append(notification)

    @property
    def whom(self) -> list[str]:
        return [message.who for notification in self.notifications for message in notification.messages]


def courier(cluster: Cluster, post: Post, owner: str = "one:1:1", **alerts: Any) -> Delivery:
    made = Delivery(cluster, job(**alerts), "ops", post, owner)
    made.begin(SINCE)
    return made


@pytest.mark.parametrize("kind", ["records", "influencers", "buckets"])
def test_what_alerts_is_what_the_definitions_for_consoles_alert_on(cluster: MemoryCluster, kind: str) -> None:
    made, must = seeded.SEEDS[kind](CONTEXT)
    write(cluster, *made)
    found = find(cluster, job(on=[kind]), (NOW - 360) * 1_000, NOW)
    keys = {(each.message.when, each.message.id.split("|")[-2] if kind != "buckets" else "") for each in found}
    # windows of a console end a minute before its look; ours are open
    assert must <= keys
    assert {name for _, name in keys - must} <= {"second after", ""}
    assert len(keys - must) == 1
    assert len(found) == len({each.message.id for each in found})


def test_message_says_who_from_where_when_how_unusual_why_and_where_to_look(cluster: MemoryCluster) -> None:
    write(cluster, written(NOW), seeded.record(CONTEXT, "alice", "203.0.113.9", 95.0, stamp=Stamp("s", "q", NOW)))
    (found,) = find(cluster, job(console="https://kibana.example.org"), SINCE * 1_000, NOW)
    sent = found.message.to_dict()
    assert sent["id"] == f"logins|records|{BUCKET * 1_000}|alice|critical"
    assert (sent["who"], sent["from"], sent["score"]) == ("alice", "203.0.113.9, 198.51.100.7", 95.0)
    assert (sent["when"], sent["severity"]) == ("2026-06-01T06:00:00Z", "critical")
    assert "alice used 203.0.113.9" in sent["why"]
    there, _, state = sent["link"].partition("?")
    assert there == "https://kibana.example.org/app/dashboards#/view/ipi-es-entity"
    assert rison.state_of(state)["_g"]["time"]["from"] == "2026-06-01T06:00:00Z||-12h"
    assert rison.state_of(state)["_a"]["query"] == {
        "language": "kuery",
        "query": 'job_id:"logins" and partition_field_value:"alice"',
    }


def test_scores_are_rounded_down_to_one_decimal(cluster: MemoryCluster) -> None:
    write(cluster, seeded.record(CONTEXT, "alice", "203.0.113.9", 95.987654321, stamp=Stamp("s", "q", NOW)))
    (found,) = find(cluster, job(), SINCE * 1_000, NOW)
    sent = found.message.to_dict()
    assert (sent["score"], sent["findings"][0]["score"]) == (95.9, 95.9)
    assert rounded(74.96) == 74.9


@pytest.mark.parametrize("name", ["o'neil", 'a"b\\c', "100% #1 & a+b!?", "x'),filters:!()", "用户 <i>"])
def test_links_hold_any_name_of_an_entity(name: str) -> None:
    told = link(job(console="https://k"), NOW, (name,), (), kind="records")
    assert not set(told.partition("#")[2]) & set(' "#+\\<>')
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    state = rison.state_of(told.partition("?")[2])
    assert state["_a"] == {
        "query": {"language": "kuery", "query": f'job_id:"logins" and partition_field_value:"{escaped}"'}
    }


def test_links_lead_to_an_address_or_to_everything_of_the_bucket() -> None:
    def query(*found: tuple[str, ...], kind: Kind) -> tuple[str, str]:
        there, _, state = link(job(console="https://k"), NOW, found[0], found[1], kind=kind).partition("?")
        return there.rpartition("/")[2], rison.state_of(state)["_a"]["query"]["query"]

    either = 'job_id:"logins" and (by_field_value:"203.0.113.9" or influencer_field_value:"203.0.113.9")'
    assert query(("a", "b"), ("203.0.113.9",), kind="influencers") == ("ipi-es-overview", either)
    assert query(("a",), ("203.0.113.9",), kind="buckets") == ("ipi-es-overview", 'job_id:"logins"')
    assert link(job(), NOW, ("a",), (), kind="records") == ""


def test_blindness_alerts_when_it_begins(cluster: MemoryCluster) -> None:
    def note(state: str) -> ResultDocument:
        fields = {"blind_state": state, "blind_reason": "no_events"}
        return result_documents.annotation(
            CONTEXT, STAMP, start=BUCKET, end=BUCKET + HOUR, annotation_type="blind", text="Text.", fields=fields
        )

    for state in ("blind", "half_blind"):
        write(cluster, note(state))
        (found,) = find(cluster, job(), SINCE * 1_000, NOW)
        assert (found.message.alert, found.message.severity, found.message.score) == ("blind", "critical", None)
    write(cluster, note("ended"))
    assert find(cluster, job(), SINCE * 1_000, NOW) == []


def test_alert_is_sent_once(cluster: MemoryCluster) -> None:
    post = Post()
    one = courier(cluster, post)
    write(cluster, written(NOW))
    assert one.deliver(NOW) == DeliveryResult(sent=1)
    for later in (1, 600, 5_000, 100_000):
        assert one.deliver(NOW + later) == DeliveryResult()
    assert post.whom == ["alice"]


def test_no_name_writes_a_line_of_its_own_into_the_log(
    cluster: MemoryCluster, caplog: pytest.LogCaptureFixture
) -> None:
    one = courier(cluster, Post())
    write(cluster, written(NOW, "x\n2026-06-01 ERROR forged \x1b[31m"))
    with caplog.at_level(logging.INFO):
        assert one.deliver(NOW).sent == 1
    assert "forged" in caplog.messages[-1]
    assert not set(caplog.messages[-1]) & {"\n", "\x1b"}


def test_restarted_worker_neither_forgets_nor_repeats(cluster: MemoryCluster) -> None:
    post = Post()
    write(cluster, written(NOW))
    courier(cluster, post).deliver(NOW)
    write(cluster, written(NOW + 10, "bob"))  # nobody looks
    courier(cluster, post, owner="two:2:2").deliver(NOW + 86_400)
    assert post.whom == ["alice", "bob"]


def test_new_destination_begins_with_what_is_written_then(cluster: MemoryCluster) -> None:
    post = Post()
    write(cluster, written(NOW - 1_000))
    courier(cluster, post).deliver(NOW)
    assert post.notifications == []


def test_result_shown_late_is_found(cluster: MemoryCluster) -> None:
    post = Post()
    one = courier(cluster, post)
    write(cluster, written(NOW))
    one.deliver(NOW + 1_000)
    write(cluster, written(NOW - 60, "slow bulk"))
    one.deliver(NOW + 2_000)
    assert post.whom == ["alice", "slow bulk"]


def test_killed_between_sending_and_noting_it_is_sent_again_with_the_same_id(cluster: MemoryCluster) -> None:
    post = Post()
    write(cluster, written(NOW))

    class Killed(BaseException):
        pass

    class DiesAfterwards(Post):
        def send(self, notification: Notification) -> None:
            post.send(notification)
            raise Killed

    with pytest.raises(Killed):
        courier(cluster, DiesAfterwards()).deliver(NOW)
    other = courier(cluster, post, owner="two:2:2")
    assert other.deliver(NOW + LEASE - 1) == DeliveryResult(waiting=None)
    assert other.deliver(NOW + LEASE).sent == 1
    assert len({notification.id for notification in post.notifications}) == 1
    assert len(post.notifications) == 2


def test_two_workers_send_once(cluster: MemoryCluster) -> None:
    post = Post()
    write(cluster, written(NOW))
    workers = [courier(cluster, post, owner=f"{n}:1:1") for n in range(2)]
    for worker in workers:
        worker.deliver(NOW)
    assert post.whom == ["alice"]


def test_what_is_not_taken_is_tried_again_with_growing_pauses(cluster: MemoryCluster) -> None:
    post = Post(away=True)
    one = courier(cluster, post)
    write(cluster, written(NOW))
    now, pauses = NOW, []
    for _ in range(10):
        done = one.deliver(now)
        assert (done.sent, done.waiting) == (0, 1)
        assert done.again_in is not None
        between = one.deliver(now + done.again_in - 1)
        assert (between.sent, between.waiting, between.refused) == (0, 1, 0)
        pauses.append(done.again_in)
        now += done.again_in
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    post.away = False
    assert one.deliver(now).sent == 1
    assert one.deliver(now + 1) == DeliveryResult()


def test_letter_that_a_service_does_not_like_holds_up_no_other(cluster: MemoryCluster) -> None:
    post = Post(refuses={"poison"})
    one = courier(cluster, post)
    write(cluster, written(NOW, "poison", 99.0), written(NOW, "alice", 90.0), written(NOW, "bob", 80.0))
    done = one.deliver(NOW)
    assert (done.sent, done.waiting, done.refused) == (2, 1, 1)
    assert post.whom == ["alice", "bob"]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_letters_that_a_service_does_not_like_hold_up_none_that_comes_later(
    cluster: MemoryCluster, number: int
) -> None:
    poison = {f"poison{n}" for n in range(number)}
    post = Post(refuses=poison)
    one = courier(cluster, post)
    write(cluster, *(written(NOW, name, 99.0) for name in poison))
    for second in range(0, 7_200, 60):
        one.deliver(NOW + second)
    for place, second in enumerate((7_200, 7_260, 9_000, 20_000)):
        write(cluster, written(NOW + second, f"later{place}", 80.0))
        one.deliver(NOW + second)
        assert post.whom[-1] == f"later{place}"
    post.refuses = set()
    for second in range(20_000, 24_000, 60):
        one.deliver(NOW + second)
    assert set(post.whom) >= poison
    assert len(post.whom) == len(set(post.whom))


def test_two_worst_that_are_not_liked_do_not_stand_before_all_others(cluster: MemoryCluster) -> None:
    post = Post(refuses={"poison", "venom"})
    one = courier(cluster, post)
    write(cluster, *(written(NOW, name, 99.0) for name in post.refuses), written(NOW, "alice", 80.0))
    assert one.deliver(NOW).sent == 0
    assert one.deliver(NOW + FIRST_PAUSE).sent == 1
    assert post.whom == ["alice"]


def test_what_is_not_liked_is_tried_again_with_growing_pauses_of_its_own(cluster: MemoryCluster) -> None:
    post = Post(refuses={"poison"})
    one = courier(cluster, post)
    write(cluster, written(NOW, "poison", 99.0), written(NOW, "alice", 90.0))
    for second in range(0, 43_200, 60):
        one.deliver(NOW + second)
    assert post.whom == ["alice"]
    assert 12 < post.tried.count("poison") < 24  # 30 s, 1 min, …, then once an hour


def test_destination_that_asks_for_peace_gets_it_and_no_longer_than_an_hour(cluster: MemoryCluster) -> None:
    post = Post(away=True, wait=600)
    one = courier(cluster, post)
    write(cluster, written(NOW), written(NOW, "bob"))
    done = one.deliver(NOW)
    assert (done.refused, done.again_in) == (1, 600)
    write(cluster, written(NOW + 60, "next"))
    assert one.deliver(NOW + 599) == DeliveryResult(waiting=3, again_in=1, failing_since=NOW, error="not today")
    assert len(post.tried) == 1
    post.wait = 10**9
    assert one.deliver(NOW + 600).again_in == LONGEST_PAUSE
    post.away = False
    assert one.deliver(NOW + 600 + LONGEST_PAUSE).sent == 3
    assert len(post.whom) == 3


def test_state_of_before_refusals_were_noted_is_read(cluster: MemoryCluster) -> None:
    store = DeliveryStateStore(cluster, "logins", "ops")
    store.save(DeliveryState("logins", "ops", 5, refused={"a": (2, 9)}, asked_until=7))
    read = store.acquire_lease("one", NOW)
    assert read is not None
    assert (read.refused, read.asked_until) == ({"a": (2, 9)}, 7)
    cluster.refresh(STATE_INDEX)
    (document,) = cluster.scan(STATE_INDEX, {"term": {"type": "alerts"}})
    old = {key: value for key, value in document.source["details"].items() if key not in {"refused", "asked_until"}}
    cluster.put(STATE_INDEX, document.id, {**document.source, "details": old})
    again = store.acquire_lease("one", NOW)
    assert again is not None
    assert (again.refused, again.asked_until) == ({}, 0)


def test_alert_that_grows_too_old_while_it_waits_is_counted_once(
    cluster: MemoryCluster, caplog: pytest.LogCaptureFixture
) -> None:
    one = courier(cluster, Post(away=True), max_age="2h")
    write(cluster, written(NOW))
    assert one.deliver(NOW).waiting == 1
    done = one.deliver(NOW + 7_200)
    assert (done.waiting, done.given_up) == (0, 1)
    assert "was never taken, and is given up" in caplog.text
    assert one.deliver(NOW + 7_300).given_up == 0


def test_alert_that_grows_too_old_while_no_worker_runs_is_counted_by_the_next(cluster: MemoryCluster) -> None:
    young = seeded.record(CONTEXT, "young", "198.51.100.7", 90.0, stamp=Stamp("s", "q", NOW), start=BUCKET + HOUR)
    write(cluster, written(NOW, "old"), young)
    assert courier(cluster, Post(away=True), max_age="2h").deliver(NOW).waiting == 2
    post = Post()
    after = courier(cluster, post, max_age="2h")
    done = after.deliver(NOW + 3_600)
    assert (done.sent, done.waiting, done.given_up) == (1, 0, 1)
    assert post.whom == ["young"]
    assert after.deliver(NOW + 3_700).given_up == 0


def test_beyond_the_rate_alerts_come_together_and_none_is_lost(cluster: MemoryCluster) -> None:
    post = Post()
    one = courier(cluster, post, max_per_hour=3)
    write(cluster, *(written(NOW, f"user{n}", 76.0 + n) for n in range(8)))
    assert one.deliver(NOW).sent == 3
    assert [len(notification.messages) for notification in post.notifications] == [1, 1, 6]
    assert post.whom[:2] == ["user7", "user6"]
    assert "6 more alerts" in post.notifications[2].title
    write(cluster, written(NOW + 60, "next"))
    done = one.deliver(NOW + 60)
    assert (done.sent, done.waiting, done.again_in) == (0, 1, 3_540)
    assert one.deliver(NOW + 3_600).sent == 1
    assert len(set(post.whom)) == len(post.whom) == 9


def test_higher_severity_of_a_bucket_scored_again_is_another_alert(cluster: MemoryCluster) -> None:
    post = Post()
    one = courier(cluster, post, threshold=50)
    write(cluster, written(NOW, score=60.0))
    one.deliver(NOW)
    write(cluster, written(NOW + 100, score=61.0))
    assert one.deliver(NOW + 100).sent == 0
    write(cluster, written(NOW + 200, score=91.0))
    assert one.deliver(NOW + 200).sent == 1
    assert [notification.worst.severity for notification in post.notifications] == ["major", "critical"]


def test_state_goes_there_and_back_and_is_forgotten_with_the_job(cluster: MemoryCluster) -> None:
    store = DeliveryStateStore(cluster, "logins", "ops")
    saved = store.save(DeliveryState("logins", "ops", 5, {"a": 7}, (1, 2), 3, 4))
    assert store.acquire_lease("one", NOW) is not None
    assert saved.ids == {"a": 7}
    assert store.acquire_lease("two", NOW) is None
    assert forget(cluster, "logins") == 1
    assert forget(cluster, "logins") == 0
