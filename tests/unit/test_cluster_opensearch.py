"""What is OpenSearch's own."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from ipi_es.cluster.connection import Connection
from ipi_es.cluster.opensearch import OpenSearchCluster
from ipi_es.cluster.port import ServerInfo
from ipi_es.cluster.transport.retry import Retry


class Recorded(OpenSearchCluster):
    """Answers two pages and keeps the searches."""

    bodies: list[Any]

    def _request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        return {"pit_id": "p"}

    def _send(self, method: str, path: str, params: dict[str, str], body: Any, content_type: str) -> dict[str, Any]:
        asked = orjson.loads(body)
        self.bodies.append(asked)
        first = 2 * (len(self.bodies) - 1)
        hits = [
            {"_id": str(n), "_index": "i", "_source": {}, "sort": [n, "i"]} for n in range(first, min(first + 2, 3))
        ]
        total = {"total": {"value": 3, "relation": "eq"}} if asked["track_total_hits"] else {}
        return {"_shards": {"total": 1, "successful": 1, "failed": 0}, "hits": {**total, "hits": hits}}


@pytest.mark.parametrize(
    ("version", "tie_breaker"),
    [((2, 19, 4), "_id"), ((3, 2, 0), "_id"), ((3, 3, 0), "_shard_doc"), ((3, 8, 0), "_shard_doc")],
)
def test_a_scan_always_has_a_tie_breaker_over_all_indices(version: tuple[int, int, int], tie_breaker: str) -> None:
    info = ServerInfo("opensearch", version, "c", "http://localhost:9200")
    cluster = Recorded(info, Connection(hosts=(info.url,)), Retry(0))
    cluster.bodies = []
    assert len(list(cluster.scan("i", {"match_all": {}}, sort=[{"n": "asc"}], size=2))) == 3
    assert [body["sort"] for body in cluster.bodies] == [[{"n": "asc"}, {tie_breaker: "asc"}, {"_index": "asc"}]] * 2
    assert [body.get("search_after") for body in cluster.bodies] == [None, [1, "i"]]
    cluster.close()
