"""Proxies in front of the server that sign people in, end TLS, and say who asks in a header.

A header that says who asks counts only where the connection comes from a trusted proxy; from anywhere else it is
removed, so that nobody can name somebody else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

STATE = "proxy_user"
"""Where handlers find the name that a trusted proxy gave: ``request.state.proxy_user``."""

LONGEST = 256
"""Characters of a user's name in a header."""


class TrustedProxies:
    """An ASGI application around another, which takes the headers of trusted proxies.

    ``user_header`` becomes the request's user, ``X-Forwarded-Proto`` and ``X-Forwarded-For`` its scheme and client.
    """

    def __init__(self, app: ASGIApp, networks: Sequence[str], user_header: str | None) -> None:
        """``networks``: CIDRs or addresses of the proxies; without one nothing is taken from anybody."""
        self._networks = [ipaddress.ip_network(each, strict=False) for each in networks]
        self._header = None if user_header is None else user_header.lower().encode("ascii")
        self._plain = app
        self._forwarded = ProxyHeadersMiddleware(app, trusted_hosts=[str(each) for each in self._networks])  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        proxy = self._trusted(scope)
        if proxy is None:
            await self._plain(scope, receive, send)
            return
        scope = {**scope, "client": (proxy, scope["client"][1])}
        if self._header is not None:
            given = [value.decode("latin-1") for name, value in scope["headers"] if name == self._header]
            # two headers: the proxy added its own behind one of the client
            scope.setdefault("state", {})[STATE] = given[0] if len(given) == 1 else ("" if given else None)
        await self._forwarded(scope, receive, send)  # type: ignore[arg-type]

    def _trusted(self, scope: Scope) -> str | None:
        """Return the address of the trusted proxy that sends the request; None: it comes from elsewhere."""
        if scope["type"] != "http" or not self._networks or not scope.get("client"):
            return None
        try:
            client = ipaddress.ip_address(scope["client"][0].partition("%")[0])
        except ValueError:
            return None
        address = getattr(client, "ipv4_mapped", None) or client
        return str(address) if any(address in network for network in self._networks) else None


def is_user_name(text: str) -> bool:
    """Return whether a user's name can be passed to the cluster in a header."""
    return bool(text.strip()) and len(text) <= LONGEST and text.isascii() and text.isprintable()
