"""What proves an answer: no odd answer is believed, and none ends in anything but an error of ours."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from bulk_parts import answer as bulk_answer
from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.cluster.answers import answers, proofs
from ipi_es.cluster.port import Put
from ipi_es.cluster.transport import long_names
from ipi_es.cluster.transport.bulk import check_items, encode_action
from ipi_es.errors import AnswerIncomplete, ClusterBusy, ClusterError

WHERE = "here"
SHARDS = {"total": 2, "successful": 2, "skipped": 1, "failed": 0}
WHOLE = {"timed_out": False, "_shards": SHARDS}


def remotes(**changes: Any) -> dict[str, Any]:
    details = {
        "(local)": {"status": "successful", "timed_out": False, "_shards": SHARDS},
        "c": {"status": "successful", "timed_out": False, "_shards": SHARDS},
    }
    clusters = {"total": 2, "successful": 2, "skipped": 0, "running": 0, "partial": 0, "failed": 0, "details": details}
    return {**WHOLE, "_clusters": {**clusters, **changes}}


@pytest.mark.parametrize(
    "clusters",
    [
        {"total": 3},
        {"details": {"c": {"status": "successful", "_shards": SHARDS}}},
        {"details": {}, "successful": 1},
        {"details": None},
        {"details": []},
        {"details": {"(local)": None, "c": None}},
        {"total": "2"},
    ],
)
def test_a_remote_cluster_that_is_not_told_of_is_missing(clusters: dict[str, Any]) -> None:
    answers.check_whole(remotes(), WHERE)
    with pytest.raises(ClusterBusy):
        answers.check_whole(remotes(**clusters), WHERE)


def test_remote_clusters_without_the_index_are_counted_as_skipped() -> None:
    missing = {"status": "skipped", "failures": [{"reason": {"type": "index_not_found_exception"}}]}
    both = remotes()["_clusters"]["details"] | {"c": missing}
    answers.check_whole(remotes(successful=1, skipped=1, details=both), WHERE)


def test_a_failure_of_field_capabilities_is_harmless_where_the_index_is_missing() -> None:
    error = {"root_cause": [], "type": "index_not_found_exception", "reason": "no such index [c:logs]"}
    failure = {"indices": ["c:logs"], "failure": {"error": error}}
    told = {"indices": ["a"], "fields": {}, "failed_indices": 1, "failures": [failure]}
    proofs.field_capabilities(told)
    error |= {"type": "no_shard_available_action_exception", "reason": None}
    with pytest.raises(proofs.Lacking, match=r"^leaves out c:logs: no_shard_available_action_exception$"):
        proofs.field_capabilities(told)
    for odd in (None, [], ["x"], [{"failure": "x"}], [{"indices": "c"}], {"a": 1}):
        with pytest.raises(proofs.Lacking, match="leaves out indices that failed"):
            proofs.field_capabilities({**told, "failures": odd})


def scanned(*keys: int) -> dict[str, Any]:
    return {"hits": {"hits": [{"_id": str(key), "_index": "i", "sort": [key, "i"]} for key in keys]}}


@pytest.mark.parametrize("again", [(1, 2, 3), (3, 2, 1), (3, 4, 5), (4, 5, 3), (4, 5, 4)])
def test_an_earlier_page_is_no_next_page(again: tuple[int, ...]) -> None:
    proof = proofs.page(3, [3, "i"])
    proof(scanned(4, 5, 6))
    with pytest.raises(proofs.Lacking, match="twice"):
        proof(scanned(*again))


LINE = [encode_action(Put("i", "a", {}))]


@pytest.mark.parametrize(
    "result",
    [
        {"status": 0},
        {"status": -1},
        {"status": 100},
        {"status": True},
        {"status": 200.0},
        {"status": 200, "error": {"type": "x"}},
        {"status": 201, "error": "x"},
    ],
)
def test_an_item_of_a_bulk_that_contradicts_itself_is_not_written(result: dict[str, Any]) -> None:
    with pytest.raises(proofs.Lacking):
        check_items(LINE, bulk_answer(LINE[0].body, [{"index": result}]))


def test_errors_without_an_item_that_has_one_are_no_success() -> None:
    answer = bulk_answer(LINE[0].body, [{"index": {"status": 201}}])
    check_items(LINE, answer)
    with pytest.raises(proofs.Lacking, match="errors"):
        check_items(LINE, {**answer, "errors": True})


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"responses": []},
        {"responses": {"a": 1}},
        {"responses": ["x"]},
        {"responses": [WHOLE, WHOLE]},
        {"responses": 1},
    ],
)
def test_the_answer_to_one_search_among_several_is_one(found: Any) -> None:
    with pytest.raises(AnswerIncomplete):
        long_names.only_answer(found, WHERE)


BODY: dict[str, Any] = {
    "size": 2,
    "track_total_hits": True,
    "query": {"match_all": {}},
    "aggs": {
        "first": {"min": {"field": "t"}},
        "number": {"cardinality": {"field": "u"}},
        "lacking": {"missing": {"field": "u"}, "aggs": {"by": {"date_histogram": {"field": "t"}}}},
        "by": {"terms": {"field": "u"}, "aggs": {"n": {"value_count": {"field": "u"}}}},
        "pairs": {"composite": {"sources": []}, "aggs": {"n": {"value_count": {"field": "u"}}}},
    },
}
HISTOGRAM = {"buckets": [{"key": 0, "doc_count": 1}, {"key": 60, "doc_count": 2}]}
ANSWER: dict[str, Any] = {
    **remotes(),
    "hits": {
        "total": {"value": 3, "relation": "eq"},
        "hits": [{"_id": "1", "_index": "i", "_source": {}}, {"_id": "2", "_index": "i", "_source": {}}],
    },
    "aggregations": {
        "first": {"value": 1.0},
        "number": {"value": 2},
        "lacking": {"doc_count": 1, "by": HISTOGRAM},
        "by": {"doc_count_error_upper_bound": 0, "buckets": [{"key": "a", "doc_count": 3, "n": {"value": 3}}]},
        "pairs": {"after_key": {"u": "a"}, "buckets": [{"key": {"u": "a"}, "doc_count": 3, "n": {"value": 3}}]},
    },
}
ODD: Any = st.sampled_from([None, True, -1, 0, 1.5, "", "x", [], ["x"], [None], {}, {"x": 1}, {"doc_count": -1}])


def places(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values within an answer."""
    inner = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in inner:
        yield (*path, key)
        yield from places(value, (*path, key))


def put(answer: Any, path: tuple[Any, ...], value: Any) -> Any:
    found = copy.deepcopy(answer)
    at = found
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return found


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(list(places(ANSWER))), ODD, st.sampled_from(["elasticsearch", "opensearch"]))
def test_any_odd_value_in_an_answer_is_harmless_or_an_error_of_ours(path: Any, value: Any, distribution: Any) -> None:
    with suppress(ClusterError):
        answers.check_search(put(ANSWER, path, value), BODY, WHERE, distribution)


@pytest.mark.parametrize("distribution", ["elasticsearch", "opensearch"])
def test_the_answer_as_it_is_passes(distribution: Any) -> None:
    answers.check_search(ANSWER, BODY, WHERE, distribution)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("aggregations", "first", "value"), "NaN"),
        (("aggregations", "first", "value"), True),
        (("aggregations", "number", "value"), None),
        (("aggregations", "number", "value"), -1),
        (("aggregations", "number", "value"), 1.5),
        (("aggregations", "by", "buckets", 0, "n", "value"), "3"),
        (("aggregations", "by", "buckets", 0), {"doc_count": 3, "n": {"value": 3}}),
        (("aggregations", "lacking", "by", "buckets", 0, "doc_count"), 1.0),
        (("hits", "hits"), []),
        (("hits", "total", "value"), 9.0),
        (("hits", "total", "relation"), "gte"),
        (("timed_out",), None),
        (("_shards", "successful"), 3),
    ],
)
def test_what_an_answer_may_not_hold(path: Any, value: Any) -> None:
    with pytest.raises(AnswerIncomplete):
        answers.check_search(put(ANSWER, path, value), BODY, WHERE, "opensearch")
