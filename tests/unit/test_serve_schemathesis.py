"""Requests that schemathesis draws from the OpenAPI document, sent to the server: no 5xx, answers as described."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
import worker_company as company
import worker_parts as parts
from explorer_parts import JOB, scored_copy
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance
from serve_parts import services_of

from ipi_es.http.listener import HttpListener
from ipi_es.serve.application import application
from ipi_es.serve.results_api.openapi import document
from ipi_es.serve.server import LIMITS

SCHEMA = schemathesis.openapi.from_dict(document())
OPERATIONS = {each.ok().label: each.ok() for each in SCHEMA.get_all_operations()}
KNOWN = {
    "job_id": JOB.job_id,
    "name": JOB.job_id,
    "calendar_id": "_all",
    "snapshot_id": "_all",
    "timestamp": str(company.SCORED_FROM * 1_000),
}
"""Parameters of paths that lead to results; in half of the requests they are drawn."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    cluster = scored_copy()
    app = application(services_of(lambda _: cluster, [JOB], now=parts.NOW))
    with HttpListener("127.0.0.1:0", app, LIMITS, setting="serve.listen", paths="all") as listener:
        yield listener.url


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_request_breaks_the_server_and_answers_are_as_described(url: str, label: str) -> None:
    operation = OPERATIONS[label]
    statuses = set[int]()
    modes = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]

    @settings(
        max_examples=40, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=st.one_of(modes), known=st.booleans(), most=st.sampled_from([0, 1, 100]))
    def ask(case: schemathesis.Case, known: bool, most: int) -> None:
        if known:
            case.path_parameters = {name: KNOWN[name] for name in case.path_parameters or {}}
        case.query = dict(list((case.query or {}).items())[:most])
        if isinstance(case.body, dict) and not label.endswith("/invocations"):
            case.body = dict(list(case.body.items())[:most])
        answer = case.call_and_validate(base_url=url, checks=[not_a_server_error, response_schema_conformance])
        statuses.add(answer.status_code)

    ask()
    assert 200 in statuses, f"none was answered with results: {statuses}"
