"""Signed requests for Amazon OpenSearch Service: right for every request, and refusals that say what to do."""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_domain import KEY_ID, REGION, SECRET, TOKEN, AwsDomain
from cli_run import at_a_terminal, run
from stub_server import Reply, StubServer

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.console import Console
from ipi_es.cluster.opensearch import OpenSearchCluster
from ipi_es.cluster.port import Put
from ipi_es.config.files.loading import load_settings
from ipi_es.errors import AuthenticationFailed, IpiEsError, PermissionDenied, UnsupportedServer, UsageError
from ipi_es.extras import AWS

ROOT = {"version": {"number": "2.19.4", "distribution": "opensearch"}, "cluster_name": "c"}
SHARDS = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
ODD = "a b+c%20/ü?&=~*!@,'"
VARIABLES = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN}


def answered(_method: str, path: str, _body: bytes) -> Reply:
    name, _, query = path.partition("?")
    if name == "/":
        return Reply(200, ROOT)
    if name == "/_bulk":
        return Reply(200, {"errors": False, "items": [{"index": {"_id": "ü 1", "status": 201}}]})
    if name.endswith("/_count"):
        return Reply(200, {"count": 3, "_shards": SHARDS})
    if name.endswith("/_field_caps"):
        assert "fields=a%20b%2Bc%2520" in query
        return Reply(200, {"indices": ["i"], "fields": {}})
    return Reply(200, {"_index": "i", "_id": ODD, "result": "deleted"})


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Temporary credentials in the environment; nothing else of this machine counts."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def domain() -> Iterator[AwsDomain]:
    with AwsDomain(answered) as made:
        yield made


def connection(domain: StubServer, *, region: str = REGION, service: str = "es", **how: Any) -> Connection:
    return Connection(hosts=(domain.url,), aws_sigv4=(region, service), max_retries=how.pop("max_retries", 0), **how)


def connected(domain: StubServer, **how: Any) -> OpenSearchCluster:
    cluster = connect(connection(domain, **how), sleep=lambda _: None)
    assert isinstance(cluster, OpenSearchCluster)
    return cluster


@pytest.mark.parametrize("token", [TOKEN, None])
def test_every_request_is_signed_rightly(domain: AwsDomain, token: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if token is None:
        monkeypatch.delenv("AWS_SESSION_TOKEN")
    cluster = connected(domain)
    assert cluster.count(["logs-*", "<a-{now/d}>", "x:y-*"], {"match_all": {}}) == 3
    cluster.bulk([Put("i", "ü 1", {"user": {"name": ODD}})])
    assert cluster.delete("i", ODD)
    assert cluster.field_types("logs-*", [ODD, "user.name"]) == {}
    assert len(domain.signatures) == len(domain.requests) == 5
    cluster.close()


def test_each_attempt_has_a_signature_of_its_own(domain: AwsDomain) -> None:
    cluster, asked = connected(domain, max_retries=2), []

    def busy_at_first(_method: str, path: str, _body: bytes) -> Reply:
        asked.append(path)
        return answered(_method, path, _body) if len(asked) > 2 else Reply(503, {"message": "busy"})

    domain.script = busy_at_first
    assert cluster.count("events", {"match_all": {}}) == 3
    assert len(asked) == 3
    assert len(domain.signatures) == 4
    cluster.close()


def test_console_is_asked_with_signatures_too() -> None:
    def dashboards(_method: str, path: str, _body: bytes) -> Reply:
        return Reply(200, {"name": "x", "version": {"number": "2.19.4"}, "path": path})

    with AwsDomain(dashboards) as domain:
        with pytest.raises(UnsupportedServer):  # signed rightly, else PermissionDenied; the stub is no console
            Console(f"{domain.url}/_dashboards", connection(domain))
        assert domain.signatures


@pytest.mark.parametrize(
    ("wrong", "said", "hint"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "another"}, "signature we calculated does not match", "secret access key"),
        ({"AWS_ACCESS_KEY_ID": "AKIDOTHER"}, "security token included in the request is invalid", "access key exists"),
        ({"AWS_SESSION_TOKEN": "old"}, "security token included in the request is expired", "aws sso login"),
    ],
)
def test_a_refused_signature_says_why_and_shows_no_secret(
    domain: AwsDomain,
    wrong: dict[str, str],
    said: str,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    domain.expired.add("old")
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(AuthenticationFailed) as caught:
        connected(domain)
    assert said in caught.value.message
    assert hint in (caught.value.hint or "")
    assert "Canonical String" not in str(caught.value)
    for secret in (SECRET, TOKEN, "another"):
        assert secret not in str(caught.value)
        assert secret not in caplog.text


def test_another_region_and_unsigned_requests_name_the_setting(domain: AwsDomain) -> None:
    with pytest.raises(AuthenticationFailed, match=r"should be scoped") as caught:
        connected(domain, region="eu-west-1")
    assert "aws_sigv4.region" in str(caught.value)
    with pytest.raises(AuthenticationFailed, match=r"anonymous") as caught:
        connect(Connection(hosts=(domain.url,), max_retries=0))
    assert "aws_sigv4.region" in str(caught.value)


def test_a_right_that_a_known_user_lacks_stays_a_missing_right(domain: AwsDomain) -> None:
    cluster, said = connected(domain), "User: arn:aws:iam::1:user/x is not authorized to perform: es:ESHttpPost"
    domain.script = lambda *_: Reply(403, {"Message": said})
    with pytest.raises(PermissionDenied, match=r"\(403\): User: arn:aws:iam::1:user/x is not"):
        cluster.count("events", {"match_all": {}})
    cluster.close()


@pytest.mark.parametrize(
    "variables",
    [
        dict.fromkeys(VARIABLES),
        {**dict.fromkeys(VARIABLES), "AWS_PROFILE": "none-such"},
        {"AWS_SECRET_ACCESS_KEY": None},
    ],
)
def test_without_credentials_the_chain_is_named(
    domain: AwsDomain, variables: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(AuthenticationFailed, match="AWS's c") as caught:
        connected(domain)
    assert "AWS_PROFILE" in str(caught.value)
    assert not domain.requests


def test_credentials_that_expire_amid_the_work_are_read_again(
    domain: AwsDomain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def written(token: str) -> None:
        lines = (f"aws_access_key_id = {KEY_ID}", f"aws_secret_access_key = {SECRET}", f"aws_session_token = {token}")
        (tmp_path / "credentials").write_text("\n".join(["[default]", *lines]))

    for name in VARIABLES:
        monkeypatch.delenv(name)
    written("first")
    how = connection(domain)
    cluster = connected(domain, read_again=lambda: how)
    domain.expired.add("first")
    with pytest.raises(AuthenticationFailed, match="expired"):
        cluster.count("events", {"match_all": {}})
    written("second")
    assert cluster.count("events", {"match_all": {}}) == 3
    (tmp_path / "credentials").unlink()
    domain.expired.add("second")
    with pytest.raises(AuthenticationFailed, match="chain of credentials has none"):
        cluster.count("events", {"match_all": {}})
    cluster.close()


def test_credentials_that_cannot_be_renewed_are_no_network_fault(
    domain: AwsDomain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name)
    given, soon = tmp_path / "given.json", dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    names = {"AccessKeyId": KEY_ID, "SecretAccessKey": SECRET, "SessionToken": TOKEN}
    given.write_text(json.dumps({"Version": 1, **names, "Expiration": soon.isoformat()}))
    (tmp_path / "config").write_text(f"[default]\ncredential_process = cat {given}\n")
    cluster = connected(domain)
    assert cluster.count("events", {"match_all": {}}) == 3
    given.unlink()
    with pytest.raises(AuthenticationFailed, match="can't be renewed"):
        cluster.count("events", {"match_all": {}})
    cluster.close()


def test_serverless_and_elasticsearch_are_refused_by_name() -> None:
    with (
        AwsDomain(lambda *_: Reply(404, ""), service="aoss") as serverless,
        pytest.raises(UnsupportedServer, match="is OpenSearch Serverless"),
    ):
        connected(serverless, service="aoss")
    elastic = {"version": {"number": "8.19.4", "build_flavor": "default"}, "cluster_name": "c"}
    with StubServer(lambda *_: Reply(200, elastic)) as stub, pytest.raises(UsageError, match="is for OpenSearch"):
        connected(stub)


def test_without_botocore_one_line_says_what_to_install(domain: AwsDomain, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in AWS.modules:
        monkeypatch.setitem(sys.modules, module, None)
    Path("ipi-es.yml").write_text(f"elasticsearch: {{hosts: '{domain.url}', aws_sigv4: {{region: {REGION}}}}}")
    result = run("setup", "--dry-run")
    assert result.exit_code == 2
    assert "signing requests for AWS (elasticsearch.aws_sigv4) needs botocore" in result.stderr
    assert "pip install" in result.stderr


@pytest.mark.parametrize("asked", [True, False])
def test_init_writes_the_region(domain: AwsDomain, asked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_terminal(monkeypatch)
    options = () if asked else ("--aws-region", REGION, "--yes")
    done = run("init", "--url", domain.url, "--no-setup", *options, stdin=f"aws\n{REGION}\n" if asked else "")
    assert done.exit_code == 0, done.output
    assert load_settings(Path("ipi-es.yml")).elasticsearch.plain()["aws_sigv4"] == (REGION, "es")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("aws_sigv4: {region: Frankfurt}", "must be a region of AWS, such as eu-central-1"),
        ("aws_sigv4: {region: eu-central-1}, api_key: x", "api_key and aws_sigv4 are different ways to log in"),
        ("aws_sigv4: {region: eu-central-1}, cloud_id: 'a:b'", "cloud_id is Elastic's cloud"),
        ("aws_sigv4: {service: es}", "region"),
    ],
)
def test_wrong_settings_are_refused(more: str, said: str) -> None:
    Path("ipi-es.yml").write_text(f"elasticsearch: {{{more}}}")
    with pytest.raises(IpiEsError) as caught:
        load_settings(Path("ipi-es.yml"), environ={})
    assert said in str(caught.value)
