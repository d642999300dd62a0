"""Errors as answers: the status, and a body in Elasticsearch's form."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

from ipi_es.errors import (
    AuthenticationFailed,
    ClusterError,
    ClusterTimeout,
    Conflict,
    IpiEsError,
    JobBusy,
    NotFound,
    PermissionDenied,
    RequestInvalid,
    RequestRejected,
    SnapshotMissing,
    UnknownEntity,
    UsageError,
)

CHALLENGES = ('Basic realm="ipi-es", charset="UTF-8"', "ApiKey", 'Bearer realm="ipi-es"')
"""Values of WWW-Authenticate: what a client may send."""

RETRY_AFTER = 5
"""Seconds after which a client may ask a busy server again."""

_STATUSES: tuple[tuple[type[IpiEsError], int, str], ...] = (
    (AuthenticationFailed, 401, "security_exception"),
    (PermissionDenied, 403, "security_exception"),
    (NotFound, 404, "resource_not_found_exception"),
    (UnknownEntity, 404, "resource_not_found_exception"),
    (SnapshotMissing, 404, "resource_not_found_exception"),
    (Conflict, 409, "version_conflict_engine_exception"),
    (JobBusy, 409, "status_exception"),
    (ClusterTimeout, 504, "timeout_exception"),
    (RequestRejected, 400, "status_exception"),
    (ClusterError, 503, "status_exception"),
    (UsageError, 400, "illegal_argument_exception"),
    (IpiEsError, 500, "exception"),
)
"""Status and type of each error; the first that fits."""


def status_of(error: IpiEsError) -> int:
    """Return the HTTP status of an error."""
    return _found(error)[0]


def error_answer(error: IpiEsError) -> JSONResponse:
    """Return the answer for an error."""
    headers = error.headers if isinstance(error, RequestInvalid) else None
    return problem(*_found(error), error.message, headers, hint=error.hint)


def problem(
    status: int, kind: str, reason: str, headers: Mapping[str, str] | None = None, *, hint: str | None = None
) -> JSONResponse:
    """Return an answer in the form of Elasticsearch's errors; ``hint`` is a field of our own."""
    cause = {"type": kind, "reason": reason}
    error = {"root_cause": [cause], **cause, **({"hint": hint} if hint else {})}
    answer = JSONResponse({"error": error, "status": status}, status, headers)
    if status == 401:
        for challenge in CHALLENGES:
            answer.headers.append("www-authenticate", challenge)
    if status in (429, 503):
        answer.headers.setdefault("retry-after", str(RETRY_AFTER))
    return answer


def _found(error: IpiEsError) -> tuple[int, str]:
    if isinstance(error, RequestInvalid):
        return error.status, error.kind
    return next((status, kind) for type_, status, kind in _STATUSES if isinstance(error, type_))
