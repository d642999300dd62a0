"""Renewal of credentials and certificate authorities while a connection is in use.

Files are replaced when a key expires or an authority changes. A worker that runs for months must not need a restart for
that. Where the cluster refuses the credentials, or presents a certificate that is not trusted, the configuration is
read again, and the request is sent once more if the configuration has changed.
"""

from __future__ import annotations

import hashlib
import logging
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from ipi_es.cluster.connection import Connection
from ipi_es.cluster.transport.authorizing import credentials_mark
from ipi_es.cluster.transport.tls import tls_context
from ipi_es.errors import AuthenticationFailed, IpiEsError, TlsError

Client = TypeVar("Client")
Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)


class _InUse(NamedTuple, Generic[Client]):
    """A client and the connection that it was built from; ``marks`` is a digest of credentials and authorities."""

    client: Client
    connection: Connection
    marks: str


class RenewedClient(Generic[Client]):
    """The client of one cluster, replaced when the configuration has other credentials. Any thread may use it."""

    def __init__(
        self,
        connection: Connection,
        context: ssl.SSLContext | None,
        make: Callable[[Connection, ssl.SSLContext | None], Client],
    ) -> None:
        """Build the first client by ``make``."""
        self._make, self._lock = make, threading.Lock()
        self._in_use = _InUse(make(connection, context), connection, _marks(connection))

    @property
    def client(self) -> Client:
        """The client in use."""
        return self._in_use.client

    def send(self, request: Callable[[Client], Answer]) -> Answer:
        """Return the result of ``request`` for the client in use.

        Raises AuthenticationFailed or TlsError where the configuration has no other credentials or authorities.
        """
        refused = self._in_use
        try:
            return request(refused.client)
        except (AuthenticationFailed, TlsError):
            found = self._renewed(refused)
            if found is None:
                raise
        return request(found.client)

    def _renewed(self, refused: _InUse[Client]) -> _InUse[Client] | None:
        """Return the client to use instead; None where the configuration is the same, or can't be read."""
        with self._lock:
            if refused is not self._in_use:
                return self._in_use  # another thread has replaced it
            wanted = self._read(refused.connection)
            if wanted is None or (marks := _marks(wanted)) == refused.marks:
                return None
            made = self._make(wanted, tls_context(wanted))
            _log.info("the credentials or certificate authorities of %s have changed and were read again", wanted.where)
            # the old client isn't closed: other threads may be using it
            self._in_use = _InUse(made, wanted, marks)
            return self._in_use

    def _read(self, before: Connection) -> Connection | None:
        """Return the connection with the credentials and authorities that the configuration has now.

        Hosts and limits stay. None where the configuration can't be read again.
        """
        if before.read_again is None:
            return None
        try:
            found = before.read_again()
        except IpiEsError as error:
            _log.warning("the configuration can't be read again: %s", error.message)
            return None
        return replace(
            before,
            api_key=found.api_key,
            username=found.username,
            password=found.password,
            bearer_token=found.bearer_token,
            aws_sigv4=found.aws_sigv4,
            ca_certs=found.ca_certs,
            ca_fingerprint=found.ca_fingerprint,
            client_cert=found.client_cert,
            client_key=found.client_key,
        )


def _marks(connection: Connection) -> str:
    """Return a digest of all that a renewal may change: the values, and the content of the files of certificates."""
    files = [_content(path) for path in (connection.ca_certs, connection.client_cert, connection.client_key)]
    values = repr((credentials_mark(connection), connection.ca_fingerprint, files))
    return hashlib.blake2b(values.encode(), digest_size=16).hexdigest()


def _content(path: Path | None) -> bytes:
    if path is not None:
        with suppress(OSError):  # a missing file counts as empty; tls_context raises the error for it
            return Path(path).read_bytes()
    return b""
