"""Requests in the forms of Elastic's documentation of 6.0, whose paths early articles have too, and their fields."""

from __future__ import annotations

import json
from typing import Any

import pytest
from made_results import HOUR, START
from results_client import JSON, client, cluster
from starlette.testclient import TestClient

__all__ = ["client", "cluster"]

ROOT = "/_xpack/ml/anomaly_detectors/logins/results"
COMMON = {"job_id", "result_type", "timestamp", "bucket_span", "is_interim"}
RECORD = COMMON | {
    "probability", "record_score", "initial_record_score", "detector_index", "function", "function_description",
    "by_field_name", "by_field_value", "partition_field_name", "partition_field_value", "typical", "actual",
}  # fmt: skip
INFLUENCER = COMMON | {
    "influencer_field_name", "influencer_field_value", "influencer_score", "initial_influencer_score", "probability",
}  # fmt: skip
BUCKET = COMMON | {
    "anomaly_score", "initial_anomaly_score", "event_count", "bucket_influencers", "processing_time_ms",
}  # fmt: skip
BUCKET_INFLUENCER = COMMON | {
    "influencer_field_name", "initial_anomaly_score", "anomaly_score", "raw_anomaly_score", "probability",
}  # fmt: skip


@pytest.mark.parametrize("human", [False, True])
@pytest.mark.parametrize(
    ("kind", "body", "fields", "count"),
    [
        ("records", {"sort": "record_score", "desc": True, "start": str((START + HOUR) * 1_000)}, RECORD, 4),
        ("records", None, RECORD, 5),
        ("influencers", {"sort": "influencer_score", "desc": True}, INFLUENCER, 5),
        ("influencers", {"influencer_score": 60, "page": {"from": 1, "size": 1}}, INFLUENCER, 3),
        ("buckets", {"anomaly_score": 30, "start": str((START + 1) * 1_000)}, BUCKET, 2),
        ("buckets", {"sort": "anomaly_score", "desc": True, "expand": True, "page": {"size": 1}}, BUCKET, 5),
    ],
)
def test_a_request_of_the_documentation_is_answered_with_its_fields(
    client: TestClient, kind: str, body: dict[str, Any] | None, fields: set[str], count: int, human: bool
) -> None:
    sent: dict[str, Any] = {} if body is None else {"content": json.dumps(body), "headers": JSON}
    answer = client.request("GET", f"{ROOT}/{kind}{'?human' if human else ''}", **sent)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["count"] == count
    wanted = fields | ({"timestamp_string"} if human else set())
    assert found[kind]
    for each in found[kind]:
        assert wanted <= each.keys(), wanted - each.keys()
        assert ("timestamp_string" in each) == human
        for inner in each.get("bucket_influencers", ()):
            assert inner.keys() >= BUCKET_INFLUENCER
        for record in each.get("records", ()):
            assert record.keys() >= RECORD
