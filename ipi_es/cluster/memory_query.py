"""The query forms that ipi-es uses, on documents in memory; any other form is refused, never ignored."""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ipi_es.cluster.memory_index import MemoryIndex, Stored, Value, canonical_ip, epoch_ms
from ipi_es.errors import RequestRejected

_BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_WORD = re.compile(r"\w+")
_MS = 1_000  # epoch_second bounds become epoch milliseconds


def unknown(what: str, name: str) -> RequestRejected:
    """The refusal of something that the in-memory cluster has no idea of."""
    return RequestRejected(f"unknown {what} [{name}]", hint="the in-memory cluster knows fewer forms", status=400)


def matches(query: Mapping[str, Any], index: MemoryIndex, stored: Stored) -> bool:
    """Whether a document matches a query (with exactly one form at the top)."""
    if len(query) != 1:
        raise RequestRejected(f"a query has one form, not {sorted(query)}", status=400)
    ((form, body),) = query.items()
    if form not in _FORMS:
        raise unknown("query", form)
    return _FORMS[form](body, index, stored)


def _clauses(body: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    found = body.get(name, ())
    return [found] if isinstance(found, Mapping) else found


def _bool(body: Mapping[str, Any], index: MemoryIndex, stored: Stored) -> bool:
    wrong = set(body) - {"filter", "must", "must_not", "should", "minimum_should_match", "boost"}
    if wrong:
        raise unknown("clause", min(wrong))
    required = [*_clauses(body, "filter"), *_clauses(body, "must")]
    should = _clauses(body, "should")
    least = int(body.get("minimum_should_match", 1 if should and not required else 0))
    return (
        all(matches(clause, index, stored) for clause in required)
        and not any(matches(clause, index, stored) for clause in _clauses(body, "must_not"))
        and sum(matches(clause, index, stored) for clause in should) >= least
    )


def _only(body: Mapping[str, Any], form: str) -> tuple[str, Any]:
    named = [(name, value) for name, value in body.items() if name != "boost"]
    if len(named) != 1:
        raise RequestRejected(f"[{form}] takes one field", status=400)
    return named[0]


def _term(body: Mapping[str, Any], index: MemoryIndex, stored: Stored) -> bool:
    name, value = _only(body, "term")
    if isinstance(value, Mapping):
        value = value["value"]
    return _equals(name, value, index, stored)


def _terms(body: Mapping[str, Any], index: MemoryIndex, stored: Stored) -> bool:
    name, wanted = _only(body, "terms")
    return any(_equals(name, value, index, stored) for value in wanted)


def _equals(name: str, wanted: Any, index: MemoryIndex, stored: Stored) -> bool:
    if name == "_id":
        return stored.id == str(wanted)
    if name == "_index":
        return index.name == str(wanted)
    kind, found = index.type_of(name), index.values(stored, name)
    if kind == "text":
        return any(str(wanted) in _WORD.findall(str(value).lower()) for value in found)
    if kind == "ip" and "/" in str(wanted):
        network = ipaddress.ip_network(wanted)
        return any(ipaddress.ip_address(str(value)) in network for value in found)
    return _bound(kind, wanted) in found


def _bound(kind: str | None, value: Any, form: str = "") -> Value:
    """A query's value as the field's values are."""
    if kind in {"date", "date_nanos"}:
        if "now" in str(value) or "||" in str(value):
            raise unknown("date math", str(value))
        return int(value) * _MS if form == "epoch_second" else epoch_ms(value)
    if kind == "ip":
        return canonical_ip(str(value))
    if kind == "keyword":
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "boolean":
        return str(value).lower() == "true"
    if isinstance(value, str) and kind not in {"text", "constant_keyword", "wildcard", None}:
        return float(value)
    return value  # type: ignore[no-any-return]


def _range(body: Mapping[str, Any], index: MemoryIndex, stored: Stored) -> bool:
    name, bounds = _only(body, "range")
    kind = index.type_of(name)
    wrong = set(bounds) - {*_BOUNDS, "format", "boost", "time_zone"}
    if wrong:
        raise unknown("range parameter", min(wrong))
    limits = [
        (_BOUNDS[key], _order(kind, _bound(kind, value, bounds.get("format", ""))))
        for key, value in bounds.items()
        if key in _BOUNDS and value is not None
    ]
    return any(
        all(holds(_order(kind, value), limit) for holds, limit in limits) for value in index.values(stored, name)
    )


def _order(kind: str | None, value: Value) -> Any:
    return order_key(value, kind)


def order_key(value: Value, kind: str | None) -> Any:
    """What values of a type are sorted and compared by: IPs by their 16 bytes, text by its UTF-8 bytes."""
    if kind == "ip":
        address = ipaddress.ip_address(str(value))
        return (b"\0" * 10 + b"\xff\xff" + address.packed) if address.version == 4 else address.packed
    return value.encode() if isinstance(value, str) else value


def _exists(body: Mapping[str, Any], index: MemoryIndex, stored: Stored) -> bool:
    name = body["field"]
    if index.values(stored, name):
        return True
    return any(index.values(stored, inner) for inner in index.types if inner.startswith(f"{name}."))


def _ids(body: Mapping[str, Any], _index: MemoryIndex, stored: Stored) -> bool:
    return stored.id in body["values"]


def _prefix(body: Mapping[str, Any], index: MemoryIndex, stored: Stored) -> bool:
    name, value = _only(body, "prefix")
    start = value["value"] if isinstance(value, Mapping) else value
    found = [stored.id] if name == "_id" else index.values(stored, name)
    return any(str(each).startswith(start) for each in found)


def _wildcard(body: Mapping[str, Any], index: MemoryIndex, stored: Stored) -> bool:
    name, value = _only(body, "wildcard")
    pattern = value["value"] if isinstance(value, Mapping) else value
    return any(fnmatchcase(str(each), pattern) for each in index.values(stored, name))


def _constant_score(body: Mapping[str, Any], index: MemoryIndex, stored: Stored) -> bool:
    return matches(body["filter"], index, stored)


_FORMS: dict[str, Callable[[Mapping[str, Any], MemoryIndex, Stored], bool]] = {
    "bool": _bool,
    "constant_score": _constant_score,
    "exists": _exists,
    "ids": _ids,
    "match_all": lambda _body, _index, _stored: True,
    "match_none": lambda _body, _index, _stored: False,
    "prefix": _prefix,
    "range": _range,
    "term": _term,
    "terms": _terms,
    "wildcard": _wildcard,
}
