"""The datafeed's contract on every kind of server, and what only real servers can show."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from feed_contract import MAPPINGS, SPAN, START, FeedContract, document, fill, rows
from servers.pool import Server

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster, Put
from ipi_es.datafeed.reader import Datafeed
from ipi_es.datafeed.spec import MAX_PAGE_SIZE, FeedSpec
from ipi_es.errors import ConfigError


@pytest.fixture
def cluster(server: Server) -> Iterator[Cluster]:
    cluster = connect(Connection(hosts=(server.url,)))
    yield cluster
    cluster.close()


@pytest.fixture
def name(cluster: Cluster) -> Iterator[str]:
    name = f"feed-{uuid.uuid4().hex[:12]}"
    yield name
    for index in cluster.indices(f"{name}*"):
        cluster.delete_index(index)


class TestServers(FeedContract):
    pass


def test_the_largest_page_is_taken(cluster: Cluster, name: str) -> None:
    fill(cluster, name, [document(1), document(SPAN * 1_000)])
    feed = Datafeed(cluster, FeedSpec((name,), page_size=MAX_PAGE_SIZE))
    assert [bucket.event_count for bucket in feed.read(START, START + 2 * SPAN, SPAN)] == [1, 1]


def test_several_indices_and_shards_give_one_row_a_pair(cluster: Cluster, name: str) -> None:
    for part in range(3):
        index = f"{name}-{part}"
        cluster.create_index(index, {"mappings": MAPPINGS, "settings": {"number_of_shards": 2}})
        cluster.bulk([Put(index, str(n), document(n, entity=f"u{n % 5}")) for n in range(50)])
        cluster.refresh(index)
    (bucket,) = Datafeed(cluster, FeedSpec((f"{name}-*",), page_size=2)).read(START, START + SPAN, SPAN)
    assert rows(bucket) == {(f"u{n}", "192.0.2.1", "success"): 30 for n in range(5)}


def test_nanoseconds_just_below_the_edge_stay_inside(cluster: Cluster, name: str) -> None:
    mappings = {"properties": {**MAPPINGS["properties"], "@timestamp": {"type": "date_nanos"}}}
    cluster.create_index(name, {"mappings": mappings})
    times = ["2026-03-01T00:59:59.999999999Z", "2026-03-01T01:00:00Z"]
    cluster.bulk([Put(name, str(n), {**document(0), "@timestamp": time}) for n, time in enumerate(times)])
    cluster.refresh(name)
    buckets = list(Datafeed(cluster, FeedSpec((name,))).read(START, START + 2 * SPAN, SPAN))
    assert [sum(rows(bucket).values()) for bucket in buckets] == [1, 1]
    assert [bucket.event_count for bucket in buckets] == [1, 1]


def test_runtime_mappings_work_on_elasticsearch_and_are_refused_on_opensearch(cluster: Cluster, name: str) -> None:
    fill(cluster, name, [document(1)])
    spec = FeedSpec((name,), runtime_mappings={"user.name": {"type": "keyword"}})
    if cluster.info.distribution == "opensearch":
        with pytest.raises(ConfigError, match="runtime_mappings"):
            Datafeed(cluster, spec)
    else:
        (bucket,) = Datafeed(cluster, spec).read(START, START + SPAN, SPAN)
        assert rows(bucket) == {("alice", "192.0.2.1", "success"): 1}


@pytest.fixture
def remote(server: Server) -> Iterator[str]:
    """The name under which the server knows a remote cluster: itself."""
    setting = "cluster.remote.far.seeds"
    nodes = server.call("GET", "/_nodes/_local/transport")[1]["nodes"]
    seed = next(iter(nodes.values()))["transport"]["publish_address"]
    assert server.call("PUT", "/_cluster/settings", {"persistent": {setting: [seed]}})[0] == 200
    yield "far"
    assert server.call("PUT", "/_cluster/settings", {"persistent": {setting: None}})[0] == 200


def test_patterns_of_remote_clusters_are_read_with_those_of_this_one(cluster: Cluster, remote: str, name: str) -> None:
    fill(cluster, name, [document(1), document(2, entity="bob")])
    for indices, copies in (((f"{remote}:{name}*",), 1), ((f"f*:{name}", name), 2)):
        (bucket,) = Datafeed(cluster, FeedSpec(indices)).read(START, START + SPAN, SPAN)
        assert rows(bucket) == {(who, "192.0.2.1", "success"): copies for who in ("alice", "bob")}
        assert bucket.event_count == 2 * copies
