"""The test servers themselves: what every other integration test stands on."""

from __future__ import annotations

import socket
import ssl

import pytest
from servers.plain_http import call, kind_of
from servers.pool import Server
from servers.tls_proxy import TlsProxy

INDEX = "ipi-es-test-servers"


def test_document_goes_there_and_back(server: Server) -> None:
    try:
        status, _ = server.call("PUT", f"/{INDEX}/_doc/1?refresh=true", {"source": {"ip": "192.0.2.7"}})
        assert status == 201
        status, found = server.call("GET", f"/{INDEX}/_search")
        assert status == 200
        assert [hit["_source"] for hit in found["hits"]["hits"]] == [{"source": {"ip": "192.0.2.7"}}]
    finally:
        server.call("DELETE", f"/{INDEX}")


def test_server_is_the_kind_that_it_says(server: Server) -> None:
    assert kind_of(server.url) == server.kind


def test_proxy_passes_requests_on(tls_proxy: TlsProxy) -> None:
    auth = (tls_proxy.username, tls_proxy.password)
    status, found = call(tls_proxy.url, "GET", "/_cluster/health", auth=auth, ca=str(tls_proxy.ca))
    assert (status, found["timed_out"]) == (200, False)


def test_proxy_passes_bodies_on(tls_proxy: TlsProxy) -> None:
    auth = (tls_proxy.username, tls_proxy.password)
    body = "".join(f'{{"index":{{"_index":"{INDEX}","_id":"{i}"}}}}\n{{"n":{i}}}\n' for i in range(1000))
    try:
        status, found = call(tls_proxy.url, "POST", "/_bulk?refresh=true", body, auth=auth, ca=str(tls_proxy.ca))
        assert (status, found["errors"]) == (200, False)
        status, found = call(tls_proxy.url, "GET", f"/{INDEX}/_count", auth=auth, ca=str(tls_proxy.ca))
        assert found["count"] == 1000
    finally:
        call(tls_proxy.url, "DELETE", f"/{INDEX}", auth=auth, ca=str(tls_proxy.ca))


def test_wrong_password_is_401(tls_proxy: TlsProxy) -> None:
    status, found = call(tls_proxy.url, "GET", "/", auth=(tls_proxy.username, "wrong"), ca=str(tls_proxy.ca))
    assert (status, found["error"]["type"]) == (401, "security_exception")


def test_no_password_is_401(tls_proxy: TlsProxy) -> None:
    assert call(tls_proxy.url, "GET", "/", ca=str(tls_proxy.ca))[0] == 401


def test_wrong_ca_refuses_the_certificate(tls_proxy: TlsProxy) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        call(tls_proxy.url, "GET", "/", ca=str(tls_proxy.wrong_ca))


def test_plain_http_gets_no_answer(tls_proxy: TlsProxy) -> None:
    with socket.create_connection(("127.0.0.1", tls_proxy.port), timeout=5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            answer = plain.recv(100)
        except ConnectionResetError:
            answer = b""
        assert not answer.startswith(b"HTTP/")


@pytest.mark.only_on("elasticsearch", "the Elastic client refuses an OpenSearch")
def test_official_client_takes_the_ca_by_its_fingerprint(tls_proxy: TlsProxy, server: Server) -> None:
    from elasticsearch import Elasticsearch

    auth = (tls_proxy.username, tls_proxy.password)
    with Elasticsearch(tls_proxy.url, basic_auth=auth, ssl_assert_fingerprint=tls_proxy.ca_fingerprint) as client:
        assert client.cluster.health()["timed_out"] is False


@pytest.mark.only_on("elasticsearch", "the Elastic client refuses an OpenSearch")
def test_official_client_gets_401_as_from_a_secured_server(tls_proxy: TlsProxy, server: Server) -> None:
    from elasticsearch import AuthenticationException, Elasticsearch

    auth = (tls_proxy.username, "wrong")
    client = Elasticsearch(tls_proxy.url, basic_auth=auth, ca_certs=str(tls_proxy.ca))
    with client, pytest.raises(AuthenticationException):
        client.cluster.health()
