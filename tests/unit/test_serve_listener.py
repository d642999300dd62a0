"""The server on a socket: connections that are kept, slow clients, and more requests than it takes at a time."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from made_results import START
from serve_parts import client_of, context_of, fill, services_of

from ipi_es.errors import UsageError
from ipi_es.http.connection_limits import ConnectionLimits
from ipi_es.http.listener import HttpListener
from ipi_es.serve.application import application
from ipi_es.serve.request_limits import MAX_REQUESTS
from ipi_es.testing.memory_cluster import MemoryCluster

RECORDS = "/_ml/anomaly_detectors/logins/results/records"
LIMITS = ConnectionLimits(connections=64, longest=2.0, keep_alive=10)
TOO_MANY, EACH = 5, 200
PATIENT = ConnectionLimits(connections=64, longest=60.0, keep_alive=10)


class GatedCluster(MemoryCluster):
    """A cluster whose searches wait until the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()

    def search(self, *args: object, **options: object) -> object:  # type: ignore[override]
        self.gate.wait(30)
        return super().search(*args, **options)  # type: ignore[arg-type]


@pytest.fixture
def cluster() -> GatedCluster:
    made = GatedCluster()
    fill(made, context_of())
    return made


@pytest.fixture
def listener(cluster: GatedCluster) -> Iterator[HttpListener]:
    app = application(services_of(lambda _: cluster))
    with HttpListener("127.0.0.1:0", app, LIMITS, setting="serve.listen", paths="") as made:
        yield made


def get(listener: HttpListener, path: str = RECORDS) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", listener.port, timeout=30)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_a_connection_takes_one_request_after_the_other(listener: HttpListener) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", listener.port, timeout=10)) as connection:
        for _ in range(3):
            connection.request("GET", RECORDS)
            assert connection.getresponse().read().startswith(b'{"count":5')
            time.sleep(0.8)  # together more than a request may last
        local = connection.sock.getsockname()
        connection.request("GET", RECORDS)
        assert connection.getresponse().status == 200
        assert connection.sock.getsockname() == local


@pytest.mark.parametrize("with_bodies", [2, 1], ids=["half of them send bodies", "all of them do"])
def test_slow_clients_hold_nobody_up_and_are_cut_off(listener: HttpListener, with_bodies: int) -> None:
    begin = b"POST " + RECORDS.encode() + b" HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    slow = []
    for number in range(LIMITS.connections):
        client = socket.create_connection(("127.0.0.1", listener.port), timeout=10)
        client.sendall(begin if number % with_bodies else begin + b"content-length: 100\r\n\r\n{")
        slow.append(client)
    time.sleep(0.3)  # until the server has read all of it
    began = time.monotonic()
    assert get(listener)[0] == 200
    assert time.monotonic() - began < 1.5
    for client in slow:
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
        client.close()
    assert time.monotonic() - began < 8


def test_clients_that_send_many_requests_and_read_no_answer_are_cut_off(listener: HttpListener) -> None:
    asked = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n"
    with ExitStack() as opened:
        deaf = [opened.enter_context(closing(socket.socket())) for _ in range(MAX_REQUESTS)]
        for client in deaf:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.connect(("127.0.0.1", listener.port))
            client.sendall(asked * EACH)
        time.sleep(1)
        assert get(listener)[0] == 200
        time.sleep(LIMITS.longest)
        for client in deaf:
            client.settimeout(5)
            got = 0
            with suppress(ConnectionResetError):
                while part := client.recv(1 << 20):
                    got += part.count(b"HTTP/1.1 200")
            assert got < EACH
    assert get(listener)[0] == 200


def test_more_requests_than_are_taken_at_a_time_are_told_to_come_back(
    cluster: GatedCluster,
) -> None:
    app = application(services_of(lambda _: cluster))
    with HttpListener("127.0.0.1:0", app, PATIENT, setting="serve.listen", paths="") as listener:
        cluster.gate.clear()
        found: list[tuple[int, bytes]] = []
        threads = [threading.Thread(target=lambda: found.append(get(listener))) for _ in range(MAX_REQUESTS + TOO_MANY)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 8
        while len(found) < TOO_MANY and time.monotonic() < deadline:
            time.sleep(0.02)
        refused = list(found)
        cluster.gate.set()
        for thread in threads:
            thread.join()
        assert [status for status, _ in refused] == [429] * TOO_MANY
        assert all(b"es_rejected_execution_exception" in body for _, body in refused)
        assert [status for status, _ in found].count(200) == MAX_REQUESTS
        assert get(listener)[0] == 200


def test_a_certificate_that_cannot_be_used_is_named_at_the_start(tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    app = application(services_of(lambda _: MemoryCluster()))
    with pytest.raises(UsageError, match=r"none\.pem"):
        HttpListener("127.0.0.1:0", app, LIMITS, setting="serve.listen", paths="", tls=(missing, missing))


def test_an_address_in_use_names_the_setting(listener: HttpListener) -> None:
    app = application(services_of(lambda _: MemoryCluster()))
    with pytest.raises(UsageError, match="can't listen") as error:
        HttpListener(f"127.0.0.1:{listener.port}", app, LIMITS, setting="serve.listen", paths="")
    assert "serve.listen" in str(error.value.hint)


def test_a_mistake_in_a_handler_is_500_and_says_nothing_of_itself() -> None:
    class Broken(MemoryCluster):
        def search(self, *_: object, **__: object) -> object:  # type: ignore[override]
            raise ZeroDivisionError("secret detail")

    answer = client_of(services_of(lambda _: Broken())).get(f"{RECORDS}?start={START}")
    assert (answer.status_code, answer.json()["status"]) == (500, 500)
    assert "secret" not in answer.text
