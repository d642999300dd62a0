"""The routes of the results API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ipi_es.errors import PermissionDenied, UsageError
from ipi_es.serve.callers.caller import Caller
from ipi_es.serve.reading_rights import require_reading
from ipi_es.serve.results_api import job_answers, result_answers
from ipi_es.serve.results_api.arguments import Arguments, read_arguments
from ipi_es.serve.results_api.filter_path import filtered
from ipi_es.serve.results_api.media_types import answer_type
from ipi_es.serve.results_api.not_offered import refusals
from ipi_es.serve.results_api.openapi import document
from ipi_es.serve.results_api.operations import OPERATIONS, ROOTS, Operation
from ipi_es.serve.services import Services

Answering: TypeAlias = Callable[[Services, Caller, Mapping[str, str], Arguments], dict[str, Any]]

ANSWERS: Mapping[str, Answering] = {
    "get_records": result_answers.get_records,
    "get_influencers": result_answers.get_influencers,
    "get_buckets": result_answers.get_buckets,
    "get_overall_buckets": result_answers.get_overall_buckets,
    "get_jobs": job_answers.get_jobs,
    "get_job_stats": job_answers.get_job_stats,
    "get_model_snapshots": job_answers.get_model_snapshots,
    "get_calendars": job_answers.get_calendars,
    "get_calendar_events": job_answers.get_calendar_events,
}
"""Operation → what answers it."""


def routes(services: Services) -> list[BaseRoute]:
    """Return the routes of the results API and of its description."""
    answering = [
        Route(f"{root}{path}", _handler(services, operation), methods=list(operation.methods))
        for operation in OPERATIONS
        for path in operation.paths
        for root in ROOTS
    ]
    answering.sort(key=lambda route: "_stats" not in route.path)  # first, since `_stats` is no job's id
    return [*answering, *refusals(), Route("/openapi.json", _describe)]


def _handler(services: Services, operation: Operation) -> Callable[[Request], Response]:
    answer = ANSWERS[operation.name]

    def handle(request: Request) -> Response:
        content_type = answer_type(request)
        caller = services.callers.of(request)
        arguments = read_arguments(request, operation.parameters, dict(request.path_params), services.clock())
        try:
            made: Any = answer(services, caller, request.path_params, arguments)
        except (PermissionDenied, UsageError):
            require_reading(caller.cluster)  # who may read nothing gets the same answer for every name of a job
            raise
        if arguments["human"]:
            made = result_answers.with_human_times(made)
        if arguments["filter_path"]:
            made = filtered(made, arguments["filter_path"])
        body = orjson.dumps(made, option=orjson.OPT_INDENT_2 if arguments["pretty"] else 0)
        return Response(body, headers={"content-type": content_type})

    return handle


async def _describe(_: Request) -> Response:
    return Response(orjson.dumps(document()), media_type="application/json")
