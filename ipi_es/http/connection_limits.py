"""Limits of an HTTP server's connections: many slow clients must neither stop it from answering nor fill the log.

A request that takes too long ends its connection; if too many connections are open, the oldest one that waits for its
client is closed, so a client that sends its request at once gets a response.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_HEADERS = 8_192
"""Bytes of a request's line and headers."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits of one server's connections."""

    connections: int
    """Connections open at a time."""
    longest: float
    """Seconds from the begin of a request (or of its connection) to the end of its response."""
    keep_alive: int | None = None
    """Seconds that a connection waits for its next request; None: it is closed after one response."""
    headers: int = MAX_HEADERS
    """Bytes of a request's line and headers."""

    def options(self) -> dict[str, Any]:
        """Return the options of uvicorn that set these limits."""
        return {
            "http": _limited(self),
            "h11_max_incomplete_event_size": self.headers,
            # uvicorn warns of every malformed request: any client could fill the log
            "log_level": "error",
            **({"headers": [("connection", "close")]} if self.keep_alive is None else {}),
            **({"timeout_keep_alive": self.keep_alive} if self.keep_alive is not None else {}),
        }


class Limited(H11Protocol):
    """One connection; a subclass for each server has its limits and its open connections."""

    limits: ClassVar[ConnectionLimits]
    opened: ClassVar[dict[Limited, None]]

    _end: asyncio.TimerHandle | None = None
    _undelivered = False
    """Whether the client had not received the last response when it was complete: its time goes on."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection; if there are too many, close the oldest one that waits for its client."""
        super().connection_made(transport)
        if len(self.opened) >= self.limits.connections:
            waiting = (each for each in self.opened if each.is_waiting())
            oldest = next(waiting, self)
            self.opened.pop(oldest, None)
            oldest.transport.abort()
            if oldest is self:
                return
        self.opened[self] = None
        self._limit()

    def data_received(self, data: bytes) -> None:
        """Read on; the first bytes of a further request begin its time."""
        if self._end is None or (self._undelivered and self._all_sent()):
            self._limit()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """End the time of this request, once the client has it; begin that of one that was sent with it."""
        super().on_response_complete()
        if self.limits.keep_alive is None:
            return
        self._undelivered = not self._all_sent()
        if not self._undelivered:
            self._unlimit()
            if not self._is_idle():
                self._limit()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.opened.pop(self, None)
        self._unlimit()
        super().connection_lost(exc)

    def is_waiting(self) -> bool:
        """Decide whether the connection waits for its client: for a request, the rest of its body, or to be read."""
        return self._is_idle() or self.cycle.more_body or self.flow.write_paused

    def _limit(self) -> None:
        self._unlimit()
        self._undelivered = False
        self._end = self.loop.call_later(self.limits.longest, self._expire)

    def _expire(self) -> None:
        self._end = None
        if not (self._undelivered and self._all_sent() and self._is_idle()):
            self.transport.abort()

    def _all_sent(self) -> bool:
        return self.transport.get_write_buffer_size() == 0

    def _is_idle(self) -> bool:
        """Decide whether no request was begun that isn't answered."""
        return self.cycle is None or self.cycle.response_complete

    def _unlimit(self) -> None:
        if self._end is not None:
            self._end.cancel()
        self._end = None


def _limited(limits: ConnectionLimits) -> type[Limited]:
    """Return the protocol class for one server, with its own count of connections."""
    return type("LimitedHere", (Limited,), {"limits": limits, "opened": {}})
