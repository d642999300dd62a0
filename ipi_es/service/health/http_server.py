"""The worker's HTTP endpoints `/healthz`, `/readyz` and `/metrics`, served in a thread beside the work.

They need no password and can't change anything. The server listens on ``worker.listen`` (or ``--listen``), by default
only on this machine.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

import ipi_es
from ipi_es.errors import UsageError
from ipi_es.service.health import http_limits
from ipi_es.service.health.health import Fleet
from ipi_es.service.health.metrics import exposition, registry
from ipi_es.worker.clock import Clock

log = logging.getLogger(__name__)

BACKLOG = 64
"""Connections that may wait: a scraper, two probes, and a person."""

LONGEST_START, LONGEST_STOP = 10.0, 3.0
"""Seconds to wait for the server to start, and for it to stop: the worker exits within 10 s."""

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


class Listener:
    """A context manager that serves the three paths. ``port`` is the actual port, also if 0 was requested."""

    def __init__(
        self,
        listen: str,
        fleet: Fleet,
        clock: Clock,
        *,
        longest_connection: float = http_limits.LONGEST_CONNECTION,
    ) -> None:
        """Bind to ``listen``, a valid ``HOST:PORT``; a connection is cut off after ``longest_connection`` seconds.

        Raises UsageError if that address can't be used.
        """
        host, _, port = listen.rpartition(":")
        self.host = host.strip("[]")
        self._socket = _bound(self.host, int(port))
        self.port = int(self._socket.getsockname()[1])
        config = uvicorn.Config(
            application(fleet, clock),
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            **http_limits.options(longest_connection),
        )
        self._server = uvicorn.Server(config)
        # a daemon thread: a client that reads slowly can't keep the process from exiting
        self._thread = threading.Thread(target=self._serve, name="ipi-es-http", daemon=True)

    @property
    def url(self) -> str:
        """The server's address, e.g. ``http://127.0.0.1:9274``."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def __enter__(self) -> Listener:
        self._thread.start()
        limit = time.monotonic() + LONGEST_START
        while not self._server.started and self._thread.is_alive() and time.monotonic() < limit:
            time.sleep(0.01)
        if self._server.started:
            log.info("listening on %s: /healthz, /readyz, /metrics", self.url)
            if not _is_loopback(str(self._socket.getsockname()[0])):
                log.warning(
                    "%s is reachable from other machines, without TLS and without a password: it shows job names, "
                    "counts and errors; let a firewall or a network policy limit who may connect",
                    self.url,
                )
        else:
            log.warning("%s does not answer after %.0f s; the work goes on without it", self.url, LONGEST_START)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(LONGEST_STOP)
        with suppress(OSError):
            self._socket.close()

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except Exception:  # the thread's last frame: the work continues without the server
            log.exception("%s is no longer served", self.url)


def _is_loopback(address: str) -> bool:
    """Decide whether only this machine can connect to an address."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _bound(host: str, port: int) -> socket.socket:
    """Return a listening socket, made in the caller's thread so that a port in use is reported before work begins.

    Raises UsageError if the address can't be used.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
            made.listen(BACKLOG)
        except OSError:
            made.close()
            raise
    except OSError as error:
        raise UsageError(
            f"can't listen on {host}:{port}: {error.strerror or error}",
            hint="give worker.listen (or --listen) an address of this machine and a port that nothing else uses",
        ) from error
    return made
