"""Headers of proxies in front of the server: they count on a connection from a trusted one, and only there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from ipi_es.cluster.connection import Connection
from ipi_es.config.files.loading import with_serve_options
from ipi_es.config.settings.settings_file import Settings
from ipi_es.errors import ConfigError
from ipi_es.serve.callers.trusted_proxies import TrustedProxies

HEADER = "X-Forwarded-User"
NAMED = [(b"x-forwarded-user", b"ann"), (b"x-forwarded-proto", b"https"), (b"x-forwarded-for", b"198.51.100.9")]


def seen(client: str | None, headers: list[tuple[bytes, bytes]], proxies: tuple[str, ...] = ("192.0.2.0/24",)) -> Any:
    """(user, scheme, client) as a handler sees them."""
    found: list[Any] = []

    async def handle(scope: Scope, _: Receive, __: Send) -> None:
        request = Request(scope)
        place = None if request.client is None else request.client.host
        found.append((getattr(request.state, "proxy_user", None), request.url.scheme, place))

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(_: Message) -> None: ...

    scope = {
        "type": "http", "method": "GET", "path": "/", "scheme": "http", "query_string": b"", "headers": headers,
        "server": ("127.0.0.1", 9275), "client": None if client is None else (client, 1234),
    }  # fmt: skip
    asyncio.run(TrustedProxies(handle, proxies, HEADER)(scope, receive, send))
    return found[0]


@pytest.mark.parametrize("client", ["192.0.2.7", "::ffff:192.0.2.7"])
def test_a_trusted_proxy_says_who_asks_and_by_which_scheme(client: str) -> None:
    assert seen(client, NAMED)[:2] == ("ann", "https")


def test_the_client_is_the_one_behind_the_proxy() -> None:
    assert seen("192.0.2.7", NAMED)[2] == "198.51.100.9"


@pytest.mark.parametrize("client", ["198.51.100.9", "::1", "testclient", None])
def test_nobody_else_says_it(client: str | None) -> None:
    assert seen(client, NAMED) == (None, "http", client)


def test_without_proxies_nobody_says_it() -> None:
    assert seen("192.0.2.7", NAMED, proxies=()) == (None, "http", "192.0.2.7")


def test_a_name_beside_one_of_the_client_is_no_name() -> None:
    assert seen("192.0.2.7", [*NAMED, (b"x-forwarded-user", b"admin")])[0] == ""
    assert seen("192.0.2.7", [])[0] is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"user_header": HEADER}, "needs trusted_proxies"),
        ({"user_header": "Authorization", "trusted_proxies": ["192.0.2.7"]}, "a header's name of its own"),
        ({"user_header": HEADER, "trusted_proxies": ["proxy.example.org"]}, "an address or a network"),
    ],
)
def test_settings_that_would_trust_everybody_or_nobody_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        with_serve_options(Settings(), given)


def test_the_header_of_the_clusters_distribution_goes_with_the_servers_own_credentials() -> None:
    own = Connection(hosts=("http://localhost:9200",), api_key="a:b", read_again=lambda: Connection(api_key="c:d"))
    acting = own.acting_as("es-security-runas-user", "ann")
    assert acting.headers() == {**own.headers(), "es-security-runas-user": "ann"}
    assert acting.read_again is not None
    assert acting.read_again().headers()["es-security-runas-user"] == "ann"
    assert "es-security-runas-user" not in own.under("Basic eA==").headers()
