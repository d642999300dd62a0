"""A deadline for a whole request, for both clients and the first contact.

A socket's time limit is for each read: an answer of a byte a second never exceeds it. Here the limit holds from the
moment a request is sent to the last byte of its answer.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

monotonic = time.monotonic


def _left(until: float) -> float:
    """Return the seconds until a time of :data:`monotonic`; raise TimeoutError if none are left."""
    left = until - monotonic()
    if left <= 0:
        raise TimeoutError("the request did not end in time")
    return left


class _Within(io.RawIOBase):
    """A socket's answer; each read gets the time that is left, and raises TimeoutError when none is."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        # from the socket itself, which stays open until this file is closed
        self._raw: Any = sock.makefile("rb", buffering=0)
        self._sock, self._until = sock, until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._sock.settimeout(_left(self._until))
        read: int | None = self._raw.readinto(buffer)
        return read

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def until(self, sock: socket.socket, deadline: float) -> None:
        """Read within the deadline; call it before anything is read."""
        self.fp.close()
        self.fp = io.BufferedReader(_Within(sock, deadline))


class _Limited:
    """A connection whose requests always end within its time limit; a mixin for urllib3's two kinds."""

    timeout: Any
    sock: Any
    response_class: Any
    _deadline: float | None = None

    def request(self, *args: Any, **how: Any) -> None:
        """Send a request; urllib3 has set ``timeout`` to its time limit, in seconds, before."""
        limit = self.timeout if isinstance(self.timeout, int | float) else None
        self._deadline = None if limit is None else monotonic() + limit
        self.response_class = self._answered
        super().request(*args, **how)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        """Send a part of the request, within the time that is left."""
        if self._deadline is not None and self.sock is not None:
            self.sock.settimeout(_left(self._deadline))
        super().send(data)  # type: ignore[misc]

    def _answered(self, sock: socket.socket, *args: Any, **how: Any) -> http.client.HTTPResponse:
        """Return the response object that http.client reads an answer from."""
        response = _Response(sock, *args, **how)
        if self._deadline is not None:
            response.until(sock, self._deadline)
        return response


class LimitedConnection(_Limited, HTTPConnection):
    """A plain HTTP connection with a deadline for each request."""


class LimitedSecureConnection(_Limited, HTTPSConnection):
    """A TLS connection with a deadline for each request."""


def limited(pool: Any) -> Any:
    """Make each request of a urllib3 connection pool end within its time limit; return the pool."""
    secure = isinstance(pool, urllib3.HTTPSConnectionPool)
    pool.ConnectionCls = LimitedSecureConnection if secure else LimitedConnection
    return pool


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = LimitedConnection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = LimitedSecureConnection


def limited_manager(**how: Any) -> urllib3.PoolManager:
    """Return a urllib3 pool manager whose requests end within their time limits."""
    manager = urllib3.PoolManager(**how)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager
