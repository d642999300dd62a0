"""One event gives one message, which names everybody; and what was sent is noted of each finding in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import alert_results as seeded
import pytest
from alert_results import BUCKET, HOUR, NOW
from notifying_parts import CONTEXT, job, ready_cluster, write

from ipi_es.alerts.delivery import Delivery, DeliveryResult
from ipi_es.alerts.delivery_state import LEASE
from ipi_es.alerts.incident_messages import incidents
from ipi_es.alerts.message import Message, Notification
from ipi_es.alerts.test_message import trial
from ipi_es.results.documents.members import Members, Unusual
from ipi_es.results.documents.result_documents import Bucket, BucketInfluencer, Influencer, ResultDocument, Stamp
from ipi_es.results.words import BUCKET_TIME
from ipi_es.testing.memory_cluster import MemoryCluster

STAMP = Stamp("s", "q", ingested=NOW)
SPRAYER = "203.0.113.9"
ALL = {"on": ["records", "influencers", "buckets"]}
ACCOUNTS = tuple(f"user{n:02d}" for n in range(45))


def address(ip: str = SPRAYER, names: tuple[str, ...] = ACCOUNTS, score: float = 92.0, **more: Any) -> ResultDocument:
    members = Members(len(names), len(names) - 4, 0, 0, names[:10], len(names) + 5)
    stamp, given = more.pop("stamp", STAMP), {"start": BUCKET, **more}
    return Influencer(
        field="source.ip", value=ip, probability=1e-6, influencer_score=score, members=members, **given
    ).document(CONTEXT, stamp)


def entity(name: str, ips: tuple[str, ...] = (SPRAYER,), score: float = 80.0) -> ResultDocument:
    members = Members(len(ips), len(ips), 0, 0, ips[:10], len(ips))
    return Influencer(
        start=BUCKET, field="user.name", value=name, probability=1e-6, influencer_score=score,
        members=members,
    ).document(CONTEXT, STAMP)  # fmt: skip


def record(name: str, ip: str = SPRAYER, score: float = 90.0) -> ResultDocument:
    return seeded.record(CONTEXT, name, ip, score, stamp=STAMP)


def whole(score: float = 90.0) -> ResultDocument:
    return Bucket(
        start=BUCKET, event_count=90, processing_time_ms=3,
        influencers=[BucketInfluencer(BUCKET_TIME, score, 2.0, 1e-6)], top_entities=ACCOUNTS[:10], top_ips=[SPRAYER],
        record_count=50, new_record_count=50, unusual=Unusual(46, 45, 2, 42),
    ).document(CONTEXT, STAMP)  # fmt: skip


@dataclass
class Post:
    """Takes notifications; may fail, or die after having taken one."""

    notifications: list[Notification] = field(default_factory=list)
    dies: bool = False

    def send(self, notification: Notification) -> None:
        self.notifications.append(notification)
        if self.dies:
            raise Killed


class Killed(BaseException):
    pass


@pytest.fixture
def cluster() -> MemoryCluster:
    return ready_cluster()


def courier(cluster: MemoryCluster, post: Post, owner: str = "one:1:1", **alerts: Any) -> Delivery:
    made = Delivery(cluster, job(**{**ALL, **alerts}), "ops", post, owner)
    made.begin(NOW - 360)
    return made


def test_alert_of_an_address_says_who_and_how_many(cluster: MemoryCluster) -> None:
    post = Post()
    one = courier(cluster, post)
    write(cluster, address())
    assert one.deliver(NOW).sent == 1
    sent = post.notifications[0].to_dict()
    assert (sent["who"], sent["from"]) == ("user00, user01, user02 and 42 more", SPRAYER)
    assert (sent["entity_count"], sent["entities"], sent["addresses"]) == (45, list(ACCOUNTS[:10]), [SPRAYER])
    assert sent["why"].startswith(
        "203.0.113.9 was used by 45 user.name values (50 events): user00, user01, user02, user03, user04 and 40 more. "
        "In what was learned before 2026-06-01, 41 of them never used it."
    )
    assert [each["id"] for each in sent["findings"]] == [sent["id"]]


def test_address_with_its_accounts_and_records_is_one_message(cluster: MemoryCluster) -> None:
    post = Post()
    one = courier(cluster, post)
    spraying = [record(name) for name in ACCOUNTS[:4]]
    write(cluster, address(), *spraying, entity(ACCOUNTS[0], score=97.0))
    assert one.deliver(NOW) == DeliveryResult(sent=1)
    sent = post.notifications[0].to_dict()
    assert (sent["alert"], sent["score"], sent["severity"]) == ("influencers", 97.0, "critical")
    assert (sent["who"], sent["from"]) == ("user00, user01, user02 and 42 more", SPRAYER)
    assert len(sent["findings"]) == 6
    assert sent["findings"][0]["why"] == sent["why"] == address().source["reason"]
    assert post.notifications[0].text.count("\n- ") == 5
    for later in (1, 600, 5_000):
        assert one.deliver(NOW + later) == DeliveryResult()


def test_bucket_covers_all_that_is_found_in_it(cluster: MemoryCluster) -> None:
    post = Post()
    one = courier(cluster, post)
    write(cluster, whole(), address(), record("elsewhere", "198.51.100.1"), *(record(name) for name in ACCOUNTS[:3]))
    assert one.deliver(NOW) == DeliveryResult(sent=1)
    sent = post.notifications[0].to_dict()
    assert sent["alert"] == "buckets"
    assert sent["why"].startswith("46 unusual pairs of 45 user.name values and 2 source.ip values: user00, ")
    assert sent["who"] == "user00, user01, user02 and 42 more"
    assert {"elsewhere", "198.51.100.1"} <= {*sent["entities"], *sent["addresses"]}


def test_what_has_nothing_in_common_is_a_message_each(cluster: MemoryCluster) -> None:
    post = Post()
    one = courier(cluster, post)
    later = seeded.record(CONTEXT, "user00", SPRAYER, 90.0, stamp=STAMP, start=BUCKET + HOUR)
    write(cluster, address(), record("elsewhere", "198.51.100.1"), later)
    assert one.deliver(NOW).sent == 3


def test_findings_that_a_third_one_links_are_one_message() -> None:
    found = [a_message("a", ("x",), ("1",)), a_message("b", ("y",), ("2",)), a_message("c", ("x",), ("2", "3"))]
    (one,) = incidents(found)
    assert set(one.ids) == {"a", "b", "c"}
    assert (set(one.entities), one.entity_count, set(one.addresses)) == ({"x", "y"}, 2, {"1", "2", "3"})
    assert "at least" not in one.who + one.where


def test_number_that_is_only_a_lower_bound_says_so() -> None:
    wide = [a_message("a", ("x", "y"), ("1",), most=30), a_message("b", ("x", "z"), ("2",), most=20)]
    (one,) = incidents(wide)
    assert one.who == "x, y, z and at least 27 more"


@pytest.mark.parametrize("order", [1, -1])
def test_id_depends_on_the_findings_and_not_on_their_order(order: int) -> None:
    found = [a_message(name, ("x",), (name,)) for name in "abc"][::order]
    (one,) = incidents(found)
    (again,) = incidents(found[::-1])
    (less,) = incidents(found[:2])
    assert one.id == again.id != less.id
    assert incidents(found[:1])[0].id == found[0].id


def a_message(id_: str, entities: tuple[str, ...], addresses: tuple[str, ...], most: int = 0) -> Message:
    return Message(
        id_, "logins", "influencers" if most else "records", BUCKET, "critical", "why", 90.0,
        entities=entities, addresses=addresses, entity_count=max(most, len(entities)), address_count=len(addresses),
    )  # fmt: skip


def test_killed_after_sending_it_sends_the_same_message_again_and_loses_no_finding(cluster: MemoryCluster) -> None:
    write(cluster, address(), *(record(name) for name in ACCOUNTS[:3]))
    dying = Post(dies=True)
    with pytest.raises(Killed):
        courier(cluster, dying).deliver(NOW)
    post = Post()
    assert courier(cluster, post, owner="two:2:2").deliver(NOW + LEASE).sent == 1
    assert post.notifications[0].id == dying.notifications[0].id
    assert set(post.notifications[0].finding_ids) == set(dying.notifications[0].finding_ids)
    assert courier(cluster, post, owner="three:3:3").deliver(NOW + LEASE + 1) == DeliveryResult()


def test_what_comes_later_of_an_incident_is_told_of_alone(cluster: MemoryCluster) -> None:
    post = Post()
    one = courier(cluster, post)
    write(cluster, record(ACCOUNTS[0]))
    one.deliver(NOW)
    write(cluster, address(), record(ACCOUNTS[1]))  # seen amid the writing of a bucket
    assert one.deliver(NOW + 15).sent == 1
    assert [len(notification.finding_ids) for notification in post.notifications] == [1, 2]
    assert one.deliver(NOW + 30) == DeliveryResult()


def test_refused_incident_waits_as_a_whole(cluster: MemoryCluster) -> None:
    from ipi_es.errors import NotSent

    class Away(Post):
        def send(self, notification: Notification) -> None:
            raise NotSent("not today")

    write(cluster, address(), *(record(name) for name in ACCOUNTS[:3]))
    one = courier(cluster, Away())
    done = one.deliver(NOW)
    assert (done.sent, done.waiting, done.refused) == (0, 4, 1)
    post = Post()
    assert courier(cluster, post).deliver(NOW + 3_600).sent == 1
    assert len(post.notifications[0].finding_ids) == 4


def test_trial_has_the_shape_of_an_alert(cluster: MemoryCluster) -> None:
    post = Post()
    one = courier(cluster, post)
    write(cluster, address(), record(ACCOUNTS[0]))
    one.deliver(NOW)
    alert, test = post.notifications[0].to_dict(), trial(job(), NOW).to_dict()
    assert set(alert) == set(test)
    assert {name: type(value) for name, value in alert.items()} == {name: type(value) for name, value in test.items()}
    assert len(test["findings"]) == 2
    assert set(alert["findings"][0]) == set(test["findings"][0])
    assert "nothing was found" in test["why"]
