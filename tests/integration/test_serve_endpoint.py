"""AWS's own client against the endpoint: of a directory over HTTP, and of a job on a real server."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
import worker_company as company
import worker_parts as parts
from botocore.exceptions import ClientError
from cli_run import run
from endpoint_parts import RefusingCluster, trained_cluster
from saved_snapshot import save_snapshot
from serve_parts import services_of
from signin_events import make_job
from starlette.types import ASGIApp

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.errors import AuthenticationFailed
from ipi_es.http.listener import HttpListener
from ipi_es.serve.application import application, endpoint_application
from ipi_es.serve.endpoint.directory_scorers import DirectoryScorers
from ipi_es.serve.endpoint_server import LIMITS
from ipi_es.state.directory_blobs import DirectoryBlobs
from ipi_es.worker.open_session import open_session

PAIRS = "user1,203.0.113.1\nuser2,192.0.2.7\n"


def listening(app: ASGIApp) -> HttpListener:
    return HttpListener("127.0.0.1:0", app, LIMITS, setting="serve.listen", paths="/invocations")


def client_of(url: str) -> Any:
    """SageMaker's runtime client, with credentials that nobody checks."""
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    return boto3.client("sagemaker-runtime", endpoint_url=url, region_name="eu-central-1", **keys)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No instance's credentials are looked for."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    logging.getLogger("botocore").setLevel(logging.ERROR)


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Any]:
    """A client of an endpoint of one job, sign-ins."""
    save_snapshot(DirectoryBlobs(tmp_path), make_job())
    with listening(endpoint_application(DirectoryScorers(tmp_path, {}), strict=False)) as server:
        yield client_of(server.url)


def dots(answer: dict[str, Any]) -> list[float]:
    return [one["dot_product"] for one in json.loads(answer["Body"].read())["predictions"]]


def test_invoke_endpoint_gives_what_the_command_prints(runtime: Any, tmp_path: Path) -> None:
    answer = runtime.invoke_endpoint(
        EndpointName="sign-ins", ContentType="text/csv", Body=PAIRS, CustomAttributes="c=1"
    )
    assert (answer["ContentType"], answer["CustomAttributes"]) == ("application/json", "c=1")
    printed = run("score", "--model-dir", tmp_path, "--content-type", "text/csv", stdin=PAIRS)
    assert dots(answer) == dots({"Body": type("Read", (), {"read": lambda _: printed.stdout})()})
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-ipi-es-snapshot"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", '{"instances":[{"features":["user1","203.0.113.1"]},{"features":["user2","192.0.2.7"]}]}'),
        ("application/jsonlines", '{"features":["user1","203.0.113.1"]}\n{"features":["user2","192.0.2.7"]}'),
    ],
)
def test_invoke_endpoint_takes_every_type(runtime: Any, content_type: str, body: str) -> None:
    expected = dots(runtime.invoke_endpoint(EndpointName="sign-ins", ContentType="text/csv", Body=PAIRS))
    found = runtime.invoke_endpoint(
        EndpointName="sign-ins", ContentType=content_type, Accept="application/jsonlines;verbose=True", Body=body
    )
    assert found["ContentType"] == "application/jsonlines"
    lines = [json.loads(line) for line in found["Body"].read().splitlines()]
    assert [line["dot_product"] for line in lines] == expected
    assert all(len(line["entity_embedding"]) == len(line["ip_embedding"]) for line in lines)


def test_refusals_are_the_clients_own_errors(runtime: Any) -> None:
    with pytest.raises(runtime.exceptions.ModelError) as refused:
        runtime.invoke_endpoint(EndpointName="sign-ins", ContentType="text/html", Body=PAIRS)
    assert refused.value.response["OriginalStatusCode"] == 415
    with pytest.raises(runtime.exceptions.ValidationError):
        runtime.invoke_endpoint(EndpointName="another", ContentType="text/csv", Body=PAIRS)
    with pytest.raises(ClientError) as large:
        runtime.invoke_endpoint(EndpointName="sign-ins", ContentType="text/csv", Body=b"\n" * (26 << 20))
    assert large.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_a_secured_cluster_is_asked_by_a_header_in_the_signatures_place() -> None:
    made = trained_cluster(make_job())

    def bind(authorization: str | None) -> Cluster:
        refused = AuthenticationFailed("the cluster requires credentials", hint="send some", status=401)
        return made if authorization == "ApiKey key" else RefusingCluster(refused)

    def log_in(request: Any, **_: Any) -> None:
        request.headers["Authorization"] = "ApiKey key"

    with listening(application(services_of(bind, [make_job()]))) as server:
        client = client_of(server.url)
        with pytest.raises(ClientError, match="AccessDeniedException"):
            client.invoke_endpoint(EndpointName="sign-ins", ContentType="text/csv", Body=PAIRS)
        client.meta.events.register("before-send", log_in)
        assert len(dots(client.invoke_endpoint(EndpointName="sign-ins", ContentType="text/csv", Body=PAIRS))) == 2


def test_the_containers_command_serves_until_it_is_stopped(tmp_path: Path) -> None:
    save_snapshot(DirectoryBlobs(tmp_path / "ml/model"), make_job())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ipi_es", "sagemaker", "serve", "--root", str(tmp_path / "ml")]
    environ = {**os.environ, "SAGEMAKER_BIND_TO_PORT": str(port), "IPI_ES_STRICT": "1"}
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE) as server:
        try:
            url, limit = f"http://127.0.0.1:{port}", time.monotonic() + 60
            while time.monotonic() < limit and server.poll() is None:
                try:
                    assert urllib3.request("GET", f"{url}/ping", retries=False).status == 200
                    break
                except urllib3.exceptions.HTTPError:
                    time.sleep(0.1)
            client = client_of(url)
            assert len(dots(client.invoke_endpoint(EndpointName="sign-ins", ContentType="text/csv", Body=PAIRS))) == 2
            with pytest.raises(client.exceptions.ModelError, match="1 rows are malformed"):
                client.invoke_endpoint(EndpointName="sign-ins", ContentType="text/csv", Body="user1,nowhere\n")
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0


@pytest.fixture
def job(cluster: Cluster, index: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """A job that was trained on a real server."""
    name = f"endpoint-{uuid.uuid4().hex[:8]}"
    made = company.make_job(name, index)
    company.fill(cluster, index, score_days=1)
    parts.train_by(monkeypatch)
    with open_session(parts.JobResources(cluster, made, clock=parts.TestClock(parts.NOW - 3_600))) as session:
        session.train(company.LEARN_FROM, company.SCORED_FROM)
    yield made
    parts.remove(cluster, name)


def test_a_jobs_snapshot_in_the_cluster_answers(cluster: Cluster, job: Job) -> None:
    with listening(application(services_of(lambda _: cluster, [job]))) as server:
        answer = client_of(server.url).invoke_endpoint(EndpointName=job.job_id, ContentType="text/csv", Body=PAIRS)
        assert len(dots(answer)) == 2
        (snapshot,) = parts.JobResources(cluster, job).stores.blobs.list(job.job_id, "network")
        assert answer["ResponseMetadata"]["HTTPHeaders"]["x-ipi-es-snapshot"] == snapshot.id
