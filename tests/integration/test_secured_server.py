"""The secured test server: that rights can be proven on it, one by one."""

from __future__ import annotations

import http.client
import json
import ssl

import pytest
from servers.plain_http import call
from servers.secured import SecuredOpenSearch

READER = ("reader", "Read-only-9182!")
SECURITY = "/_plugins/_security/api"


@pytest.fixture(scope="module")
def reader(secured_opensearch: SecuredOpenSearch) -> tuple[str, str]:
    """A user who may read ``logs-*`` and nothing else, made by the REST API."""
    name, password = READER
    rights = [{"index_patterns": ["logs-*"], "allowed_actions": ["read"]}]
    things = {
        f"roles/{name}": {"index_permissions": rights, "cluster_permissions": ["cluster_composite_ops"]},
        f"internalusers/{name}": {"password": password},
        f"rolesmapping/{name}": {"users": [name]},
    }
    for path, body in things.items():
        status, answer = secured_opensearch.call("PUT", f"{SECURITY}/{path}", body)
        assert status == 201, answer
    assert secured_opensearch.call("PUT", "/logs-a/_doc/1?refresh=true", {"a": 1})[0] == 201
    return READER


def test_version_is_the_oldest_supported_line(secured_opensearch: SecuredOpenSearch) -> None:
    assert secured_opensearch.call("GET", "/")[1]["version"]["number"] == "2.19.4"


def test_wrong_password_is_401(secured_opensearch: SecuredOpenSearch) -> None:
    assert secured_opensearch.call("GET", "/", auth=("admin", "wrong"))[0] == 401


def test_no_password_is_401(secured_opensearch: SecuredOpenSearch) -> None:
    assert call(secured_opensearch.url, "GET", "/", ca=str(secured_opensearch.ca))[0] == 401


def test_wrong_ca_is_refused_by_the_client(secured_opensearch: SecuredOpenSearch) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        call(secured_opensearch.url, "GET", "/", ca=str(secured_opensearch.wrong_ca))


def test_plain_http_gets_no_answer(secured_opensearch: SecuredOpenSearch) -> None:
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        call(secured_opensearch.url.replace("https", "http"), "GET", "/")


def test_reader_reads(secured_opensearch: SecuredOpenSearch, reader: tuple[str, str]) -> None:
    status, answer = secured_opensearch.call("GET", "/logs-a/_search", auth=reader)
    assert (status, answer["hits"]["total"]["value"]) == (200, 1)


def test_reader_may_not_write(secured_opensearch: SecuredOpenSearch, reader: tuple[str, str]) -> None:
    status, answer = secured_opensearch.call("PUT", "/logs-a/_doc/2", {"a": 2}, auth=reader)
    assert (status, answer["error"]["type"]) == (403, "security_exception")


def test_bulk_without_the_right_is_200_with_403_items(
    secured_opensearch: SecuredOpenSearch, reader: tuple[str, str]
) -> None:
    body = json.dumps({"index": {"_index": "logs-a", "_id": "3"}}) + '\n{"a":3}\n'
    status, answer = secured_opensearch.call("POST", "/_bulk", body, auth=reader)
    assert (status, answer["errors"], answer["items"][0]["index"]["status"]) == (200, True, 403)
