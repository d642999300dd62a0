"""Make responses of the explorer's templates. Everything comes from this server; its security policy allows no more."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment
from starlette.responses import HTMLResponse, Response

import ipi_es
from ipi_es.pages.environment import environment
from ipi_es.pages.lanes import LANE_HEIGHT
from ipi_es.pages.text import counted, rough_span, severity_range
from ipi_es.results.documents.visible import visible
from ipi_es.scoring.probability import Severity
from ipi_es.serve.explorer.links import Links
from ipi_es.serve.explorer.sign_ins import HEIGHTS
from ipi_es.serve.explorer.visit import SHOWN, Visit

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",  # pages hold names and addresses of people
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""Headers of every page."""

STATIC = {
    "explorer.css": "text/css; charset=utf-8",
    "explorer.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""Files that pages load, and their types."""

YEAR = "public, max-age=31536000, immutable"
"""The caching of these: their address has their version."""


@cache
def static_file(name: str) -> bytes:
    """Return a file that pages load; the style begins with that of all pages."""
    own = (files("ipi_es.serve.explorer") / "static" / name).read_bytes()
    shared = (files("ipi_es.pages") / "templates" / "page.css").read_bytes() if name == "explorer.css" else b""
    return shared + own


@cache
def version_of(name: str) -> str:
    """Return a digest of a file that pages load."""
    return hashlib.blake2b(static_file(name), digest_size=8).hexdigest()


def static_response(name: str) -> Response:
    """Return the response with a file of :data:`STATIC`."""
    headers = {**HEADERS, "cache-control": YEAR}
    return Response(static_file(name), media_type=STATIC[name], headers=headers)


def page(visit: Visit, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return the response with a page; ``values`` are the template's names."""
    given = {"visit": visit, "who": visible(visit.caller.name), "csrf": visit.csrf, **values}
    return bare_page(visit.links, template, status=status, **given)


def bare_page(links: Links, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return the response with a page for a caller who isn't known (yet)."""
    shared = {
        "links": links,
        "version": ipi_es.__version__,
        "style": links.static("explorer.css", version_of("explorer.css")),
        "script": links.static("explorer.js", version_of("explorer.js")),
        "icon": links.static("icon.svg", version_of("icon.svg")),
        "who": None,
        "refresh": None,
    }
    made = _environment().get_template(template).render(shared | values)
    return HTMLResponse(made, status_code=status, headers=HEADERS)


@cache
def _environment() -> Environment:
    made = environment("ipi_es.serve.explorer")
    made.globals |= {
        "shown": SHOWN,
        "counted": counted,
        "lane_height": LANE_HEIGHT,
        "rough_span": rough_span,
        "sign_in_heights": HEIGHTS,
        "severities": [(str(level), severity_range(level), int(level) + 1) for level in reversed(Severity)],
    }
    return made
