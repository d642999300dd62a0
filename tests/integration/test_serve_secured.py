"""`ipi-es serve` before an OpenSearch with security: the caller's own rights decide, never the server's."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from console_results import HOUR, START, fill
from servers.certificates import Certificates
from servers.secured import SecuredOpenSearch
from service_parts import a_job

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.config.settings.settings_file import Settings
from ipi_es.results.documents.result_documents import ResultContext
from ipi_es.serve.server import Server
from ipi_es.setup import setup_plan

API = "/_plugins/_security/api"
ROLE = Path(__file__).resolve().parents[2] / "templates" / "roles" / "opensearch" / "ipi-es-analyst.json"
ANALYST, STRANGER = ("serve-analyst", "Kq-7741-Zxv!"), ("serve-stranger", "Kq-7742-Zxv!")
JOB = "served"


@pytest.fixture(scope="module")
def url(secured_opensearch: SecuredOpenSearch, certificates: Certificates) -> Iterator[str]:
    """The address of a server with TLS, with results of a day, and two users without and with the analyst's role."""
    own = Connection(
        hosts=(secured_opensearch.url,),
        username=secured_opensearch.username,
        password=secured_opensearch.password,
        ca_certs=secured_opensearch.ca,
    )
    cluster = connect(own)
    setup_plan.apply(cluster, setup_plan.plan(cluster), force=True)
    context = ResultContext(JOB, HOUR, "user.name", "source.ip", ("user.name", "source.ip"), results_index_name=JOB)
    fill(cluster, context, 5)
    for path, body in {
        "roles/serve-analyst": json.loads(ROLE.read_text(encoding="utf-8")),
        **{f"internalusers/{name}": {"password": password} for name, password in (ANALYST, STRANGER)},
        "rolesmapping/serve-analyst": {"users": [ANALYST[0]]},
    }.items():
        assert secured_opensearch.call("PUT", f"{API}/{path}", body)[0] in (200, 201)
    serve = {"listen": "127.0.0.1:0", "tls_certificate": certificates.chain, "tls_key": certificates.key}
    with server(own, **serve) as served:
        yield served.listener.url
    cluster.close()


def server(own: Connection, **serve: Any) -> Server:
    job = a_job(JOB, analysis_config={"bucket_span": "1h"}, results_index_name=JOB)
    return Server(Settings(serve=serve), [job], own, lambda: START + 30 * HOUR)


def ask(
    url: str, path: str, ca: Path, user: tuple[str, str] | None = None, signed_in: str | None = None
) -> tuple[int, dict[str, Any], list[str]]:
    """Return (status, answer, challenges); ``signed_in``: the user in the proxy's header."""
    request = urllib.request.Request(f"{url}{path}")
    if signed_in is not None:
        request.add_header("x-forwarded-user", signed_in)
    if user is not None:
        request.add_header("authorization", f"Basic {b64encode(':'.join(user).encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=30, context=ssl.create_default_context(cafile=ca)) as answer:
            return answer.status, json.load(answer), []
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers.get_all("www-authenticate") or []


def test_the_callers_own_rights_decide(
    url: str, secured_opensearch: SecuredOpenSearch, certificates: Certificates
) -> None:
    path, ca = f"/_ml/anomaly_detectors/{JOB}/results/records", certificates.ca
    admin = (secured_opensearch.username, secured_opensearch.password)
    status, of_admin, _ = ask(url, path, ca, admin)
    assert (status, of_admin["count"]) == (200, 8)
    assert ask(url, path, ca, ANALYST)[:2] == (200, of_admin)
    status, answer, challenges = ask(url, path, ca)
    assert (status, answer["error"]["type"]) == (401, "security_exception")
    assert challenges[0].startswith("Basic ")
    assert ask(url, path, ca, (ANALYST[0], "wrong"))[0] == 401
    for hidden in (
        path,
        f"/_ml/anomaly_detectors/{JOB}/results/overall_buckets",
        "/_ml/anomaly_detectors",
        f"/_ml/anomaly_detectors/{JOB}/_stats",
        f"/_ml/anomaly_detectors/{JOB}/model_snapshots",
        "/_ml/calendars",
    ):
        status, answer, _ = ask(url, hidden, ca, STRANGER)
        assert (status, answer["error"]["type"]) == (403, "security_exception"), hidden
    assert ask(url, f"/_ml/anomaly_detectors/{JOB}/_stats", ca, ANALYST)[0] == 200
    assert ask(url, "/_ml/calendars", ca, ANALYST)[0] == 200


def test_rights_that_are_taken_away_are_gone_at_once(
    url: str, secured_opensearch: SecuredOpenSearch, certificates: Certificates
) -> None:
    path = f"/_ml/anomaly_detectors/{JOB}/results/records"
    mapping = f"{API}/rolesmapping/serve-analyst"
    assert ask(url, path, certificates.ca, ANALYST)[0] == 200
    assert secured_opensearch.call("PUT", mapping, {"users": []})[0] == 200
    try:
        assert ask(url, path, certificates.ca, ANALYST)[0] == 403
    finally:
        assert secured_opensearch.call("PUT", mapping, {"users": [ANALYST[0]]})[0] == 200


def test_probes_need_no_password_and_show_no_name(url: str, certificates: Certificates) -> None:
    status, answer, _ = ask(url, "/readyz", certificates.ca)
    assert (status, answer["ready"], answer["jobs"]) == (200, True, 1)
    assert JOB not in json.dumps(answer)


def test_the_cluster_decides_for_whom_a_server_behind_a_proxy_acts(
    url: str, secured_opensearch: SecuredOpenSearch, certificates: Certificates
) -> None:
    path, ca = f"/_ml/anomaly_detectors/{JOB}/results/records", certificates.ca
    name, password = secured_opensearch.username, secured_opensearch.password
    own = Connection(hosts=(secured_opensearch.url,), username=name, password=password, ca_certs=secured_opensearch.ca)
    with server(
        own, listen="127.0.0.1:0", trusted_proxies=["127.0.0.1"], user_header="X-Forwarded-User"
    ) as behind_a_proxy:
        proxied = behind_a_proxy.listener.url
        assert ask(proxied, path, ca, signed_in=ANALYST[0])[:2] == ask(url, path, ca, ANALYST)[:2]
        status, answer, _ = ask(proxied, path, ca, signed_in=STRANGER[0])
        assert (status, f"act for {STRANGER[0]}" in answer["error"]["reason"]) == (403, True)
        assert ask(proxied, path, ca)[0] == 401
    assert ask(url, path, ca, signed_in=ANALYST[0])[0] == 401  # it trusts no proxy
