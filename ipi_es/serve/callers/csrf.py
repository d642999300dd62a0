"""Tokens that prove that a form was sent from a page of this server, to the browser that sends it.

A token belongs to the browser's cookie: that of its session, or a random one before there is a session. Another site
can send a form here, but knows no token; and a token of another browser isn't taken.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from ipi_es.errors import RequestInvalid

_SECRET_BYTES = 32


def foreign_form(message: str, hint: str) -> RequestInvalid:
    """Return the error for a form that no page of this server made for this browser."""
    return RequestInvalid(message, hint=hint, status=403, kind="security_exception")


class CsrfTokens:
    """Makes and checks tokens; they are valid while the server runs."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(_SECRET_BYTES)

    def token(self, cookie: str) -> str:
        """Return the token of a browser's cookie."""
        return hmac.new(self._secret, cookie.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def require(self, cookie: str | None, given: str) -> None:
        """Raise RequestInvalid (403) unless ``given`` is the token of the cookie."""
        own = "" if cookie is None else self.token(cookie)
        if not own or not hmac.compare_digest(own.encode(), given.encode("utf-8", "replace")):
            raise foreign_form(
                "this form is of an earlier session, or of another page: nothing was done",
                hint="go back, load the page again, and send it once more",
            )
