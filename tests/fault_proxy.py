"""A small proxy before a real server that refuses, delays, cuts, loses or half-does what goes through it.

``script(number, method, path)`` says what happens to a request; None: it goes through.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from bulk_parts import ids

UPSTREAM_SECONDS = 60
NOT_FORWARDED = {"host", "connection", "keep-alive", "transfer-encoding", "content-length", "accept-encoding"}


Alter = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Fault:
    """What happens; ``status``: refused with it, ``kind`` the error's type."""

    status: int = 0
    kind: str = ""
    close: bool = False
    """The connection is closed before the request is passed on."""
    lost: bool = False
    """It is passed on, and the connection closed in place of an answer."""
    cut: bool = False
    """Half of the answer comes."""
    delay: float = 0.0
    """Seconds before it is passed on."""
    items: int = 0
    """Of a bulk every other item is refused with this status, the others are done."""
    alter: Alter | None = None
    """The answer, with status 200, becomes what this makes of (request, answer); None: it stays as it is."""
    drip: float = 0.0
    """Seconds between the bytes of the answer."""


Script = Callable[[int, str, str], Fault | None]


class FaultProxy:
    """Forwards to ``target``; ``script`` may be changed at any time. ``faults`` counts what it did."""

    def __init__(self, target: str, script: Script = lambda *_: None) -> None:
        self.target, self.script, self.requests, self.faults, self.altered = target, script, 0, 0, 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            self.requests += 1
            found = self.script(self.requests, method, path)
            self.faults += found is not None
            return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    proxy: FaultProxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be quiet: who is cut off complains."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = self.server.proxy.fault(self.command, self.path.partition("?")[0]) or Fault()
        if fault.delay:
            time.sleep(fault.delay)
        if fault.close:
            self.close_connection = True
        elif fault.status:
            error = {"type": fault.kind, "reason": "the fault proxy wants it"}
            self._answer(fault.status, [], json.dumps({"error": error, "status": fault.status}).encode())
        elif fault.items:
            self._half(body, fault.items)
        else:
            self._forward(body, fault)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815 - the names that the base class looks for

    def _forward(self, body: bytes, fault: Fault) -> None:
        status, headers, answer = self._ask(body)
        if fault.lost:
            self.close_connection = True
            return
        if fault.alter is not None and status < 300:
            altered = fault.alter(_parsed(body), json.loads(answer))
            if altered is not None:
                self.server.proxy.altered += 1
                answer = json.dumps(altered).encode()
        self._answer(status, headers, answer, cut=fault.cut, drip=fault.drip)

    def _half(self, body: bytes, status: int) -> None:
        items = _items(body)
        kept = items[1::2]
        answers: list[Any] = []
        if kept:
            _, headers, answer = self._ask(b"".join(kept))
            answers = json.loads(answer)["items"]
        refused = {"status": status, "error": {"type": "rejected_execution_exception", "reason": "half of it"}}
        done = iter(answers)
        mixed = [
            next(done) if place % 2 else {"index": {"_id": id, **refused}}
            for place, id in enumerate(ids(body))  # noqa: A001
        ]
        self._answer(200, headers if kept else [], json.dumps({"errors": True, "items": mixed}).encode())

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        parts = urlsplit(self.server.proxy.target)
        upstream = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=UPSTREAM_SECONDS)
        with contextlib.closing(upstream):
            headers = {key: value for key, value in self.headers.items() if key.lower() not in NOT_FORWARDED}
            upstream.request(self.command, self.path, body=body or None, headers=headers)
            response = upstream.getresponse()
            return response.status, list(response.headers.items()), response.read()

    def _answer(
        self, status: int, headers: list[tuple[str, str]], body: bytes, *, cut: bool = False, drip: float = 0.0
    ) -> None:
        self.send_response_only(status)
        said = {key.lower(): value for key, value in headers if key.lower() not in NOT_FORWARDED}
        # without the product's header the client refuses to go on, at an error too
        for key, value in {"content-type": "application/json", "x-elastic-product": "Elasticsearch", **said}.items():
            self.send_header(key, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if drip:
            for place in range(len(body)):
                self.wfile.write(body[place : place + 1])
                time.sleep(drip)
        elif self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keep the tests' output free of requests."""


def _parsed(body: bytes) -> Any:
    """A request's JSON; a bulk's body as it is."""
    try:
        return json.loads(body or b"null")
    except ValueError:
        return body


def _items(body: bytes) -> list[bytes]:
    """A bulk's actions, each with its document."""
    lines, items = body.splitlines(keepends=True), list[bytes]()
    while lines:
        action = lines.pop(0)
        items.append(action if b'"delete"' in action[:12] else action + lines.pop(0))
    return items
