"""The paths of the results API."""

from __future__ import annotations

from starlette.routing import BaseRoute

from ipi_es.serve.services import Services


def routes(services: Services) -> list[BaseRoute]:  # noqa: ARG001
    """Return the routes of the results API."""
    return []
