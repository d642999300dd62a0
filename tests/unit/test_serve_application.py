"""The server's common parts: probes, limits, headers and errors."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from serve_parts import client_of, services_of
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from ipi_es.cluster.port import Cluster
from ipi_es.errors import (
    AuthenticationFailed,
    ClusterBusy,
    ClusterError,
    ClusterTimeout,
    ClusterUnreachable,
    PermissionDenied,
    TlsError,
    UnsupportedServer,
)
from ipi_es.serve.request_limits import MAX_BODY, MAX_REQUESTS, MOST_OF_ONE, PROBES, SMALL_BODY, RequestLimits
from ipi_es.testing.memory_cluster import MemoryCluster

SECRET = "https://es.internal:9200"


def test_probes_need_no_credentials() -> None:
    client = client_of(services_of(lambda _: MemoryCluster()))
    assert client.get("/healthz").text == "ok\n"
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["ready"], ready.json()["jobs"]) == (200, True, 1)
    assert 'ipi_es_http_requests_total{status="200"} 2.0' in client.get("/metrics").text


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (ClusterUnreachable(f"nothing listens at {SECRET}"), "unreachable", 503),
        (ClusterTimeout(f"{SECRET} doesn't answer"), "timeout", 504),
        (TlsError(f"{SECRET} has another certificate"), "tls", 503),
        (AuthenticationFailed(f"{SECRET} refused the credentials", status=401), "unauthorized", 503),
        (PermissionDenied(f"{SECRET} denies", status=403), "unauthorized", 503),
        (ClusterBusy(f"{SECRET} is starting"), "busy", 503),
        (UnsupportedServer(f"at {SECRET} is Elasticsearch 7"), "unsupported", 503),
        (ClusterError(f"{SECRET} sent nonsense"), "failed", 503),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, ClusterError) else str(each),
)
def test_anybody_gets_the_kind_of_a_failure_and_the_log_its_text(
    error: ClusterError, kind: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: str | None) -> Cluster:
        raise error

    client = client_of(services_of(fails))
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["ready"], ready.json()["reasons"][0]["reason"]) == (503, False, kind)
    assert SECRET in caplog.text
    api = client.get("/_ml/anomaly_detectors", headers={"authorization": "Basic YW5uOng="})
    assert (api.status_code, client.get("/").status_code) == (status, status)
    others = [client.get(path) for path in ("/", "/_ml/anomaly_detectors", "/ping", "/healthz", "/metrics", "/login")]
    for answer in (ready, api, client.post("/invocations", content=b"a,192.0.2.1"), *others):
        assert "es.internal" not in answer.text
        assert "Elasticsearch 7" not in answer.text


def test_readiness_is_asked_anew_where_a_caller_is_known() -> None:
    """A caller is known for a minute; a cluster that died in it is not ready, and one that is back is."""

    class Mortal(MemoryCluster):
        dead = False

        def user_name(self) -> None:
            if self.dead:
                raise ClusterUnreachable(f"nothing listens at {SECRET}")

    cluster = Mortal()
    client = client_of(services_of(lambda _: cluster))
    assert (client.get("/").status_code, client.get("/readyz").status_code) == (200, 200)
    cluster.dead = True
    dead = client.get("/readyz")
    assert (dead.status_code, dead.json()["reasons"][0]["reason"]) == (503, "unreachable")
    cluster.dead = False
    assert client.get("/readyz").status_code == 200


def test_an_unknown_path_and_a_wrong_method_are_answered_in_elastics_form() -> None:
    client = client_of(services_of(lambda _: MemoryCluster()))
    missing = client.get("/nothing/../here")
    assert (missing.status_code, missing.json()["status"]) == (404, 404)
    wrong = client.delete("/healthz")
    assert (wrong.status_code, set(wrong.headers["allow"].split(", "))) == (405, {"GET", "HEAD"})


def test_a_body_beyond_the_limit_is_refused() -> None:
    client = client_of(services_of(lambda _: MemoryCluster()))
    assert client.post("/x", content=b"a" * MAX_BODY).status_code == 404
    assert client.post("/x", content=b"a" * (MAX_BODY + 1)).status_code == 413


def test_bodies_that_fill_the_memory_together_are_refused_until_some_are_answered() -> None:
    """A client sends one that is not ended, then another one does, and then the first one ends its."""
    most = 10 * SMALL_BODY
    limits = RequestLimits(_ok, lambda _: most, max_held=most + SMALL_BODY)
    answered, go_on = list[int](), asyncio.Event()

    async def request(waits: bool) -> None:
        async def receive() -> Message:
            if waits and not go_on.is_set():
                go_on.set()
                return {"type": "http.request", "body": bytes(most - 1), "more_body": True}
            await asyncio.sleep(0.05 * waits)
            return {"type": "http.request", "body": b"" if waits else bytes(most)}

        async def send(message: Message) -> None:
            if "status" in message:
                answered.append(message["status"])

        await limits({"type": "http", "path": "/", "method": "POST", "headers": []}, receive, send)

    async def both() -> None:
        first = asyncio.create_task(request(waits=True))
        await go_on.wait()
        await asyncio.gather(first, request(waits=False))
        await request(waits=False)

    asyncio.run(both())
    assert answered == [429, 200, 200]


def test_a_small_body_is_taken_though_large_ones_fill_the_memory() -> None:
    limits, answered = RequestLimits(_ok, lambda _: 1_000_000, max_held=1), list[int]()
    for size in (SMALL_BODY, SMALL_BODY + 1):
        asyncio.run(_request(limits, answered, "/login", body=bytes(size)))
    assert answered == [200, 429]


def test_a_client_that_does_not_read_its_answer_occupies_nothing() -> None:
    limits, answered, reads = RequestLimits(_ok), list[int](), asyncio.Event()

    async def many() -> None:
        slow = [asyncio.create_task(_request(limits, answered, "/", reads=reads)) for _ in range(MAX_REQUESTS)]
        await asyncio.sleep(0)
        await _request(limits, answered, "/")
        reads.set()
        await asyncio.gather(*slow)

    asyncio.run(many())
    assert answered == [200] * (MAX_REQUESTS + 1)


def test_an_overloaded_server_lives() -> None:
    """Otherwise its orchestrator restarts it, which ends all sessions."""
    go_on, answered = asyncio.Event(), list[int]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await go_on.wait()
        await _ok(scope, receive, send)

    async def many() -> None:
        limits = RequestLimits(app)
        slow = [asyncio.create_task(_request(limits, answered, "/slow")) for _ in range(MAX_REQUESTS)]
        await asyncio.sleep(0)
        for path in ("/", *PROBES):
            await _request(limits, answered, path)
        go_on.set()
        await asyncio.gather(*slow)

    asyncio.run(many())
    assert answered == [429, 200, 200] + [200] * MAX_REQUESTS


def test_one_caller_leaves_requests_to_the_others() -> None:
    go_on, answered = asyncio.Event(), list[int]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await go_on.wait()
        await _ok(scope, receive, send)

    async def many() -> None:
        limits, ann, bob = RequestLimits(app), [(b"authorization", b"Basic ann")], [(b"cookie", b"ipi-es-session=bob")]
        slow = [asyncio.create_task(_request(limits, answered, "/slow", headers=ann)) for _ in range(MOST_OF_ONE)]
        await asyncio.sleep(0)
        for headers in (ann, bob, []):
            await _request(limits, answered, "/", headers=headers)
        go_on.set()
        await asyncio.gather(*slow)
        await _request(limits, answered, "/", headers=ann)

    asyncio.run(many())
    assert answered == [429, 200, 200] + [200] * (MOST_OF_ONE + 1)


async def _request(
    limits: RequestLimits,
    answered: list[int],
    path: str,
    *,
    body: bytes = b"",
    headers: Sequence[tuple[bytes, bytes]] = (),
    reads: asyncio.Event | None = None,
) -> None:
    """Send one request, whose client receives nothing before ``reads``."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        if reads is not None:
            await reads.wait()
        if "status" in message:
            answered.append(message["status"])

    await limits({"type": "http", "path": path, "method": "POST", "headers": list(headers)}, receive, send)


async def _ok(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("ok")(scope, receive, send)


def test_every_answer_has_the_headers_for_browsers() -> None:
    client = client_of(services_of(lambda _: MemoryCluster()))
    for path in ("/healthz", "/nothing"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
