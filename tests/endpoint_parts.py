"""Requests to an ASGI application without a server, and an endpoint's application for tests."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def dots(self) -> list[float | None]:
        """The predictions' ``dot_product`` of a JSON answer."""
        assert self.status == 200, self.body
        return [one["dot_product"] for one in self.json()["predictions"]]


def ask(app: ASGIApp, method: str, path: str, body: bytes | str = b"", **headers: str) -> Answer:
    """One request; underscores in the names of headers are hyphens. A path may have a query."""
    data = body.encode() if isinstance(body, str) else body
    plain, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": plain,
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").lower().encode(), text.encode()) for name, text in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": data, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    start = next(message for message in sent if message["type"] == "http.response.start")
    found = {name.decode().lower(): text.decode() for name, text in start["headers"]}
    whole = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    return Answer(start["status"], found, whole)
