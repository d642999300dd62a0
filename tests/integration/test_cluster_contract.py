"""The contract of the cluster port on every kind of server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from cluster_contract import EVENTS, Contract, event, fill
from fault_proxy import Fault, FaultProxy
from servers.pool import Server

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster, Put
from ipi_es.errors import ClusterReadOnly, NotFound


@pytest.fixture
def cluster(server: Server) -> Iterator[Cluster]:
    cluster = connect(Connection(hosts=(server.url,)))
    yield cluster
    cluster.close()


@pytest.fixture
def name(server: Server, cluster: Cluster) -> Iterator[str]:
    name = f"contract-{uuid.uuid4().hex[:12]}"
    yield name
    for index in cluster.indices(f"{name}*"):
        cluster.delete_index(index)
    server.call("DELETE", f"/_index_template/{name}-template")


class TestServers(Contract):
    pass


def test_the_server_is_found_out(server: Server, cluster: Cluster) -> None:
    distribution, _, version = server.kind.partition("-")
    assert cluster.info.distribution == distribution
    assert ".".join(str(part) for part in cluster.info.version) == version


def open_points_in_time(server: Server) -> int:
    status, answer = server.call("GET", "/_nodes/stats/indices/search")
    assert status == 200
    (node,) = answer["nodes"].values()
    search = node["indices"]["search"]
    return int(search.get("point_in_time_current", 0)) + int(search.get("open_contexts", 0))


def test_no_point_in_time_stays_open(server: Server, cluster: Cluster, name: str) -> None:
    fill(cluster, name, *(event(minute) for minute in range(9)))
    before = open_points_in_time(server)
    list(cluster.scan(name, {"match_all": {}}, size=2))
    scan = cluster.scan(name, {"match_all": {}}, size=2)
    next(scan)
    assert open_points_in_time(server) > before
    scan.close()  # type: ignore[attr-defined]
    assert open_points_in_time(server) == before


def test_a_full_disk_is_a_read_only_cluster_and_is_not_tried_again(server: Server, cluster: Cluster, name: str) -> None:
    cluster.create_index(name, {"mappings": EVENTS})
    server.call("PUT", f"/{name}/_settings", {"index.blocks.read_only_allow_delete": True})
    try:
        with pytest.raises(ClusterReadOnly, match="disk") as caught:
            cluster.bulk([Put(name, "a", {"n": 1})])
        assert "read_only_allow_delete" in str(caught.value)
        with pytest.raises(ClusterReadOnly):
            cluster.put(name, "a", {"n": 1})
        if server.is_opensearch:  # Elasticsearch lets a mapping grow on a full disk
            with pytest.raises(ClusterReadOnly):
                cluster.put_mapping(name, {"properties": {"more": {"type": "long"}}})
    finally:
        server.call("PUT", f"/{name}/_settings", {"index.blocks.read_only_allow_delete": None})
    assert cluster.bulk([Put(name, "a", {"n": 1})]).written == 1


def test_a_document_of_8_mib_goes_there_and_back(cluster: Cluster, name: str) -> None:
    cluster.create_index(name, {"mappings": {"properties": {"data": {"type": "binary"}}}})
    data = "QUJD" * (2 * 1024 * 1024)
    assert cluster.bulk([Put(name, str(n), {"data": data}) for n in range(2)]).written == 2
    got = cluster.get(name, "1")
    assert got is not None
    assert got.source["data"] == data


def test_81_long_names_are_asked_for_in_a_body_or_in_parts(cluster: Cluster, name: str) -> None:
    """Together they have more than 4,096 bytes, which no URL may have."""
    fill(cluster, name, *(event(minute) for minute in range(9)))
    names = [f"{name}{'-absent' * 12}-{number:02}" for number in range(80)] + [name]
    fields = [f"absent.{'long.' * 30}{number}" for number in range(60)] + ["user.name"]
    assert len(",".join(names)) > 4_096
    assert cluster.count(names, {"match_all": {}}) == 9
    assert len(cluster.search(names, {"query": {"match_all": {}}})["hits"]["hits"]) == 9
    assert cluster.field_types(names, fields) == cluster.field_types(name, ["user.name"])
    with pytest.raises(NotFound):
        cluster.field_types(names[:-1], fields)


def test_a_close_whose_answer_was_lost_is_not_sent_a_third_time(server: Server, cluster: Cluster, name: str) -> None:
    fill(cluster, name, event(0))
    closes = 0

    def lose_the_first(_number: int, method: str, _path: str) -> Fault | None:
        nonlocal closes
        closes += method == "DELETE"
        return Fault(lost=True) if method == "DELETE" and closes == 1 else None

    with FaultProxy(server.url, lose_the_first) as proxy:
        through_proxy = connect(Connection(hosts=(proxy.url,)), sleep=lambda _: None)
        assert len(list(through_proxy.scan(name, {"match_all": {}}))) == 1
        through_proxy.close()
    assert closes == 2
