"""One search over documents in memory: query, sort, page, source filter, aggregations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cmp_to_key
from typing import Any

from ipi_es.cluster.port import Json
from ipi_es.errors import RequestRejected
from ipi_es.testing.memory_aggregations import Hit, aggregate
from ipi_es.testing.memory_index import MemoryIndex
from ipi_es.testing.memory_query import matcher, order_key, unknown

_KNOWN = frozenset(
    {"query", "size", "from", "sort", "_source", "aggs", "aggregations", "track_total_hits", "search_after"}
    | {"seq_no_primary_term", "timeout"}
)
_DEFAULT_SIZE = 10
MAX_WINDOW = 10_000  # the servers' index.max_result_window
_ORDERS_WITHOUT_FIELD = frozenset({"_doc", "_shard_doc", "_score", "_id", "_index"})


def run_search(indices: Sequence[MemoryIndex], body: Mapping[str, Any], *, window: int = MAX_WINDOW) -> Json:
    """Return the answer in the servers' form. Raises RequestRejected for keys and forms that aren't known here."""
    wrong = set(body) - _KNOWN
    if wrong:
        raise unknown("key in search body", min(wrong))
    query = body.get("query") or {"match_all": {}}
    found: list[Hit] = []
    for index in indices:
        matches = matcher(query, index)
        found += [(index, doc) for doc in index.shown() if matches(doc)]
    first, size = int(body.get("from", 0)), int(body.get("size", _DEFAULT_SIZE))
    if first + size > window:
        raise RequestRejected(f"Result window is too large, from + size must be at most [{window}]", status=400)
    hits: Json = {"max_score": None, "hits": _page(found, body, first, size)}
    if body.get("track_total_hits", True) is not False:
        hits["total"] = {"value": len(found), "relation": "eq"}
    shards = {"total": len(indices), "successful": len(indices), "skipped": 0, "failed": 0}
    answer: Json = {"took": 0, "timed_out": False, "_shards": shards, "hits": hits}
    aggs = body.get("aggs", body.get("aggregations"))
    if aggs and indices:  # as the servers: without any index their answer lacks the key
        answer["aggregations"] = aggregate(aggs, found)
    return answer


def _page(found: list[Hit], body: Mapping[str, Any], first: int, size: int) -> list[Json]:
    sort = body.get("sort", ())
    sorts = [sort] if isinstance(sort, str | Mapping) else sort
    orders, tolerated = [_order(each) for each in sorts], {name for each in sorts for name in _tolerated(each)}
    keyed = [
        (hit, [_sort_value(hit, at, name, way, tolerated) for name, way in orders]) for at, hit in enumerate(found)
    ]
    kinds = [next((kind for index, _ in found if (kind := index.type_of(name))), None) for name, _ in orders]

    def compare(one: Sequence[Any], other: Sequence[Any]) -> int:
        for at, (_, way) in enumerate(orders):
            left, right, kind = one[at], other[at], kinds[at]
            if left == right:
                continue
            if left is None or right is None:  # missing values last, either way
                return 1 if left is None else -1
            less = order_key(left, kind) < order_key(right, kind)
            return -1 if less == (way == "asc") else 1
        return 0

    if orders:
        sort_key = cmp_to_key(compare)
        keyed.sort(key=lambda row: sort_key(row[1]))
    if "search_after" in body:
        after = body["search_after"]
        keyed = [row for row in keyed if compare(row[1], after) > 0]
    return [_hit(hit, body, key if orders else None) for hit, key in keyed[first : first + size]]


def _order(each: str | Mapping[str, Any]) -> tuple[str, str]:
    if isinstance(each, str):
        return each, "desc" if each == "_score" else "asc"
    ((name, how),) = each.items()
    way = how if isinstance(how, str) else how.get("order", "asc")
    return name, way


def _tolerated(each: str | Mapping[str, Any]) -> list[str]:
    """Return the field of a sort that may be in no mapping."""
    return [] if isinstance(each, str) else [name for name, how in each.items() if "unmapped_type" in how]


def _sort_value(hit: Hit, at: int, name: str, way: str, tolerated: Collection[str]) -> Any:
    index, stored = hit
    if name in {"_doc", "_shard_doc"}:
        return at
    if name in _ORDERS_WITHOUT_FIELD:
        return {"_id": stored.id, "_index": index.name, "_score": 0}[name]
    kind = index.type_of(name)
    if kind is None and name in tolerated:
        return None
    if kind is None:
        raise RequestRejected(f"No mapping found for [{name}] in order to sort on", status=400)
    values = index.values(stored, name)
    if not values:
        return None
    return (min if way == "asc" else max)(values, key=lambda value: order_key(value, kind))


def _hit(hit: Hit, body: Mapping[str, Any], key: Sequence[Any] | None) -> Json:
    index, stored = hit
    made: Json = {"_index": index.name, "_id": stored.id, "_score": None}
    wanted = body.get("_source", True)
    if wanted is not False:
        made["_source"] = stored.source() if wanted is True else _filtered(stored.source(), wanted)
    if body.get("seq_no_primary_term"):
        document = index.document(stored)
        made |= {"_seq_no": document.seq_no, "_primary_term": document.primary_term}
    if key is not None:
        made["sort"] = list(key)
    return made


def _filtered(source: Json, wanted: Any) -> Json:
    includes: Any = wanted.get("includes", ["*"]) if isinstance(wanted, Mapping) else wanted
    excludes: Any = wanted.get("excludes", []) if isinstance(wanted, Mapping) else []
    return _kept(
        source,
        "",
        [includes] if isinstance(includes, str) else includes,
        [excludes] if isinstance(excludes, str) else excludes,
    )


def _kept(source: Mapping[str, Any], prefix: str, includes: Sequence[str], excludes: Sequence[str]) -> Json:
    kept: Json = {}
    for key, value in source.items():
        name = f"{prefix}{key}"
        if any(fnmatchcase(name, pattern) for pattern in excludes):
            continue
        whole = any(fnmatchcase(name, pattern) for pattern in includes)
        if isinstance(value, Mapping):
            inner = _kept(value, f"{name}.", ["*"] if whole else includes, excludes)
            if inner or whole:
                kept[key] = inner
        elif whole:
            kept[key] = value
    return kept
