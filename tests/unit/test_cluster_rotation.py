"""Certificates rotated and credentials revoked while a connection is used: an error that names it, then work again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.certificates import Certificates, make_certificates
from servers.tls_proxy import TlsProxy
from stub_server import Reply, StubServer

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster
from ipi_es.errors import AuthenticationFailed, TlsError

VERSIONS = {
    "elasticsearch": {"version": {"number": "8.19.4", "build_flavor": "default"}, "cluster_name": "c"},
    "opensearch": {"version": {"number": "2.19.4", "distribution": "opensearch"}, "cluster_name": "c"},
}
SHARDS = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> list[Certificates]:
    """Two of authorities that don't know each other."""
    return [make_certificates(tmp_path_factory.mktemp(name)) for name in ("first", "second")]


@pytest.fixture(params=list(VERSIONS))
def proxy(request: pytest.FixtureRequest, issued: list[Certificates]) -> Iterator[TlsProxy]:
    def script(_method: str, path: str, _body: bytes) -> Reply:
        root = path.partition("?")[0] == "/"
        return Reply(200, VERSIONS[request.param] if root else {"count": 3, "_shards": SHARDS})

    product = "Elasticsearch" if request.param == "elasticsearch" else None
    with StubServer(script, product=product) as stub, TlsProxy(stub.url, issued[0]) as made:
        yield made


def connected(proxy: TlsProxy, **trust: str | Path) -> Cluster:
    settings = Connection(
        hosts=(proxy.url,),
        username=proxy.username,
        password=proxy.password,
        max_retries=1,
        request_timeout=5.0,
        **(trust or {"ca_certs": proxy.ca}),  # type: ignore[arg-type]
    )
    return connect(settings, sleep=lambda _: None)


def count(cluster: Cluster) -> int:
    return cluster.count("events", {"match_all": {}})


def test_a_new_certificate_of_the_same_authority_is_taken_amid_the_work(
    proxy: TlsProxy, issued: list[Certificates]
) -> None:
    cluster = connected(proxy)
    assert count(cluster) == 3
    proxy.rotate(issued[0])
    assert count(cluster) == 3
    cluster.close()


@pytest.mark.parametrize("by", ["ca", "fingerprint"])
def test_a_certificate_of_another_authority_is_refused_until_it_is_put_right(
    proxy: TlsProxy, issued: list[Certificates], by: str
) -> None:
    trust: dict[str, str | Path] = {"ca_fingerprint": proxy.ca_fingerprint} if by == "fingerprint" else {}
    cluster = connected(proxy, **trust)
    assert count(cluster) == 3
    proxy.rotate(issued[1])
    for _ in range(2):
        with pytest.raises(TlsError) as caught:
            count(cluster)
        assert caught.value.hint
    proxy.rotate(issued[0])
    assert count(cluster) == 3
    cluster.close()


def test_credentials_that_are_revoked_are_told_and_work_again_when_they_are_given_back(proxy: TlsProxy) -> None:
    cluster = connected(proxy)
    assert count(cluster) == 3
    proxy.change_password("another")
    with pytest.raises(AuthenticationFailed) as caught:
        count(cluster)
    assert "restart it" in str(caught.value)
    assert proxy.password not in str(caught.value)
    proxy.change_password(proxy.password)
    assert count(cluster) == 3
    cluster.close()
