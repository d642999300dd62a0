"""The worker's HTTP endpoints `/healthz`, `/readyz` and `/metrics`, served in a thread beside the work.

They need no password and can't change anything. The server listens on ``worker.listen`` (or ``--listen``), by default
only on this machine.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any, Self

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

import ipi_es
from ipi_es.http.connection_limits import ConnectionLimits
from ipi_es.http.listener import HttpListener
from ipi_es.service.health.health import Fleet
from ipi_es.service.health.metrics import exposition, registry
from ipi_es.worker.clock import Clock

log = logging.getLogger(__name__)

MAX_CONNECTIONS, LONGEST = 64, 10.0
"""Connections open at a time, for some scrapers, probes and people, and their seconds: a scrape takes milliseconds."""

PATHS = "/healthz, /readyz, /metrics"

NOT_READY = 503  # HTTP status


def application(fleet: Fleet, clock: Clock) -> Starlette:
    """Return the application with the three paths."""
    metrics = registry(fleet, clock)

    def healthz(_: Request) -> Response:
        """Respond that the process runs; /readyz covers its jobs."""
        return PlainTextResponse("ok\n")

    def readyz(_: Request) -> Response:
        body = readiness(fleet, clock.now())
        return JSONResponse(body, status_code=200 if body["ready"] else NOT_READY)

    def scrape(request: Request) -> Response:
        body, content_type = exposition(metrics, request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    return Starlette(
        routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", scrape)],
    )


def readiness(fleet: Fleet, now: int) -> dict[str, Any]:
    """Return the body of /readyz: ``ready``, the ``reasons`` why not, and the number of ``jobs`` by activity."""
    reasons = fleet.reasons(now)
    return {
        "ready": not reasons,
        "reasons": [{"job_id": each.job_id, "reason": str(each.trouble), "text": each.text} for each in reasons],
        "jobs": dict(Counter(str(report.doing) for report in fleet.reports(now))),
        "version": ipi_es.__version__,
    }


class Listener(HttpListener):
    """A context manager that serves the three paths."""

    def __init__(self, listen: str, fleet: Fleet, clock: Clock, *, longest_connection: float = LONGEST) -> None:
        """Bind to ``listen``, a valid ``HOST:PORT``; a connection is cut off after ``longest_connection`` seconds.

        Raises UsageError if that address can't be used.
        """
        limits = ConnectionLimits(MAX_CONNECTIONS, longest_connection)
        super().__init__(listen, application(fleet, clock), limits, setting="worker.listen", paths=PATHS)

    def __enter__(self) -> Self:
        super().__enter__()
        if self.serves and not self.is_local:
            log.warning(
                "%s is reachable from other machines, without TLS and without a password: it shows job names, "
                "counts and errors; let a firewall or a network policy limit who may connect",
                self.url,
            )
        return self
