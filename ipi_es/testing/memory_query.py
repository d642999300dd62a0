"""The query forms that ipi-es uses, on documents in memory; any other form is refused, never ignored."""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from ipi_es.errors import RequestRejected
from ipi_es.testing.memory_index import MemoryIndex, StoredDocument, Value, canonical_ip, epoch_ms
from ipi_es.times import to_ms

_BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
Matcher: TypeAlias = Callable[[StoredDocument], bool]
_WORD = re.compile(r"\w+")
_PATTERN_PART = re.compile(r"\\?.", re.DOTALL)
"""A character of a wildcard pattern, or an escaped one."""
_WILDCARDS = {"*": ".*", "?": "."}


def unknown(what: str, name: str) -> RequestRejected:
    """Make the error for a form that the in-memory cluster doesn't know."""
    return RequestRejected(f"unknown {what} [{name}]", hint="the in-memory cluster knows fewer forms", status=400)


def matcher(query: Mapping[str, Any], index: MemoryIndex) -> Matcher:
    """Return a predicate over an index's documents for a query (with exactly one form at the top).

    Raises RequestRejected for a form that isn't known here.
    """
    if len(query) != 1:
        raise RequestRejected(f"a query has one form, not {sorted(query)}", status=400)
    ((form, body),) = query.items()
    if form not in _FORMS:
        raise unknown("query", form)
    return _FORMS[form](body, index)


def _clauses(body: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    found = body.get(name, ())
    return [found] if isinstance(found, Mapping) else found


def _bool(body: Mapping[str, Any], index: MemoryIndex) -> Matcher:
    wrong = set(body) - {"filter", "must", "must_not", "should", "minimum_should_match", "boost"}
    if wrong:
        raise unknown("clause", min(wrong))
    required = [matcher(clause, index) for name in ("filter", "must") for clause in _clauses(body, name)]
    refused = [matcher(clause, index) for clause in _clauses(body, "must_not")]
    should = [matcher(clause, index) for clause in _clauses(body, "should")]
    least = int(body.get("minimum_should_match", 1 if should and not required else 0))

    def found(stored: StoredDocument) -> bool:
        for clause in required:
            if not clause(stored):
                return False
        for clause in refused:
            if clause(stored):
                return False
        return not least or sum(clause(stored) for clause in should) >= least

    return found


def _only(body: Mapping[str, Any], form: str) -> tuple[str, Any]:
    named = [(name, value) for name, value in body.items() if name != "boost"]
    if len(named) != 1:
        raise RequestRejected(f"[{form}] takes one field", status=400)
    return named[0]


def _term(body: Mapping[str, Any], index: MemoryIndex) -> Matcher:
    name, value = _only(body, "term")
    return _equals(name, value["value"] if isinstance(value, Mapping) else value, index)


def _terms(body: Mapping[str, Any], index: MemoryIndex) -> Matcher:
    name, wanted = _only(body, "terms")
    equals = [_equals(name, value, index) for value in wanted]
    return lambda stored: any(each(stored) for each in equals)


def _equals(name: str, wanted: Any, index: MemoryIndex) -> Matcher:
    if name == "_id":
        return lambda stored: stored.id == str(wanted)
    if name == "_index":
        return lambda _: index.name == str(wanted)
    kind = index.type_of(name)
    if kind == "text":
        return lambda stored: any(
            str(wanted) in _WORD.findall(str(value).lower()) for value in index.values(stored, name)
        )
    if kind == "ip" and "/" in str(wanted):
        network = ipaddress.ip_network(wanted)
        return lambda stored: any(ipaddress.ip_address(str(value)) in network for value in index.values(stored, name))
    bound = index.folded(name, _bound(kind, wanted))
    return lambda stored: bound in index.values(stored, name)


def _bound(kind: str | None, value: Any, form: str = "") -> Value:
    """Convert a query's value to the form of the field's indexed values."""
    if kind in {"date", "date_nanos"}:
        if "now" in str(value) or "||" in str(value):
            raise unknown("date math", str(value))
        return to_ms(int(value)) if form == "epoch_second" else epoch_ms(value)
    if kind == "ip":
        return canonical_ip(str(value))
    if kind == "keyword":
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "boolean":
        return str(value).lower() == "true"
    if isinstance(value, str) and kind not in {"text", "constant_keyword", "wildcard", None}:
        return float(value)
    return value  # type: ignore[no-any-return]


def _range(body: Mapping[str, Any], index: MemoryIndex) -> Matcher:
    name, bounds = _only(body, "range")
    kind = index.type_of(name)
    wrong = set(bounds) - {*_BOUNDS, "format", "boost", "time_zone"}
    if wrong:
        raise unknown("range parameter", min(wrong))
    limits = [
        (_BOUNDS[key], order_key(_bound(kind, value, bounds.get("format", "")), kind))
        for key, value in bounds.items()
        if key in _BOUNDS and value is not None
    ]

    def within(value: Value) -> bool:
        key = order_key(value, kind)
        return all(holds(key, limit) for holds, limit in limits)

    return lambda stored: any(within(value) for value in index.values(stored, name))


def order_key(value: Value, kind: str | None) -> Any:
    """Return the key by which values of a type are sorted and compared: IPs by 16 bytes, text by its UTF-8 bytes."""
    if kind == "ip":
        address = ipaddress.ip_address(str(value))
        return (b"\0" * 10 + b"\xff\xff" + address.packed) if address.version == 4 else address.packed
    return value.encode() if isinstance(value, str) else value


def _exists(body: Mapping[str, Any], index: MemoryIndex) -> Matcher:
    name = body["field"]
    names = [name, *(inner for inner in index.types if inner.startswith(f"{name}."))]
    return lambda stored: any(index.values(stored, each) for each in names)


def _ids(body: Mapping[str, Any], _index: MemoryIndex) -> Matcher:
    wanted = frozenset(body["values"])
    return lambda stored: stored.id in wanted


def _prefix(body: Mapping[str, Any], index: MemoryIndex) -> Matcher:
    name, value = _only(body, "prefix")
    start = value["value"] if isinstance(value, Mapping) else value
    return lambda stored: any(
        str(each).startswith(start) for each in ([stored.id] if name == "_id" else index.values(stored, name))
    )


def _wildcard(body: Mapping[str, Any], index: MemoryIndex) -> Matcher:
    name, value = _only(body, "wildcard")
    given = value if isinstance(value, Mapping) else {"value": value}
    flags = re.DOTALL | (re.IGNORECASE | re.ASCII if given.get("case_insensitive") else 0)
    parts = (_WILDCARDS.get(part, re.escape(part[-1])) for part in _PATTERN_PART.findall(given["value"]))
    pattern = re.compile("".join(parts), flags)
    return lambda stored: any(pattern.fullmatch(str(each)) for each in index.values(stored, name))


def _match_phrase(body: Mapping[str, Any], index: MemoryIndex) -> Matcher:
    name, value = _only(body, "match_phrase")
    text = str(value["query"] if isinstance(value, Mapping) else value)
    if index.type_of(name) != "text":
        return _equals(name, text, index)
    phrase = f" {' '.join(_WORD.findall(text.lower()))} "

    def holds(each: Value) -> bool:
        return phrase in f" {' '.join(_WORD.findall(str(each).lower()))} "

    return lambda stored: any(holds(each) for each in index.values(stored, name))


_FORMS: dict[str, Callable[[Mapping[str, Any], MemoryIndex], Matcher]] = {
    "bool": _bool,
    "constant_score": lambda body, index: matcher(body["filter"], index),
    "exists": _exists,
    "ids": _ids,
    "match_all": lambda _body, _index: lambda _: True,
    "match_none": lambda _body, _index: lambda _: False,
    "match_phrase": _match_phrase,
    "prefix": _prefix,
    "range": _range,
    "term": _term,
    "terms": _terms,
    "wildcard": _wildcard,
}
