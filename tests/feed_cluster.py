"""A cluster in memory that knows the datafeed's aggregations and nothing else; it counts what it was asked.

Deliberately naive: a brute-force reading of what the servers document, to hold the datafeed against.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from ipi_es.cluster.port import ServerInfo
from ipi_es.datafeed.reader import Datafeed
from ipi_es.datafeed.spec import FeedSpec

Event = Mapping[str, Any]
"""Flat field names; a list is a multi-valued field, an absent key a missing one."""


class FeedCluster:
    """Takes flat events; answers ``search`` for range queries with composite, date_histogram, missing, min and max."""

    def __init__(self, events: Sequence[Event], *, distribution: str = "opensearch") -> None:
        self.events = list(events)
        self.info = ServerInfo(distribution, (3, 8, 0), "memory", "memory:")  # type: ignore[arg-type]
        self.bodies: list[Mapping[str, Any]] = []
        self.before: Callable[[Mapping[str, Any]], None] = lambda body: None
        self.altered: Callable[[Mapping[str, Any], dict[str, Any]], dict[str, Any]] = lambda _body, answer: answer

    def search(self, index: Any, body: Mapping[str, Any], *, options: Any = None) -> dict[str, Any]:
        self.bodies.append(body)
        self.before(body)
        found = [event for event in self.events if _matches(event, body["query"])]
        answer = {
            "hits": {"total": {"value": len(found), "relation": "eq"}, "hits": []},
            "aggregations": _aggregations(found, body["aggs"]),
        }
        return self.altered(body, answer)

    @property
    def pages(self) -> int:
        """How many composite searches were made."""
        return sum("pairs" in body["aggs"] for body in self.bodies)


class ServedDatafeed(Datafeed):
    """A datafeed whose cluster the test sees and changes as ``served``."""

    def __init__(self, served: FeedCluster, spec: FeedSpec, **how: Any) -> None:
        super().__init__(served, spec, **how)  # type: ignore[arg-type]
        self.served = served


def _values(event: Event, field: str) -> list[Any]:
    value = event.get(field)
    return [] if value is None else sorted(set(value)) if isinstance(value, list) else [value]


def _matches(event: Event, query: Mapping[str, Any]) -> bool:
    kind, inner = next(iter(query.items()))
    if kind == "match_all":
        return True
    if kind == "bool":
        return (
            all(_matches(event, one) for one in inner.get("filter", ()))
            and not any(_matches(event, one) for one in inner.get("must_not", ()))
            and ("should" not in inner or any(_matches(event, one) for one in inner["should"]))
        )
    if kind == "exists":
        return bool(_values(event, inner["field"]))
    field, limits = next(iter(inner.items()))
    if kind == "term":
        return limits in _values(event, field)
    if kind == "terms":
        return any(value in limits for value in _values(event, field))
    return any(limits["gte"] <= value < limits["lt"] for value in _values(event, field))


def _aggregations(events: list[Event], aggregations: Mapping[str, Any]) -> dict[str, Any]:
    answer = {}
    for name, one in aggregations.items():
        kind = next(kind for kind in one if kind != "aggs")
        answer[name] = _KINDS[kind](events, one[kind], one.get("aggs", {}))
    return answer


def _missing(events: list[Event], spec: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    found = [event for event in events if not _values(event, spec["field"])]
    return {"doc_count": len(found), **_aggregations(found, inner)}


def _filter(events: list[Event], spec: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    found = [event for event in events if _matches(event, spec)]
    return {"doc_count": len(found), **_aggregations(found, inner)}


def _value_count(events: list[Event], spec: Mapping[str, Any], _: object) -> dict[str, Any]:
    return {"value": sum(len(_values(event, spec["field"])) for event in events)}


def _stats(events: list[Event], spec: Mapping[str, Any], _: object) -> dict[str, Any]:
    values = [value for event in events for value in _values(event, spec["field"])]
    return {"count": len(values), "max": max(values, default=None), "sum": float(sum(values))}


def _extreme(choose: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    def extreme(events: list[Event], spec: Mapping[str, Any], _: object) -> dict[str, Any]:
        return {"value": choose((value for event in events for value in _values(event, spec["field"])), default=None)}

    return extreme


def _cardinality(events: list[Event], spec: Mapping[str, Any], _: object) -> dict[str, Any]:
    return {"value": len({value for event in events for value in _values(event, spec["field"])})}


def _date_histogram(events: list[Event], spec: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[int, list[Event]] = {}
    for event in events:
        for key in _source_values(event, {"date_histogram": spec}):
            found.setdefault(key, []).append(event)
    return {
        "buckets": [
            {"key": key, "doc_count": len(found[key]), **_aggregations(found[key], inner)} for key in sorted(found)
        ]
    }


def _source_values(event: Event, source: Mapping[str, Any]) -> list[Any]:
    kind, spec = next(iter(source.items()))
    values = _values(event, spec["field"])
    if kind == "date_histogram":
        step = int(spec["fixed_interval"].removesuffix("s")) * 1_000
        return [value - value % step for value in values]
    return values or ([None] if spec.get("missing_bucket") else [])


def _order(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple((value is not None, value if isinstance(value, int) else str(value)) for value in key)


def _composite(events: list[Event], spec: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    sources = [next(iter(source.items())) for source in spec["sources"]]
    names = [name for name, _source in sources]
    found: dict[tuple[Any, ...], list[Event]] = {}
    for event in events:
        for key in product(*(_source_values(event, source) for _name, source in sources)):
            found.setdefault(key, []).append(event)
    after = spec.get("after")
    beyond = _order(tuple(after[name] for name in names)) if after else None
    keys = [key for key in sorted(found, key=_order) if beyond is None or _order(key) > beyond][: spec["size"]]
    rows = [
        {"key": dict(zip(names, key, strict=True)), "doc_count": len(found[key]), **_aggregations(found[key], inner)}
        for key in keys
    ]
    return {"buckets": rows, "after_key": rows[-1]["key"]} if rows else {"buckets": []}


_KINDS: dict[str, Callable[..., dict[str, Any]]] = {
    "composite": _composite,
    "date_histogram": _date_histogram,
    "missing": _missing,
    "filter": _filter,
    "value_count": _value_count,
    "min": _extreme(min),
    "max": _extreme(max),
    "stats": _stats,
    "cardinality": _cardinality,
}
