"""The server of `ipi-es serve --model-dir`: a directory's snapshots, without any cluster."""

from __future__ import annotations

import gc
import logging
import sys
from typing import Self

from ipi_es.config.settings.serve_settings import ServeSettings
from ipi_es.http.connection_limits import ConnectionLimits
from ipi_es.http.listener import HttpListener
from ipi_es.serve.application import endpoint_application
from ipi_es.serve.endpoint.directory_scorers import DirectoryScorers

log = logging.getLogger(__name__)

LIMITS = ConnectionLimits(connections=512, longest=60.0, keep_alive=65, headers=16_384)
"""A request has 60 seconds, as in SageMaker. Its clients keep a connection for up to a minute."""

SWITCH_INTERVAL = 0.0005
"""Seconds after which a thread that scores a large request lets another one go on; by default ten times as long."""

PATHS = "/invocations, /endpoints/JOB/invocations, /ping, /execution-parameters, /healthz, /readyz, /metrics"


class EndpointServer:
    """A context manager that serves scorers at the address that the settings name."""

    def __init__(self, settings: ServeSettings, scorers: DirectoryScorers) -> None:
        """Bind to the address. Raises UsageError where that, or the certificate, can't be used."""
        app = endpoint_application(scorers, strict=settings.strict)
        self.listener = HttpListener(
            settings.listen, app, LIMITS, setting="serve.listen", paths=PATHS, tls=settings.tls
        )

    def __enter__(self) -> Self:
        # what is loaded stays: searching it for garbage would stop all requests for some 50 ms, several times a second
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(SWITCH_INTERVAL)
        self.listener.__enter__()
        if not self.listener.is_local:
            log.warning(
                "%s is reachable from other machines without a password: everybody who can connect may score pairs; "
                "let a firewall or a network policy limit who may",
                self.listener.url,
            )
        return self

    def __exit__(self, *error: object) -> None:
        self.listener.__exit__(*error)
