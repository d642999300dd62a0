"""A small reverse proxy that puts TLS and a password before a server that has neither."""

from __future__ import annotations

import base64
import contextlib
import hmac
import http.client
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from servers.certificates import Certificates

USERNAME = "elastic"
PASSWORD = "pass word/%:1"  # with characters that need care in headers and URLs
UPSTREAM_SECONDS = 60
NOT_FORWARDED = {"host", "connection", "keep-alive", "transfer-encoding", "authorization", "content-length"}


class TlsProxy:
    """``https://127.0.0.1:…`` with one user, before the server at ``target``."""

    username = USERNAME
    password = PASSWORD

    def __init__(self, target: str, certificates: Certificates) -> None:
        self.ca = certificates.ca
        self.wrong_ca = certificates.wrong_ca
        self.ca_fingerprint = certificates.ca_fingerprint
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.password = PASSWORD
        self.rotate(certificates)
        self._server.target = target
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def rotate(self, certificates: Certificates) -> None:
        """Show another certificate from now on; connections that there are end, as at a server's restart."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.chain, certificates.key)
        self._server.context = context

    def change_password(self, password: str) -> None:
        """Take this password alone from now on."""
        self._server.password = password

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.server_port}"

    @property
    def port(self) -> int:
        return self._server.server_port

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client may keep its idle connection
    context: ssl.SSLContext
    password: str
    target: str

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be quiet: a client that refuses the certificate or talks plain HTTP is what some tests want."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        # the handshake is done here, in the connection's own thread
        self._context = self.server.context
        self.request = self._context.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.request.close()

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self._context is not self.server.context:
            self.close_connection = True
            return
        if not self._authenticated():
            self._refuse()
            return
        parts = urlsplit(self.server.target)
        upstream = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=UPSTREAM_SECONDS)
        try:
            headers = {key: value for key, value in self.headers.items() if key.lower() not in NOT_FORWARDED}
            upstream.request(self.command, self.path, body=body or None, headers=headers)
            response = upstream.getresponse()
            answer = response.read()
            self._answer(response.status, list(response.headers.items()), answer)
        finally:
            upstream.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _forward  # noqa: N815 - the names that the base class looks for

    def _authenticated(self) -> bool:
        expected = "Basic " + base64.b64encode(f"{USERNAME}:{self.server.password}".encode()).decode()
        return hmac.compare_digest(self.headers.get("authorization", ""), expected)

    def _refuse(self) -> None:
        cause = {"type": "security_exception", "reason": f"unable to authenticate for REST request [{self.path}]"}
        body = json.dumps({"error": {"root_cause": [cause], **cause}, "status": 401}).encode()
        headers = [("WWW-Authenticate", 'Basic realm="security" charset="UTF-8"'), ("Content-Type", "application/json")]
        # a client refuses to go on without the product's header, also at a 401
        self._answer(401, [*headers, ("X-Elastic-Product", "Elasticsearch")], body)

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for key, value in headers:
            if key.lower() not in NOT_FORWARDED:
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keep the tests' output free of requests."""
