"""Events and short cuts of the cluster port's contract."""

from __future__ import annotations

from typing import Any

from ipi_es.cluster.port import Cluster, IndexOptions, Put

STRICT = IndexOptions(ignore_unavailable=False, allow_no_indices=False)
EVENTS = {
    "properties": {
        "@timestamp": {"type": "date"},
        "user": {"properties": {"name": {"type": "keyword"}}},
        "source": {"properties": {"ip": {"type": "ip", "ignore_malformed": True}}},
        "outcome": {"type": "keyword"},
        "n": {"type": "long"},
        "x": {"type": "double"},
        "ok": {"type": "boolean"},
        "when": {"type": "alias", "path": "@timestamp"},
    }
}
DAY = 1_777_593_600_000  # 2026-05-01T00:00:00Z, epoch milliseconds
MINUTE = 60_000


def event(minute: int, user: Any = None, ip: Any = None, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"@timestamp": DAY + minute * MINUTE, **more}
    if user is not None:
        made["user"] = {"name": user}
    if ip is not None:
        made["source"] = {"ip": ip}
    return made


def fill(cluster: Cluster, index: str, *documents: dict[str, Any]) -> None:
    cluster.create_index(index, {"settings": {"number_of_replicas": 0}, "mappings": EVENTS})
    cluster.bulk([Put(index, str(number), source) for number, source in enumerate(documents)], refresh=True)


def found(cluster: Cluster, index: str, query: dict[str, Any]) -> list[str]:
    hits = cluster.search(index, {"query": query, "size": 100})["hits"]["hits"]
    return sorted(hit["_id"] for hit in hits)


def pages(cluster: Cluster, index: str, sources: list[dict[str, Any]], size: int, **aggs: Any) -> list[dict[str, Any]]:
    composite: dict[str, Any] = {"size": size, "sources": sources}
    rows: list[dict[str, Any]] = []
    while True:
        body = {"size": 0, "aggs": {"rows": {"composite": composite, "aggs": aggs}}}
        page = cluster.search(index, body)["aggregations"]["rows"]
        rows += page["buckets"]
        if "after_key" not in page:
            return rows
        composite["after"] = page["after_key"]


USER: dict[str, Any] = {"user": {"terms": {"field": "user.name"}}}
IP: dict[str, Any] = {"ip": {"terms": {"field": "source.ip"}}}
