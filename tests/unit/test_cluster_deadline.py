"""A request ends within its time limit, however slowly its answer comes."""

from __future__ import annotations

import time
from typing import Any

import pytest
from stub_server import Reply, StubServer

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.errors import ClusterTimeout

ROOTS: dict[str, Any] = {
    "elasticsearch": {"cluster_name": "stub", "version": {"number": "9.5.3", "build_flavor": "default"}},
    "opensearch": {"cluster_name": "stub", "version": {"number": "3.8.0", "distribution": "opensearch"}},
}
EMPTY = {"_shards": {"total": 1, "successful": 1, "failed": 0}, "hits": {"total": {"value": 0}, "hits": []}}
LIMIT = 0.4
MUCH_LONGER = 3.0


@pytest.mark.parametrize("kind", sorted(ROOTS))
def test_an_answer_of_a_byte_now_and_then_is_a_timeout(kind: str) -> None:
    def script(_method: str, path: str, _body: bytes) -> Reply:
        return Reply(body=ROOTS[kind]) if path == "/" else Reply(body=EMPTY, a_byte_each=0.1)

    with StubServer(script) as stub:
        cluster = connect(Connection(hosts=(stub.url,), max_retries=1, request_timeout=LIMIT), sleep=lambda _: None)
        begin = time.monotonic()
        with pytest.raises(ClusterTimeout, match="in time") as caught:
            cluster.search("i", {"track_total_hits": False})
        assert 2 * LIMIT <= time.monotonic() - begin < MUCH_LONGER
        assert "request_timeout" in str(caught.value)
        cluster.close()


@pytest.mark.parametrize("kind", sorted(ROOTS))
def test_the_first_contact_ends_in_time_too(kind: str) -> None:
    with StubServer(lambda *_: Reply(body=ROOTS[kind], a_byte_each=0.1)) as stub:
        begin = time.monotonic()
        with pytest.raises(ClusterTimeout):
            connect(Connection(hosts=(stub.url,), max_retries=0, request_timeout=LIMIT))
        assert time.monotonic() - begin < MUCH_LONGER


@pytest.mark.parametrize("kind", sorted(ROOTS))
def test_a_connection_is_used_again_with_all_of_the_time(kind: str) -> None:
    slow = iter([0.005, 0.0, 0.0])

    def script(_method: str, path: str, _body: bytes) -> Reply:
        if path == "/":
            return Reply(body=ROOTS[kind])
        time.sleep(next(slow))
        return Reply(body=EMPTY)

    with StubServer(script) as stub:
        cluster = connect(Connection(hosts=(stub.url,), max_retries=0, request_timeout=5))
        for _ in range(3):
            assert cluster.search("i", {"track_total_hits": False})["hits"]["hits"] == []
        cluster.close()
