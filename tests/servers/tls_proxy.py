"""A small reverse proxy that puts TLS and a password before a server that has neither."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import hmac
import http.client
import ipaddress
import json
import ssl
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

USERNAME = "elastic"
PASSWORD = "pass word/%:1"  # with characters that need care in headers and URLs
VALID_DAYS = 2
UPSTREAM_SECONDS = 60
NOT_FORWARDED = {"host", "connection", "keep-alive", "transfer-encoding", "authorization", "content-length"}


@dataclass(frozen=True)
class Certificates:
    """PEM files: a CA, the server's chain and key under it, and a CA that has nothing to do with them."""

    ca: Path
    chain: Path
    key: Path
    wrong_ca: Path
    ca_fingerprint: str


class _Authority:
    """A certificate authority that lives as long as the test."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        self.certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=VALID_DAYS))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )

    def issue(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """Make a server certificate for the loopback address."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        )
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ipi-es test server")])
        certificate = (
            self._builder(subject, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(names, critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate, key


def make_certificates(folder: Path) -> Certificates:
    """Write the files of a fresh CA, a server and an unrelated CA into ``folder``."""
    authority, stranger = _Authority("ipi-es test CA"), _Authority("somebody else's CA")
    certificate, key = authority.issue()
    pem = serialization.Encoding.PEM
    made = Certificates(
        ca=folder / "ca.pem",
        chain=folder / "server.pem",
        key=folder / "server.key",
        wrong_ca=folder / "wrong-ca.pem",
        ca_fingerprint=hashlib.sha256(authority.certificate.public_bytes(serialization.Encoding.DER)).hexdigest(),
    )
    made.ca.write_bytes(authority.certificate.public_bytes(pem))
    # the CA goes along, so that a client can recognise it by its fingerprint
    made.chain.write_bytes(certificate.public_bytes(pem) + authority.certificate.public_bytes(pem))
    made.key.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    made.wrong_ca.write_bytes(stranger.certificate.public_bytes(pem))
    return made


class TlsProxy:
    """``https://127.0.0.1:…`` with one user, before the server at ``target``."""

    username = USERNAME
    password = PASSWORD

    def __init__(self, target: str, certificates: Certificates) -> None:
        self.ca = certificates.ca
        self.wrong_ca = certificates.wrong_ca
        self.ca_fingerprint = certificates.ca_fingerprint
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.chain, certificates.key)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.context = context
        self._server.target = target
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

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
    target: str

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be quiet: a client that refuses the certificate or talks plain HTTP is what some tests want."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        # the handshake is done here, in the connection's own thread
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.request.close()

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
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
        expected = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
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
