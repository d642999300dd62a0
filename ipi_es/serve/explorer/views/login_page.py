"""Sign in and out: the credentials are tried on the cluster, and kept in the memory of this server alone."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ipi_es.errors import AuthenticationFailed, IpiEsError, RequestInvalid, UsageError
from ipi_es.serve.callers.csrf import CsrfTokens
from ipi_es.serve.callers.sessions import cookie_of, is_secure, new_token, set_cookie
from ipi_es.serve.explorer.forms import error_page, form_of, require_same_origin
from ipi_es.serve.explorer.links import Links
from ipi_es.serve.explorer.rendering import bare_page
from ipi_es.serve.problems import status_of

if TYPE_CHECKING:
    from ipi_es.serve.services import Services

LONGEST = 8_192
"""Characters of a user name, a password or a key."""


class LoginPages:
    """The login's form, and what it sends."""

    def __init__(self, services: Services, csrf: CsrfTokens) -> None:
        self._services, self._csrf = services, csrf

    def form(self, request: Request) -> Response:
        """Return the form."""
        return self._page(request, request.query_params.get("then", ""))

    def sent(self, request: Request) -> Response:
        """Begin a session, and go on where the browser wanted to go; or return the form with what is wrong."""
        form, name = form_of(request), cookie_of(request)
        try:
            self._csrf.require(request.cookies.get(name), form.get("csrf", ""))
            require_same_origin(request)
            authorization = _authorization(form)
            try:
                self._services.callers.with_header(authorization, request)
            except AuthenticationFailed as error:
                raise AuthenticationFailed(
                    "the cluster refuses these credentials", hint="check the name and the password, or the key"
                ) from error
        except IpiEsError as error:
            return self._page(request, form.get("then", ""), error, form.get("user", ""))
        response = RedirectResponse(_local(form.get("then", ""), Links(request.scope.get("root_path", ""))), 303)
        self._services.sessions.end(request.cookies.get(name, ""))
        set_cookie(request, response, self._services.sessions.begin(authorization))
        return response

    def logout(self, request: Request) -> Response:
        """End the session."""
        name = cookie_of(request)
        cookie = request.cookies.get(name)
        try:
            self._csrf.require(cookie, form_of(request).get("csrf", ""))
        except IpiEsError as error:
            return error_page(request, error)
        self._services.sessions.end(cookie or "")
        response = RedirectResponse(Links(request.scope.get("root_path", "")).login(), 303)
        set_cookie(request, response, new_token())
        return response

    def _page(self, request: Request, then: str, error: IpiEsError | None = None, user: str = "") -> Response:
        name = cookie_of(request)
        cookie = request.cookies.get(name)
        known = cookie or new_token()
        links = Links(request.scope.get("root_path", ""))
        then = _local(then, links)
        response = bare_page(
            links,
            "login.html",
            status=200 if error is None else status_of(error),
            csrf=self._csrf.token(known),
            error=error,
            user=user,
            then=then,
            encrypted=is_secure(request) or (request.client is not None and _is_here(request.client.host)),
        )
        if isinstance(error, RequestInvalid):
            response.headers.update(error.headers)
        if cookie is None:
            set_cookie(request, response, known)
        return response


def _authorization(form: dict[str, str]) -> str:
    """Return the Authorization header of what was typed. Raises UsageError where something lacks."""
    user, password, key = (form.get(each, "") for each in ("user", "password", "key"))
    if any(len(each) > LONGEST for each in (user, password, key)):
        raise UsageError("that is too long", hint=f"at most {LONGEST:,} characters")
    if key.strip():
        if not (key.strip().isascii() and key.strip().isprintable()):
            raise UsageError("that is no API key", hint="copy its encoded form, one line")
        return f"ApiKey {key.strip()}"
    if not user or not password or ":" in user:
        raise UsageError("a user name and a password are needed, or an API key", hint="a user name has no colon")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def _local(then: str, links: Links) -> str:
    """Return a path of this server to go on with: another server's address leads to the jobs."""
    here = then.startswith("/") and not then.startswith(("//", "/\\")) and then.isprintable() and then.isascii()
    return then if here else links.jobs()


def _is_here(host: str) -> bool:
    return host in ("127.0.0.1", "::1")
