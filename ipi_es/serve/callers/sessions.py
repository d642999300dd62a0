"""Sessions of browsers: the credentials of those who signed in, in the memory of this server alone."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from ipi_es.times import SECONDS

COOKIE = "ipi-es-session"
"""The cookie's name; over TLS with the prefix that binds it to this host."""

IDLE, LONGEST = SECONDS["h"], 12 * SECONDS["h"]
"""Seconds after which a session ends: without a request, and whatever happens. A night's shift is shorter."""

LIVE = "/live"
"""The end of paths that open pages ask for by themselves: that is no use of a session."""

MOST = 1_000
"""Sessions at a time; beyond that the one that was used longest ago ends."""

_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True, repr=False)
class _Session:
    """A session; times in epoch seconds. It has no text form: its credentials are in no log."""

    authorization: str
    begun: int
    used: int

    def ended(self, now: int) -> bool:
        return now - self.used >= IDLE or now - self.begun >= LONGEST


class Sessions:
    """The sessions of all browsers."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """``clock`` returns the present time, epoch seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, _Session] = {}  # in the order of their last use

    def begin(self, authorization: str) -> str:
        """Begin a session with the value of an Authorization header; return the cookie's value."""
        token, now = new_token(), self._clock()
        with self._lock:
            self._forget_ended(now)
            while len(self._open) >= MOST:
                del self._open[next(iter(self._open))]
            self._open[token] = _Session(authorization, now, now)
        return token

    def of(self, request: Request) -> str | None:
        """Return the Authorization header that the session of a request began with; None: it has none."""
        asks_by_itself = request.url.path.endswith(LIVE)
        return self.authorization(request.cookies.get(cookie_of(request), ""), in_use=not asks_by_itself)

    def authorization(self, token: str, *, in_use: bool = True) -> str | None:
        """Return the Authorization header's value of a session; None: there is none, or it ended.

        ``in_use``: its time without use begins anew.
        """
        now = self._clock()
        with self._lock:
            self._forget_ended(now)
            session = self._open.pop(token, None)
            if session is None:
                return None
            self._open[token] = replace(session, used=now) if in_use else session
            return session.authorization

    def end(self, token: str) -> None:
        """End a session."""
        with self._lock:
            self._open.pop(token, None)

    def _forget_ended(self, now: int) -> None:
        for each in [each for each, session in self._open.items() if session.ended(now)]:
            del self._open[each]

    def __contains__(self, token: str) -> bool:
        """Return whether a session has this cookie."""
        return token in self._open

    def __len__(self) -> int:
        """Return how many there are, those too that ended and weren't asked for since."""
        return len(self._open)


def new_token() -> str:
    """Return a random value for a cookie."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def is_secure(request: Request) -> bool:
    """Return whether the browser came by TLS."""
    return request.url.scheme == "https"


def cookie_of(request: Request) -> str:
    """Return the name of the cookie that the browser has here."""
    return f"__Host-{COOKIE}" if is_secure(request) else COOKIE


def set_cookie(request: Request, response: Response, value: str) -> None:
    """Set the browser's cookie: no script reads it, and no other site sends it."""
    response.set_cookie(
        cookie_of(request),
        value,
        max_age=LONGEST,
        secure=is_secure(request),
        httponly=True,
        samesite="strict",
        path="/",
    )
