"""Elastic's client 9 asks `ipi-es serve`. It is installed from its own lock, beside the version that ipi-es uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import console_results
import pytest
from elasticsearch import Elasticsearch
from serve_parts import JOB, context_of, fill, services_of
from servers.pool import Server as RealServer
from service_parts import a_job

from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster
from ipi_es.config.settings.settings_file import Settings
from ipi_es.http.listener import HttpListener
from ipi_es.results.documents.result_documents import ResultContext
from ipi_es.results.words import ALIAS
from ipi_es.serve.application import application
from ipi_es.serve.server import LIMITS, Server
from ipi_es.testing.memory_cluster import MemoryCluster

ROOT = Path(__file__).resolve().parents[2]
OFFLINE = "IPI_ES_OFFLINE"
"""The variable that says that no package can be fetched here: then the test is skipped, else it fails."""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the client."""
    if os.environ.get(OFFLINE):
        pytest.skip(f"{OFFLINE} is set: the client 9 can't be installed")
    folder = tmp_path_factory.mktemp("client-9")
    options = ("--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder)]
    done = subprocess.run(
        [*command, "-r", str(ROOT / "requirements-clients.lock")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stderr}\nwithout a registry set {OFFLINE}=1, which skips this"
    return folder


@pytest.fixture
def url() -> Iterator[str]:
    cluster = MemoryCluster()
    fill(cluster, context_of())
    app = application(services_of(lambda _: cluster, product_header=True))
    with HttpListener("127.0.0.1:0", app, LIMITS, setting="serve.listen", paths="all") as listener:
        yield listener.url


def requests_of(packages: Path, url: str, job_id: str) -> dict[str, Any]:
    """Return what the client of version 9 got, synchronously and asynchronously."""
    # -S: without the packages of the tests, so that only those of the lock are imported
    command = [sys.executable, "-S", str(ROOT / "tests" / "client_requests.py"), url, job_id]
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


@pytest.mark.timeout(300)
def test_the_client_9_reads_all_results(url: str, packages: Path) -> None:
    said = requests_of(packages, url, JOB.job_id)
    assert said["version"].startswith("9.")
    answers = {call: answer["count"] for call, answer in said["answers"].items()}
    assert answers == {
        "get_records": 5, "get_influencers": 5, "get_buckets": 5, "get_overall_buckets": 5,
        "get_jobs": 1, "get_job_stats": 1,
    }  # fmt: skip
    assert said["worst"] == [80.0, 60.0]
    assert said["same"]


@pytest.mark.timeout(300)
def test_the_client_9_reads_of_a_real_cluster_what_the_client_8_does(
    server: RealServer, cluster: Cluster, context: ResultContext, packages: Path
) -> None:
    """The answers to the client 8 are held to the index in test_serve_clients."""
    console_results.fill(cluster, context, 30)
    job = a_job(context.job_id, analysis_config={"bucket_span": "1h"}, results_index_name=context.job_id)
    settings = Settings(serve={"listen": "127.0.0.1:0", "product_header": True})
    now = console_results.START + 30 * console_results.HOUR
    with Server(settings, [job], Connection(hosts=(server.url,)), lambda: now) as served:
        said = requests_of(packages, served.listener.url, context.job_id)
        with Elasticsearch(served.listener.url, max_retries=0) as client:
            expected = {call: dict(getattr(client.ml, call)(job_id=context.job_id)) for call in said["answers"]}
    assert said["version"].startswith("9.")
    assert said["answers"] == expected
    assert said["same"], "what the asynchronous client got"
    for call, kind in (("get_records", "record"), ("get_influencers", "influencer"), ("get_buckets", "bucket")):
        filters = [{"term": {"job_id": context.job_id}}, {"term": {"result_type": kind}}]
        stored = cluster.count(ALIAS, {"bool": {"filter": filters}})
        assert said["answers"][call]["count"] == stored > 0
    assert said["answers"]["get_overall_buckets"]["count"] > 0
