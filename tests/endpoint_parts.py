"""Requests to an endpoint, and its predictions."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient
from starlette.types import ASGIApp


class Asked:
    """An answer of an application."""

    def __init__(self, app: ASGIApp, method: str, path: str, body: bytes | str = b"", **headers: str) -> None:
        """``headers`` have underscores for hyphens; a path may have a query."""
        client = TestClient(app, base_url="http://127.0.0.1:9275", raise_server_exceptions=False)
        given = {name.replace("_", "-"): text for name, text in headers.items()}
        self.answer = client.request(method, path, content=body, headers=given)
        self.status, self.headers, self.body = self.answer.status_code, self.answer.headers, self.answer.content

    def json(self) -> Any:
        return self.answer.json()

    @property
    def dots(self) -> list[float | None]:
        """The predictions' ``dot_product`` of a JSON answer."""
        assert self.status == 200, self.body
        return [one["dot_product"] for one in self.json()["predictions"]]


def invoke(
    app: ASGIApp, body: str | bytes, content_type: str = "text/csv", path: str = "/invocations", **headers: str
) -> Asked:
    return Asked(app, "POST", path, body, content_type=content_type, **headers)
