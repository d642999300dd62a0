"""A sample of a job's documents: it shows what fields hold where types and names don't say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ipi_es.addresses import packed, picked
from ipi_es.cluster.port import Cluster, Json
from ipi_es.datafeed.searches.requests import window
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.dotted_names import flatten

PARTS = 5
"""Number of equal parts of the time range from which documents are taken: the newest alone may come from one burst."""

PART_SIZE = 100
"""Maximum number of documents of a part; the whole sample is read in five requests of some hundred kilobytes."""

MOSTLY = 0.9
"""Share of a field's values that must fit a role: some logs have `-` or an empty text in between."""

FILLED = 0.5
"""Share of the sampled documents that must have a field for it to be proposed."""

_LEFT_OUT = ["message", "event.original", "error.message", "*.body.content"]
"""Fields with long texts, which fit no role."""


@dataclass(frozen=True, slots=True)
class FieldContents:
    """What a field holds in the sample: number of documents with it, of those with several values, and the values."""

    filled: int
    several: int
    values: Counter[str]

    @property
    def addresses(self) -> float:
        """Share of the values that are IP addresses, or texts with several (`X-Forwarded-For`), 0 to 1."""
        return self.share(_is_address)

    def share(self, fits: Any) -> float:
        """Return the share of the values (each counted as often as it occurs) that ``fits`` accepts, 0 to 1."""
        total = sum(self.values.values())
        return sum(count for value, count in self.values.items() if fits(value)) / total if total else 0.0


@dataclass(frozen=True)
class Sample:
    """Documents as ``{dotted field: values}``. ``matched``: they match the job's query; else they may be any."""

    documents: tuple[Mapping[str, tuple[str, ...]], ...] = ()
    matched: bool = True

    def values(self, document: Mapping[str, tuple[str, ...]], name: str) -> tuple[str, ...]:
        """Return a document's distinct values of a field; those of ``a.keyword`` are stored under ``a``."""
        return document.get(name) or document.get(name.rpartition(".")[0], ())

    def held(self, name: str) -> FieldContents:
        """Return what a field, or a sub-field such as ``a.keyword``, holds."""
        return self._all.get(name) or self._all.get(name.rpartition(".")[0]) or FieldContents(0, 0, Counter())

    @property
    def names(self) -> Iterable[str]:
        """The names of all fields that have a value."""
        return self._all

    @cached_property
    def _all(self) -> dict[str, FieldContents]:
        filled: Counter[str] = Counter()
        several: Counter[str] = Counter()
        values: dict[str, Counter[str]] = {}
        for document in self.documents:
            for name, found in document.items():
                filled[name] += 1
                several[name] += len(found) > 1
                values.setdefault(name, Counter()).update(found)
        return {name: FieldContents(filled[name], several[name], values[name]) for name in filled}


@dataclass(frozen=True, slots=True)
class Scope:
    """The documents that are examined: the query, within [start, end) if the time field can be read (``timed``)."""

    spec: FeedSpec
    start: int = 0
    end: int = 0
    timed: bool = field(default=True)

    def query(self, start: int | None = None) -> Json:
        """Make the job's query, from ``start`` on if it is given (epoch seconds)."""
        if not self.timed:
            return dict(self.spec.query) or {"match_all": {}}
        return window(self.spec, self.start if start is None else max(start, self.start), self.end)

    def body(self, aggregations: Mapping[str, Any], query: Json | None = None) -> Json:
        """Make a search body for aggregations only."""
        made: Json = {"size": 0, "track_total_hits": False, "query": query or self.query()}
        if aggregations:
            made["aggs"] = dict(aggregations)
        if self.spec.runtime_mappings:
            made["runtime_mappings"] = dict(self.spec.runtime_mappings)
        return made

    def count(self, cluster: Cluster) -> int:
        """Count the documents of the scope."""
        body = {**self.body({}), "track_total_hits": True}
        return int(cluster.search(self.spec.indices, body, options=self.spec.options)["hits"]["total"]["value"])

    def aggregate(self, cluster: Cluster, aggregations: Mapping[str, Any], query: Json | None = None) -> Json:
        """Return the aggregations of the answer; empty where there is no index."""
        answer = cluster.search(self.spec.indices, self.body(aggregations, query), options=self.spec.options)
        return dict(answer.get("aggregations") or {})


def take_sample(cluster: Cluster, scope: Scope | None, spec: FeedSpec) -> Sample:
    """Read a sample of the scope's documents; ``scope`` None: nothing matches the query, so any documents are read."""
    if scope is None:
        return Sample(_read(cluster, spec, {"match_all": {}}, PARTS * PART_SIZE), matched=False)
    if not scope.timed or scope.end - scope.start < PARTS:
        return Sample(_read(cluster, spec, scope.query(), PARTS * PART_SIZE))
    step = -(-(scope.end - scope.start) // PARTS)
    starts = range(scope.start, scope.end, step)
    queries = [window(spec, start, min(start + step, scope.end)) for start in starts]
    return Sample(tuple(each for query in queries for each in _read(cluster, spec, query, PART_SIZE)))


def _read(cluster: Cluster, spec: FeedSpec, query: Json, size: int) -> tuple[dict[str, tuple[str, ...]], ...]:
    body: Json = {"size": size, "query": query, "_source": {"excludes": _LEFT_OUT}}
    if spec.runtime_mappings:
        body["runtime_mappings"] = dict(spec.runtime_mappings)
    hits = cluster.search(spec.indices, body, options=spec.options)["hits"]["hits"]
    return tuple(_leaves(hit.get("_source") or {}) for hit in hits)


def _is_address(value: str) -> bool:
    if packed(value) is not None:
        return True
    return any(mark in value for mark in ",; ") and packed(picked(value, "public")) is not None


def _leaves(source: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for name, value in flatten(source):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        found.setdefault(name, {})[text] = None
    return {name: tuple(values) for name, values in found.items()}
