"""The aggregations that ipi-es uses, on documents in memory; any other is refused, never ignored."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cmp_to_key
from typing import Any, TypeAlias

from ipi_es.cluster.port import Json
from ipi_es.errors import RequestRejected
from ipi_es.testing.memory_index import EPOCH, MemoryIndex, StoredDocument, Value
from ipi_es.testing.memory_query import matcher, order_key, unknown
from ipi_es.times import parse_span, to_ms

Hit: TypeAlias = tuple[MemoryIndex, StoredDocument]
Key: TypeAlias = tuple[Value | None, ...]
MAX_PAGE = 65_535  # buckets of a composite page; OpenSearch's limit, the lower of the two
_DEFAULT_SIZE = 10
_DATES = frozenset({"date", "date_nanos"})


def aggregate(aggs: Mapping[str, Any], hits: Sequence[Hit]) -> Json:
    """Return the ``aggregations`` part of an answer.

    Raises RequestRejected for an aggregation that isn't known here.
    """
    return {name: _one(name, body, hits) for name, body in aggs.items()}


def _one(name: str, body: Mapping[str, Any], hits: Sequence[Hit]) -> Json:
    kinds = [key for key in body if key not in {"aggs", "aggregations", "meta"}]
    if len(kinds) != 1:
        raise RequestRejected(f"aggregation [{name}] has one type, not {kinds}", status=400)
    kind = kinds[0]
    inner = body.get("aggs", body.get("aggregations", {}))
    if kind in _METRICS:
        return _METRICS[kind](body[kind], hits)
    if kind in _BUCKETS:
        return _BUCKETS[kind](body[kind], inner, hits)
    raise unknown("aggregation type", kind)


def _values(hit: Hit, field: str) -> list[Value]:
    index, stored = hit
    if field == "_index":
        return [index.name]
    if index.type_of(field) == "text":
        raise RequestRejected(f"Fielddata is disabled on [{field}], use a keyword field instead", status=400)
    return index.values(stored, field)


def _type(hits: Sequence[Hit], field: str) -> str | None:
    return next((kind for index, _ in hits if (kind := index.type_of(field))), None)


def _bucket(hits: Sequence[Hit], inner: Mapping[str, Any], **parts: Any) -> Json:
    return {**parts, "doc_count": len(hits), **aggregate(inner, hits)}


def _filter(body: Mapping[str, Any], inner: Mapping[str, Any], hits: Sequence[Hit]) -> Json:
    indices = {id(index): index for index, _ in hits}
    matches = {at: matcher(body, index) for at, index in indices.items()}
    return _bucket([hit for hit in hits if matches[id(hit[0])](hit[1])], inner)


def _filters(body: Mapping[str, Any], inner: Mapping[str, Any], hits: Sequence[Hit]) -> Json:
    return {"buckets": {name: _filter(query, inner, hits) for name, query in body["filters"].items()}}


def _missing(body: Mapping[str, Any], inner: Mapping[str, Any], hits: Sequence[Hit]) -> Json:
    return _bucket([hit for hit in hits if not _values(hit, body["field"])], inner)


def _shown(value: Value, kind: str | None) -> Json:
    """Return a terms bucket's key, with its text where that differs."""
    if kind == "boolean":
        return {"key": int(value), "key_as_string": str(value).lower()}
    if kind in _DATES:
        return {"key": value, "key_as_string": _date_text(value)}
    return {"key": value}


def _date_text(ms: Any) -> str:
    return (EPOCH + timedelta(milliseconds=int(ms))).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _terms(body: Mapping[str, Any], inner: Mapping[str, Any], hits: Sequence[Hit]) -> Json:
    field, size = body["field"], int(body.get("size", _DEFAULT_SIZE))
    wrong = set(body) - {"field", "size", "order", "shard_size", "min_doc_count"}
    if wrong:
        raise unknown("terms parameter", min(wrong))
    kind = _type(hits, field)
    found: dict[Value, list[Hit]] = {}
    for hit in hits:
        for value in set(_values(hit, field)):
            found.setdefault(value, []).append(hit)
    rows = sorted(found.items(), key=lambda row: order_key(row[0], kind))
    ((by, way),) = dict(body.get("order", {"_count": "desc"})).items()
    if by == "_count":
        rows.sort(key=lambda row: len(row[1]), reverse=way == "desc")
    elif by == "_key":
        rows = rows if way == "asc" else rows[::-1]
    elif by in inner:
        rows.sort(key=lambda row: _one(by, inner[by], row[1])["value"], reverse=way == "desc")
    else:
        raise unknown("terms order", by)
    buckets = [_bucket(own, inner, **_shown(value, kind)) for value, own in rows[:size]]
    rest = sum(len(own) for _, own in rows[size:])
    return {"doc_count_error_upper_bound": 0, "sum_other_doc_count": rest, "buckets": buckets}


def _date_histogram(body: Mapping[str, Any], inner: Mapping[str, Any], hits: Sequence[Hit]) -> Json:
    step = to_ms(parse_span(str(body["fixed_interval"])))
    found: dict[int, list[Hit]] = {}
    for hit in hits:
        for start in {int(value) // step * step for value in _values(hit, body["field"])}:
            found.setdefault(start, []).append(hit)
    starts: Sequence[int] = sorted(found)
    if starts and not body.get("min_doc_count"):
        starts = range(starts[0], starts[-1] + 1, step)
    return {
        "buckets": [
            _bucket(found.get(start, []), inner, key=start, key_as_string=_date_text(start)) for start in starts
        ]
    }


def _composite(body: Mapping[str, Any], inner: Mapping[str, Any], hits: Sequence[Hit]) -> Json:
    """Page over the cross product of the sources' values, document by document, in the sources' order."""
    size = int(body.get("size", _DEFAULT_SIZE))
    if size > MAX_PAGE:
        raise RequestRejected(
            f"Trying to create too many buckets. Must be less than or equal to: [{MAX_PAGE}] but was [{size}]",
            status=400,
        )
    sources = [_source(source) for source in body["sources"]]
    names = [name for name, _ in sources]
    found: dict[Key, list[Hit]] = {}
    for hit in hits:
        for key in itertools.product(*(_source_values(hit, by) for _, by in sources)):
            found.setdefault(key, []).append(hit)
    kinds = [_type(hits, by["field"]) for _, by in sources]
    downs = [by.get("order", "asc") == "desc" for _, by in sources]

    def compare(one: Key, other: Key) -> int:
        for left, right, kind, down in zip(one, other, kinds, downs, strict=True):
            if left != right:
                less = left is None or (right is not None and order_key(left, kind) < order_key(right, kind))
                return -1 if less != down else 1
        return 0

    keys = sorted(found, key=cmp_to_key(compare))
    if "after" in body:
        after = tuple(body["after"][name] for name in names)
        keys = [key for key in keys if compare(key, after) > 0]
    buckets = [_bucket(found[key], inner, key=dict(zip(names, key, strict=True))) for key in keys[:size]]
    return {"after_key": buckets[-1]["key"], "buckets": buckets} if buckets else {"buckets": []}


_SOURCES = {
    "terms": frozenset({"field", "missing_bucket", "order"}),
    "date_histogram": frozenset({"field", "fixed_interval", "order"}),
}


def _source(source: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    ((name, body),) = source.items()
    ((kind, by),) = body.items()
    if kind not in _SOURCES:
        raise unknown("composite source", kind)
    wrong = set(by) - _SOURCES[kind]
    if wrong:
        raise unknown("composite parameter", min(wrong))
    return name, by


def _source_values(hit: Hit, by: Mapping[str, Any]) -> list[Value | None]:
    values: list[Value | None] = list(dict.fromkeys(_values(hit, by["field"])))
    if "fixed_interval" in by:
        step = to_ms(parse_span(str(by["fixed_interval"])))
        return list(dict.fromkeys(int(value or 0) // step * step for value in values))
    return [None] if not values and by.get("missing_bucket") else values


def _all(body: Mapping[str, Any], hits: Sequence[Hit]) -> list[Value]:
    return [value for hit in hits for value in _values(hit, body["field"])]


def _value_count(body: Mapping[str, Any], hits: Sequence[Hit]) -> Json:
    if body["field"] in {"_id", "_index"}:
        return {"value": len(hits)}
    # a document's equal texts and addresses are stored once
    return {"value": sum(len(set(_values(hit, body["field"]))) for hit in hits)}


def _cardinality(body: Mapping[str, Any], hits: Sequence[Hit]) -> Json:
    return {"value": len(Counter(_all(body, hits)))}


def _number(reduce: Callable[[list[float]], float], empty: float | None) -> Callable[..., Json]:
    def metric(body: Mapping[str, Any], hits: Sequence[Hit]) -> Json:
        numbers = [float(value) for value in _all(body, hits)]
        if not numbers:
            return {"value": empty}
        value = reduce(numbers)
        dated = _type(hits, body["field"]) in _DATES
        return {"value": value, "value_as_string": _date_text(value)} if dated else {"value": value}

    return metric


def _stats(body: Mapping[str, Any], hits: Sequence[Hit]) -> Json:
    numbers = [float(value) for value in _all(body, hits)]
    if not numbers:
        return {"count": 0, "min": None, "max": None, "avg": None, "sum": 0.0}
    total = sum(numbers)
    most = {"count": len(numbers), "min": min(numbers), "max": max(numbers)}
    return {**most, "avg": total / len(numbers), "sum": total}


_METRICS: dict[str, Callable[[Mapping[str, Any], Sequence[Hit]], Json]] = {
    "avg": _number(lambda numbers: sum(numbers) / len(numbers), None),
    "cardinality": _cardinality,
    "max": _number(max, None),
    "min": _number(min, None),
    "stats": _stats,
    "sum": _number(sum, 0.0),
    "value_count": _value_count,
}


def _date_range(body: Mapping[str, Any], inner: Mapping[str, Any], hits: Sequence[Hit]) -> Json:
    """Return the one known range, “up to now”, without its end: in memory there is no clock to show."""
    if list(body["ranges"]) != [{"to": "now"}]:
        raise unknown("date_range", str(body["ranges"]))
    return {"buckets": [_bucket([hit for hit in hits if _values(hit, body["field"])], inner, key="*-now")]}


_BUCKETS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any], Sequence[Hit]], Json]] = {
    "composite": _composite,
    "date_histogram": _date_histogram,
    "date_range": _date_range,
    "filter": _filter,
    "filters": _filters,
    "missing": _missing,
    "terms": _terms,
}
