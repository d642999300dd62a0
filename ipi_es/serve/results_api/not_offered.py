"""Paths of Elastic ML that change something: not offered over HTTP, and answered with the command that does it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ipi_es.errors import RequestInvalid
from ipi_es.serve.results_api.operations import JOB, OPERATIONS, ROOTS

_COMMANDS = {
    JOB: "ipi-es job create, or ipi-es job delete",
    f"{JOB}/_open": "ipi-es job resume",
    f"{JOB}/_close": "ipi-es job pause",
    f"{JOB}/_reset": "ipi-es job reset",
    f"{JOB}/_update": "an edit of the job's file",
    f"{JOB}/_flush": "ipi-es run --once",
    f"{JOB}/_data": "ipi-es backfill",
    f"{JOB}/model_snapshots/{{snapshot_id}}": "ipi-es snapshots",
    f"{JOB}/model_snapshots/{{snapshot_id}}/_revert": "ipi-es snapshots revert",
    f"{JOB}/model_snapshots/{{snapshot_id}}/_update": "ipi-es snapshots",
    "/datafeeds/{datafeed_id}": "ipi-es job create, or an edit of the job's file",
    "/datafeeds/{datafeed_id}/_start": "ipi-es job resume",
    "/datafeeds/{datafeed_id}/_stop": "ipi-es job pause",
    "/calendars/{calendar_id}": "ipi-es calendar",
    "/calendars/{calendar_id}/events": "ipi-es calendar add",
}
"""Path behind a root → what does it instead."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def refusals() -> list[BaseRoute]:
    """Return the routes that refuse, to come after those that answer."""
    return [_refusal(root, path, command) for path, command in _COMMANDS.items() for root in ROOTS]


def _refusal(root: str, path: str, command: str) -> Route:
    allowed = sorted({method for each in OPERATIONS if path in each.paths for method in each.methods})

    def refuse(request: Request) -> Response:
        raise RequestInvalid(
            f"{request.method} is not offered at [{request.url.path}]",
            hint=f"use {command}",
            status=405,
            headers={"allow": ", ".join(allowed)},
        )

    return Route(f"{root}{path}", refuse, methods=[each for each in METHODS if each not in allowed])
