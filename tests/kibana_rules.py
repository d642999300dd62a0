"""A Kibana that knows rules and connectors, for the tests of alerts that are put there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class KibanaRules(ThreadingHTTPServer):
    """Rules and connectors, with the checks of Kibana that matter here."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.things: dict[str, Any] = {"/api/status": {}}
        self.spaces = {"soc", "audit"}
        self.status = 0
        self.name = "kbn-name"
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Answers(BaseHTTPRequestHandler):
    server: KibanaRules

    def do_GET(self) -> None:
        _, found, space = self.path.partition("/api/spaces/space/")
        self._say(200 if self.path in self.server.things or (found and space in self.server.spaces) else 404)

    def do_POST(self) -> None:
        there = {path.rpartition("/")[2] for path in self.server.things}  # ids are unique over all spaces
        self._say(409 if self.path.rpartition("/")[2] in there else self._take())

    def do_PUT(self) -> None:
        self._say(self._take() if self.path in self.server.things else 404)

    def _take(self) -> int:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/hook":
            return 200
        if self.headers["kbn-xsrf"] is None or (self.command == "PUT" and "consumer" in body):
            return 400
        self.server.things[self.path] = body
        return 200

    def _say(self, status: int) -> None:
        text = b'{"message": "said by Kibana"}'
        asked = self.path != "/api/status"
        self.send_response(self.server.status if asked and self.server.status else status)
        self.send_header(self.server.name, "here")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def kibana_rules() -> Iterator[KibanaRules]:
    """One that answers."""
    with KibanaRules() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
