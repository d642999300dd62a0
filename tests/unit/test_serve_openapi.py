"""The OpenAPI document, and requests drawn from it: answers match it, and what a reference in Python selects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from made_results import HOUR, START
from serve_parts import client_of, context_of, fill, made, services_of
from starlette.routing import Route
from starlette.testclient import TestClient

from ipi_es.serve.endpoint.cluster_scorers import ClusterScorers
from ipi_es.serve.endpoint.description import endpoint_paths
from ipi_es.serve.endpoint.routes import routes as endpoint_routes
from ipi_es.serve.results_api.openapi import document
from ipi_es.serve.results_api.operations import ROOTS
from ipi_es.testing.memory_cluster import MemoryCluster

ALL = list(made(context_of()))
OFTEN = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
BOOLEANS = st.sampled_from([True, False, "true", "false"])
SCORES = st.sampled_from([0, 10, 10.5, "50.0", 60, 80.0, 99, -3])
TIMES = st.one_of(
    st.none(),
    st.sampled_from(["", "-1", -1, "2026-06-01", "2026-06-01T01:00:00.500Z"]),
    st.integers(-2, 12).map(lambda half: (START + half * HOUR // 2) * 1_000),
)


@pytest.fixture(scope="module")
def client() -> TestClient:
    cluster = MemoryCluster()
    fill(cluster, context_of())
    return client_of(services_of(lambda _: cluster))


def every_operation() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Those of the results API."""
    return (each for each in every_operation() if each[0].startswith(ROOTS))


def schema_of(operation: dict[str, Any], status: int) -> dict[str, Any]:
    found = operation["responses"][str(status)]["content"]["application/json"]["schema"]
    return {**found, "components": document()["components"]}


def test_the_document_names_every_path_under_both_roots(client: TestClient) -> None:
    found = client.get("/openapi.json").json()
    assert found == document()
    assert found["openapi"] == "3.1.0"
    paths = {path for path in found["paths"] if path.startswith(ROOTS)}
    assert {path.replace("/_xpack/ml", "/_ml") for path in paths} == {path for path in paths if "/_ml/" in path}
    names = [operation["operationId"] for _, _, operation in every_operation()]
    assert len(set(names)) == len(names)


def test_the_endpoint_and_the_probes_are_in_the_document(client: TestClient) -> None:
    routed = [
        each for each in endpoint_routes(ClusterScorers({}, None, lambda _: MemoryCluster())) if isinstance(each, Route)
    ]
    assert {each.path for each in routed} == set(endpoint_paths())
    found = document()["paths"]
    for each in routed:
        assert {method.upper() for method in found[each.path]} == (each.methods or set()) - {"HEAD"}
    for _, _, operation in every_operation():
        for status in operation["responses"].values():
            for content in status.get("content", {}).values():
                Draft202012Validator.check_schema(content.get("schema", {}))
    for path in ("/healthz", "/readyz", "/metrics", "/execution-parameters"):
        answer = client.get(path)
        kinds = found[path]["get"]["responses"]["200"]["content"]
        assert (answer.status_code, answer.headers["content-type"].split(";")[0] in kinds) == (200, True)


def test_schemas_are_schemas() -> None:
    for _, method, operation in operations():
        for parameter in operation["parameters"]:
            Draft202012Validator.check_schema(parameter["schema"])
        for status in operation["responses"]:
            Draft202012Validator.check_schema(schema_of(operation, int(status)))
        if method == "get":
            assert "requestBody" not in operation


@pytest.mark.parametrize(("path", "method", "operation"), list(operations()))
def test_every_operation_answers_as_its_schema_says(
    client: TestClient, path: str, method: str, operation: dict[str, Any]
) -> None:
    values = {"job_id": "logins", "timestamp": str(START * 1_000)}
    url = re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], "_all"), path)
    answer = client.request(method.upper(), url)
    assert answer.status_code == 200, answer.text
    Draft202012Validator(schema_of(operation, 200)).validate(answer.json())
    refused = client.request(method.upper(), f"{url}?no_such=1")
    Draft202012Validator(schema_of(operation, 400)).validate(refused.json())


def milliseconds(value: Any) -> int | None:
    known = {"2026-06-01": START + HOUR, "2026-06-01T01:00:00.500Z": START + 2 * HOUR + 0.5}
    if value in (None, "", "-1", -1):
        return None
    return int(known.get(value, 0) * 1_000) or int(value)


def expected(kind: str, asked: dict[str, Any], score_field: str, default_sort: str, default_desc: bool) -> list[Any]:
    """Select and sort the documents as the parameters' meaning says, page by page."""
    start, end = milliseconds(asked.get("start")), milliseconds(asked.get("end"))
    least = float(asked.get(score_field, 0))
    final = str(asked.get("exclude_interim", "false")).lower() == "true"
    found = [
        each.source
        for each in ALL
        if each.source["result_type"] == kind
        and (start is None or each.source["timestamp"] >= start)
        and (end is None or each.source["timestamp"] < end)
        and each.source[score_field] >= least
        and not (final and each.source["is_interim"])
    ]
    desc = str(asked.get("desc", default_desc)).lower() == "true"
    field = asked.get("sort", default_sort)
    return sorted(found, key=lambda source: (source[field], source["timestamp"]), reverse=desc)


@pytest.mark.parametrize(
    ("kind", "score", "sort", "desc"),
    [
        ("record", "record_score", "record_score", True),
        ("influencer", "influencer_score", "influencer_score", True),
        ("bucket", "anomaly_score", "timestamp", False),
    ],
)
@OFTEN
@given(data=st.data())
def test_any_parameters_select_what_the_reference_selects(
    client: TestClient, kind: str, score: str, sort: str, desc: bool, data: st.DataObject
) -> None:
    values = {
        "start": TIMES,
        "end": TIMES,
        "exclude_interim": BOOLEANS,
        "desc": BOOLEANS,
        score: SCORES,
        "sort": st.sampled_from(["timestamp", score, "probability"] if kind != "bucket" else ["timestamp", score]),
    }
    asked: dict[str, Any] = data.draw(st.fixed_dictionaries({}, optional=values))
    first, size = data.draw(st.integers(0, 6)), data.draw(st.integers(0, 6))
    path = f"/_ml/anomaly_detectors/logins/results/{kind}s"
    if data.draw(st.booleans()):
        answer = client.post(path, json={**asked, "page": {"from": first, "size": size}})
    else:
        given = {name: str(value).lower() if value in (True, False) else value for name, value in asked.items()}
        query = {name: value for name, value in given.items() if value is not None}
        answer = client.get(path, params={**query, "from": first, "size": size})
    assert answer.status_code == 200, answer.text
    found = expected(kind, asked, score, sort, desc)
    assert answer.json()["count"] == len(found)
    assert [each["timestamp"] for each in answer.json()[f"{kind}s"]] == [
        each["timestamp"] for each in found[first : first + size]
    ]


@OFTEN
@given(
    query=st.dictionaries(
        st.sampled_from(["start", "size", "sort", "desc", "record_score", "x"]), st.text(), max_size=3
    ),
    body=st.one_of(
        st.none(), st.binary(max_size=20), st.recursive(st.none() | st.text() | st.floats(), st.lists).map(repr)
    ),
)
def test_no_request_breaks_the_server(client: TestClient, query: dict[str, str], body: Any) -> None:
    headers = {"content-type": "application/json"} if body else {}
    answer = client.request(
        "POST", "/_ml/anomaly_detectors/logins/results/records", params=query, content=body, headers=headers
    )
    assert answer.status_code in (200, 400)
    assert answer.status_code == 200 or answer.json()["error"]["reason"]
