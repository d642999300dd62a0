"""What proves an answer whole: checks for each kind of request. Pure.

A proof returns nothing, or raises :class:`Lacking` with the part that is missing; the caller makes an
:class:`ipi_es.errors.AnswerIncomplete` of it, which is retried. A server, a proxy or a cache that answers ``{}`` with
status 200 passes none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, TypeAlias

from ipi_es.cluster.answers.faults import kinds_of, reason_of
from ipi_es.lists import some

Answer: TypeAlias = Mapping[str, Any]
Proof: TypeAlias = Callable[[Answer], None]

_SINGLE = frozenset({"filter", "missing", "global", "nested"})
"""Aggregations with one bucket: a count, and what is asked for inside it."""
_COUNTS = frozenset({"cardinality", "value_count"})
_METRICS = frozenset({"avg", "max", "min", "sum"}) | _COUNTS
_HARMLESS = frozenset({"index_not_found_exception"})
"""Why a remote cluster's answer may be missing: it has no such index."""


class Lacking(Exception):
    """What an answer lacks, in words that follow "the answer": ``has no "count"``."""


def is_count(value: object) -> bool:
    """Whether a value is a whole number from 0 on; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def not_empty(answer: Answer) -> None:
    """Some JSON object with something in it."""
    if not answer:
        raise Lacking("is empty")


def anything(_answer: Answer) -> None:
    """Nothing to prove: the answer isn't used."""


def acknowledged(answer: Answer) -> None:
    """Of a change of indices, mappings, templates or policies: that it was carried out."""
    if answer.get("acknowledged") is not True:
        raise Lacking('does not say "acknowledged": true')


def refreshed(answer: Answer) -> None:
    """Of a refresh. Copies that no node holds are no failure, so ``successful`` may be less than ``total``."""
    shards = answer.get("_shards")
    if not isinstance(shards, Mapping) or not is_count(shards.get("failed")):
        raise Lacking('has no "_shards"')
    if shards["failed"]:
        raise Lacking(f"says that {shards['failed']} shards were not refreshed")


def found(id: str) -> Proof:  # noqa: A002  (the field's word)
    """Of getting the document ``id``: its source and what a later conditional write needs."""

    def proof(answer: Answer) -> None:
        _same_id(answer, id)
        if answer.get("found") is not True or not isinstance(answer.get("_source"), Mapping):
            raise Lacking('has no "_source"')
        _numbered(answer)

    return proof


def written(id: str) -> Proof:  # noqa: A002
    """Of writing the document ``id``."""

    def proof(answer: Answer) -> None:
        _same_id(answer, id)
        _result(answer, "created", "updated", "noop")
        _numbered(answer)

    return proof


def deleted(id: str) -> Proof:  # noqa: A002
    """Of deleting the document ``id``."""

    def proof(answer: Answer) -> None:
        _same_id(answer, id)
        _result(answer, "deleted")

    return proof


def _same_id(answer: Answer, id: str) -> None:  # noqa: A002
    if answer.get("_id") != id or not isinstance(answer.get("_index"), str):
        raise Lacking(f"is not about document {id}")


def _result(answer: Answer, *allowed: str) -> None:
    if answer.get("result") not in allowed:
        raise Lacking(f'has no "result" ({" or ".join(allowed)})')


def _numbered(answer: Answer) -> None:
    for name in ("_seq_no", "_primary_term"):
        if not is_count(answer.get(name)):
            raise Lacking(f'has no "{name}"')


def counted(answer: Answer) -> None:
    """Of a count; its shards are checked apart from this."""
    if not is_count(answer.get("count")):
        raise Lacking('has no "count"')


def sharded(answer: Answer) -> None:
    """That it says how many shards are behind the names that were asked for."""
    shards = answer.get("_shards")
    if not isinstance(shards, Mapping) or not is_count(shards.get("total")):
        raise Lacking('has no "_shards"')


def templates(answer: Answer) -> None:
    """Of getting all index templates; a server may have none."""
    entries = answer.get("index_templates")
    if not isinstance(entries, list):
        raise Lacking('has no "index_templates"')
    if not all(isinstance(each, Mapping) and _is_template(each, each.get("name", "")) for each in entries):
        raise Lacking("has an index template without its body")


def text(name: str) -> Proof:
    """A text that must not be empty, by its name."""

    def proof(answer: Answer) -> None:
        if not isinstance(answer.get(name), str) or not answer[name]:
            raise Lacking(f'has no "{name}"')

    return proof


def opened(name: str) -> Proof:
    """Of opening a point in time: its id, and every shard."""

    def proof(answer: Answer) -> None:
        text(name)(answer)
        shards = answer.get("_shards")
        if shards is not None:
            all_shards(shards)

    return proof


def all_shards(shards: object) -> None:
    """That as many shards were successful as there are; skipped ones are among the successful."""
    counts = [shards.get(name) for name in ("total", "successful", "failed")] if isinstance(shards, Mapping) else [None]
    if not all(map(is_count, counts)):
        raise Lacking('does not count its shards ("total", "successful", "failed")')
    total, successful, _ = counts
    if total != successful:
        raise Lacking(f"is of {successful} shards of {total}")


def flag(name: str) -> Proof:
    """A value that is true or false."""

    def proof(answer: Answer) -> None:
        if not isinstance(answer.get(name), bool):
            raise Lacking(f'has no "{name}"')

    return proof


def mapping(name: str) -> Proof:
    """An object, by its name; an empty one will do."""

    def proof(answer: Answer) -> None:
        if not isinstance(answer.get(name), Mapping):
            raise Lacking(f'has no "{name}"')

    return proof


def inside(outer: str, inner: str) -> Proof:
    """An object in an object."""

    def proof(answer: Answer) -> None:
        mapping(outer)(answer)
        mapping(inner)(answer[outer])

    return proof


def objects(name: str) -> Proof:
    """Of settings or mappings by index: each index has ``name``. ``{}`` (no index) is judged by the caller."""

    def proof(answer: Answer) -> None:
        for index, body in answer.items():
            if not isinstance(body, Mapping) or not isinstance(body.get(name), Mapping):
                raise Lacking(f'has no "{name}" of {index}')

    return proof


def template(name: str) -> Proof:
    """Of getting one index template."""

    def proof(answer: Answer) -> None:
        entries = answer.get("index_templates")
        if not isinstance(entries, list) or not any(_is_template(entry, name) for entry in entries):
            raise Lacking(f"has no template {name}")

    return proof


def _is_template(entry: object, name: str) -> bool:
    return isinstance(entry, Mapping) and entry.get("name") == name and isinstance(entry.get("index_template"), Mapping)


def field_capabilities(answer: Answer) -> None:
    """Of field capabilities: indices and fields, and no index that failed."""
    if not isinstance(answer.get("indices"), list | str) or not isinstance(answer.get("fields"), Mapping):
        raise Lacking('has no "indices" and "fields"')
    failures = answer.get("failures")
    if answer.get("failed_indices") and not harmless(failures, "failure"):
        raise Lacking(f"leaves out {_failed(failures)}")


def _failed(failures: object) -> str:
    """The indices that failed, with the reason of the first."""
    rows = [each for each in failures if isinstance(each, Mapping)] if isinstance(failures, list) else []
    names = [str(name) for each in rows if isinstance(each.get("indices"), list) for name in each["indices"]]
    reason = reason_of(rows[0].get("failure")) if rows else ""
    return f"{some(names) or 'indices that failed'}{f': {reason}' if reason else ''}"


def harmless(failures: object, cause: str) -> bool:
    """Whether there are failures and all of them only say that there is no such index; ``cause``: the key of each."""
    rows = failures if isinstance(failures, list) else []
    kinds = [set(kinds_of(each.get(cause))) if isinstance(each, Mapping) else set() for each in rows]
    return bool(kinds) and all(each and each <= _HARMLESS for each in kinds)


def rights(answer: Answer) -> None:
    """Of asking which rights the credentials have."""
    for name in ("cluster", "index"):
        if not isinstance(answer.get(name), Mapping):
            raise Lacking(f'has no "{name}"')


def aggregated(aggs: Mapping[str, Any], answer: Mapping[str, Any] | None, path: str = "aggregations") -> None:
    """That an answer has every aggregation that was asked for, in its shape; inside of its buckets too."""
    for name, body in aggs.items():
        kind = next(key for key in body if key not in {"aggs", "aggregations", "meta"})
        inner = body.get("aggs", body.get("aggregations", {}))
        place = f"{path}.{name}"
        part = answer.get(name) if isinstance(answer, Mapping) else None
        if not isinstance(part, Mapping):
            raise Lacking(f'has no "{place}"')
        if kind in _METRICS:
            if not _is_value(part.get("value", ""), whole=kind in _COUNTS):
                raise Lacking(f'has no "{place}.value"')
        elif kind == "stats":
            if not is_count(part.get("count")) or not {"max", "sum"} <= part.keys():
                raise Lacking(f'has no "count", "max" and "sum" in "{place}"')
        elif kind in _SINGLE:
            _bucket(part, inner, place)
        else:
            _buckets(part, inner, place, composite=kind == "composite")


def _is_value(value: object, *, whole: bool) -> bool:
    """Whether a metric's value is a number (a whole one, if ``whole``); an extreme of no documents has none."""
    if whole:
        return is_count(value)
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value))


def _buckets(part: Mapping[str, Any], inner: Mapping[str, Any], place: str, *, composite: bool) -> None:
    buckets = part.get("buckets")
    if not isinstance(buckets, list | Mapping):
        raise Lacking(f'has no "{place}.buckets"')
    if composite:  # up to 65,536 rows: who reads them checks each
        if buckets and not isinstance(part.get("after_key"), Mapping):
            raise Lacking(f'has no "{place}.after_key"')
        if not inner:
            return
    if isinstance(buckets, Mapping):  # named ones
        buckets = [{"key": name, **bucket} if isinstance(bucket, Mapping) else None for name, bucket in buckets.items()]
    for bucket in buckets:
        _bucket(bucket, inner, place)
        if "key" not in bucket:
            raise Lacking(f'has no "key" in "{place}"')


def _bucket(bucket: object, inner: Mapping[str, Any], place: str) -> None:
    if not isinstance(bucket, Mapping) or not is_count(bucket.get("doc_count")):
        raise Lacking(f'has no "doc_count" in "{place}"')
    if inner:
        aggregated(inner, bucket, place)


def hits(body: Mapping[str, Any], answer: Answer) -> None:
    """That an answer has as many hits as were asked for and are there, and the total where it was asked for."""
    part = answer.get("hits")
    if not isinstance(part, Mapping) or not isinstance(part.get("hits"), list):
        raise Lacking('has no "hits"')
    size = int(body.get("size", 10))
    if not all(isinstance(hit, Mapping) and "_id" in hit and "_index" in hit for hit in part["hits"]):
        raise Lacking('has hits without "_id" or "_index"')
    if body.get("track_total_hits", True) is False:
        return
    total = part.get("total")
    if not isinstance(total, Mapping) or not is_count(total.get("value")):
        raise Lacking('has no "hits.total"')
    if body.get("track_total_hits") is True and total.get("relation") != "eq":
        raise Lacking('has no exact "hits.total"')
    expected = min(size, max(0, total["value"] - int(body.get("from", 0))))
    if "search_after" not in body and len(part["hits"]) != expected:
        raise Lacking(f"has {len(part['hits'])} hits instead of {expected}")


def page(expected: int | None, after: object) -> Proof:
    """Of one page of a scan: it has ``expected`` hits (None: as :func:`hits` says), and goes on behind ``after``.

    A page that was given before has the hit that is gone on behind; no two hits have one sort.
    """

    def proof(answer: Answer) -> None:
        rows = answer["hits"]["hits"]
        if expected is not None and len(rows) != expected:
            raise Lacking(f"has {len(rows)} hits of a page instead of {expected}")
        keys = [hit.get("sort") for hit in rows]
        if not all(isinstance(key, list) and key for key in keys):
            raise Lacking('has hits without "sort"')
        if len({str(key) for key in (after, *keys)}) <= len(keys):
            raise Lacking("has the same hit twice")

    return proof
