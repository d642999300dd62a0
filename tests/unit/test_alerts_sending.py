"""Notifications on their way: webhooks and mail that are taken, refused, hang or are away."""

from __future__ import annotations

import email.utils
import json
import logging
import socketserver
import threading
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from alert_results import NOW
from notifying_parts import job, ready_cluster, write, written

from ipi_es.alerts.message import Message, Notification
from ipi_es.alerts.notifier import Notifier
from ipi_es.alerts.senders import HEADER_MOST, AppriseSender, Sender, WebhookSender, header_id, sender_of
from ipi_es.alerts.test_message import trial
from ipi_es.config.alert_config import Destination
from ipi_es.errors import NotSent
from ipi_es.testing.memory_cluster import MemoryCluster


@pytest.fixture
def cluster() -> MemoryCluster:
    return ready_cluster()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[int] = []
        self.more: dict[str, str] = {}
        """Headers of answers that are no yes."""
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
        for name, value in self.server.more.items() if status != 200 else ():
            self.send_header(name, value)
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
    notification = trial(job(), NOW)
    WebhookSender(destination(webhook=web.url, bearer_token_file=str(tmp_path / "token"))).send(notification)
    assert web.bodies[0]["id"] == notification.id
    assert web.headers[0]["Authorization"] == "Bearer s3cret"
    assert web.headers[0]["Idempotency-Key"] == notification.id


@pytest.mark.parametrize("status", [301, 400, 404, 429, 500, 503])
def test_anything_but_a_yes_is_not_sent_and_quotes_no_url(web: _Server, status: int) -> None:
    web.answers = [status]
    with pytest.raises(NotSent, match=str(status)) as error:
        WebhookSender(destination(webhook=web.url)).send(trial(job(), NOW))
    assert "secret-path" not in str(error.value)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), ("0", 0), ("", None), ("soon", None), ("-5", None), ("IN ONE HOUR", 3_600), ("Tue, 99 Foo", None)],
)
def test_what_retry_after_says_is_told(web: _Server, header: str, seconds: int | None) -> None:
    if header == "IN ONE HOUR":
        header = email.utils.format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    web.answers, web.more = [429], {"Retry-After": header}
    with pytest.raises(NotSent) as error:
        WebhookSender(destination(webhook=web.url)).send(trial(job(), NOW))
    if seconds is None:
        assert error.value.wait is None
    else:
        assert error.value.wait == pytest.approx(seconds, abs=2)


@pytest.mark.parametrize("name", ["two\r\nX-Header: lines", "nul\x00", "a" * 100_000, "用户 😀", "evil\u202etxt"])
def test_no_name_keeps_its_own_alert_from_leaving(web: _Server, name: str) -> None:
    made = Message(f"logins|records|1|{name}", "logins", "records", NOW, "critical", f"{name} used it", 99.0, name)
    WebhookSender(destination(webhook=web.url)).send(Notification((made,)))
    assert web.bodies[0]["id"] == made.id
    assert web.bodies[0]["who"] == name
    key = web.headers[0]["Idempotency-Key"]
    assert key.isascii()
    assert len(key) <= HEADER_MOST
    assert "X-Header" not in web.headers[0]
    other = Notification((replace(made, id=f"{made.id}2"),))
    assert header_id(other) != header_id(Notification((made,)))


def test_people_read_one_line_as_title_and_no_control_character() -> None:
    name = "two\r\nBcc: evil@example.org\x1b[31m\u202e"
    made = Message("i", "logins", "records", NOW, "major", f"{name} used it", 74.9, name, link="https://k")
    assert "\n" not in made.title
    assert made.title.startswith("ipi-es logins: major 74, two")
    assert made.text.splitlines()[1:] == ["https://k"]
    assert not any(unicodedata.category(each) in {"Cc", "Cf"} for each in made.title + made.text.replace("\n", ""))


def test_nobody_listens_is_not_sent_and_quotes_no_url() -> None:
    with pytest.raises(NotSent) as error:
        WebhookSender(destination(webhook="http://127.0.0.1:9/secret-path")).send(trial(job(), NOW))
    assert "secret-path" not in str(error.value)


def test_webhook_may_come_from_a_file_that_changes(web: _Server, tmp_path: Path) -> None:
    file = tmp_path / "hook"
    file.write_text("not yet known")
    sender = sender_of(destination(webhook_file=str(file)))
    with pytest.raises(NotSent, match="its file holds no URL"):
        sender.send(trial(job(), NOW))
    file.write_text(f"{web.url}\n")
    sender.send(trial(job(), NOW))
    assert len(web.bodies) == 1


def test_500s_and_restarts_lose_none_and_hanging_holds_nobody_up(web: _Server, cluster: MemoryCluster) -> None:
    def impatient(destination: Destination) -> Sender:
        return WebhookSender(destination, timeout=(0.3, 0.3))

    following = job(notify=[{"name": "ops", "webhook": web.url}])
    first = Notifier(cluster, [following], "one:1:1", lambda: NOW, impatient)
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
        assert Notifier(cluster, [following], "two:2:2", lambda later=later: NOW + later, impatient).once()
    assert [body["who"] for body in web.bodies] == ["alice"]


def test_threads_follow_and_end(web: _Server, cluster: MemoryCluster) -> None:
    notifier = Notifier(cluster, [job(notify=[{"name": "ops", "webhook": web.url}])], "one:1:1", lambda: NOW)
    notifier.begin()
    stopping = threading.Event()
    notifier.start(stopping, every=0.02)
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
@pytest.mark.parametrize(
    "url",
    [
        "slack://s3cr3tA/s3cr3tB",
        "slack://T1JJ3T3L2/A1BRTD4JD/s3cr3tC!",
        "nosuch://s3cr3tD:s3cr3tE@example.org",
        "mailto://user:s3cr3tF@127.0.0.1:9?smtp=127.0.0.1&from=a@example.org&to=b@example.org&mode=insecure",
        "json://user:s3cr3tG@127.0.0.1:9/s3cr3tH?+token=s3cr3tI",
    ],
)
def test_what_apprise_logs_holds_no_part_of_its_url(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(NotSent) as error:
        AppriseSender(destination(apprise=url)).send(trial(job(), NOW))
    assert "s3cr3t" not in caplog.text + str(error.value)
    assert not logging.getLogger("apprise").filters


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # a part of Apprise's
def test_apprise_says_what_it_does_not_know() -> None:
    with pytest.raises(NotSent, match="can't read"):
        AppriseSender(destination(apprise="nosuchservice://secret")).send(trial(job(), NOW))
