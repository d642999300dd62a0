"""Limits of requests, ahead of all handlers: the length of a body, and how many requests are at work at a time.

A body is received before a request counts as being at work, so a client that sends slowly occupies nothing. Handlers
find the body in ``request.state.body``.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ipi_es.serve.problems import problem

MAX_BODY = 1 << 20
"""Bytes of a request's body, where a path has no limit of its own."""

MAX_REQUESTS = 40
"""Requests at work at a time: as many as there are threads for handlers."""


class RequestLimits:
    """ASGI middleware that receives bodies, and refuses requests that are too large or too many."""

    def __init__(self, app: ASGIApp, max_body: Callable[[str], int] = lambda _: MAX_BODY) -> None:
        """``max_body`` returns the most bytes of a path's bodies."""
        self._app, self._max_body, self._at_work = app, max_body, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._max_body(scope["path"])
        body = await _received(receive, most)
        if body is None:
            reason = f"the body has more than {most:,} bytes"
            await problem(413, "content_too_long_exception", reason, {"connection": "close"})(scope, receive, send)
            return
        if self._at_work >= MAX_REQUESTS:
            reason = f"{MAX_REQUESTS} requests are at work; ask again"
            await problem(429, "es_rejected_execution_exception", reason)(scope, receive, send)
            return
        scope.setdefault("state", {})["body"] = body
        self._at_work += 1
        try:
            await self._app(scope, _replayed(body, receive), send)
        finally:
            self._at_work -= 1


async def _received(receive: Receive, most: int) -> bytes | None:
    """Return a request's body; None if it has more than ``most`` bytes. A client that goes away sends no more."""
    parts, length = [], 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        length += len(part)
        if length > most:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives the received body, and then what else the client does."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
