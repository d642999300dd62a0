"""Checks that prove an answer complete, one for each kind of request. Pure.

A proof returns nothing, or raises :class:`Lacking` with the missing part; the caller turns that into
:class:`ipi_es.errors.AnswerIncomplete`, which is retried. If a server, a proxy or a cache answers ``{}`` with status
200, only :func:`anything` and :func:`objects` accept it.
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
"""Aggregations with one bucket: a count, and the inner aggregations."""
_COUNTS = frozenset({"cardinality", "value_count"})
_METRICS = frozenset({"avg", "max", "min", "sum"}) | _COUNTS
_HARMLESS = frozenset({"index_not_found_exception"})
"""Harmless reasons for a missing answer of a remote cluster: it has no such index."""


class Lacking(Exception):
    """A part that an answer lacks, in words that follow "the answer": ``has no "count"``."""


def is_count(value: object) -> bool:
    """Decide whether a value is a whole number of at least 0; True and False are not."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def not_empty(answer: Answer) -> None:
    """Require a JSON object that isn't empty."""
    if not answer:
        raise Lacking("is empty")


def anything(_answer: Answer) -> None:
    """Accept any answer: the caller checks it, or doesn't use it."""


def acknowledged(answer: Answer) -> None:
    """Require that a change of indices, mappings, templates or policies was carried out."""
    if answer.get("acknowledged") is not True:
        raise Lacking('does not say "acknowledged": true')


def refreshed(answer: Answer) -> None:
    """Require that a refresh failed on no shard.

    Copies that no node holds are no failure, so ``successful`` may be less than ``total``.
    """
    shards = answer.get("_shards")
    if not isinstance(shards, Mapping) or not is_count(shards.get("failed")):
        raise Lacking('has no "_shards"')
    if shards["failed"]:
        raise Lacking(f"says that {shards['failed']} shards were not refreshed")


def found(id: str) -> Proof:  # noqa: A002  (the field's word)
    """Require the document ``id``: its source, and the numbers that a later conditional write needs."""

    def proof(answer: Answer) -> None:
        _same_id(answer, id)
        if answer.get("found") is not True or not isinstance(answer.get("_source"), Mapping):
            raise Lacking('has no "_source"')
        _numbered(answer)

    return proof


def written(id: str) -> Proof:  # noqa: A002
    """Require that the document ``id`` was written."""

    def proof(answer: Answer) -> None:
        _same_id(answer, id)
        _result(answer, "created", "updated", "noop")
        _numbered(answer)

    return proof


def deleted(id: str) -> Proof:  # noqa: A002
    """Require that the document ``id`` was deleted."""

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
    """Require a count; its shards are checked separately."""
    if not is_count(answer.get("count")):
        raise Lacking('has no "count"')


def sharded(answer: Answer) -> None:
    """Require the number of shards behind the requested names."""
    shards = answer.get("_shards")
    if not isinstance(shards, Mapping) or not is_count(shards.get("total")):
        raise Lacking('has no "_shards"')


def templates(answer: Answer) -> None:
    """Require all index templates with their bodies; a server may have none."""
    entries = answer.get("index_templates")
    if not isinstance(entries, list):
        raise Lacking('has no "index_templates"')
    if not all(isinstance(each, Mapping) and _is_template(each, each.get("name", "")) for each in entries):
        raise Lacking("has an index template without its body")


def listed(name: str, most: int) -> Proof:
    """Require a list of as many objects as ``count`` says, at most ``most``."""

    def proof(answer: Answer) -> None:
        counted(answer)
        found = answer.get(name)
        if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
            raise Lacking(f'has no "{name}"')
        if len(found) != min(answer["count"], most):
            raise Lacking(f"has {len(found)} of {answer['count']} {name}")

    return proof


def text(name: str) -> Proof:
    """Require a text that isn't empty under this name."""

    def proof(answer: Answer) -> None:
        if not isinstance(answer.get(name), str) or not answer[name]:
            raise Lacking(f'has no "{name}"')

    return proof


def opened(name: str) -> Proof:
    """Require a point in time: its id, and every shard."""

    def proof(answer: Answer) -> None:
        text(name)(answer)
        shards = answer.get("_shards")
        if shards is not None:
            all_shards(shards)

    return proof


def all_shards(shards: object) -> None:
    """Require that all shards were successful; skipped ones count as successful."""
    counts = [shards.get(name) for name in ("total", "successful", "failed")] if isinstance(shards, Mapping) else [None]
    if not all(map(is_count, counts)):
        raise Lacking('does not count its shards ("total", "successful", "failed")')
    total, successful, _ = counts
    if total != successful:
        raise Lacking(f"is of {successful} shards of {total}")


def flag(name: str) -> Proof:
    """Require true or false under this name."""

    def proof(answer: Answer) -> None:
        if not isinstance(answer.get(name), bool):
            raise Lacking(f'has no "{name}"')

    return proof


def mapping(name: str) -> Proof:
    """Require an object under this name; an empty one passes."""

    def proof(answer: Answer) -> None:
        if not isinstance(answer.get(name), Mapping):
            raise Lacking(f'has no "{name}"')

    return proof


def inside(outer: str, inner: str) -> Proof:
    """Require an object in an object."""

    def proof(answer: Answer) -> None:
        mapping(outer)(answer)
        mapping(inner)(answer[outer])

    return proof


def objects(name: str) -> Proof:
    """Require ``name`` (settings or mappings) for each index; ``{}`` (no index) is judged by the caller."""

    def proof(answer: Answer) -> None:
        for index, body in answer.items():
            if not isinstance(body, Mapping) or not isinstance(body.get(name), Mapping):
                raise Lacking(f'has no "{name}" of {index}')

    return proof


def template(name: str) -> Proof:
    """Require the index template of this name."""

    def proof(answer: Answer) -> None:
        entries = answer.get("index_templates")
        if not isinstance(entries, list) or not any(_is_template(entry, name) for entry in entries):
            raise Lacking(f"has no template {name}")

    return proof


def _is_template(entry: object, name: str) -> bool:
    return isinstance(entry, Mapping) and entry.get("name") == name and isinstance(entry.get("index_template"), Mapping)


def field_capabilities(answer: Answer) -> None:
    """Require indices and fields, and no failed index."""
    if not isinstance(answer.get("indices"), list | str) or not isinstance(answer.get("fields"), Mapping):
        raise Lacking('has no "indices" and "fields"')
    failures = answer.get("failures")
    if answer.get("failed_indices") and not harmless(failures, "failure"):
        raise Lacking(f"leaves out {_failed(failures)}")


def _failed(failures: object) -> str:
    """Name the indices that failed, with the reason of the first."""
    rows = [each for each in failures if isinstance(each, Mapping)] if isinstance(failures, list) else []
    names = [str(name) for each in rows if isinstance(each.get("indices"), list) for name in each["indices"]]
    reason = reason_of(rows[0].get("failure")) if rows else ""
    return f"{some(names) or 'indices that failed'}{f': {reason}' if reason else ''}"


def harmless(failures: object, cause: str) -> bool:
    """Decide whether there are failures and all of them only report a missing index; ``cause``: the key of each."""
    rows = failures if isinstance(failures, list) else []
    kinds = [set(kinds_of(each.get(cause))) if isinstance(each, Mapping) else set() for each in rows]
    return bool(kinds) and all(each and each <= _HARMLESS for each in kinds)


def rights(answer: Answer) -> None:
    """Require the answer to which rights the credentials have."""
    for name in ("cluster", "index"):
        if not isinstance(answer.get(name), Mapping):
            raise Lacking(f'has no "{name}"')


def aggregated(aggs: Mapping[str, Any], answer: Mapping[str, Any] | None, path: str = "aggregations") -> None:
    """Require every requested aggregation, in its shape; those inside its buckets too."""
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
    """Decide whether a metric's value is a number (a whole one, if ``whole``); an extreme of no documents is None."""
    if whole:
        return is_count(value)
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value))


def _buckets(part: Mapping[str, Any], inner: Mapping[str, Any], place: str, *, composite: bool) -> None:
    buckets = part.get("buckets")
    if not isinstance(buckets, list | Mapping):
        raise Lacking(f'has no "{place}.buckets"')
    if composite:  # up to 65,536 rows: their reader checks each
        if buckets and not isinstance(part.get("after_key"), Mapping):
            raise Lacking(f'has no "{place}.after_key"')
        if not inner:
            return
    if isinstance(buckets, Mapping):  # buckets by name
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
    """Require as many hits as were requested and exist, and the total where it was requested."""
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
    """Require of one page of a scan ``expected`` hits (None: as :func:`hits` does), and hits that follow ``after``.

    A page that was given before contains the hit at ``after``; no two hits have the same sort values.
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
