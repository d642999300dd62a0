"""A client of the results API over results of ten hours, as fixtures."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from made_results import HOUR, START
from serve_parts import client_of, context_of, fill, services_of
from starlette.testclient import TestClient

from ipi_es.testing.memory_cluster import MemoryCluster

RESULTS = "/_ml/anomaly_detectors/logins/results"
JSON = {"content-type": "application/json"}


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    fill(made, context_of())
    return made


@pytest.fixture
def client(cluster: MemoryCluster) -> TestClient:
    return client_of(services_of(lambda _: cluster))


Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(client: TestClient) -> Ask:
    """Ask for a path below the job's results, by query or body, and require an answer."""

    def asked(path: str, body: Any = None, method: str = "POST") -> dict[str, Any]:
        content = None if body is None else json.dumps(body)
        answer = client.request(method, f"{RESULTS}/{path}", content=content, headers=JSON if content else {})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return asked


def refused(client: TestClient, path: str, body: Any = None, **more: Any) -> tuple[int, str, str]:
    """Return (status, type, reason)."""
    content = {} if body is None else {"content": json.dumps(body), "headers": JSON}
    answer = client.request("POST", path if path.startswith("/_") else f"{RESULTS}/{path}", **(content | more))
    found = answer.json()
    assert found["status"] == answer.status_code
    assert found["error"]["root_cause"] == [{name: found["error"][name] for name in ("type", "reason")}]
    return answer.status_code, found["error"]["type"], found["error"]["reason"]


def scores(answer: dict[str, Any], kind: str = "record") -> list[float]:
    return [each[f"{kind}_score"] for each in answer[f"{kind}s"]]


def hours(answer: dict[str, Any], kind: str = "record") -> list[int]:
    return [(each["timestamp"] // 1_000 - START) // HOUR for each in answer[f"{kind}s"]]
