"""Bulk bodies and their answers, without a server."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipi_es.cluster.port import Drop, Put
from ipi_es.cluster.transport.bulk import BulkItemFailure, Tally, bulk_fault, chunks, encode, encode_action
from ipi_es.errors import BulkFailed, ClusterReadOnly, PermissionDenied, RequestRejected

LINES = [
    encode_action(Put("i", "put", {"n": 1}, 3)),
    encode_action(Drop("i", "drop", 3)),
    encode_action(Put("i", "p", {})),
]


@given(st.lists(st.integers(0, 60), max_size=40), st.integers(1, 8), st.integers(50, 400))
def test_chunks_keep_order_and_limits(sizes: list[int], max_items: int, max_bytes: int) -> None:
    actions = [Put("i", str(number), {"x": "y" * size}) for number, size in enumerate(sizes)]
    made = list(chunks(actions, max_items=max_items, max_bytes=max_bytes))
    assert [line.id for chunk in made for line in chunk] == [action.id for action in actions]
    for chunk in made:
        assert 1 <= len(chunk) <= max_items
        assert len(chunk) == 1 or sum(len(line.body) for line in chunk) <= max_bytes


def test_actions_are_taken_only_as_they_are_needed() -> None:
    taken: list[int] = []

    def actions() -> Any:
        for number in range(10):
            taken.append(number)
            yield Put("i", str(number), {})

    next(chunks(actions(), max_items=2))
    assert len(taken) == 3


def test_a_versioned_put_is_two_lines_with_external_versions() -> None:
    meta, source = encode_action(Put("i", "a\n", {"n": np.float32(0.5), "m": np.arange(2)}, 1 << 40)).body.splitlines()
    assert orjson.loads(meta) == {
        "index": {"_index": "i", "_id": "a\n", "version": 1 << 40, "version_type": "external_gte"}
    }
    assert orjson.loads(source) == {"n": 0.5, "m": [0, 1]}


def test_a_drop_is_one_line() -> None:
    assert orjson.loads(encode_action(Drop("i", "a")).body) == {"delete": {"_index": "i", "_id": "a"}}


def test_what_has_no_json_form_is_rejected_by_name() -> None:
    with pytest.raises(RequestRejected, match="document a"):
        encode_action(Put("i", "a", {"x": object()}))
    with pytest.raises(RequestRejected):
        encode({1j})


def item(verb: str, status: int, kind: str = "", reason: str = "") -> dict[str, Any]:
    return {verb: {"status": status} | ({"error": {"type": kind, "reason": reason}} if kind else {})}


def test_good_items_of_a_failed_chunk_are_not_failures() -> None:
    tally = Tally()
    answer = {"errors": True, "items": [item("index", 200), item("delete", 200), item("index", 400, "bad", "why")]}
    assert tally.take(LINES, answer, last=False) == []
    assert (tally.written, tally.deleted, tally.fenced) == (1, 1, [])
    assert tally.failures == [BulkItemFailure("p", 400, "bad", "why")]


def test_busy_items_are_sent_again_but_not_for_ever() -> None:
    answer = {"errors": True, "items": [item("index", 429, "es_rejected_execution_exception")] * 3}
    tally = Tally()
    assert tally.take(LINES, answer, last=False) == LINES
    assert tally.failures == []
    assert tally.take(LINES, answer, last=True) == []
    assert len(tally.failures) == 3


def test_a_full_disk_is_not_sent_again() -> None:
    tally = Tally()
    answer = {"errors": True, "items": [item("index", 429, "cluster_block_exception")] * 3}
    assert tally.take(LINES, answer, last=False) == []
    assert isinstance(bulk_fault(tally.failures, "here"), ClusterReadOnly)


def test_a_conflict_is_fencing_only_with_a_version() -> None:
    tally = Tally()
    answer = {"errors": True, "items": [item("index", 409, "version_conflict_engine_exception")] * 3}
    tally.take(LINES, answer, last=False)
    assert tally.fenced == ["put", "drop"]
    assert [failure.id for failure in tally.failures] == ["p"]


def test_deleting_what_is_not_there_counts_as_nothing() -> None:
    tally = Tally()
    answer = {"errors": False, "items": [item("index", 201), item("delete", 404), item("index", 200)]}
    tally.take(LINES, answer, last=False)
    assert (tally.written, tally.deleted, tally.failures) == (2, 0, [])


def test_missing_rights_on_all_items_are_a_missing_right() -> None:
    denied = [BulkItemFailure(str(n), 403, "security_exception", "no") for n in range(5)]
    assert isinstance(bulk_fault(denied, "here"), PermissionDenied)
    mixed = bulk_fault([*denied, BulkItemFailure("x", 400, "bad", "why")], "here")
    assert isinstance(mixed, BulkFailed)
    assert len(mixed.failures) == 6
    assert "6 documents" in mixed.message
