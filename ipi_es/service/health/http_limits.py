"""Limits of the worker's HTTP server: many slow clients must neither stop it from answering nor fill the log.

A connection gets one response and is closed. A connection that takes too long is cut off; if too many are open, the
oldest one without a complete request is closed, so a probe that sends its request at once gets a response.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 64
"""Connections open at a time: some scrapers, probes and people; far below the usual limit of 1,024 descriptors."""

LONGEST_CONNECTION = 10.0
"""Seconds from connecting to the end of the response; a probe or a scrape takes milliseconds."""

MAX_HEADERS = 8_192
"""Bytes of a request's line and headers."""


def limited(longest: float = LONGEST_CONNECTION) -> type[H11Protocol]:
    """Return the protocol class for one server, with its own count of connections of at most ``longest`` seconds."""
    opened: dict[Limited, None] = {}

    class Limited(H11Protocol):
        """One connection."""

        _end: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            """Accept a connection; if there are too many, close the oldest one without a complete request."""
            super().connection_made(transport)
            if len(opened) >= MAX_CONNECTIONS:
                waiting = (each for each in opened if each.cycle is None)
                oldest = next(waiting, self)
                opened.pop(oldest, None)
                oldest.transport.abort()
                if oldest is self:
                    return
            opened[self] = None
            self._end = self.loop.call_later(longest, transport.abort)

        def connection_lost(self, exc: Exception | None) -> None:
            """Forget the connection."""
            opened.pop(self, None)
            if self._end is not None:
                self._end.cancel()
            super().connection_lost(exc)

    return Limited


def options(longest: float = LONGEST_CONNECTION) -> dict[str, Any]:
    """Return the options of uvicorn that set these limits; a connection lasts at most ``longest`` seconds."""
    return {
        "http": limited(longest),
        "h11_max_incomplete_event_size": MAX_HEADERS,
        "headers": [("connection", "close")],
        # uvicorn warns of every malformed request: any client could fill the log
        "log_level": "error",
    }
