"""Limits of requests, ahead of all handlers: the length of a body, and how many requests are at work at a time.

A body is received before a request counts as being at work, and it counts until its answer begins: a client that sends
or reads slowly occupies nothing. Handlers find the body in ``request.state.body``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ipi_es.serve.callers.sessions import cookie_of
from ipi_es.serve.callers.trusted_proxies import STATE
from ipi_es.serve.problems import problem

MAX_BODY = 1 << 20
"""Bytes of a request's body, where a path has no limit of its own."""

MAX_REQUESTS = 40
"""Requests at work at a time: as many as there are threads for handlers."""

MOST_OF_ONE = 30
"""Requests at work at a time under the same credentials: one caller must leave some to the others."""

SMALL_BODY = 64 << 10
"""Bytes up to which a body is taken even where others fill the memory: logins, answers and queries."""

PROBES = ("/healthz", "/metrics")
"""Paths that are answered however many requests are at work: an overloaded process must not be taken for a dead one."""

MAX_HELD = 512 << 20
"""Bytes of all bodies that are being received or worked on: many clients with large ones must not fill the memory."""


class RequestLimits:
    """ASGI middleware that receives bodies, and refuses requests that are too large or too many."""

    def __init__(
        self, app: ASGIApp, max_body: Callable[[str], int] = lambda _: MAX_BODY, *, max_held: int = MAX_HELD
    ) -> None:
        """``max_body`` returns the most bytes of a path's bodies; ``max_held``: of all bodies together."""
        self._app, self._max_body, self._max_held = app, max_body, max_held
        self._held = 0
        self._at_work = Counter[int | None]()  # by a hash of the credentials: they aren't kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = _Received()
        try:
            refusal = await self._receive(receive, received, self._max_body(scope["path"]))
            caller = _credentials(scope)
            if refusal is None and scope["path"] not in PROBES:
                refusal = self._too_many(caller)
            if refusal is None:
                await self._answer(scope, receive, send, received.whole(), caller)
            else:
                await refusal(scope, receive, send)
        finally:
            self._held -= received.length

    async def _receive(self, receive: Receive, received: _Received, most: int) -> Response | None:
        """Receive a body; return its refusal if it has more than ``most`` bytes, or all bodies have too many.

        A client that goes away sends no more.
        """
        close = {"connection": "close"}
        while True:
            message = await receive()
            part = message.get("body", b"")
            received.add(part)
            self._held += len(part)
            if received.length > most:
                return problem(413, "content_too_long_exception", f"the body has more than {most:,} bytes", close)
            if self._held > self._max_held and received.length > SMALL_BODY:
                reason = f"the bodies of all requests have more than {self._max_held:,} bytes; ask again"
                return problem(429, "es_rejected_execution_exception", reason, close)
            if not message.get("more_body", False):
                return None

    def _too_many(self, caller: int | None) -> Response | None:
        of_one = 0 if caller is None else self._at_work[caller]
        if self._at_work.total() < MAX_REQUESTS and of_one < MOST_OF_ONE:
            return None
        whose = " of yours" if of_one >= MOST_OF_ONE else ""
        reason = f"{MOST_OF_ONE if whose else MAX_REQUESTS} requests{whose} are at work; ask again"
        return problem(429, "es_rejected_execution_exception", reason)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, body: bytes, caller: int | None) -> None:
        scope.setdefault("state", {})["body"] = body
        at_work = Counter([caller])

        def end_work() -> None:
            self._at_work -= at_work
            at_work.clear()

        async def send_made(message: Message) -> None:
            end_work()  # the answer is made: what follows waits for the client alone
            await send(message)

        self._at_work += at_work  # an entry whose count is 0 again is gone
        try:
            await self._app(scope, _replayed(body, receive), send_made)
        finally:
            end_work()


def _credentials(scope: Scope) -> int | None:
    """Return a hash of what says who asks; None: nothing does."""
    request = Request(scope)
    given = scope.get("state", {}).get(STATE) or request.headers.get("authorization")
    given = given or request.cookies.get(cookie_of(request))
    return hash(given) if given else None


class _Received:
    """The parts of a body, and their length, which counts until the request is answered."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.length = 0

    def add(self, part: bytes) -> None:
        self._parts.append(part)
        self.length += len(part)

    def whole(self) -> bytes:
        """Return the body, and forget its parts."""
        parts, self._parts = self._parts, []
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
