"""Servers that are away, busy, unfit, or go away in the middle; on both clients, against a scripted stub."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from bulk_parts import answer
from stub_server import Reply, Script, StubServer

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster, Put
from ipi_es.errors import (
    BulkFailed,
    ClusterBusy,
    ClusterError,
    ClusterReadOnly,
    ClusterTimeout,
    ClusterUnreachable,
    Conflict,
    PermissionDenied,
    RequestRejected,
    UnsupportedServer,
)

ROOTS: dict[str, Any] = {
    "elasticsearch": {"cluster_name": "stub", "version": {"number": "9.5.3", "build_flavor": "default"}},
    "opensearch": {"cluster_name": "stub", "version": {"number": "3.8.0", "distribution": "opensearch"}},
}
NO_HITS: dict[str, Any] = {"total": {"value": 0, "relation": "eq"}, "hits": []}
EMPTY = {"timed_out": False, "_shards": {"total": 1, "successful": 1, "failed": 0}, "hits": NO_HITS}
BUSY = {"error": {"type": "es_rejected_execution_exception", "reason": "queue full"}, "status": 429}
RETRIES = 3


@pytest.fixture(params=sorted(ROOTS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def cluster_with(kind: str, script: Script, slept: list[float] | None = None, **settings: Any) -> Iterator[Cluster]:
    """A cluster over a stub that says it is ``kind`` and answers all else by the script."""

    def whole(method: str, path: str, body: bytes) -> Reply:
        return Reply(body=ROOTS[kind]) if path == "/" else script(method, path, body)

    with StubServer(whole) as stub:
        connection = Connection(hosts=(stub.url,), max_retries=RETRIES, **{"request_timeout": 10.0, **settings})
        sleep: Callable[[float], None] = (slept if slept is not None else []).append
        cluster = connect(connection, sleep=sleep)
        yield cluster
        cluster.close()


def first(times: int, reply: Reply, then: Reply) -> Script:
    """The same reply so many times, then the other."""
    count = iter(range(1 << 30))
    return lambda _method, _path, _body: reply if next(count) < times else then


FAULTS = {
    "429": Reply(429, BUSY),
    "502 from a proxy": Reply(502, "<html>Bad Gateway</html>", "text/html"),
    "503 without a type": Reply(503, "Security not initialized", ""),
    "504": Reply(504, {}),
    "closed before an answer": Reply(close=True),
    "closed in the middle of an answer": Reply(200, EMPTY, cut=True),
    "timed out": Reply(200, {**EMPTY, "timed_out": True}),
    "a failed shard": Reply(200, {**EMPTY, "_shards": {"total": 2, "failed": 1}}),
    "three shards of five": Reply(200, {**EMPTY, "_shards": {"total": 5, "successful": 3, "failed": 0}}),
    "terminated early": Reply(200, {**EMPTY, "terminated_early": True}),
    "an empty object": Reply(200, {}),
    "no hits": Reply(200, {**EMPTY, "hits": {}}),
    "another total": Reply(200, {**EMPTY, "hits": {**NO_HITS, "total": {"value": 1, "relation": "eq"}}}),
    "404 of a proxy": Reply(404, {}),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_passing_fault_is_waited_out(kind: str, fault: Reply) -> None:
    slept: list[float] = []
    with cluster_with(kind, first(RETRIES, fault, Reply(200, EMPTY)), slept) as cluster:
        assert cluster.search("i", {})["hits"] == NO_HITS
    assert len(slept) == RETRIES
    assert slept[0] < slept[-1]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_lasting_fault_is_told_in_the_end(kind: str, fault: Reply) -> None:
    slept: list[float] = []
    with cluster_with(kind, lambda *_: fault, slept) as cluster, pytest.raises(ClusterError) as caught:
        cluster.search("i", {})
    assert caught.value.retryable
    assert caught.value.hint
    assert len(slept) == RETRIES


@pytest.mark.parametrize(
    ("status", "cause", "error"),
    [
        (503, "too_many_buckets_exception", RequestRejected),
        (400, "parsing_exception", RequestRejected),
        (429, "cluster_block_exception", ClusterReadOnly),
        (403, "security_exception", PermissionDenied),
    ],
)
def test_what_can_not_get_better_is_told_at_once(kind: str, status: int, cause: str, error: type[ClusterError]) -> None:
    slept: list[float] = []
    body = {"error": {"type": "search_phase_execution_exception", "caused_by": {"type": cause, "reason": "so"}}}
    with cluster_with(kind, lambda *_: Reply(status, body), slept) as cluster, pytest.raises(error):
        cluster.search("i", {})
    assert slept == []


def test_an_answer_that_is_not_json_is_no_cluster(kind: str) -> None:
    for reply in (Reply(200, "<html>Please log in</html>", "text/html"), Reply(200, "{", "application/json")):
        with (
            cluster_with(kind, lambda *_, reply=reply: reply) as cluster,
            pytest.raises((UnsupportedServer, RequestRejected), match="not JSON"),
        ):
            cluster.search("i", {})


def test_no_answer_in_time_is_a_timeout(kind: str) -> None:
    release = threading.Event()
    with cluster_with(kind, lambda *_: Reply(200, EMPTY, wait=release), request_timeout=0.2) as cluster:
        with pytest.raises(ClusterTimeout) as caught:
            cluster.search("i", {})
        release.set()
    assert "request_timeout" in str(caught.value)


def test_busy_documents_are_sent_again_alone(kind: str) -> None:
    bodies: list[list[str]] = []

    def script(_method: str, _path: str, body: bytes) -> Reply:
        ids = [orjson.loads(line)["index"]["_id"] for line in body.splitlines()[::2]]
        bodies.append(ids)
        busy = {"index": {"status": 429, "error": {"type": "rejected_execution_exception", "reason": "full"}}}
        items = [busy if len(bodies) == 1 and id_ != "0" else {"index": {"status": 201}} for id_ in ids]
        return Reply(200, answer(body, items))

    with cluster_with(kind, script) as cluster:
        assert cluster.bulk(Put("i", str(n), {}) for n in range(3)).written == 3
    assert bodies == [["0", "1", "2"], ["1", "2"]]


def test_documents_that_stay_busy_fail_in_the_end(kind: str) -> None:
    item = {"index": {"status": 429, "error": {"type": "rejected_execution_exception", "reason": "full"}}}
    slept: list[float] = []
    with (
        cluster_with(kind, lambda _method, _path, body: Reply(200, answer(body, [item])), slept) as cluster,
        pytest.raises(BulkFailed, match="full"),
    ):
        cluster.bulk([Put("i", "a", {})])
    assert len(slept) == RETRIES


def test_a_bulk_that_a_proxy_finds_too_large_is_halved(kind: str) -> None:
    sizes: list[int] = []

    def script(_method: str, _path: str, body: bytes) -> Reply:
        count = len(body.splitlines()) // 2
        if count > 2:
            return Reply(413, "<html>413 Request Entity Too Large</html>", "text/html")
        sizes.append(count)
        return Reply(200, answer(body, [{"index": {"status": 201}}] * count))

    with cluster_with(kind, script) as cluster:
        assert cluster.bulk(Put("i", str(n), {}) for n in range(7)).written == 7
    assert sum(sizes) == 7


def test_denied_documents_in_a_good_answer_are_a_missing_right(kind: str) -> None:
    item = {"index": {"status": 403, "error": {"type": "security_exception", "reason": "no permissions"}}}
    with (
        cluster_with(kind, lambda _method, _path, body: Reply(200, answer(body, [item]))) as cluster,
        pytest.raises(PermissionDenied, match="no permissions"),
    ):
        cluster.bulk([Put("i", "a", {})])


@pytest.mark.parametrize("ours", [True, False])
def test_a_write_whose_answer_was_lost_is_recognised(kind: str, ours: bool) -> None:
    stored: dict[str, Any] = {"n": 1} if ours else {"n": 2}
    document = {"_index": "i", "_id": "a", "_seq_no": 7, "_primary_term": 1, "found": True, "_source": stored}
    conflict = {"error": {"type": "version_conflict_engine_exception", "reason": "changed"}, "status": 409}
    replies = iter([Reply(close=True), Reply(409, conflict)])

    def script(method: str, _path: str, _body: bytes) -> Reply:
        return next(replies) if method == "PUT" else Reply(200, document)

    with cluster_with(kind, script) as cluster:
        if ours:
            assert cluster.put("i", "a", {"n": 1}, create=True).seq_no == 7
        else:
            with pytest.raises(Conflict):
                cluster.put("i", "a", {"n": 1}, create=True)


def test_a_server_that_went_away_is_unreachable(kind: str) -> None:
    slept: list[float] = []
    with StubServer(lambda _method, path, _body: Reply(body=ROOTS[kind] if path == "/" else EMPTY)) as stub:
        cluster = connect(Connection(hosts=(stub.url,), max_retries=RETRIES), sleep=slept.append)
        cluster.search("i", {})
    with pytest.raises(ClusterUnreachable, match="listens"):
        cluster.search("i", {})
    assert len(slept) == RETRIES
    cluster.close()


def test_another_host_takes_over(kind: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}"

        def script(_method: str, path: str, _body: bytes) -> Reply:
            return Reply(body=ROOTS[kind] if path == "/" else EMPTY)

        with StubServer(script) as stub:
            cluster = connect(Connection(hosts=(dead, stub.url), max_retries=RETRIES), sleep=lambda _: None)
            assert cluster.info.url == stub.url
            for _ in range(4):
                assert cluster.search("i", {})["hits"] == NO_HITS
            cluster.close()


def test_a_path_before_the_clusters_own_is_kept(kind: str) -> None:
    def script(_method: str, path: str, _body: bytes) -> Reply:
        assert path.startswith("/behind/it/")
        return Reply(body=ROOTS[kind] if path == "/behind/it/" else EMPTY)

    with StubServer(script) as stub:
        cluster = connect(Connection(hosts=(f"{stub.url}/behind/it/",), max_retries=0))
        assert cluster.search("i", {})["hits"] == NO_HITS
        cluster.close()
    assert stub.requests == [("GET", "/behind/it/"), ("POST", "/behind/it/i/_search")]


# the first contact


def contact(script: Script, slept: list[float] | None = None, **stub: Any) -> Cluster:
    with StubServer(script, **stub) as server:
        sleep: Callable[[float], None] = (slept if slept is not None else []).append
        cluster = connect(Connection(hosts=(server.url,), max_retries=RETRIES), sleep=sleep)
        cluster.close()
        return cluster


def test_a_server_that_is_not_ready_yet_is_waited_for(kind: str) -> None:
    slept: list[float] = []
    contact(first(2, Reply(503, "not initialized", "text/plain"), Reply(body=ROOTS[kind])), slept)
    assert len(slept) == 2


@pytest.mark.parametrize(
    ("number", "distribution"), [("7.17.0", None), ("10.0.0", None), ("1.3.0", "opensearch"), ("4.0.0", "opensearch")]
)
def test_another_version_is_unsupported(number: str, distribution: str | None) -> None:
    version = {"number": number} | ({"distribution": distribution} if distribution else {"build_flavor": "default"})
    with pytest.raises(UnsupportedServer, match=number):
        contact(lambda *_: Reply(body={"cluster_name": "old", "version": version}))


@pytest.mark.parametrize(
    "reply", [Reply(200, "<html>hello</html>", "text/html"), Reply(200, {"a": 1}), Reply(404, "no")]
)
def test_something_else_is_unsupported(reply: Reply) -> None:
    with pytest.raises(UnsupportedServer):
        contact(lambda *_: reply, product=None)


def test_opensearch_that_pretends_to_be_old_is_asked_again() -> None:
    pretending = {"cluster_name": "c", "version": {"number": "7.10.2", "distribution": "opensearch"}}
    nodes = {"cluster_name": "c", "nodes": {"x": {"version": "2.19.4"}}}
    cluster = contact(lambda _method, path, _body: Reply(body=pretending if path == "/" else nodes), product=None)
    assert cluster.info.text == "OpenSearch 2.19.4"


def test_a_wrong_port_and_a_wrong_name_are_told_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ClusterUnreachable, match="listens"):
            connect(Connection(hosts=(url,)), sleep=lambda _: pytest.fail("slept"))
    with pytest.raises(ClusterUnreachable, match="not known"):
        connect(Connection(hosts=("http://nowhere.invalid:9200",)), sleep=lambda _: pytest.fail("slept"))


def test_what_the_server_warns_of_is_logged_and_not_shown(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    class Warning299(StubServer):
        def reply(self, handler: Any, reply: Reply) -> None:
            send, handler.end_headers = (
                handler.end_headers,
                lambda: (
                    handler.send_header("warning", '299 Server-1 "old thing"'),
                    send(),
                ),
            )
            super().reply(handler, reply)

    with Warning299(lambda _method, path, _body: Reply(body=ROOTS[kind] if path == "/" else EMPTY)) as stub:
        cluster = connect(Connection(hosts=(stub.url,)))
        cluster.search("i", {})
        cluster.close()
    assert "old thing" in caplog.text


def test_a_busy_cluster_is_named_in_the_log(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    with cluster_with(kind, first(1, Reply(429, BUSY), Reply(200, EMPTY))) as cluster:
        cluster.search("i", {})
        assert cluster.info.url in caplog.text
    assert "queue full" in caplog.text


def test_a_bulk_as_a_whole_may_be_busy(kind: str) -> None:
    done = Reply(200, {"errors": False, "items": [{"index": {"_id": "a", "status": 201}}]})
    with cluster_with(kind, first(2, Reply(429, BUSY), done)) as cluster:
        assert cluster.bulk([Put("i", "a", {})]).written == 1
    with cluster_with(kind, lambda *_: Reply(429, BUSY)) as cluster, pytest.raises(ClusterBusy):
        cluster.bulk([Put("i", "a", {})])
