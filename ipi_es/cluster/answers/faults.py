"""The meaning of a failed request: from an HTTP status with its body, or a broken connection, to the error tree.

Both adapters unwrap their clients' exceptions and call this module, so that the same failure reads the same everywhere.
Messages name the host, hints give the next step, and neither contains a secret.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import urllib3.exceptions as urllib3_errors

from ipi_es.cluster.answers.aws_refusals import signature_hint, without_request
from ipi_es.cluster.answers.hints import BUSY_HINT, CLOSED, INCOMPLETE_HINT, READ_BLOCKED, block_hint, special_hint
from ipi_es.errors import (
    AnswerIncomplete,
    AuthenticationFailed,
    ClusterBusy,
    ClusterError,
    ClusterReadOnly,
    ClusterTimeout,
    ClusterUnreachable,
    Conflict,
    NotFound,
    PermissionDenied,
    RequestRejected,
    TlsError,
)

NOT_FOUND = 404
# keys of an answer with this status that comes from a cluster, not from a proxy without one behind it; the last: of a
# point in time that is closed already
_SAID_MISSING = frozenset({"error", "found", "result", "num_freed"})
BUSY_STATUSES = frozenset({429, 502, 503, 504})
# a server that lacks resources for the moment, under any status
BUSY_KINDS = frozenset(
    {
        "es_rejected_execution_exception",
        "rejected_execution_exception",
        "circuit_breaking_exception",
        "node_not_connected_exception",
        "node_disconnected_exception",
        "node_closed_exception",
        "receive_timeout_transport_exception",
        "no_shard_available_action_exception",
        "unavailable_shards_exception",
        "process_cluster_event_timeout_exception",
        "master_not_discovered_exception",
        "cluster_manager_not_discovered_exception",
    }
)
# OpenSearch wraps this one in 503, which means “try again”; another try would fail too
REJECTED_KINDS = frozenset({"too_many_buckets_exception"})
BLOCKED = "cluster_block_exception"
_REASON_LIMIT = 600  # characters; a server may repeat a whole request in its reason
_TLS_ALERT = "\x15\x03"  # start of a TLS server's refusal in the place of a status line
_PARTIAL_ADVICE = " Consider using `allow_partial_search_results`"  # a partial answer is never wanted
_DEPTH_LIMIT = 8  # nested causes; servers give at most a handful


def kinds_of(body: Any) -> list[str]:
    """Return all error types in an error answer (root causes, causes, failed shards), outermost first."""
    return [str(part["type"]) for part in _parts(body) if "type" in part]


def reason_of(body: Any) -> str:
    """Return the most specific sentence of an error answer: the innermost reason."""
    reasons = [_reason(part) for part in _parts(body) if isinstance(part.get("reason"), str) and part["reason"]]
    if reasons:
        return reasons[-1].partition(_PARTIAL_ADVICE)[0][:_REASON_LIMIT]
    kinds = kinds_of(body)
    if kinds:
        return ", ".join(dict.fromkeys(kinds))[:_REASON_LIMIT]
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if isinstance(error, Mapping):  # a gateway such as AWS's gives just a message
        error = next((error[key] for key in ("message", "Message") if isinstance(error.get(key), str)), error)
    if isinstance(error, Mapping | list):  # as the server wrote it, for people
        error = orjson.dumps(error, default=str, option=orjson.OPT_NON_STR_KEYS).decode() if error else ""
    return without_request(" ".join(str(error).split()))[:_REASON_LIMIT] if error else ""


def _reason(part: Mapping[str, Any]) -> str:
    """Return the reason of one cause; name a closed index, since both servers give just “closed”."""
    if part.get("type") == CLOSED and "index" in part:
        return f"index [{part['index']}] is closed"
    return str(part["reason"])


def _parts(body: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    if depth > _DEPTH_LIMIT or not isinstance(body, Mapping):
        return
    error = body.get("error", body)
    if not isinstance(error, Mapping):
        return
    yield error
    nested = [error.get("caused_by"), *_listed(error, "root_cause")]
    # a refresh is refused shard by shard, with no error at the top level
    shards = [*_listed(error, "failed_shards"), *_listed(error.get("_shards") or {}, "failures")]
    nested += [shard.get("reason") for shard in shards if isinstance(shard, Mapping)]
    for part in nested:
        yield from _parts(part, depth + 1)


def _listed(error: Mapping[str, Any], key: str) -> list[Any]:
    found = error.get(key)
    return found if isinstance(found, list) else []


def response_fault(status: int, body: Any, where: str) -> ClusterError:
    """Make the error for an answer with this HTTP status (any but 2xx) and body (parsed, text or None)."""
    kinds, reason = set(kinds_of(body)), reason_of(body)
    said = f": {reason}" if reason else ""
    if BLOCKED in kinds and READ_BLOCKED in said:
        return RequestRejected(f"{where} blocks reading{said}", hint=block_hint(said), status=status)
    if BLOCKED in kinds and status in {403, 429}:
        return ClusterReadOnly(f"{where} blocks writing{said}", hint=block_hint(said), status=status)
    special = special_hint(kinds, said)
    if kinds & REJECTED_KINDS:
        text = f"{where} refused the request, it makes too many buckets{said}"
        return RequestRejected(text, hint=special, status=status)
    if status in BUSY_STATUSES or (status >= 500 and kinds & BUSY_KINDS):
        return ClusterBusy(f"{where} is busy or not ready ({status}){said}", hint=special or BUSY_HINT, status=status)
    if status == NOT_FOUND and not (isinstance(body, Mapping) and _SAID_MISSING & body.keys()):
        return AnswerIncomplete(
            f"{where} answered {NOT_FOUND} and did not say what is missing{said}", hint=INCOMPLETE_HINT, status=status
        )
    error = _by_status(status, where, said)
    if special is not None:
        error.hint = special
    return error


# status → error, problem, hint
_STATUSES: dict[int, tuple[type[ClusterError], str, str]] = {
    401: (
        AuthenticationFailed,
        "refused the credentials",
        "check elasticsearch.api_key, or username and password; a worker reads them again at its next look",
    ),
    403: (
        PermissionDenied,
        "denied the request",
        "`ipi-es check JOB` tries each right that a job needs and names those that lack: give them to the user or key",
    ),
    404: (
        NotFound,
        "does not have it",
        "check the name of the index or pattern; `ipi-es setup` creates what ipi-es itself needs",
    ),
    408: (ClusterTimeout, "gave up waiting", BUSY_HINT),
    409: (Conflict, "has a newer version", "another worker wrote in between; read the document again"),
    413: (
        RequestRejected,
        "refused the request as too large",
        "raise the limit of the proxy in front (client_max_body_size), or the cluster's http.max_content_length",
    ),
}
REJECTED_HINT = (
    "the reason is the cluster's own: look at datafeed_config.query and runtime_mappings, and at the fields that the "
    "job names; `ipi-es check JOB` shows what it found about each"
)
UNREADABLE = "use doc values"
"""Words in every server's message about a field whose mapping turns off the doc values that aggregations read."""
UNREADABLE_HINT = (
    "map the field without “doc_values: false” in the events' index template and reindex what is there, or let the job "
    "name another field"
)
_REDIRECT_HINT = "name the cluster's own URL in elasticsearch.hosts, not that of a login page or a proxy"


def _by_status(status: int, where: str, said: str) -> ClusterError:
    unsigned = signature_hint(said) if 400 <= status < 500 else None
    if unsigned is not None:
        return AuthenticationFailed(f"{where} refused the AWS signature ({status}){said}", hint=unsigned, status=status)
    if status in _STATUSES:
        error, what, hint = _STATUSES[status]
        return error(f"{where} {what} ({status}){said}", hint=hint, status=status)
    if 300 <= status < 400:
        return RequestRejected(f"{where} redirects elsewhere ({status}){said}", hint=_REDIRECT_HINT, status=status)
    if 400 <= status < 500:
        hint = UNREADABLE_HINT if UNREADABLE in said.lower() else REJECTED_HINT
        return RequestRejected(f"{where} refused the request ({status}){said}", hint=hint, status=status)
    hint = "look into the cluster's own log for the cause"
    return ClusterError(f"{where} failed ({status}){said}", hint=hint, status=status)


def connection_fault(error: BaseException, where: str) -> ClusterError:
    """Make the error for a connection that failed or broke, judged by the whole chain of causes."""
    chain = list(_causes(error))
    return _tls_fault(chain, where) or _network_fault(chain, where)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and all that it wraps: as cause, as context, in its arguments, or in the clients' own fields."""
    queue, seen = [error], set[int]()
    while queue:
        one = queue.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner: list[Any] = [one.__cause__, one.__context__, *one.args, getattr(one, "reason", None)]
        inner += getattr(one, "errors", None) or ()
        queue += [each for each in inner if isinstance(each, BaseException)]


def _first(chain: list[BaseException], kinds: type[BaseException] | tuple[type[BaseException], ...]) -> str | None:
    return next((" ".join(str(each).split())[:_REASON_LIMIT] for each in chain if isinstance(each, kinds)), None)


def plain_http_fault(where: str) -> TlsError:
    """Make the error for https:// in the configuration and a server that answers in plain HTTP."""
    return TlsError(f"{where} speaks plain HTTP, not TLS", hint="write http:// in elasticsearch.hosts, or turn on TLS")


def tls_expected_fault(where: str) -> TlsError:
    """Make the error for http:// in the configuration and a server that requires TLS."""
    return TlsError(
        f"{where} speaks TLS, but the URL says http://",
        hint="write https:// in elasticsearch.hosts, and ca_certs or ca_fingerprint if the CA is your own",
    )


def _tls_fault(chain: list[BaseException], where: str) -> TlsError | None:
    texts = " ".join(str(each) for each in chain if isinstance(each, ssl.SSLError)).upper().replace(" ", "_")
    if "WRONG_VERSION_NUMBER" in texts or "RECORD_LAYER_FAILURE" in texts or "HTTP_REQUEST" in texts:
        return plain_http_fault(where)
    if any(isinstance(each, http.client.BadStatusLine) and str(each).startswith(_TLS_ALERT) for each in chain):
        return tls_expected_fault(where)
    refused = _first(chain, (ssl.SSLCertVerificationError, ssl.CertificateError))
    if refused is not None:
        return TlsError(
            f"the certificate of {where} is not trusted: {refused}",
            hint="set elasticsearch.ca_certs to the CA's file, or ca_fingerprint to its SHA-256;"
            " if the name differs, use the name that the certificate is for",
        )
    if any(isinstance(each, (ssl.SSLEOFError, ssl.SSLZeroReturnError)) for each in chain):
        return None  # the server closed the connection: not a matter of certificates
    failed = _first(chain, (ssl.SSLError, urllib3_errors.SSLError))
    if failed is not None:
        return TlsError(
            f"TLS with {where} failed: {failed}",
            hint="check that the URL, the port and the TLS settings belong together",
        )
    return None


def _network_fault(chain: list[BaseException], where: str) -> ClusterUnreachable:
    if _first(chain, (socket.gaierror, urllib3_errors.NameResolutionError)) is not None:
        return ClusterUnreachable(
            f"the host name of {where} is not known here", hint="check elasticsearch.hosts, DNS and the network"
        )
    if _first(chain, ConnectionRefusedError) is not None:
        return ClusterUnreachable(
            f"nothing listens at {where}", hint="check host and port in elasticsearch.hosts, and that the cluster runs"
        )
    if _first(chain, urllib3_errors.ConnectTimeoutError) is not None:
        return ClusterUnreachable(
            f"{where} can't be reached in time", hint="check host, port and firewall between here and the cluster"
        )
    if _first(chain, (urllib3_errors.TimeoutError, TimeoutError)) is not None or any(
        "ConnectionTimeout" in type(each).__name__ for each in chain
    ):
        return ClusterTimeout(
            f"{where} gave no answer in time", hint="raise elasticsearch.request_timeout, or look at the cluster's load"
        )
    broken = (ConnectionError, http.client.HTTPException, urllib3_errors.ProtocolError, ssl.SSLError)
    if _first(chain, broken) is not None:
        return ClusterUnreachable(
            f"{where} closed the connection in the middle", hint="look whether the cluster (or a proxy) was restarted"
        )
    said = " ".join(str(chain[-1]).split())[:_REASON_LIMIT]
    return ClusterUnreachable(
        f"no connection to {where}{f': {said}' if said else ''}", hint="check elasticsearch.hosts and the network"
    )
