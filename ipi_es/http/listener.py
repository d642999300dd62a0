"""An ASGI application, served at an address in a thread of its own."""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import uvicorn

from ipi_es.errors import UsageError
from ipi_es.http.connection_limits import ConnectionLimits

if TYPE_CHECKING:
    from starlette.types import ASGIApp

log = logging.getLogger(__name__)

BACKLOG = 64
"""Connections that may wait to be accepted."""

LONGEST_START, LONGEST_STOP = 10.0, 3.0
"""Seconds to wait for the server to start, and for it to stop: the process exits within 10 s."""


class HttpListener:
    """A context manager that serves an application. ``port`` is the actual port, also if 0 was requested."""

    def __init__(
        self,
        listen: str,
        application: ASGIApp,
        limits: ConnectionLimits,
        *,
        setting: str,
        paths: str,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        """Bind to ``listen``, a valid ``HOST:PORT``.

        ``setting`` names the setting with the address, ``paths`` what is served, both for messages; ``tls`` are the
        files of certificate and key. Raises UsageError if the address or the files can't be used.
        """
        host, _, port = listen.rpartition(":")
        self.host, self._tls, self._paths = host.strip("[]"), tls, paths
        if tls is not None:
            _check_certificate(*tls)
        self._socket = _bound(self.host, int(port), setting)
        self.port = int(self._socket.getsockname()[1])
        options: dict[str, Any] = {} if tls is None else {"ssl_certfile": str(tls[0]), "ssl_keyfile": str(tls[1])}
        config = uvicorn.Config(
            application,
            interface="asgi3",
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            **limits.options(),
            **options,
        )
        self._server = uvicorn.Server(config)
        # a daemon thread: a client that reads slowly can't keep the process from exiting
        self._thread = threading.Thread(target=self._serve, name="ipi-es-http", daemon=True)

    @property
    def url(self) -> str:
        """The server's address, e.g. ``http://127.0.0.1:9274``."""
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        return ipaddress.ip_address(str(self._socket.getsockname()[0]).partition("%")[0]).is_loopback

    @property
    def serves(self) -> bool:
        """Whether the server has started and has not ended."""
        return self._server.started and self._thread.is_alive()

    def __enter__(self) -> Self:
        self._thread.start()
        limit = time.monotonic() + LONGEST_START
        while not self._server.started and self._thread.is_alive() and time.monotonic() < limit:
            time.sleep(0.01)
        if self._server.started:
            log.info("listening on %s: %s", self.url, self._paths)
        else:
            log.warning("%s does not answer after %.0f s", self.url, LONGEST_START)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(LONGEST_STOP)
        with suppress(OSError):
            self._socket.close()

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except Exception:  # the thread's last frame: the process continues without the server
            log.exception("%s is no longer served", self.url)


def _check_certificate(certificate: Path, key: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"the certificate {certificate} with the key {key} can't be used: {error}",
            hint="name PEM files: the certificate with its chain, and its key without a passphrase",
        ) from error


def _bound(host: str, port: int, setting: str) -> socket.socket:
    """Return a listening socket, made in the caller's thread so that a port in use is reported before work begins.

    Raises UsageError if the address can't be used.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
            made.listen(BACKLOG)
        except OSError:
            made.close()
            raise
    except OSError as error:
        raise UsageError(
            f"can't listen on {host}:{port}: {error.strerror or error}",
            hint=f"give {setting} (or --listen) an address of this machine and a port that nothing else uses",
        ) from error
    return made
