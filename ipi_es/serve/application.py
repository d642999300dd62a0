"""The server's application: the routes of its parts, behind common limits, headers and errors."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from ipi_es.errors import IpiEsError
from ipi_es.serve import request_metrics
from ipi_es.serve.problems import error_answer, problem
from ipi_es.serve.request_limits import RequestLimits
from ipi_es.serve.request_metrics import RequestMetrics
from ipi_es.serve.response_headers import ResponseHeaders
from ipi_es.serve.results_api import results_routes
from ipi_es.serve.services import Services


def application(services: Services) -> ASGIApp:
    """Return the application."""
    metrics = RequestMetrics()
    app = Starlette(
        routes=[*request_metrics.routes(services, metrics), *results_routes.routes(services)],
        exception_handlers={IpiEsError: _failed, HTTPException: _refused, Exception: _broken},
    )
    app.router.redirect_slashes = False
    return metrics.counting(ResponseHeaders(RequestLimits(app)))


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


def _broken(_: Request, __: Exception) -> Response:
    return problem(500, "exception", "a mistake in ipi-es; its log has the details")
