"""Slow, many and malformed clients of the worker's HTTP server."""

from __future__ import annotations

import logging
import resource
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

import pytest
from service_parts import NOW, FixedClock, busy_fleet

from ipi_es.service.health.http_server import Listener

CLIENTS = 1_100


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """The test's own sockets need descriptors too."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4_096, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def healthy(listener: Listener) -> bool:
    with urllib.request.urlopen(f"{listener.url}/healthz", timeout=5) as answer:
        return answer.status == 200 and answer.headers["connection"] == "close"


def test_1100_slow_clients_leave_healthz_answering_and_the_log_empty(
    many_descriptors: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with Listener("127.0.0.1:0", busy_fleet(), FixedClock(NOW)) as listener:
        caplog.clear()
        clients = []
        for number in range(CLIENTS):
            client = socket.create_connection(("127.0.0.1", listener.port), timeout=5)
            client.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n")
            clients.append(client)
            if number % 100 == 0:
                assert healthy(listener)
        for _ in range(5):
            for client in clients:
                with suppress(OSError):
                    client.sendall(b"x")
            assert healthy(listener)
        for client in clients:
            client.close()
        assert healthy(listener)
    assert len(caplog.text) < 500, caplog.text


def test_a_client_that_never_ends_its_headers_is_cut_off() -> None:
    with (
        Listener("127.0.0.1:0", busy_fleet(), FixedClock(NOW), longest_connection=0.3) as listener,
        socket.create_connection(("127.0.0.1", listener.port), timeout=5) as client,
    ):
        began = time.monotonic()
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
        assert time.monotonic() - began < 3


def test_headers_and_bodies_that_are_too_long_end_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    with Listener("127.0.0.1:0", busy_fleet(), FixedClock(NOW)) as listener:
        for request in (
            b"GET /healthz HTTP/1.1\r\nx: " + b"a" * 100_000,
            b"POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n" + b"a" * 1_000_000,
            b"nonsense\r\n\r\n",
        ):
            with suppress(OSError), socket.create_connection(("127.0.0.1", listener.port), timeout=5) as client:
                client.sendall(request)
                while client.recv(65_536):
                    pass
        assert healthy(listener)
    assert "Invalid HTTP request" not in caplog.text


@pytest.mark.parametrize(("listen", "warned"), [("0.0.0.0:0", True), ("127.0.0.1:0", False)])
def test_an_address_that_others_reach_is_warned_of(listen: str, warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    with Listener(listen, busy_fleet(), FixedClock(NOW)):
        pass
    assert ("without TLS and without a password" in caplog.text) == warned
