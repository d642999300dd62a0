"""The paths of a SageMaker container, and `/endpoints/{name}/invocations` of its runtime API, as boto3 asks for it."""

from __future__ import annotations

import io
import os
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ipi_es.errors import (
    AuthenticationFailed,
    ClusterError,
    DataError,
    EndpointUnknown,
    IpiEsError,
    PermissionDenied,
    SnapshotError,
    UsageError,
)
from ipi_es.serve.endpoint.negotiation import accepted, content_type
from ipi_es.worker.pairs.score_rows import Row
from ipi_es.worker.pairs.score_sagemaker import Answer, MediaType, request_rows

if TYPE_CHECKING:
    from ipi_es.worker.pairs.pair_scorer import PairScorer

MAX_BODY = 25 << 20
"""Bytes of a request: what SageMaker's real-time endpoints take."""

TRANSFORM_MIB = 6
"""MiB that a batch transform is advised to put into one request, as SageMaker does by default."""

SMALL_BODY = 512
"""Bytes up to which a request, of a few pairs, is answered in the server's own thread, in a millisecond or two: beside
threads that score large requests, another thread would wait for its turn several times."""

BLOCK_ROWS = 4_096
"""Rows of a large request that are scored together; other requests get their turn in between."""

MOST_NAMED = 10
"""Malformed rows that a refusal names."""

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
SNAPSHOT = "X-Ipi-Es-Snapshot"
STATUSES: tuple[tuple[type[IpiEsError], int], ...] = (
    (EndpointUnknown, 404),
    (DataError, 400),
    (AuthenticationFailed, 401),
    (PermissionDenied, 403),
    (SnapshotError, 503),
    (ClusterError, 503),
)
"""HTTP status of an error, by the first class that it is of; 500 for any other."""


_RUNTIME = {
    401: (401, "AccessDeniedException"),
    403: (403, "AccessDeniedException"),
    404: (400, "ValidationError"),
    503: (503, "ServiceUnavailable"),
}
"""Status of a refusal → status and error of the runtime API; it gives any other as ModelError."""


class Scorers(Protocol):
    """Where the scorers of requests come from."""

    @property
    def waits(self) -> bool:
        """Whether :meth:`scorer` may wait, for the cluster or for a first load."""

    def scorer(self, name: str | None, request: Request) -> PairScorer:
        """Return the scorer of a job, None: of the only one. Raises EndpointUnknown if there is no such job."""


def routes(scorers: Scorers, *, strict: bool = False) -> list[BaseRoute]:
    """Return the endpoint's routes. ``strict``: a request with a malformed row is refused, as with ``?strict=1``."""
    endpoint = Endpoint(scorers, strict=strict)
    return [
        Route("/ping", endpoint.ping, methods=["GET"]),
        Route("/execution-parameters", execution_parameters, methods=["GET"]),
        Route("/invocations", endpoint.invocations, methods=["POST"]),
        Route("/endpoints/{name}/invocations", endpoint.runtime_invocations, methods=["POST"]),
    ]


def execution_parameters(_: Request) -> Response:
    """Respond with what a batch transform asks for before it begins."""
    found = {"MaxConcurrentTransforms": os.cpu_count() or 1, "BatchStrategy": "MULTI_RECORD"}
    return JSONResponse({**found, "MaxPayloadInMB": TRANSFORM_MIB})


class Endpoint:
    """Answers requests for predictions."""

    def __init__(self, scorers: Scorers, *, strict: bool) -> None:
        self._scorers, self._strict = scorers, strict

    def ping(self, request: Request) -> Response:
        """Respond with an empty body: 200 if a request would be answered, the status of the error otherwise."""
        try:
            self._scorers.scorer(None, request)
        except EndpointUnknown:
            return Response()  # several jobs, each asked by its name
        except IpiEsError as error:
            return Response(status_code=_status(error))
        return Response()

    async def invocations(self, request: Request) -> Response:
        """Respond as a container does."""
        return _with_attributes(request, await self._answered(request, None))

    async def runtime_invocations(self, request: Request) -> Response:
        """Respond as SageMaker's runtime API does."""
        response = await self._answered(request, request.path_params["name"])
        return _with_attributes(request, response if response.status_code == 200 else _as_runtime(response))

    async def _answered(self, request: Request, name: str | None) -> Response:
        body = await request.body()
        if len(body) <= SMALL_BODY and not self._scorers.waits:
            return self._answer(request, name, body)
        return await run_in_threadpool(self._answer, request, name, body)

    def _answer(self, request: Request, name: str | None, body: bytes) -> Response:
        try:
            given = content_type(request.headers.get("content-type"))
        except UsageError as error:
            return _refusal(415, error)
        try:
            accept = accepted(request.headers.get("accept"))
        except UsageError as error:
            return _refusal(406, error)
        strict = self._strict or request.query_params.get("strict", "0").lower() not in ("0", "false")
        try:
            return _predicted(self._scorers.scorer(name, request), body, given, accept, strict=strict)
        except IpiEsError as error:
            return _refusal(_status(error), error)


def max_body(path: str) -> int | None:
    """Return the most bytes of a request to one of these paths; None for any other path."""
    return MAX_BODY if path.endswith("/invocations") else None


def _predicted(scorer: PairScorer, body: bytes, given: MediaType, accept: MediaType, *, strict: bool) -> Response:
    """Score a request's rows in their order. Raises DataError for a request that is none, and for malformed rows."""
    lines = io.TextIOWrapper(io.BytesIO(body), encoding="utf-8-sig", errors="surrogateescape", newline="")
    rows, answer = request_rows(lines, given), Answer(accept)
    parts, wrong = [answer.begin()], list[Row]()
    while block := list(islice(rows, BLOCK_ROWS)):
        if strict:
            wrong += [row for row in block if row.error]
        if not wrong:
            parts.append(answer.block(block, scorer.predict(block, accept)))
    if wrong:
        named = "; ".join(f"row {row.line}: {row.error}" for row in wrong[:MOST_NAMED])
        raise DataError(f"{len(wrong):,} rows are malformed: {named}", hint="mend them, or send them without strict")
    parts.append(answer.end())
    return Response("".join(parts), media_type=accept.kind, headers={SNAPSHOT: scorer.id})


def _with_attributes(request: Request, response: Response) -> Response:
    given = request.headers.get(ATTRIBUTES)
    if given is not None:
        response.headers[ATTRIBUTES] = given
    return response


def _status(error: IpiEsError) -> int:
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def _refusal(status: int, error: IpiEsError) -> Response:
    body: dict[str, Any] = {"error": error.message, "hint": error.hint}
    return JSONResponse(body, status_code=status, headers={"Retry-After": "1"} if status == 503 else None)


def _as_runtime(response: Response) -> Response:
    """Return a container's refusal as the runtime API gives it: boto3 raises its ModelError or ValidationError."""
    status, text = response.status_code, bytes(response.body).decode()
    given, kind = _RUNTIME.get(status, (424, "ModelError"))
    body: dict[str, Any] = {"Message": text, "OriginalStatusCode": status, "OriginalMessage": text}
    return JSONResponse(body, status_code=given, headers={"x-amzn-ErrorType": kind})
