"""The worker's own notifications: what is sent once, again or together; what hangs, fails or is killed loses none."""

from __future__ import annotations

import json
import logging
import socketserver
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import alert_results as seeded
import pytest
from alert_results import BUCKET, HOUR, NOW, STAMP
from service_parts import a_job

from ipi_es.alerts.courier import Courier, Delivered
from ipi_es.alerts.findings import find
from ipi_es.alerts.message import Letter
from ipi_es.alerts.notifier import Notifier
from ipi_es.alerts.senders import AppriseSender, WebhookSender
from ipi_es.alerts.sent import FIRST_PAUSE, LEASE, LONGEST_PAUSE, Sent, SentStore, forget
from ipi_es.alerts.trial import trial
from ipi_es.cluster.memory import MemoryCluster
from ipi_es.cluster.port import Cluster
from ipi_es.config.alerts import Destination
from ipi_es.config.job import Job
from ipi_es.errors import NotSent
from ipi_es.results import documents
from ipi_es.results.documents import ResultContext, ResultDocument, Stamp
from ipi_es.results.store import ResultStore
from ipi_es.results.words import ALIAS
from ipi_es.setup import plan

CONTEXT = ResultContext("logins", HOUR, "user.name", "source.ip", ("user.name", "source.ip"))
SINCE = NOW - 360


def job(**alerts: Any) -> Job:
    given = {"on": ["records"], "notify": [{"name": "ops", "webhook": "http://127.0.0.1:9/x"}], **alerts}
    return a_job("logins", analysis_config={"bucket_span": "1h"}, alerts=given)


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    plan.apply(made, plan.plan(made))
    return made


def write(cluster: Cluster, *made: ResultDocument) -> None:
    ResultStore(cluster, "logins", flat_fields=CONTEXT.flat_fields).write(made, 1)
    cluster.refresh(ALIAS)


def written(moment: int, name: str = "alice", score: float = 90.0, **more: Any) -> ResultDocument:
    return seeded.record(CONTEXT, name, "198.51.100.7", score, stamp=Stamp("s", "q", ingested=moment), **more)


@dataclass
class Post:
    """Takes letters; what is in ``refuses`` is not taken."""

    letters: list[Letter] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    away: bool = False

    def send(self, letter: Letter) -> None:
        if self.away or letter.worst.who in self.refuses:
            raise NotSent("not today")
        self.letters.append(letter)

    @property
    def whom(self) -> list[str]:
        return [message.who for letter in self.letters for message in letter.messages]


def courier(cluster: Cluster, post: Post, owner: str = "one:1:1", **alerts: Any) -> Courier:
    made = Courier(cluster, job(**alerts), "ops", post, owner)
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
    assert sent["link"].startswith(
        "https://kibana.example.org/app/dashboards#/view/ipi-es-overview?_g=(time:(from:'2026"
    )


def test_blindness_alerts_when_it_begins(cluster: MemoryCluster) -> None:
    def note(text: str) -> ResultDocument:
        return documents.annotation(CONTEXT, STAMP, start=BUCKET, end=BUCKET + HOUR, annotation_type="blind", text=text)

    write(cluster, note("No events from 06:00 on, so far, although there always were some."))
    (found,) = find(cluster, job(), SINCE * 1_000, NOW)
    assert (found.message.alert, found.message.severity, found.message.score) == ("blind", "critical", None)
    write(cluster, note("No events from 06:00 to 07:00, although there always were some."))
    assert find(cluster, job(), SINCE * 1_000, NOW) == []


def test_alert_is_sent_once(cluster: MemoryCluster) -> None:
    post = Post()
    one = courier(cluster, post)
    write(cluster, written(NOW))
    assert one.deliver(NOW) == Delivered(sent=1)
    for later in (1, 600, 5_000, 100_000):
        assert one.deliver(NOW + later) == Delivered()
    assert post.whom == ["alice"]


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
    assert post.letters == []


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
        def send(self, letter: Letter) -> None:
            post.send(letter)
            raise Killed

    with pytest.raises(Killed):
        courier(cluster, DiesAfterwards()).deliver(NOW)
    other = courier(cluster, post, owner="two:2:2")
    assert other.deliver(NOW + LEASE - 1) == Delivered()
    assert other.deliver(NOW + LEASE).sent == 1
    assert len({letter.id for letter in post.letters}) == 1
    assert len(post.letters) == 2


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
        assert one.deliver(now + done.again_in - 1).sent == 0
        pauses.append(done.again_in)
        now += done.again_in
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    post.away = False
    assert one.deliver(now).sent == 1
    assert one.deliver(now + 1) == Delivered()


def test_letter_that_a_service_does_not_like_holds_up_no_other(cluster: MemoryCluster) -> None:
    post = Post(refuses={"poison"})
    one = courier(cluster, post)
    write(cluster, written(NOW, "poison", 99.0), written(NOW, "alice", 90.0), written(NOW, "bob", 80.0))
    done = one.deliver(NOW)
    assert (done.sent, done.waiting) == (2, 1)
    assert post.whom == ["alice", "bob"]


def test_beyond_the_rate_alerts_come_together_and_none_is_lost(cluster: MemoryCluster) -> None:
    post = Post()
    one = courier(cluster, post, max_per_hour=3)
    write(cluster, *(written(NOW, f"user{n}", 76.0 + n) for n in range(8)))
    assert one.deliver(NOW).sent == 3
    assert [len(letter.messages) for letter in post.letters] == [1, 1, 6]
    assert post.whom[:2] == ["user7", "user6"]
    assert "6 more alerts" in post.letters[2].title
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
    assert [letter.worst.severity for letter in post.letters] == ["major", "critical"]


def test_state_goes_there_and_back_and_is_forgotten_with_the_job(cluster: MemoryCluster) -> None:
    store = SentStore(cluster, "logins", "ops")
    saved = store.save(Sent("logins", "ops", 5, {"a": 7}, (1, 2), 3, 4))
    assert store.claim("one", NOW) is not None
    assert saved.ids == {"a": 7}
    assert store.claim("two", NOW) is None
    assert forget(cluster, "logins") == 1
    assert forget(cluster, "logins") == 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[int] = []
        self.hangs = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/secret-path"

    def handle_error(self, *_: Any) -> None:
        """The client hung up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.hangs.is_set():
            time.sleep(3)
            return
        status = self.server.answers.pop(0) if self.server.answers else 200
        if status == 200:
            self.server.bodies.append(body)
            self.server.headers.append(dict(self.headers))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def web() -> Iterator[_Server]:
    with _Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def destination(**keys: Any) -> Destination:
    return job(notify=[{"name": "ops", **keys}]).alerts.notify[0]


def test_webhook_gets_json_with_the_id_and_a_token(web: _Server, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    letter = trial(job(), NOW)
    WebhookSender(destination(webhook=web.url, bearer_token_file=str(tmp_path / "token"))).send(letter)
    assert web.bodies[0]["id"] == letter.id
    assert web.headers[0]["Authorization"] == "Bearer s3cret"
    assert web.headers[0]["Idempotency-Key"] == letter.id


@pytest.mark.parametrize("status", [301, 400, 404, 429, 500, 503])
def test_anything_but_a_yes_is_not_sent_and_quotes_no_url(web: _Server, status: int) -> None:
    web.answers = [status]
    with pytest.raises(NotSent, match=str(status)) as error:
        WebhookSender(destination(webhook=web.url)).send(trial(job(), NOW))
    assert "secret-path" not in str(error.value)


def test_nobody_listens_is_not_sent_and_quotes_no_url() -> None:
    with pytest.raises(NotSent) as error:
        WebhookSender(destination(webhook="http://127.0.0.1:9/secret-path")).send(trial(job(), NOW))
    assert "secret-path" not in str(error.value)


def test_500s_and_restarts_lose_none_and_hanging_holds_nobody_up(
    web: _Server, cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipi_es.alerts.senders.TIMEOUT", (0.3, 0.3))
    following = job(notify=[{"name": "ops", "webhook": web.url}])
    first = Notifier(cluster, [following], "one:1:1", lambda: NOW)
    first.begin()
    write(cluster, written(NOW))
    web.hangs.set()
    begin = time.monotonic()
    assert first.once(limit=0.05) is False
    assert time.monotonic() - begin < 1
    time.sleep(0.6)
    web.hangs.clear()
    web.answers = [500]
    for later in (200, 400, 600):
        assert Notifier(cluster, [following], "two:2:2", lambda later=later: NOW + later).once()
    assert [body["who"] for body in web.bodies] == ["alice"]


def test_threads_follow_and_end(web: _Server, cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipi_es.alerts.notifier.LOOK", 0.02)
    notifier = Notifier(cluster, [job(notify=[{"name": "ops", "webhook": web.url}])], "one:1:1", lambda: NOW)
    notifier.begin()
    stopping = threading.Event()
    notifier.start(stopping)
    write(cluster, written(NOW))
    ends = time.monotonic() + 5
    while not web.bodies and time.monotonic() < ends:
        time.sleep(0.02)
    stopping.set()
    assert [body["who"] for body in web.bodies] == ["alice"]


def test_cluster_that_is_away_is_a_line_in_the_log(cluster: MemoryCluster, caplog: pytest.LogCaptureFixture) -> None:
    from ipi_es.errors import ClusterUnreachable

    def away(operation: str, index: str) -> None:
        raise ClusterUnreachable("nobody there")

    notifier = Notifier(MemoryCluster(away), [job()], "one:1:1", lambda: NOW)
    with caplog.at_level(logging.WARNING):
        assert notifier.once()
    assert "nobody there" in caplog.text


class _Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs to leave one mail."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    text += part
                self.server.mails.append(text.decode())  # type: ignore[attr-defined]
            elif word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"250 ok\r\n")


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # a part of Apprise's
def test_apprise_sends_mail() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail) as server:
        server.mails = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        url = f"mailto://127.0.0.1:{port}?from=ipi@example.org&to=soc@example.org&mode=insecure&smtp=127.0.0.1"
        AppriseSender(destination(apprise=url)).send(trial(job(), NOW))
        server.shutdown()
        (mail,) = server.mails  # type: ignore[attr-defined]
    assert "soc@example.org" in mail
    assert "Subject:" in mail


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # a part of Apprise's
def test_apprise_says_what_it_does_not_know() -> None:
    with pytest.raises(NotSent, match="can't read"):
        AppriseSender(destination(apprise="nosuchservice://secret")).send(trial(job(), NOW))
