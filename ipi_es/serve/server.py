"""The server: an address, the cluster under its callers' credentials, and the application."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self

from starlette.types import Receive, Scope, Send

from ipi_es.cluster.connect import CallerConnections
from ipi_es.cluster.connection import Connection
from ipi_es.config.job_config import Job
from ipi_es.config.settings.settings_file import Settings
from ipi_es.errors import ClusterError
from ipi_es.http.connection_limits import ConnectionLimits
from ipi_es.http.listener import HttpListener
from ipi_es.serve.application import application
from ipi_es.serve.callers.callers import Callers
from ipi_es.serve.callers.sessions import Sessions
from ipi_es.serve.callers.trusted_proxies import TrustedProxies
from ipi_es.serve.services import Services

log = logging.getLogger(__name__)

LIMITS = ConnectionLimits(connections=512, longest=60.0, keep_alive=30, headers=16_384)
"""A browser opens six connections. A request has a minute, of which a slow client may use nearly all."""

LONGEST_REQUEST, MAX_RETRIES = 30.0, 1
"""Seconds of one request to the cluster at most, and its further attempts: a person or a program waits."""

PATHS = "the explorer at /, the results API, /invocations, /endpoints/JOB/invocations, /healthz, /readyz, /metrics"


class Server:
    """A context manager that serves the jobs' results as the settings under ``serve`` say."""

    def __init__(
        self, settings: Settings, jobs: Sequence[Job], connection: Connection, clock: Callable[[], int]
    ) -> None:
        """Bind to the address. Raises UsageError where that, or the certificate, can't be used."""
        serve = settings.serve
        self._connections = CallerConnections(
            replace(
                connection,
                request_timeout=min(connection.request_timeout, LONGEST_REQUEST),
                max_retries=min(connection.max_retries, MAX_RETRIES),
            )
        )
        self.listener = HttpListener(
            serve.listen, self._answer, LIMITS, setting="serve.listen", paths=PATHS, tls=serve.tls
        )
        sessions = Sessions(clock)
        callers = Callers(
            self._connections.bind,
            clock,
            local=self.listener.is_local,
            anonymous=serve.anonymous,
            session=sessions.of,
            act_as=self._connections.act_as if serve.user_header else None,
        )
        self.services = Services(
            settings, {job.job_id: job for job in jobs}, callers, clock, sessions, product_header=serve.product_header
        )
        self._application = TrustedProxies(application(self.services), serve.trusted_proxies, serve.user_header)

    def __enter__(self) -> Self:
        """Serve. Raises UsageError where a cluster without security would be open to other machines."""
        try:
            self.services.callers.check()
        except ClusterError as error:
            log.warning("%s; the server starts, and asks again with each request", error.message)
        self.listener.__enter__()
        if not self.listener.is_local and self.services.settings.serve.tls is None:
            log.warning(
                "%s is reachable from other machines without TLS: passwords and results can be read on the way; set "
                "serve.tls_certificate and serve.tls_key, or put a proxy with TLS in front",
                self.listener.url,
            )
        return self

    def __exit__(self, *error: object) -> None:
        self.listener.__exit__(*error)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application(scope, receive, send)
