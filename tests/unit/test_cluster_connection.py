"""Hosts and credentials, as they are written and as they are shown."""

from __future__ import annotations

import base64

import pytest

from ipi_es.cluster.connection import Connection, Endpoint
from ipi_es.errors import UsageError


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://localhost:9201", "http://localhost:9201"),
        ("https://es.example", "https://es.example:9200"),
        ("es.example", "http://es.example:9200"),
        ("es.example:1234", "http://es.example:1234"),
        ("https://es.example:443/path/", "https://es.example:443/path"),
        ("http://[::1]:9200", "http://[::1]:9200"),
        ("https://user:secret@es.example:9200", "https://es.example:9200"),
    ],
)
def test_hosts_are_read_and_shown_without_credentials(text: str, url: str) -> None:
    assert Connection(hosts=(text,)).where == url


@pytest.mark.parametrize("text", ["ftp://es.example", "http://", "http://es.example:99999", "http://es.example:x"])
def test_a_host_that_can_not_be_read_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Connection(hosts=(text,)).endpoints()


def test_a_wrong_host_is_shown_without_its_password() -> None:
    with pytest.raises(UsageError) as caught:
        Connection(hosts=("https://user:secret@es.example:x",)).endpoints()
    assert "secret" not in str(caught.value)


def test_no_host_is_refused() -> None:
    with pytest.raises(UsageError):
        Connection().endpoints()


def cloud_id(decoded: str) -> str:
    return "name:" + base64.b64encode(decoded.encode()).decode()


def test_a_cloud_id_names_the_host() -> None:
    first = Connection(cloud_id=cloud_id("eu.example.io$abc$kib")).endpoints()
    assert first == (Endpoint("https", "abc.eu.example.io", 443),)
    assert Connection(cloud_id=cloud_id("eu.example.io:9243$abc$kib")).where == "https://abc.eu.example.io:9243"
    assert Connection(cloud_id=cloud_id("eu.example.io:9243$abc:9244$")).where == "https://abc.eu.example.io:9244"


@pytest.mark.parametrize("text", ["", "x:!!", cloud_id("no-dollar"), cloud_id("$abc")])
def test_a_cloud_id_that_can_not_be_read_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Connection(cloud_id=text).endpoints()


def test_credentials_become_a_header() -> None:
    basic = base64.b64encode(b"u:p:1").decode()
    assert Connection(username="u", password="p:1").authorization() == f"Basic {basic}"
    assert Connection(hosts=("http://u:p%3A1@es.example",)).authorization() == f"Basic {basic}"
    assert Connection(api_key="abc==").authorization() == "ApiKey abc=="
    assert Connection(api_key="id:key").authorization() == f"ApiKey {base64.b64encode(b'id:key').decode()}"
    assert Connection(bearer_token="t").authorization() == "Bearer t"
    assert Connection(hosts=("http://es.example",)).authorization() is None


def test_the_repr_shows_no_secret() -> None:
    connection = Connection(
        hosts=("https://u:hidden1@es.example",), api_key="hidden2", password="hidden3", bearer_token="hidden4"
    )
    assert "hidden" not in repr(connection)
    assert "https://es.example:9200" in repr(connection)
