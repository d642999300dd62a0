"""What the results API refuses, in the words and statuses of Elastic: requests, callers, failures of the cluster."""

from __future__ import annotations

from typing import Any

import pytest
from made_results import START
from results_client import JSON, RESULTS, ask, client, cluster, refused
from serve_parts import client_of, services_of
from starlette.testclient import TestClient

from ipi_es.errors import ClusterUnreachable, PermissionDenied
from ipi_es.results.words import ALIAS
from ipi_es.testing.memory_cluster import MemoryCluster

__all__ = ["ask", "client", "cluster"]


@pytest.mark.parametrize("path", ["records", "influencers", "buckets", f"buckets/{START * 1_000}"])
@pytest.mark.parametrize("job", ["missing", "log*", "_all", "logins,logins", "..", "%2e%2e", "a%22b"])
def test_one_job_alone_is_asked_for_and_only_a_configured_one(client: TestClient, path: str, job: str) -> None:
    answer = client.get(f"/_ml/anomaly_detectors/{job}/results/{path}")
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("records?start=invalid", None, "parse_exception"),
        ("records", {"end": "not-a-date"}, "parse_exception"),
        ("records", {"start": True}, "parse_exception"),
        ("records?record_score=NaN", None, "illegal_argument_exception"),
        ("records?record_score=Infinity", None, "illegal_argument_exception"),
        ("records?record_score=high", None, "illegal_argument_exception"),
        ("records?desc=yes", None, "illegal_argument_exception"),
        ("records?from=-1", None, "illegal_argument_exception"),
        ("records?size=-1", None, "illegal_argument_exception"),
        ("records?size=1.5", None, "illegal_argument_exception"),
        ("records", {"page": {"from": -1}}, "illegal_argument_exception"),
        ("records", {"page": {"frm": 1}}, "x_content_parse_exception"),
        ("records", {"page": [1, 2]}, "illegal_argument_exception"),
        ("records?sort=no_such_field", None, "illegal_argument_exception"),
        ("records?sort=reason", None, "illegal_argument_exception"),
        ("records?unknown=1", None, "illegal_argument_exception"),
        ("records", {"from": 1}, "x_content_parse_exception"),
        ("records", {"recordscore": 1}, "x_content_parse_exception"),
        ("records", [1], "x_content_parse_exception"),
        ("overall_buckets", {"bucket_span": "soon"}, "illegal_argument_exception"),
        ("overall_buckets", {"size": 1}, "x_content_parse_exception"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(client: TestClient, path: str, body: Any, kind: str) -> None:
    assert refused(client, path, body)[:2] == (400, kind)


def test_the_reasons_are_elastics(client: TestClient) -> None:
    assert refused(client, "records?start=invalid")[2].startswith(
        "Query param [start] with value [invalid] cannot be parsed as a date or converted to a number of milliseconds"
    )
    assert refused(client, "records?from=-1")[2] == "Parameter [from] cannot be < 0"
    assert refused(client, "records?from=9999&size=2")[2].endswith("equal to: [10000] but was [10001]")
    assert refused(client, "/_ml/anomaly_detectors/x/results/records")[2] == "No known job with id 'x'"


def test_broken_json_and_other_content_types_are_refused(client: TestClient) -> None:
    surrogates = b'{"sort": "\\ud800"}', b'{"\\ud800": 1}'
    for content in (b"{", b'{"record_score": NaN}', b"\xff\xfe", b"[" * 100_000, *surrogates):
        answer = client.post(f"{RESULTS}/records", content=content, headers=JSON)
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "x_content_parse_exception")
    for kind in (
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/vnd.elasticsearch+json;compatible-with=7",
    ):
        answer = client.post(f"{RESULTS}/records", content=b"{}", headers={"content-type": kind})
        assert answer.status_code == 415
    assert client.get(f"{RESULTS}/records", headers={"accept": "text/csv"}).status_code == 406
    assert client.get(f"{RESULTS}/records?format=yaml").status_code == 406


@pytest.mark.parametrize("version", [8, 9])
def test_compatible_clients_are_answered_in_their_content_type(client: TestClient, version: int) -> None:
    kind = f"application/vnd.elasticsearch+json; compatible-with={version}"
    answer = client.post(f"{RESULTS}/records", content=b"{}", headers={"content-type": kind, "accept": kind})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind.replace(" ", "")
    assert client.get(f"{RESULTS}/records").headers["content-type"] == "application/json"


def test_elastics_product_header_is_sent_only_where_that_is_switched_on(cluster: MemoryCluster) -> None:
    plain = client_of(services_of(lambda _: cluster)).get(f"{RESULTS}/records")
    assert "x-elastic-product" not in plain.headers
    switched = client_of(services_of(lambda _: cluster, product_header=True)).get(f"{RESULTS}/records")
    assert switched.headers["x-elastic-product"] == "Elasticsearch"


@pytest.mark.parametrize(
    ("method", "path", "command"),
    [
        ("PUT", "/_ml/anomaly_detectors/logins", "ipi-es job"),
        ("DELETE", "/_ml/anomaly_detectors/logins", "ipi-es job delete"),
        ("POST", "/_ml/anomaly_detectors/logins/_open", "ipi-es job resume"),
        ("POST", "/_xpack/ml/anomaly_detectors/logins/_close", "ipi-es job pause"),
        ("POST", "/_ml/anomaly_detectors/logins/model_snapshots/1/_revert", "ipi-es snapshots revert"),
        ("PUT", "/_ml/datafeeds/datafeed-logins", "ipi-es job create"),
        ("PUT", "/_ml/calendars/holidays", "ipi-es calendar"),
    ],
)
def test_what_changes_something_names_the_command(client: TestClient, method: str, path: str, command: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert command in answer.json()["error"]["hint"]
    assert "allow" in answer.headers


def test_a_caller_without_the_right_to_read_is_not_shown_an_empty_list(cluster: MemoryCluster) -> None:
    class Blind(MemoryCluster):
        def lacking(self, on_cluster: Any, on_indices: Any) -> Any:
            return [("read", ALIAS)]

    for path in ("records", "influencers", "buckets", "overall_buckets", f"buckets/{START * 1_000}"):
        answer = client_of(services_of(lambda _: Blind())).get(f"{RESULTS}/{path}")
        assert (answer.status_code, answer.json()["error"]["type"]) == (403, "security_exception")
    for path in ("anomaly_detectors", "anomaly_detectors/_stats", "calendars"):
        assert client_of(services_of(lambda _: Blind())).get(f"/_ml/{path}").status_code == 403


def test_failures_of_the_cluster_keep_their_meaning(cluster: MemoryCluster) -> None:
    def fail(error: Exception) -> TestClient:
        def before(operation: str, _: str) -> None:
            if operation == "search":
                raise error

        cluster.before = before
        return client_of(services_of(lambda _: cluster))

    away = fail(ClusterUnreachable("nothing listens")).get(f"{RESULTS}/records")
    assert (away.status_code, away.headers["retry-after"]) == (503, "5")
    denied = fail(PermissionDenied("denied", status=403)).get(f"{RESULTS}/records")
    assert (denied.status_code, denied.json()["error"]["type"]) == (403, "security_exception")


def test_nothing_was_scored_yet() -> None:
    client = client_of(services_of(lambda _: MemoryCluster()))
    assert client.get(f"{RESULTS}/records").json() == {"count": 0, "records": []}
    assert client.get(f"{RESULTS}/overall_buckets").json() == {"count": 0, "overall_buckets": []}
    assert client.get(f"{RESULTS}/buckets/0").status_code == 404
