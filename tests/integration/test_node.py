"""The local server for real: start, use, stop, and everything that ends it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from servers.plain_http import call

from ipi_es.errors import NodeError
from ipi_es.node import LocalNode, cache, start_detached, status, stop_detached
from ipi_es.node.detached import process_birth

# the owner of a node, as a program of somebody's: starts one, says where it is, and stays
OWNER = """
import time
from ipi_es.node import LocalNode
with LocalNode.start() as node:
    print(node.pid, node.url, node.data_dir, flush=True)
    time.sleep(120)
"""
ENDING_SECONDS = 10.0


@pytest.fixture
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache apart, so that others' running servers are left alone, with the jars that are there."""
    jars = cache.node_dir() / "jars"
    own = tmp_path / "cache" / "node"
    own.mkdir(parents=True)
    (own / "jars").symlink_to(jars)
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    return own


def until(condition: Callable[[], bool], seconds: float = ENDING_SECONDS) -> bool:
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if condition():
            return True
        time.sleep(0.05)
    return False


def gone(pid: int) -> bool:
    return process_birth(pid) is None


def refuses_connections(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0


def there_and_back(url: str) -> None:
    assert call(url, "PUT", "/there/_doc/1?refresh=true", {"source": {"ip": "192.0.2.7"}})[0] == 201
    status_code, found = call(url, "GET", "/there/_doc/1")
    assert (status_code, found["_source"]) == (200, {"source": {"ip": "192.0.2.7"}})


def test_document_goes_there_and_back_and_nothing_is_left() -> None:
    with LocalNode.start() as node:
        assert call(node.url, "GET", "/")[1]["version"]["number"] == "3.8.0"
        there_and_back(node.url)
        assert node.data_dir.exists()
    assert gone(node.pid)
    assert refuses_connections(node.url)
    assert not node.data_dir.exists()


def test_server_can_do_what_jobs_need(opensearch: object) -> None:
    url: str = opensearch.url  # type: ignore[attr-defined]
    try:
        mappings = {"properties": {"u": {"type": "keyword"}, "ip": {"type": "ip"}}}
        assert call(url, "PUT", "/needs", {"mappings": mappings})[0] == 200
        assert call(url, "PUT", "/needs/_doc/1?refresh=true", {"u": "a", "ip": "192.0.2.7", "n": 1})[0] == 201
        script = {"script": {"source": "ctx._source.n += 1", "lang": "painless"}, "query": {"match_all": {}}}
        answer = call(url, "POST", "/needs/_update_by_query?refresh=true", script)
        assert (answer[0], answer[1]["updated"]) == (200, 1)
        sources = [{"u": {"terms": {"field": "u"}}}, {"ip": {"terms": {"field": "ip"}}}]
        answer = call(url, "POST", "/needs/_search", {"aggs": {"p": {"composite": {"sources": sources}}}, "size": 0})
        assert answer[1]["aggregations"]["p"]["buckets"][0]["key"] == {"u": "a", "ip": "192.0.2.7"}
        answer = call(url, "POST", "/needs/_search/point_in_time?keep_alive=1m")
        assert answer[0] == 200
    finally:
        call(url, "DELETE", "/needs")


def test_server_listens_on_the_loopback_address_only(opensearch: object) -> None:
    url: str = opensearch.url  # type: ignore[attr-defined]
    nodes = call(url, "GET", "/_nodes/_local/http,transport")[1]["nodes"]
    for node in nodes.values():
        for layer in ("http", "transport"):
            assert all(address.startswith("127.0.0.1:") for address in node[layer]["bound_address"])


def test_nearly_full_disk_does_not_make_indices_read_only(opensearch: object) -> None:
    url: str = opensearch.url  # type: ignore[attr-defined]
    settings = call(url, "GET", "/_cluster/settings?include_defaults=true&flat_settings=true")[1]
    assert settings["defaults"]["cluster.routing.allocation.disk.threshold_enabled"] == "false"


@pytest.mark.faults
def test_server_dies_when_its_owner_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        pid, url, data_dir = owner.stdout.readline().split()
        assert not refuses_connections(url)
        owner.kill()
    assert until(lambda: gone(int(pid)))
    assert until(lambda: not Path(data_dir).exists())
    assert refuses_connections(url)


@pytest.mark.faults
def test_interrupt_stops_owner_and_server() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as owner:
        assert owner.stdout
        pid, _, data_dir = owner.stdout.readline().split()
        owner.send_signal(signal.SIGINT)
        owner.wait(ENDING_SECONDS)
    assert until(lambda: gone(int(pid)))
    assert not Path(data_dir).exists()


@pytest.mark.faults
def test_owner_killed_during_the_start_leaves_nothing(own_state: Path) -> None:
    runs = own_state / "runs"
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.DEVNULL) as owner:
        assert until(lambda: bool(list(runs.glob("run-*/config"))), 30)
        owner.kill()
    # the child is in the middle of its start: it looks at its parent when that is done
    assert until(lambda: not list(runs.glob("run-*")), 60)


def test_kept_data_is_found_again_by_the_next_start(tmp_path: Path) -> None:
    with LocalNode.start(data_dir=tmp_path / "mine") as node:
        there_and_back(node.url)
    with LocalNode.start(data_dir=tmp_path / "mine") as node:
        assert call(node.url, "GET", "/there/_count")[1]["count"] == 1


def test_second_start_downloads_nothing(opensearch: object) -> None:
    stages: list[str] = []
    with LocalNode.start(progress=lambda stage, _done, _total: stages.append(stage)):
        pass
    assert stages == ["start", "start"]


def test_given_port_is_used_and_taken_for_others() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with LocalNode.start(http_port=port) as node:
        assert node.url == f"http://127.0.0.1:{port}"
        with pytest.raises(NodeError, match=f"Port {port} on 127.0.0.1 can't be used"):
            LocalNode.start(http_port=port)


def test_port_taken_between_check_and_start_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipi_es.node.local.require_port", lambda port: None)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(NodeError, match=f"Port {port} on 127.0.0.1 can't be used"):
            LocalNode.start(http_port=port)


def test_heap_that_is_too_small_is_explained() -> None:
    with pytest.raises(NodeError, match="ran out of memory"):
        LocalNode.start(heap="16m")


def test_two_starts_at_once_both_work() -> None:
    nodes: list[LocalNode] = []
    threads = [threading.Thread(target=lambda: nodes.append(LocalNode.start())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert len({node.url for node in nodes}) == 2
        for node in nodes:
            there_and_back(node.url)
    finally:
        for node in nodes:
            node.stop()


def test_detached_server_outlives_its_starter_until_it_is_stopped(own_state: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", "from ipi_es.node import start_detached; start_detached()"], check=True, env=os.environ
    )
    found = status()
    assert found is not None
    try:
        there_and_back(found.url)
        with pytest.raises(NodeError, match="runs already"):
            start_detached()
    finally:
        assert stop_detached() is True
    assert gone(found.pid)
    assert status() is None
    assert not Path(found.data_dir).exists()
