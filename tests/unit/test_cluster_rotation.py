"""Certificates rotated and credentials revoked while a connection is used: an error that names it, then work again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from servers.certificates import Certificates, make_certificates
from servers.tls_proxy import TlsProxy
from stub_server import Reply, StubServer

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster
from ipi_es.errors import AuthenticationFailed, ConfigError, TlsError

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


def settings(proxy: TlsProxy, **changes: str | Path) -> Connection:
    trust = changes if {"ca_certs", "ca_fingerprint"} & changes.keys() else {"ca_certs": proxy.ca, **changes}
    known = {"username": proxy.username, "password": proxy.password, **trust}
    return Connection(hosts=(proxy.url,), max_retries=1, request_timeout=5.0, **known)  # type: ignore[arg-type]


def connected(proxy: TlsProxy, read_again: Callable[[], Connection] | None = None, **trust: str | Path) -> Cluster:
    return connect(replace(settings(proxy, **trust), read_again=read_again), sleep=lambda _: None)


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
    assert "again at its next look" in str(caught.value)
    assert proxy.password not in str(caught.value)
    proxy.change_password(proxy.password)
    assert count(cluster) == 3
    cluster.close()


def test_a_new_authority_in_the_file_is_read_when_the_certificate_is_refused(
    proxy: TlsProxy, issued: list[Certificates], tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(issued[0].ca.read_bytes())
    cluster = connected(proxy, lambda: settings(proxy, ca_certs=file), ca_certs=file)
    assert count(cluster) == 3
    proxy.rotate(issued[1])
    with pytest.raises(TlsError):
        count(cluster)
    for content in (b"", b"half of a certi"):  # somebody is writing it
        file.write_bytes(content)
        with pytest.raises(TlsError):
            count(cluster)
    file.write_bytes(issued[1].ca.read_bytes())
    assert count(cluster) == 3
    cluster.close()


def test_a_new_password_is_read_when_the_old_one_is_refused(proxy: TlsProxy, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    known, broken = [proxy.password], [False]

    def read_again() -> Connection:
        if broken[0]:
            raise ConfigError("the file is empty or no text", place="ipi-es.yml: elasticsearch.password_file")
        return settings(proxy, password=known[0])

    cluster = connected(proxy, read_again)
    proxy.change_password("second")
    for broken[0] in (False, True):
        with pytest.raises(AuthenticationFailed):
            count(cluster)
    assert "ipi-es.yml: elasticsearch.password_file: the file is empty" in caplog.text
    known[0], broken[0] = "second", False
    assert count(cluster) == 3
    assert "have changed and were read again" in caplog.text
    assert "second" not in caplog.text
    cluster.close()


def test_threads_that_are_refused_together_read_once_and_all_go_on(proxy: TlsProxy) -> None:
    reads = list[int]()

    def read_again() -> Connection:
        reads.append(1)
        return settings(proxy, password="second")

    cluster = connected(proxy, read_again)
    proxy.change_password("second")
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: count(cluster), range(16))) == [3] * 16
    assert len(reads) == 1
    cluster.close()


def test_hosts_stay_when_credentials_are_read_again(proxy: TlsProxy) -> None:
    elsewhere = Connection(
        hosts=("https://127.0.0.1:9",), username=proxy.username, password="second", ca_certs=proxy.ca
    )
    cluster = connected(proxy, lambda: elsewhere)
    proxy.change_password("second")
    assert count(cluster) == 3
    cluster.close()
