"""A console that knows the import of saved objects, as its documentation says; for what no console here can show."""

from __future__ import annotations

import json
import ssl
import threading
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

KNOWN = {
    "kibana": {"index-pattern", "search", "visualization", "lens", "dashboard"},
    "opensearch-dashboards": {"index-pattern", "search", "visualization", "dashboard"},
}
PARAMETERS = {
    "kibana": {"overwrite", "createNewCopies", "compatibilityMode"},
    "opensearch-dashboards": {"overwrite", "createNewCopies", "dataSourceId", "dataSourceEnabled"},
}
"""Of an import's URL; others are refused."""
XSRF = {"kibana": "kbn-xsrf", "opensearch-dashboards": "osd-xsrf"}
NAME = {"kibana": "kbn-name", "opensearch-dashboards": "osd-name"}


class ConsoleStub:
    """Keeps what is imported in ``saved`` by (space or tenant, type, id); ``broken`` ids are refused."""

    def __init__(
        self,
        kind: str,
        version: str,
        *,
        base: str = "",
        authorization: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.kind, self.version, self.base, self.authorization = kind, version, base, authorization
        self.saved: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.asked: dict[str, str] = {}
        self.broken: dict[str, dict[str, Any]] = {}
        self.whole: tuple[int, Any] | None = None
        self.spaces = {"default", "soc", "audit"}
        self.tenants: dict[str, bool] | None = {"global_tenant": True, "admin": True, "soc": True}
        """Of the user, as the plugin Security lists them; None without that plugin."""
        self.refuses: tuple[int, Any] | None = None
        """What every import is answered with."""
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._reply(*stub.get(self))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self._reply(*stub.post(self, body))

            def _reply(self, status: int, body: Any) -> None:
                data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                if stub.kind in NAME:
                    self.send_header(NAME[stub.kind], "some-host")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}{self.base}"

    def get(self, request: BaseHTTPRequestHandler) -> tuple[int, Any]:
        if self.whole is not None:
            return self.whole
        if self.authorization not in (None, request.headers.get("authorization")):
            return 401, {"statusCode": 401, "error": "Unauthorized", "message": "Unauthorized"}
        space = request.path.removeprefix(f"{self.base}/api/spaces/space/")
        if self.kind == "kibana" and space in self.spaces:
            return 200, {"id": space, "name": space}
        if request.path == f"{self.base}/api/v1/configuration/account" and self.tenants is not None:
            return 200, {"data": {"user_name": "admin", "tenants": self.tenants}}
        if request.path != f"{self.base}/api/status":
            return 404, {"statusCode": 404, "error": "Not Found", "message": "Not Found"}
        return 200, {"name": "some-host", "version": {"number": self.version}}

    def post(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        parts = urlsplit(request.path)
        place, _, rest = parts.path.removeprefix(self.base).partition("/api/")
        assert rest == "saved_objects/_import"
        if XSRF[self.kind] not in request.headers:
            return 400, {"statusCode": 400, "error": "Bad Request", "message": f"needs {XSRF[self.kind]}"}
        if self.whole is not None or self.refuses is not None:
            return self.whole or self.refuses  # type: ignore[return-value]
        form = BytesParser().parsebytes(f"content-type: {request.headers['content-type']}\r\n\r\n".encode() + body)
        (file,) = form.get_payload()  # type: ignore[misc]
        assert file.get_filename().endswith(".ndjson")  # the consoles refuse any other name
        objects = [json.loads(line) for line in file.get_payload(decode=True).decode().splitlines()]
        where = place.removeprefix("/s/") or request.headers.get("securitytenant", "")
        asked = dict(parse_qsl(parts.query))
        if unknown := asked.keys() - PARAMETERS[self.kind]:
            return 400, {
                "statusCode": 400,
                "error": "Bad Request",
                "message": f"[request query]: {unknown} not expected",
            }
        self.asked = asked
        return 200, self._take(where, objects, overwrite=asked.get("overwrite") == "true")

    def _take(self, where: str, objects: list[dict[str, Any]], *, overwrite: bool) -> dict[str, Any]:
        errors, done = [], []
        for each in objects:
            kind, id_ = each["type"], each["id"]
            there = {place for place, its, own in self.saved if (its, own) == (kind, id_)}
            known = where in there
            elsewhere = self.kind == "kibana" and bool(there - {where}) and not known
            wrong = self.broken.get(id_)
            if kind not in KNOWN[self.kind]:
                wrong = {"type": "unsupported_type"}
            elif wrong is None and known and not overwrite:
                wrong = {"type": "conflict"}
            if wrong is not None:
                errors.append({"id": id_, "type": kind, "title": "", "meta": {}, "error": wrong})
                continue
            self.saved[where, kind, id_] = each
            told: dict[str, Any] = {"overwrite": True} if known else {}
            told |= {"destinationId": f"random-{id_}"} if elsewhere else {}
            done.append({"id": id_, "type": kind, "meta": {}} | told)
        answer: dict[str, Any] = {"success": not errors, "successCount": len(done), "warnings": []}
        return answer | ({"successResults": done} if done else {}) | ({"errors": errors} if errors else {})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
