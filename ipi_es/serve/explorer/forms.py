"""Forms, cookies and errors of pages, for those who are signed in and for those who aren't yet."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ipi_es.errors import AuthenticationFailed, IpiEsError, RequestInvalid
from ipi_es.serve.callers.csrf import foreign_form
from ipi_es.serve.explorer.links import Links
from ipi_es.serve.explorer.rendering import bare_page
from ipi_es.serve.problems import status_of

RETRY_SECONDS = 10
"""Seconds after which a page of a cluster that doesn't answer is loaded again."""

MOST_FIELDS = 100
"""Fields of a form at most."""


def comes_from_elsewhere(request: Request) -> bool:
    """Return whether the browser follows a link of another site, such as a ticket: then it sends no strict cookie."""
    return request.headers.get("sec-fetch-site") == "cross-site"


def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form, the last of each name."""
    body: bytes = request.state.body
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        return {}


def require_same_origin(request: Request) -> None:
    """Raise RequestInvalid (403) where the browser says that another site sent the form."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise foreign_form("another site sent this form: nothing was done", hint="open the explorer, and answer there")


def error_page(request: Request, error: IpiEsError) -> Response:
    """Return the page, or the redirection to the login, for an error."""
    links = Links(request.scope.get("root_path", ""))
    if isinstance(error, AuthenticationFailed) and request.method == "GET":
        path = bytes(request.scope["raw_path"]).decode("latin-1")  # still quoted: names hold “?” and “ü”
        then = path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(links.login(then), status_code=303)
    status = status_of(error)
    waits = status in (503, 504)
    response = bare_page(
        links,
        "error.html",
        status=status,
        error=error,
        heading=_HEADINGS.get(status, "That can't be done"),
        refresh=RETRY_SECONDS if waits and request.method == "GET" else None,
    )
    if isinstance(error, RequestInvalid):
        response.headers.update(error.headers)
    if waits:
        response.headers["retry-after"] = str(RETRY_SECONDS)
    return response


_HEADINGS = {
    401: "You are not signed in",
    403: "You may not do that",
    404: "Nothing is there",
    429: "Too many attempts",
    503: "The cluster doesn't answer",
    504: "The cluster doesn't answer",
}
