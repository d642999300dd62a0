"""The server's application: the routes of its parts, behind common limits, headers and errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from ipi_es.errors import ClusterError, IpiEsError, NotFound, UsageError
from ipi_es.serve import request_metrics
from ipi_es.serve.callers.connecting import failure_of
from ipi_es.serve.endpoint import routes as endpoint
from ipi_es.serve.endpoint.cluster_scorers import ClusterScorers
from ipi_es.serve.endpoint.directory_scorers import DirectoryScorers
from ipi_es.serve.explorer import explorer_routes
from ipi_es.serve.explorer.forms import error_page
from ipi_es.serve.problems import error_answer, problem
from ipi_es.serve.request_limits import MAX_BODY, RequestLimits
from ipi_es.serve.request_metrics import RequestMetrics
from ipi_es.serve.response_headers import ResponseHeaders
from ipi_es.serve.results_api import results_routes
from ipi_es.serve.services import Services

PRODUCT = {"x-elastic-product": "Elasticsearch"}
"""The header without which Elastic's clients take no answer; sent only where the settings say so."""


def application(services: Services) -> ASGIApp:
    """Return the application."""
    scorers = ClusterScorers(
        services.jobs, services.settings.snapshots.directory, lambda request: services.callers.of(request).cluster
    )

    def readiness() -> dict[str, Any]:
        try:
            services.callers.check()
        except UsageError as error:  # of this server's settings, in words of its own
            reasons = [{"reason": "open", "text": error.message}]
        except ClusterError as error:
            cause = error.__cause__
            failure = failure_of(cause if isinstance(cause, ClusterError) else error)
            reasons = [{"reason": failure.kind, "text": failure.text}]
        else:
            reasons = []
        old = len(scorers.troubles)  # no job is named to callers without credentials
        warnings = [f"the newest snapshots of {old:,} jobs are not in use; the log says why"] if old else []
        return {"ready": not reasons, "reasons": reasons, "jobs": len(services.jobs), "warnings": warnings}

    rooms = [
        *endpoint.routes(scorers, strict=services.settings.serve.strict),
        *results_routes.routes(services),
        *explorer_routes.routes(services),
    ]
    return _application(rooms, readiness, PRODUCT if services.product_header else {}, _refused_with_page)


def endpoint_application(scorers: DirectoryScorers, *, strict: bool) -> ASGIApp:
    """Return the application that serves a directory's snapshots alone. ``strict``: see :func:`endpoint.routes`."""

    def readiness() -> dict[str, Any]:
        return {"ready": True, "reasons": [], "snapshots": scorers.in_use, "warnings": scorers.troubles}

    return _application(endpoint.routes(scorers, strict=strict), readiness, {}, _refused)


def _application(
    rooms: list[BaseRoute],
    readiness: Callable[[], dict[str, Any]],
    further: Mapping[str, str],
    refused: Callable[[Request, Exception], Response],
) -> ASGIApp:
    metrics = RequestMetrics()
    app = Starlette(
        routes=[*request_metrics.routes(metrics, readiness), *rooms],
        exception_handlers={IpiEsError: _failed, HTTPException: refused, Exception: _broken},
    )
    app.router.redirect_slashes = False
    limited = RequestLimits(app, lambda path: endpoint.max_body(path) or MAX_BODY)
    return metrics.counting(ResponseHeaders(limited, further))


def _failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, IpiEsError)
    return error_answer(error)


def _refused(request: Request, error: Exception) -> Response:
    """Answer for a path or method that is not offered."""
    assert isinstance(error, HTTPException)
    path = request.url.path
    reasons = {404: f"there is nothing at [{path}]", 405: f"the method {request.method} is not offered at [{path}]"}
    reason = reasons.get(error.status_code, error.detail)
    return problem(error.status_code, "illegal_argument_exception", reason, dict(error.headers or {}))


def _refused_with_page(request: Request, error: Exception) -> Response:
    """Answer a browser with a page: a person mistyped an address."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404 and "text/html" in request.headers.get("accept", ""):
        return error_page(request, NotFound("there is nothing at this address", hint="begin at the list of jobs"))
    return _refused(request, error)


def _broken(_: Request, __: Exception) -> Response:
    return problem(500, "exception", "a mistake in ipi-es; its log has the details")
