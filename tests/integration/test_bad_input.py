"""Bad input at the command line: each with a message that says what to do, and an exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_run import run
from click.testing import Result
from servers.pool import Server
from servers.tls_proxy import TlsProxy
from signin_events import MAPPING, fill, job_data, write_job

from ipi_es.cluster.port import Cluster
from ipi_es.setup import templates


@pytest.fixture
def config(server: Server, tmp_path: Path) -> Path:
    return written(tmp_path, hosts=[server.url])


def written(folder: Path, **section: Any) -> Path:
    """An ipi-es.yml with this cluster; one attempt, since these tests fail on purpose."""
    file = folder / "ipi-es.yml"
    file.write_text(json.dumps({"elasticsearch": {"max_retries": 0, "request_timeout": 10, **section}}))
    return file


def check(config: Path, data: dict[str, Any]) -> Result:
    """Without a hint a problem is no help: each has one."""
    job = write_job(config.parent / "job.json", data)
    result = run("--config", config, "check", job)
    rows = json.loads(run("--config", config, "check", job, "--format", "json").stdout)
    assert all(row["hint"] for row in rows if row["status"] != "ok"), rows
    return result


def refused(result: Result, *said: str) -> None:
    assert result.exit_code == 1, result.output
    for text in said:
        assert text in result.output


@pytest.mark.parametrize("command", ["check", "setup"])
@pytest.mark.parametrize("host", ["http://127.0.0.1:9", "http://no-such-host.invalid:9200"])
def test_wrong_host(tmp_path: Path, command: str, host: str) -> None:
    config = written(tmp_path, hosts=[host])
    job = write_job(tmp_path / "job.json", job_data("signins"))
    result = run("--config", config, command, *([job] if command == "check" else []))
    refused(result, host, "elasticsearch.hosts")


def test_host_without_a_port_is_refused_before_anything_starts(tmp_path: Path) -> None:
    result = run("--config", written(tmp_path, hosts=["http://localhost"]), "setup")
    assert result.exit_code == 2
    assert "must name its port" in result.output


@pytest.mark.parametrize("command", ["check", "setup"])
def test_wrong_password(tls_proxy: TlsProxy, tmp_path: Path, command: str) -> None:
    config = written(
        tmp_path, hosts=[tls_proxy.url], username=tls_proxy.username, password="wrong", ca_certs=str(tls_proxy.ca)
    )
    job = write_job(tmp_path / "job.json", job_data("signins"))
    result = run("--config", config, command, *([job] if command == "check" else []))
    refused(result, "refused the credentials", "username and password")
    assert "wrong" not in result.output


def test_no_password(tls_proxy: TlsProxy, tmp_path: Path) -> None:
    refused(check(written(tmp_path, hosts=[tls_proxy.url], ca_certs=str(tls_proxy.ca)), job_data("s")), "credentials")


def test_tls_by_another_authority(tls_proxy: TlsProxy, tmp_path: Path) -> None:
    section = {"username": tls_proxy.username, "password": tls_proxy.password, "ca_certs": str(tls_proxy.wrong_ca)}
    refused(check(written(tmp_path, hosts=[tls_proxy.url], **section), job_data("signins")), "ca_certs")


def test_plain_http_to_a_tls_port(tls_proxy: TlsProxy, tmp_path: Path) -> None:
    refused(check(written(tmp_path, hosts=[tls_proxy.url.replace("https", "http")]), job_data("signins")), "https://")


def test_tls_to_a_plain_port(server: Server, tmp_path: Path) -> None:
    refused(check(written(tmp_path, hosts=[server.url.replace("http:", "https:")]), job_data("signins")), "http://")


def test_right_password_and_authority(tls_proxy: TlsProxy, tmp_path: Path) -> None:
    section = {"username": tls_proxy.username, "password": tls_proxy.password, "ca_certs": str(tls_proxy.ca)}
    assert run("--config", written(tmp_path, hosts=[tls_proxy.url], **section), "setup", "--dry-run").exit_code == 0


def test_missing_index(config: Path, cluster: Cluster, index: str) -> None:
    refused(check(config, job_data(index)), f"no index matches datafeed_config.indices: {index}", "_cat/indices")


def test_misspelled_index(config: Path, cluster: Cluster, index: str) -> None:
    fill(cluster, index)
    refused(check(config, job_data(index.replace("signins", "sigins"))), f"there is “{index}”")


def test_empty_index(config: Path, cluster: Cluster, index: str) -> None:
    cluster.create_index(index, {"mappings": MAPPING})
    refused(check(config, job_data(index)), "are empty", "check that events are shipped there")


def test_query_that_matches_nothing(config: Path, cluster: Cluster, index: str) -> None:
    fill(cluster, index, lambda document, _: {**document, "event": {"category": "web"}})
    refused(check(config, job_data(index)), "the default query (event.category: authentication)", "match_all")


def detector(index: str, **fields: str) -> dict[str, Any]:
    return {**job_data(index), "analysis_config": {"detectors": [fields]}}


def test_missing_field(config: Path, cluster: Cluster, index: str) -> None:
    fill(cluster, index)
    result = check(config, detector(index, partition_field_name="usr.name"))
    refused(result, "usr.name (the entity) is in no mapping", "did you mean “user.name”?", "partition_field_name")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"partition_field_name": "message"}, "name its sub-field “message.keyword”"),
        ({"partition_field_name": "user"}, "user.name"),  # an object
        ({"by_field_name": "@timestamp.x"}, "is in no mapping"),
        ({"by_field_name": "amount"}, "amount (the IP address) is long; it must be ip"),
    ],
)
def test_field_of_the_wrong_type(config: Path, cluster: Cluster, index: str, fields: dict[str, str], said: str) -> None:
    fill(cluster, index, mapping={"properties": {**MAPPING["properties"], "amount": {"type": "long"}}})
    refused(check(config, detector(index, **fields)), said)


def test_time_field_that_is_no_date(config: Path, cluster: Cluster, index: str) -> None:
    fill(cluster, index)
    result = check(config, {**job_data(index), "data_description": {"time_field": "user.email"}})
    refused(result, "user.email (the time) is keyword; it must be date", "@timestamp")


def test_one_entity_only(config: Path, cluster: Cluster, index: str) -> None:
    fill(cluster, index, lambda document, _: {**document, "user": {"name": "root"}})
    refused(check(config, job_data(index)), "no other entity to compare it with", "partition_field_name")


def test_one_address_only(config: Path, cluster: Cluster, index: str) -> None:
    fill(cluster, index, lambda document, _: {**document, "source": {"ip": "192.0.2.1"}})
    refused(check(config, job_data(index)), "all events come from one address", "proxy or load balancer")


def test_all_private_addresses(config: Path, cluster: Cluster, index: str) -> None:
    fill(cluster, index, lambda document, number: {**document, "source": {"ip": f"10.0.0.{number % 9}"}})
    result = check(config, job_data(index))
    assert result.exit_code == 0
    assert "all addresses in source.ip are private" in result.output
    assert "X-Forwarded-For" in result.output
    refused(check(config, job_data(index, ignore_private=True)), "ignore_private leaves them all out")


def test_no_history(config: Path, cluster: Cluster, index: str) -> None:
    fill(cluster, index, days=2)
    refused(check(config, job_data(index)), "are needed to train", "wait for more events")


@pytest.mark.parametrize("command", [["check"], ["job", "validate"]])
@pytest.mark.parametrize("span", [0, "0", "0s"])
def test_bucket_span_of_0(config: Path, command: list[str], span: Any) -> None:
    job = write_job(config.parent / "job.json", {**job_data("signins"), "analysis_config": {"bucket_span": span}})
    result = run("--config", config, *command, job)
    assert result.exit_code == 2
    assert "analysis_config.bucket_span" in result.output


def test_template_that_somebody_changed(config: Path, cluster: Cluster, index: str) -> None:
    fill(cluster, index)
    body = templates.own_part(cluster.get_index_template("ipi-es-state") or {})
    body["template"]["mappings"]["dynamic"] = "true"
    cluster.put_index_template("ipi-es-state", body)
    try:
        result = check(config, job_data(index))
        assert "not as this ipi-es ships them: overwrite index template ipi-es-state" in result.output
        assert "ipi-es setup --dry-run" in result.output
        changed = run("--config", config, "setup")
        assert changed.exit_code == 2
        assert "changed by hand" in changed.output
        assert "--force" in changed.output
    finally:
        assert run("--config", config, "setup", "--force").exit_code == 0


def test_full_disk(config: Path, cluster: Cluster, index: str, server: Server) -> None:
    fill(cluster, index)
    check(config, job_data(index))  # makes the state's index
    block = "index.blocks.read_only_allow_delete"
    assert server.call("PUT", "/ipi-es-state/_settings", {block: True})[0] == 200
    try:
        refused(check(config, job_data(index)), "can't read and write ipi-es-state", "most often a disk is full")
    finally:
        assert server.call("PUT", "/ipi-es-state/_settings", {block: None})[0] == 200
