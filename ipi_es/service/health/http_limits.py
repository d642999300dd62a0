"""Limits of the worker's HTTP server: many slow clients must neither stop it from answering nor fill the log.

A connection gets one answer and is closed. What takes too long is cut off; where too many are open, the oldest that has
not sent a whole request gives way, so a probe that asks at once is answered.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 64
"""Open at a time: some scrapers, probes and people; far below the usual limit of 1,024 file descriptors."""

LONGEST_CONNECTION = 10.0
"""Seconds from connecting to the end of the answer; a probe or a scrape takes milliseconds."""

MAX_HEADERS = 8_192
"""Bytes of a request's line and headers."""


def limited() -> type[H11Protocol]:
    """The protocol of one server, with its own count of connections."""
    opened: dict[Limited, None] = {}

    class Limited(H11Protocol):
        """One connection."""

        _end: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            """Take a connection, in place of the oldest one that still waits where there are too many."""
            super().connection_made(transport)
            if len(opened) >= MAX_CONNECTIONS:
                waiting = (each for each in opened if each.cycle is None)
                oldest = next(waiting, self)
                opened.pop(oldest, None)
                oldest.transport.abort()
                if oldest is self:
                    return
            opened[self] = None
            self._end = self.loop.call_later(LONGEST_CONNECTION, transport.abort)

        def connection_lost(self, exc: Exception | None) -> None:
            """Forget the connection."""
            opened.pop(self, None)
            if self._end is not None:
                self._end.cancel()
            super().connection_lost(exc)

    return Limited


def options() -> dict[str, Any]:
    """What uvicorn is configured with, besides the application."""
    return {
        "http": limited(),
        "h11_max_incomplete_event_size": MAX_HEADERS,
        "headers": [("connection", "close")],
        # it warns of every malformed request: whoever can connect could fill the log
        "log_level": "error",
    }
