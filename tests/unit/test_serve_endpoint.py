"""An endpoint's paths: content types, refusals, attributes, and snapshots that change while it is served."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
from cli_run import run
from endpoint_parts import Asked, RefusingCluster, invoke
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from saved_snapshot import save_snapshot
from serve_parts import services_of
from served_folder import AWS_EXAMPLES, BODIES, CSV, JSON, LINES, app_of, folder
from signin_events import job_data, make_job
from starlette.types import ASGIApp

from ipi_es.config.files.loading import check_job
from ipi_es.errors import (
    AuthenticationFailed,
    ClusterError,
    ClusterUnreachable,
    PermissionDenied,
)
from ipi_es.serve.application import application
from ipi_es.serve.endpoint.directory_scorers import DirectoryScorers
from ipi_es.serve.endpoint.routes import MAX_BODY
from ipi_es.state.directory_blobs import DirectoryBlobs

__all__ = ["folder"]


def test_every_content_type_is_taken_and_given(folder: Path) -> None:
    app = app_of(DirectoryScorers(folder, {}))
    expected = invoke(app, BODIES[CSV]).dots
    assert len(expected) == 3
    for sent, accept in product(BODIES, [CSV, JSON, LINES, "*/*", "application/*", "text/html, */*;q=0.1"]):
        answer = invoke(app, BODIES[sent], sent, accept=accept)
        kind = accept if accept in BODIES else JSON
        assert answer.headers["content-type"].partition(";")[0] == kind
        if kind == JSON:
            assert answer.dots == expected
        else:
            lines = answer.body.decode().splitlines()
            assert [float(line) if kind == CSV else json.loads(line)["dot_product"] for line in lines] == expected


def test_the_answers_are_those_of_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    app = app_of(DirectoryScorers(folder, {}))
    for accept in (JSON, f"{JSON};verbose=True", f"{LINES};probability=True", f"{CSV};verbose=True;probability=True"):
        printed = run("score", "--model-dir", folder, "--content-type", CSV, "--accept", accept, stdin=BODIES[CSV])
        assert invoke(app, BODIES[CSV], accept=accept).body == printed.stdout_bytes


@pytest.mark.parametrize("kind", AWS_EXAMPLES)
def test_the_forms_of_the_services_documentation_are_taken(folder: Path, kind: str) -> None:
    app = app_of(DirectoryScorers(folder, {}))
    assert invoke(app, AWS_EXAMPLES[kind], kind).dots == invoke(app, BODIES[CSV]).dots[:2]


def test_the_probability_can_be_asked_for(folder: Path) -> None:
    app = app_of(DirectoryScorers(folder, {}))
    answer = invoke(app, BODIES[CSV] + "user1,nowhere\n", accept=f"{JSON};probability=True").json()["predictions"]
    assert list(answer[0]) == ["dot_product", "compatibility", "probability", "history_class"]
    assert all(0 < each["probability"] <= 1 for each in answer[:3])
    assert list(answer[3]) == ["dot_product", "error"]
    plain = run("score", "--model-dir", folder, stdin=BODIES[CSV]).stdout.splitlines()
    assert [float(line.split(",")[2]) for line in plain] == [each["compatibility"] for each in answer[:3]]


@pytest.mark.parametrize(
    ("status", "body", "content_type", "accept", "said"),
    [
        (415, "a,192.0.2.1", "application/x-recordio-protobuf", JSON, "is not taken"),
        (415, "a,192.0.2.1", "", JSON, "no Content-Type"),
        (415, "a,192.0.2.1", "*/*", JSON, "is not taken"),
        (415, "a,192.0.2.1", "text/csv; charset=latin1", JSON, "latin1"),
        (406, "a,192.0.2.1", CSV, "text/html", "can't be given"),
        (406, "a,192.0.2.1", CSV, "application/json;q=0", "can't be given"),
        (400, "{", JSON, JSON, "is no JSON"),
        (400, '{"rows": []}', JSON, JSON, "no list of instances"),
        (400, b'{"instances": ["\xff"]}', JSON, JSON, "is no JSON"),
        (400, "[" * 100_000, JSON, JSON, "is no JSON"),
    ],
)
def test_a_request_that_is_none_is_refused_and_says_why(
    folder: Path, status: int, body: str | bytes, content_type: str, accept: str, said: str
) -> None:
    answer = invoke(app_of(DirectoryScorers(folder, {})), body, content_type, accept=accept)
    assert answer.status == status
    assert said in answer.json()["error"]
    assert answer.json()["hint"]


ROWS = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(
            ["user1,192.0.2.1", '{"features": ["user1", "::1"]}', '"', "a,b,c", ",", '{"data": 7}', "[[[", "\x00"]
        ),
    ),
    max_size=6,
).map("\n".join)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.one_of(
        st.binary(max_size=60),
        ROWS.map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
            lambda each: st.one_of(
                st.lists(each, max_size=3),
                st.dictionaries(
                    st.sampled_from(["instances", "features", "data", "values", "entity", "ip"]), each, max_size=3
                ),
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps({"instances": value}).encode()),
    ),
    kind=st.sampled_from([CSV, JSON, LINES]),
    accept=st.sampled_from([CSV, JSON, f"{LINES};verbose=True", f"{JSON};probability=True"]),
)
def test_no_body_is_a_mistake_of_the_server(fuzzed: ASGIApp, body: bytes, kind: str, accept: str) -> None:
    answer = invoke(fuzzed, body, kind, accept=accept)
    assert answer.status in (200, 400)
    if answer.status == 200 and accept.partition(";")[0] == JSON:
        assert isinstance(answer.json()["predictions"], list)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> ASGIApp:
    shelf = tmp_path_factory.mktemp("shelf")
    save_snapshot(DirectoryBlobs(shelf), make_job())
    return app_of(DirectoryScorers(shelf, {}))


def test_parameters_of_a_content_type_are_no_matter(folder: Path) -> None:
    app = app_of(DirectoryScorers(folder, {}))
    assert invoke(app, BODIES[CSV], "Text/CSV; charset=UTF-8; header=present").dots == invoke(app, BODIES[CSV]).dots


def test_malformed_rows_keep_their_place_unless_they_are_refused(folder: Path) -> None:
    app, body = app_of(DirectoryScorers(folder, {})), "user1,nowhere\nuser1,192.0.2.1\nuser1\n"
    assert [dot is None for dot in invoke(app, body).dots] == [True, False, True]
    assert [dot is None for dot in invoke(app, body, path="/invocations?strict=0").dots] == [True, False, True]
    for asked, path in (
        (app, "/invocations?strict=1"),
        (app_of(DirectoryScorers(folder, {}), strict=True), "/invocations"),
    ):
        answer = invoke(asked, body, path=path)
        assert answer.status == 400
        assert "2 rows are malformed: row 1: “nowhere” is no IP address; row 3: " in answer.json()["error"]
    assert invoke(app, "user1,192.0.2.1\n", path="/invocations?strict=1").status == 200


def test_a_request_of_many_rows_is_answered_in_order(folder: Path) -> None:
    app = app_of(DirectoryScorers(folder, {}))
    pairs = [f"user{number % 120},192.0.2.{number % 251}\n" for number in range(10_000)]
    dots = invoke(app, "".join(pairs)).dots
    assert len(dots) == len(pairs)
    at = 9_311
    assert invoke(app, pairs[at]).dots == [dots[at]]


def test_attributes_are_passed_through_and_the_snapshot_is_named(folder: Path) -> None:
    [snapshot] = DirectoryBlobs(folder).list("sign-ins", "network")
    app = app_of(DirectoryScorers(folder, {}))
    answer = invoke(app, BODIES[CSV], X_Amzn_SageMaker_Custom_Attributes="trace=7")
    assert answer.headers["x-amzn-sagemaker-custom-attributes"] == "trace=7"
    assert answer.headers["x-ipi-es-snapshot"] == snapshot.id


def test_ping_and_the_parameters_of_a_batch_transform(folder: Path) -> None:
    app = app_of(DirectoryScorers(folder, {}))
    assert (Asked(app, "GET", "/ping").status, Asked(app, "GET", "/ping").body) == (200, b"")
    found = Asked(app, "GET", "/execution-parameters").json()
    assert found["BatchStrategy"] == "MULTI_RECORD"
    assert found["MaxPayloadInMB"] == 6
    assert Asked(app, "GET", "/invocations").status == 405


def test_the_runtimes_path_names_the_job_and_refuses_as_the_runtime_does(folder: Path) -> None:
    app = app_of(DirectoryScorers(folder, {}))
    assert invoke(app, BODIES[CSV], path="/endpoints/sign-ins/invocations").dots == invoke(app, BODIES[CSV]).dots
    unknown = invoke(app, BODIES[CSV], path="/endpoints/other/invocations")
    assert (unknown.status, unknown.headers["x-amzn-errortype"]) == (400, "ValidationError")
    for name in ("%2e%2e%2f", "a b", "x" * 300):
        assert invoke(app, BODIES[CSV], path=f"/endpoints/{name}/invocations").status in (400, 404)
    refused = invoke(app, "{", JSON, path="/endpoints/sign-ins/invocations")
    assert (refused.status, refused.headers["x-amzn-errortype"]) == (424, "ModelError")
    assert refused.json()["OriginalStatusCode"] == 400


def test_of_several_jobs_the_path_names_one(folder: Path) -> None:
    save_snapshot(DirectoryBlobs(folder), make_job().model_copy(update={"job_id": "other"}), seed=2)
    app = app_of(DirectoryScorers(folder, {}))
    assert invoke(app, BODIES[CSV]).status == 404
    assert "/endpoints/JOB/invocations" in invoke(app, BODIES[CSV]).json()["hint"]
    first, second = (invoke(app, BODIES[CSV], path=f"/endpoints/{name}/invocations") for name in ("sign-ins", "other"))
    assert first.dots != second.dots
    assert Asked(app, "GET", "/ping").status == 200


def test_entities_are_spelled_as_the_jobs_file_says(folder: Path) -> None:
    job = check_job(job_data("signins", entity_normalize=["lowercase"]))
    app = app_of(DirectoryScorers(folder, {job.job_id: job}))
    first, second = invoke(app, "USER1,203.0.113.1\nuser1,203.0.113.1\n").dots
    assert first == second


def test_a_large_body_is_taken_here_and_a_larger_one_refused(folder: Path) -> None:
    app = app_of(DirectoryScorers(folder, {}))
    for path in ("/invocations", "/endpoints/sign-ins/invocations"):
        assert invoke(app, "\n" * (MAX_BODY - 1), path=path).status == 200
        assert invoke(app, "\n" * (MAX_BODY + 1), path=path).status == 413


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (AuthenticationFailed("who?", hint="say"), 401),
        (PermissionDenied("not you", hint="ask"), 403),
        (ClusterUnreachable("no answer", hint="wait"), 503),
    ],
)
def test_errors_of_the_cluster_are_statuses(error: ClusterError, status: int) -> None:
    app = application(services_of(lambda _: RefusingCluster(error), [make_job()]))
    assert invoke(app, BODIES[CSV]).status == status
    assert Asked(app, "GET", "/ping").status == status
    if status != 403:
        known, other = (invoke(app, BODIES[CSV], path=f"/endpoints/{name}/invocations") for name in ("sign-ins", "x"))
        assert known.status == other.status, "which jobs there are is said to callers alone"
