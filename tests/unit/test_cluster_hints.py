"""Causes that have a hint of their own, by answers as the servers give them."""

from __future__ import annotations

from typing import Any

import pytest

from ipi_es import errors
from ipi_es.cluster.answers.answers import check_whole
from ipi_es.cluster.answers.faults import reason_of, response_fault
from ipi_es.cluster.port import BulkItemFailure
from ipi_es.cluster.transport.bulk import bulk_fault

WHERE = "http://127.0.0.1:9200"


def body(kind: str, reason: str | None, **more: Any) -> dict[str, Any]:
    return {"error": {"root_cause": [{"type": kind, "reason": reason}], "type": kind, "reason": reason, **more}}


BUCKETS = body(
    "too_many_buckets_exception",
    "Trying to create too many buckets. Must be less than or equal to: [100] but was [101]. This limit can be set by "
    "changing the [search.max_buckets] cluster level setting.",
)
SHARDS = body(
    "validation_exception",
    "Validation Failed: 1: this action would add [1] total shards, but this cluster currently has [1000]/[1000] "
    "maximum shards open;",
)
OLD = {"type": "index_closed_exception", "reason": "closed", "index": "logs-old"}
CLOSED = {"error": {"root_cause": [OLD], **OLD}, "status": 400}
LONG = body("too_long_http_line_exception", "An HTTP line is larger than 4096 bytes.")
NO_SHARD = {
    "error": {
        "root_cause": [{"type": "no_shard_available_action_exception", "reason": None}],
        "type": "search_phase_execution_exception",
        "reason": "all shards failed",
        "phase": "query",
        "grouped": True,
        "failed_shards": [
            {"shard": 0, "index": "logs", "reason": {"type": "no_shard_available_action_exception", "reason": None}}
        ],
    },
    "status": 503,
}
NONE_ASSIGNED = body("search_phase_execution_exception", "all shards failed", phase="query", failed_shards=[])

SOME_ASSIGNED = body(
    "search_phase_execution_exception",
    "Search rejected due to missing shards [[logs][0]]. "
    "Consider using `allow_partial_search_results` setting to bypass this error.",
)


@pytest.mark.parametrize(
    ("status", "answer", "kind", "hint"),
    [
        (503, BUCKETS, errors.RequestRejected, "datafeed_config.max_page"),
        (400, BUCKETS, errors.RequestRejected, "search.max_buckets"),
        (400, SHARDS, errors.RequestRejected, "cluster.max_shards_per_node"),
        (400, LONG, errors.RequestRejected, "http.max_initial_line_length"),
        (400, CLOSED, errors.RequestRejected, "POST INDEX/_open"),
        (503, NO_SHARD, errors.ClusterBusy, "_cluster/allocation/explain"),
        (503, NONE_ASSIGNED, errors.ClusterBusy, "_cluster/allocation/explain"),
        (503, SOME_ASSIGNED, errors.ClusterBusy, "_cluster/allocation/explain"),
    ],
    ids=[
        "buckets on OpenSearch",
        "buckets",
        "shard limit",
        "long line",
        "closed",
        "no shard",
        "none assigned",
        "some assigned",
    ],
)
def test_each_cause_has_its_hint(status: int, answer: Any, kind: type[errors.ClusterError], hint: str) -> None:
    fault = response_fault(status, answer, WHERE)
    assert type(fault) is kind
    assert hint in str(fault.hint)


@pytest.mark.parametrize(
    ("status", "reason", "hint"),
    [
        (
            403,
            "index [ipi-es-anomalies-shared-2026.05] blocked by: [FORBIDDEN/8/index write (api)];",
            'PUT ipi-es-anomalies-shared-2026.05/_settings {"index.blocks.write": null}',
        ),
        (
            403,
            "index [a] blocked by: [FORBIDDEN/5/index read-only (api)];",
            'PUT a/_settings {"index.blocks.read_only"',
        ),
        (
            429,
            "index [a] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark];",
            'or remove it with PUT a/_settings {"index.blocks.read_only_allow_delete": null}',
        ),
        (403, "blocked by: [FORBIDDEN/6/cluster read-only (api)];", "cluster.blocks.read_only"),
    ],
)
def test_each_block_names_the_setting_that_made_it(status: int, reason: str, hint: str) -> None:
    fault = response_fault(status, body("cluster_block_exception", reason), WHERE)
    assert type(fault) is errors.ClusterReadOnly
    assert hint in str(fault.hint)
    item = bulk_fault([BulkItemFailure("1", status, "cluster_block_exception", reason)], WHERE)
    assert type(item) is errors.ClusterReadOnly
    assert hint in str(item.hint)


def test_an_index_that_may_not_be_read_is_not_said_to_forbid_writing() -> None:
    reason = "index [logs-vpn] blocked by: [FORBIDDEN/7/index read (api)];"
    fault = response_fault(403, body("cluster_block_exception", reason), WHERE)
    assert type(fault) is errors.RequestRejected
    assert fault.message == f"{WHERE} blocks reading: {reason}"
    assert 'PUT logs-vpn/_settings {"index.blocks.read": null}' in str(fault.hint)


def test_items_of_a_bulk_have_them_too() -> None:
    reason = str(SHARDS["error"]["reason"])
    assert "max_shards_per_node" in str(
        bulk_fault([BulkItemFailure("1", 400, "validation_exception", reason)], WHERE).hint
    )
    lost = BulkItemFailure("1", 503, "unavailable_shards_exception", "[i][0] primary shard is not active")
    assert "allocation/explain" in str(bulk_fault([lost], WHERE).hint)


@pytest.mark.parametrize(
    "answer",
    [
        NO_SHARD,
        {"error": {"type": "no_shard_available_action_exception", "reason": None}},
        {"type": "no_shard_available_action_exception", "reason": None, "index": "logs"},
        {"error": {"reason": None, "status": 503}},
        {"message": ["a", {"b": None}]},
        {1: None, "error": {}},
        ["a", {"b": 1}],
    ],
)
def test_no_message_has_a_python_dict(answer: Any) -> None:
    for text in (reason_of(answer), response_fault(503, answer, WHERE).message):
        assert "{'" not in text
        assert "None" not in text
        assert "['" not in text


def test_a_closed_index_is_named() -> None:
    assert reason_of(CLOSED) == "index [logs-old] is closed"


def test_the_advice_to_be_content_with_a_part_is_not_passed_on() -> None:
    assert reason_of(SOME_ASSIGNED) == "Search rejected due to missing shards [[logs][0]]."


def test_failed_shards_of_an_answer_are_told_in_words() -> None:
    reason = {"type": "no_shard_available_action_exception", "reason": None}
    shards = {"total": 5, "successful": 4, "failed": 1, "failures": [{"shard": 0, "index": "logs", "reason": reason}]}
    with pytest.raises(errors.ClusterBusy) as caught:
        check_whole({"timed_out": False, "_shards": shards}, WHERE)
    assert caught.value.message == f"1 of 5 shards of {WHERE} failed: no_shard_available_action_exception"
    assert "allocation/explain" in str(caught.value.hint)
