"""`/healthz`, `/readyz` and `/metrics`, asked over a socket as a probe and Prometheus ask."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from service_parts import NOW, FixedClock, a_job, busy_fleet

from ipi_es.config import BadFile
from ipi_es.errors import ClusterUnreachable, ConfigError, UsageError
from ipi_es.service.health.health import Fleet
from ipi_es.service.health.http_server import Listener


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def fleet() -> Fleet:
    return busy_fleet()


@pytest.fixture
def url(fleet: Fleet, clock: FixedClock) -> Iterator[str]:
    with Listener("127.0.0.1:0", fleet, clock) as listener:
        yield listener.url


def ask(url: str, **headers: str) -> tuple[int, str, str]:
    """(status, content type, body)."""
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["content-type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["content-type"], error.read().decode()


def test_healthz_says_that_the_process_lives(url: str) -> None:
    assert ask(f"{url}/healthz")[::2] == (200, "ok\n")


def test_readyz_succeeds_where_all_is_well(url: str) -> None:
    status, kind, body = ask(f"{url}/readyz")
    assert (status, kind) == (200, "application/json")
    assert json.loads(body) == {
        "ready": True,
        "reasons": [],
        "jobs": {"running": 1, "standing_by": 1},
        "version": json.loads(body)["version"],
    }


def test_readyz_fails_with_every_reason_of_every_job(url: str, fleet: Fleet, clock: FixedClock) -> None:
    fleet["logins"].failed(NOW, ClusterUnreachable("no connection"))
    clock.time = NOW + 86_400
    status, _, body = ask(f"{url}/readyz")
    said = json.loads(body)
    assert status == 503
    assert said["ready"] is False
    assert [(each["job_id"], each["reason"]) for each in said["reasons"]] == [
        ("logins", "cluster_away"),
        ("logins", "lagging"),
    ]
    assert said["reasons"][0]["text"] == "ClusterUnreachable: no connection"
    assert ask(f"{url}/healthz")[0] == 200


def test_metrics_are_in_the_format_that_is_asked_for(url: str) -> None:
    status, kind, body = ask(f"{url}/metrics")
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    names = {family.name for family in text_string_to_metric_families(body)}
    assert {"ipi_es_lag_buckets", "ipi_es_events", "process_resident_memory_bytes"} <= names
    status, kind, body = ask(f"{url}/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert body.endswith("# EOF\n")


def test_metrics_change_with_the_clock_and_the_work(url: str, fleet: Fleet, clock: FixedClock) -> None:
    assert 'ipi_es_lag_buckets{job_id="logins"} 0.0' in ask(f"{url}/metrics")[2]
    clock.time = NOW + 3_600
    assert 'ipi_es_lag_buckets{job_id="logins"} 3.0' in ask(f"{url}/metrics")[2]
    fleet["logins"].batch_written(NOW + 3_600, NOW + 3_600)
    assert 'ipi_es_lag_buckets{job_id="logins"} 0.0' in ask(f"{url}/metrics")[2]


def test_nothing_else_is_served_and_nothing_can_be_changed(url: str) -> None:
    assert ask(f"{url}/")[0] == 404
    for path in ("/healthz", "/readyz", "/metrics"):
        request = urllib.request.Request(url + path, data=b"x", method="POST")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        assert refused.value.code == 405
        refused.value.close()


def test_no_server_is_named(url: str) -> None:
    with urllib.request.urlopen(f"{url}/healthz", timeout=10) as answer:
        assert "server" not in answer.headers


def test_a_port_that_is_taken_is_said_at_once(fleet: Fleet, clock: FixedClock) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=rf"can't listen on 127\.0\.0\.1:{port}.*in use"):
            Listener(f"127.0.0.1:{port}", fleet, clock)


def test_an_address_of_another_machine_is_refused(fleet: Fleet, clock: FixedClock) -> None:
    with pytest.raises(UsageError, match=r"can't listen on 192\.0\.2\.1:1"):
        Listener("192.0.2.1:1", fleet, clock)


def test_it_is_gone_within_the_limit_and_the_port_is_free_again(fleet: Fleet, clock: FixedClock) -> None:
    with Listener("127.0.0.1:0", fleet, clock) as listener, socket.create_connection(("127.0.0.1", listener.port)):
        assert ask(f"{listener.url}/healthz")[0] == 200
        began = time.monotonic()
    assert time.monotonic() - began < 5
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", listener.port), timeout=5)
    with Listener(f"127.0.0.1:{listener.port}", fleet, clock) as again:
        assert ask(f"{again.url}/healthz")[0] == 200


def test_ipv6_loopback(fleet: Fleet, clock: FixedClock) -> None:
    try:
        listener = Listener("[::1]:0", fleet, clock)
    except UsageError:
        pytest.skip("this machine has no IPv6 loopback")
    with listener:
        assert listener.url.startswith("http://[::1]:")
        assert ask(f"{listener.url}/healthz")[0] == 200


def test_signals_stay_the_workers(fleet: Fleet, clock: FixedClock) -> None:
    def stop(*_: object) -> None:
        """What a worker does with a SIGTERM."""

    old = signal.signal(signal.SIGTERM, stop)
    try:
        with Listener("127.0.0.1:0", fleet, clock) as listener:
            assert ask(f"{listener.url}/healthz")[0] == 200
            assert signal.getsignal(signal.SIGTERM) is stop
    finally:
        signal.signal(signal.SIGTERM, old)


def test_an_empty_fleet_is_ready(clock: FixedClock) -> None:
    with Listener("127.0.0.1:0", Fleet(), clock) as listener:
        assert ask(f"{listener.url}/readyz")[0] == 200
        assert "ipi_es_ready 1.0" in ask(f"{listener.url}/metrics")[2]


def test_two_hundred_jobs_are_told_in_a_moment(clock: FixedClock) -> None:
    fleet = Fleet(a_job(f"job-{number}") for number in range(200))
    with Listener("127.0.0.1:0", fleet, clock) as listener:
        ask(f"{listener.url}/metrics")
        began = time.monotonic()
        body = ask(f"{listener.url}/metrics")[2]
        assert time.monotonic() - began < 3
    assert body.count("ipi_es_lease_held{") == 200


def test_a_bad_job_file_fails_readyz_and_is_a_metric(clock: FixedClock) -> None:
    bad = BadFile(Path("jobs/vpn.yml"), ConfigError("is empty", place="jobs/vpn.yml"))
    with Listener("127.0.0.1:0", Fleet([], [bad]), clock) as listener:
        status, _, body = ask(f"{listener.url}/readyz")
        assert status == 503
        assert json.loads(body)["reasons"] == [
            {"job_id": "vpn.yml", "reason": "bad_file", "text": "jobs/vpn.yml: is empty"}
        ]
        assert 'ipi_es_trouble{job_id="vpn.yml",reason="bad_file"} 1.0' in ask(f"{listener.url}/metrics")[2]
