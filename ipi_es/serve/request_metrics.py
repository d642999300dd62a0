"""Counts and durations of answered requests, for Prometheus, and the paths for probes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import ipi_es

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histogram's buckets, seconds."""


class RequestMetrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        build = Gauge(
            "ipi_es_build_info", "Always 1; the label says which version.", ["version"], registry=self.registry
        )
        build.labels(ipi_es.__version__).set(1)
        self._answers = Counter("ipi_es_http_requests", "Answered requests.", ["status"], registry=self.registry)
        self._seconds = Histogram(
            "ipi_es_http_request_seconds", "From a request to its answer's end.", buckets=BOUNDS, registry=self.registry
        )
        self._at_work = Gauge("ipi_es_http_requests_at_work", "Requests being answered.", registry=self.registry)

    def counting(self, app: ASGIApp) -> ASGIApp:
        """Return the application with every request counted."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self._answers.labels(str(message["status"])).inc()
                await send(message)

            began = time.perf_counter()
            with self._at_work.track_inprogress():
                await app(scope, receive, noting)
            self._seconds.observe(time.perf_counter() - began)

        return counted


def routes(metrics: RequestMetrics, readiness: Callable[[], dict[str, Any]]) -> list[BaseRoute]:
    """Return `/healthz`, `/readyz` and `/metrics`, which need no credentials.

    ``readiness`` returns what `/readyz` says: ``ready``, and anything else.
    """

    async def healthz(_: Request) -> Response:
        """Respond that the process runs; /readyz says whether requests can be answered."""
        return PlainTextResponse("ok\n")

    def readyz(_: Request) -> Response:
        body = {**readiness(), "version": ipi_es.__version__}
        return JSONResponse(body, 200 if body["ready"] else 503)

    async def scrape(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(metrics.registry), headers={"content-type": content_type})

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", scrape)]
