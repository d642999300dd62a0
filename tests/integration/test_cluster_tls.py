"""TLS and passwords before each kind of server: what is right works, what is wrong says what to do."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.pool import Server
from servers.tls_proxy import TlsProxy

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.errors import AuthenticationFailed, ClusterError, TlsError, UsageError


def through(proxy: TlsProxy, **changes: Any) -> Connection:
    settings: dict[str, Any] = {
        "hosts": (proxy.url,),
        "username": proxy.username,
        "password": proxy.password,
        "ca_certs": proxy.ca,
        "max_retries": 1,
        "request_timeout": 10.0,
    }
    return Connection(**{**settings, **changes})


@pytest.fixture(autouse=True)
def no_secret_in_the_log(caplog: pytest.LogCaptureFixture, tls_proxy: TlsProxy) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    basic = base64.b64encode(f"{tls_proxy.username}:{tls_proxy.password}".encode()).decode()
    assert tls_proxy.password not in caplog.text
    assert basic not in caplog.text


def failure(connection: Connection, kind: type[ClusterError]) -> str:
    with pytest.raises(kind) as caught:
        connect(connection, sleep=lambda _: None)
    assert type(caught.value) is kind
    assert caught.value.hint
    assert connection.password is None or connection.password not in str(caught.value)
    return str(caught.value)


def test_the_right_ca_and_password_work(tls_proxy: TlsProxy, server: Server) -> None:
    cluster = connect(through(tls_proxy))
    assert server.kind.startswith(cluster.info.distribution)
    assert cluster.count("ipi-es-none", {"match_all": {}}) == 0
    assert list(cluster.scan("ipi-es-none", {"match_all": {}})) == []
    cluster.close()


@pytest.mark.parametrize("colons", [False, True])
def test_the_cas_fingerprint_is_enough(tls_proxy: TlsProxy, colons: bool) -> None:
    text = tls_proxy.ca_fingerprint.upper()
    pinned = ":".join(text[at : at + 2] for at in range(0, len(text), 2)) if colons else text
    cluster = connect(through(tls_proxy, ca_certs=None, ca_fingerprint=pinned))
    assert cluster.count("ipi-es-none", {"match_all": {}}) == 0
    cluster.close()


def test_verification_can_be_turned_off(tls_proxy: TlsProxy) -> None:
    cluster = connect(through(tls_proxy, ca_certs=None, verify_certs=False))
    assert cluster.count("ipi-es-none", {"match_all": {}}) == 0
    cluster.close()


def test_a_wrong_ca_is_a_tls_error(tls_proxy: TlsProxy) -> None:
    assert "ca_certs" in failure(through(tls_proxy, ca_certs=tls_proxy.wrong_ca), TlsError)


def test_an_own_ca_that_is_not_named_is_a_tls_error(tls_proxy: TlsProxy) -> None:
    assert "not trusted" in failure(through(tls_proxy, ca_certs=None), TlsError)


def test_a_wrong_fingerprint_is_a_tls_error(tls_proxy: TlsProxy) -> None:
    assert "fingerprint" in failure(through(tls_proxy, ca_fingerprint="0" * 64), TlsError)


def test_what_is_no_fingerprint_is_refused(tls_proxy: TlsProxy) -> None:
    with pytest.raises(UsageError):
        connect(through(tls_proxy, ca_fingerprint="beef"))


def test_a_ca_file_that_is_not_there_is_a_tls_error(tls_proxy: TlsProxy, tmp_path: Path) -> None:
    assert "none.pem" in failure(through(tls_proxy, ca_certs=tmp_path / "none.pem"), TlsError)
    (tmp_path / "empty.pem").write_text("nothing")
    assert "empty.pem" in failure(through(tls_proxy, ca_certs=tmp_path / "empty.pem"), TlsError)


def test_a_wrong_password_is_an_authentication_error(tls_proxy: TlsProxy) -> None:
    assert "password" in failure(through(tls_proxy, password="wrong one"), AuthenticationFailed)
    failure(through(tls_proxy, username=None, password=None), AuthenticationFailed)


def test_http_against_https_says_so(tls_proxy: TlsProxy) -> None:
    plain = tls_proxy.url.replace("https:", "http:")
    assert "https://" in failure(through(tls_proxy, hosts=(plain,)), TlsError)


def test_https_against_http_says_so(tls_proxy: TlsProxy, server: Server) -> None:
    secure = server.url.replace("http:", "https:")
    assert "http://" in failure(through(tls_proxy, hosts=(secure,)), TlsError)
