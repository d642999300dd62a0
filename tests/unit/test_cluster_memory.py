"""The in-memory cluster keeps the contract, and what is its own."""

from __future__ import annotations

import pytest
from cluster_contract import Contract

from ipi_es.cluster.port import Cluster, Put
from ipi_es.errors import ClusterBusy, RequestRejected
from ipi_es.testing.memory_cluster import MemoryCluster


class TestMemory(Contract):
    @pytest.fixture
    def cluster(self) -> Cluster:
        return MemoryCluster()

    @pytest.fixture
    def name(self) -> str:
        return "contract"


def test_a_search_does_not_see_what_was_not_refreshed() -> None:
    cluster = MemoryCluster()
    cluster.put("i", "a", {"n": 1})
    assert cluster.count("i", {"match_all": {}}) == 0
    cluster.refresh("i")
    assert cluster.count("i", {"match_all": {}}) == 1


def test_documents_are_copies() -> None:
    cluster = MemoryCluster()
    source = {"a": {"b": [1]}}
    cluster.put("i", "a", source)
    source["a"]["b"].append(2)
    first = cluster.get("i", "a")
    assert first is not None
    first.source["a"]["b"].append(3)
    second = cluster.get("i", "a")
    assert second is not None
    assert second.source == {"a": {"b": [1]}}


def test_the_hook_sees_every_call_and_may_fail_it() -> None:
    calls: list[tuple[str, str]] = []

    def before(operation: str, index: str) -> None:
        calls.append((operation, index))
        if operation == "bulk":
            raise ClusterBusy("no")

    cluster = MemoryCluster(before)
    cluster.put("i", "a", {})
    with pytest.raises(ClusterBusy):
        cluster.bulk([Put("i", "b", {})])
    assert calls == [("put", "i"), ("bulk", "i")]
    assert cluster.get("i", "b") is None


@pytest.mark.parametrize(
    "body",
    [
        {"script_fields": {}},
        {"query": {"bool": {"filters": []}}},
        {"query": {"range": {"n": {"from": 1}}}},
        {"aggs": {"a": {"significant_terms": {"field": "n"}}}},
        {"aggs": {"a": {"terms": {"field": "n", "script": "x"}}}},
    ],
)
def test_what_is_not_known_is_refused(body: dict[str, object]) -> None:
    cluster = MemoryCluster()
    cluster.put("i", "a", {"n": 1}, refresh=True)
    with pytest.raises(RequestRejected):
        cluster.search("i", body)


def test_an_alias_over_two_indices_cannot_be_written() -> None:
    cluster = MemoryCluster()
    for name in ("one", "two"):
        cluster.create_index(name, {"aliases": {"both": {}}})
    with pytest.raises(RequestRejected):
        cluster.put("both", "a", {})
