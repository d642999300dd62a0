"""One TLS context for the first contact and for both clients, so that all three have the same trust."""

from __future__ import annotations

import hashlib
import logging
import re
import socket
import ssl
from collections.abc import Sequence
from typing import Any

import certifi
import urllib3

from ipi_es.cluster.answers.faults import connection_fault
from ipi_es.cluster.connection import Connection, Endpoint
from ipi_es.errors import TlsError, UsageError

_log = logging.getLogger(__name__)
_SHA256 = re.compile(r"[0-9a-f]{64}")


def tls_context(connection: Connection) -> ssl.SSLContext | None:
    """Return the context for the connection's https hosts; None when there are none.

    With ``ca_fingerprint`` the server's certificates are read once, and the one with that fingerprint becomes the only
    trusted one: it must be the server's own or have signed it. Host names aren't checked then, as with Elastic's
    clients. Raises TlsError (no such certificate, unreadable file), UsageError (not a fingerprint) or
    ClusterUnreachable.
    """
    secure = [endpoint for endpoint in connection.endpoints() if endpoint.scheme == "https"]
    if not secure:
        return None
    context = _trust(connection, secure)
    if connection.client_cert is not None:
        _present(context, connection)
    return context


def _present(context: ssl.SSLContext, connection: Connection) -> None:
    """Let the context present the client's own certificate. Raises TlsError where it can't be used."""

    def no_passphrase() -> str:
        raise TlsError(
            f"the key of {connection.client_cert} has a passphrase",
            hint="write the key without one to a file that only ipi-es may read, and name that in client_key",
        )

    try:
        context.load_cert_chain(str(connection.client_cert), connection.client_key, password=no_passphrase)
    except (OSError, ssl.SSLError) as error:
        where = f"{connection.client_cert}" + (f" with {connection.client_key}" if connection.client_key else "")
        raise TlsError(
            f"the client's certificate {where} can't be used: {error}",
            hint="set elasticsearch.client_cert to a PEM file with the certificate, and client_key to that of its key",
        ) from error


def _trust(connection: Connection, secure: Sequence[Endpoint]) -> ssl.SSLContext:
    if connection.ca_fingerprint:
        return _pinned(secure, connection.ca_fingerprint, connection.request_timeout)
    if not connection.verify_certs:
        _log.warning("elasticsearch.verify_certs is false: any host between here and %s can read it", connection.where)
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # warned once, not at each request
        return _unverified()
    try:
        context = ssl.create_default_context(cafile=connection.ca_certs)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(
            f"the CA file {connection.ca_certs} can't be read: {error}",
            hint="set elasticsearch.ca_certs to a readable PEM file with the CA's certificate",
        ) from error
    if connection.ca_certs is None:
        context.load_verify_locations(certifi.where())  # slim images carry no CA of their own
    return context


def speaks_tls(endpoint: Endpoint, timeout: float) -> bool:
    """Decide whether a TLS handshake succeeds there, with any certificate."""
    try:
        presented_certificates(endpoint, timeout)
    except OSError:
        return False
    return True


def presented_certificates(endpoint: Endpoint, timeout: float) -> list[bytes]:
    """Return the certificates that the server presents (DER), its own first; not verified. Raises OSError."""
    with (
        socket.create_connection((endpoint.host, endpoint.port), timeout) as raw,
        _unverified().wrap_socket(raw, server_hostname=endpoint.host) as secure,
    ):
        if hasattr(secure, "get_unverified_chain"):  # from Python 3.13 on
            return list(secure.get_unverified_chain())
        inner: Any = getattr(secure, "_sslobj", None)  # before that the method exists, but is private
        if hasattr(inner, "get_unverified_chain"):
            return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in inner.get_unverified_chain()]
        own = secure.getpeercert(binary_form=True)
        return [own] if own else []


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _pinned(endpoints: Sequence[Endpoint], fingerprint: str, timeout: float) -> ssl.SSLContext:
    wanted = fingerprint.replace(":", "").replace(" ", "").lower()
    if not _SHA256.fullmatch(wanted):
        raise UsageError(
            "ca_fingerprint is not a SHA-256 fingerprint",
            hint="write the 64 hexadecimal digits that `openssl x509 -fingerprint -sha256 -in ca.crt` prints",
        )
    failure: OSError | None = None
    for endpoint in endpoints:
        try:
            certificates = presented_certificates(endpoint, timeout)
        except OSError as error:
            failure = failure or error
            continue
        for certificate in certificates:
            if hashlib.sha256(certificate).hexdigest() == wanted:
                return _trusting_only(certificate)
        raise TlsError(
            f"none of the {len(certificates)} certificates that {endpoint.url} presents has the configured fingerprint",
            hint="compare elasticsearch.ca_fingerprint with `openssl x509 -fingerprint -sha256 -in ca.crt`;"
            " if the server doesn't present its CA, set ca_certs instead",
        )
    assert failure is not None
    raise connection_fault(failure, ", ".join(endpoint.url for endpoint in endpoints)) from failure


def _trusting_only(certificate: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the pinned one may be the server's own, or an intermediate
    context.load_verify_locations(cadata=certificate)
    return context
