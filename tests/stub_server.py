"""A tiny HTTP server on the loopback address that answers by a script: for faults that no real server has on demand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Reply:
    """What is answered; ``cut`` closes the connection after half of the body, ``close`` before any answer."""

    status: int = 200
    body: Any = None
    content_type: str = "application/json"
    cut: bool = False
    close: bool = False
    a_byte_each: float = 0.0
    """Seconds between the bytes of the body."""
    wait: threading.Event | None = None


Script = Callable[[str, str, bytes], Reply]


class StubServer:
    """``script(method, path, body)`` decides each reply; requests are kept as (method, path without its query)."""

    def __init__(self, script: Script, *, product: str | None = "Elasticsearch") -> None:
        self.requests: list[tuple[str, str]] = []
        self._script = script
        self._product = product
        self._closed = False
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                stub.requests.append((self.command, self.path.partition("?")[0]))
                stub.reply(self, stub.reply_to(self.command, self.path, body))

            do_GET = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815 - the base class's names

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def reply_to(self, method: str, path: str, body: bytes) -> Reply:
        return self._script(method, path, body)

    def reply(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        if reply.wait is not None:
            reply.wait.wait(30)
        if reply.close or self._closed:
            handler.close_connection = True
            return
        data = reply.body.encode() if isinstance(reply.body, str) else json.dumps(reply.body).encode()
        handler.send_response(reply.status)
        handler.send_header("content-type", reply.content_type)
        handler.send_header("content-length", str(len(data)))
        if self._product:
            handler.send_header("x-elastic-product", self._product)
        handler.end_headers()
        if reply.a_byte_each:
            self._drip(handler, data, reply.a_byte_each)
            return
        handler.wfile.write(data[: len(data) // 2] if reply.cut else data)
        if reply.cut:
            handler.close_connection = True

    def _drip(self, handler: BaseHTTPRequestHandler, data: bytes, seconds: float) -> None:
        with suppress(OSError):
            for place in range(len(data)):
                if self._closed:
                    break
                handler.wfile.write(data[place : place + 1])
                time.sleep(seconds)
        handler.close_connection = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True  # connections that were kept open end too
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
