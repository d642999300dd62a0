"""Detection of the server that answers, and construction of its adapter."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import urllib3
from urllib3.exceptions import HTTPError

from ipi_es.cluster.answers.faults import connection_fault, response_fault, tls_expected_fault
from ipi_es.cluster.connection import Connection, Endpoint
from ipi_es.cluster.port import Cluster, Distribution, ServerInfo
from ipi_es.cluster.transport.authorizing import Authorizer, authorizer
from ipi_es.cluster.transport.deadline import limited_manager
from ipi_es.cluster.transport.retry import Retry
from ipi_es.cluster.transport.tls import speaks_tls, tls_context
from ipi_es.errors import (
    ClusterBusy,
    ClusterError,
    ClusterTimeout,
    ClusterUnreachable,
    TlsError,
    UnsupportedServer,
    UsageError,
)

SUPPORTED: dict[Distribution, frozenset[int]] = {"elasticsearch": frozenset({8, 9}), "opensearch": frozenset({2, 3})}
# OpenSearch can be configured to answer with this version, for old clients
PRETENDED_MAJOR = 7
FIRST_CONTACT_TIMEOUT = 10.0  # seconds at most; a wrong host should be reported soon
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
SERVERLESS = "aoss"
"""The name under which AWS checks signatures for OpenSearch Serverless."""
_SERVERLESS = "which neither says its version nor makes writes visible on request"
_DOMAIN_HINT = "use a domain of Amazon OpenSearch Service (aws_sigv4.service: es) for the events and the results"
_NOT_SIGNED_HINT = "take elasticsearch.aws_sigv4 out, and set api_key, bearer_token, or username and password"
_WRONG_SERVER_HINT = "ipi-es works with Elasticsearch 8 and 9 and with OpenSearch 2 and 3"


def connect(connection: Connection, *, sleep: Callable[[float], None] = time.sleep) -> Cluster:
    """Return the cluster behind a connection, by the adapter that fits the detected server.

    The hosts are tried in turn until one answers. An unreachable host isn't tried again here (most often its name is
    wrong); a server that isn't ready yet is. Raises the cluster errors of :mod:`ipi_es.errors`, UsageError for settings
    that can't be read, UnsupportedServer for any other server.
    """
    context = tls_context(connection)
    return _adapter(_find_out(connection, context, Retry(connection.max_retries, sleep)), connection, context, sleep)


RUN_AS: dict[Distribution, str] = {
    "elasticsearch": "es-security-runas-user",
    "opensearch": "opendistro_security_impersonate_as",
}
"""The header with which a user acts as another one, where the cluster lets it."""
_RUN_AS_HINT = "set elasticsearch.username and password, or an api_key; signatures for AWS can't do it"


class CallerConnections:
    """Connections to one cluster under the credentials of callers. Any thread may use it."""

    def __init__(self, own: Connection) -> None:
        """``own`` finds out which server it is; its credentials are used for nothing else but :meth:`act_as`."""
        self._own = own
        self._found: tuple[ServerInfo, ssl.SSLContext | None] | None = None

    def bind(self, authorization: str | None) -> Cluster:
        """Return the cluster as the sender of this Authorization header may use it; None: without credentials.

        The first call finds out which server it is. Raises the errors of :func:`connect`.
        """
        return self._adapter(self._own.under(authorization))

    def act_as(self, user: str) -> Cluster:
        """Return the cluster as another user may use it, for whom this process's own user acts.

        The cluster decides whether it may: with each request. Raises as :meth:`bind`, and UsageError where requests are
        signed for AWS.
        """
        if self._own.authorization() is None:
            raise UsageError("acting for users needs credentials of this server's own", hint=_RUN_AS_HINT)
        return self._adapter(self._own.acting_as(RUN_AS[self._server().distribution], user))

    def _server(self) -> ServerInfo:
        if self._found is None:
            info = _find_out(self._own, tls_context(self._own), Retry(self._own.max_retries))
            self._found = info, tls_context(self._own.under(None))
        return self._found[0]

    def _adapter(self, connection: Connection) -> Cluster:
        info = self._server()
        assert self._found is not None
        return _adapter(info, connection, self._found[1], time.sleep)


def _adapter(
    info: ServerInfo, connection: Connection, context: ssl.SSLContext | None, sleep: Callable[[float], None]
) -> Cluster:
    retry = Retry(connection.max_retries, sleep)
    # importing a client takes a good part of a second, and only one is needed
    if info.distribution == "elasticsearch":
        if connection.aws_sigv4 is not None:
            raise UsageError(f"aws_sigv4 is for OpenSearch, and {info.url} is {info.text}", hint=_NOT_SIGNED_HINT)
        from ipi_es.cluster.elasticsearch import ElasticsearchCluster

        return ElasticsearchCluster(info, connection, retry, context)
    from ipi_es.cluster.opensearch import OpenSearchCluster

    return OpenSearchCluster(info, connection, retry, context)


def _find_out(connection: Connection, context: ssl.SSLContext | None, retry: Retry) -> ServerInfo:
    authorize = authorizer(connection)
    for attempt in range(connection.max_retries + 1):
        errors: list[ClusterError] = []
        for endpoint in connection.endpoints():
            try:
                return _ask(endpoint, connection, context, authorize)
            except (ClusterBusy, ClusterUnreachable, TlsError) as error:
                errors.append(error)
        busy = next((error for error in errors if isinstance(error, ClusterBusy)), None)
        if busy is None or attempt == connection.max_retries:
            raise busy or errors[0]
        retry.pause(attempt, busy.message)
    raise AssertionError("unreachable")  # the loop returns or raises


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: Any


def _ask(
    endpoint: Endpoint, connection: Connection, context: ssl.SSLContext | None, authorize: Authorizer
) -> ServerInfo:
    """Send ``GET /`` first; a bare server has no handler for it, so send ``GET /_nodes/_local`` second."""
    with limited_manager(ssl_context=context) as http:
        root = _get(http, endpoint, "/", connection, authorize)
        if root.status == 200 and isinstance(root.body, dict) and "version" in root.body:
            found = _from_root(root, endpoint)
            if found is not None:
                return found
        elif root.status not in {200, 400, 404, 405}:
            raise response_fault(root.status, root.body, endpoint.url)
        elif isinstance(root.body, str) and root.status == 400 and "HTTPS" in root.body:
            raise tls_expected_fault(endpoint.url)
        nodes = _get(http, endpoint, "/_nodes/_local", connection, authorize)
        if nodes.status in {401, 403, 429, 502, 503, 504}:
            raise response_fault(nodes.status, nodes.body, endpoint.url)
        if nodes.status != 200 and connection.aws_sigv4 is not None and connection.aws_sigv4[1] == SERVERLESS:
            raise UnsupportedServer(f"at {endpoint.url} is OpenSearch Serverless, {_SERVERLESS}", hint=_DOMAIN_HINT)
        return _from_nodes(root, nodes, endpoint)


def _get(
    http: urllib3.PoolManager, endpoint: Endpoint, path: str, connection: Connection, authorize: Authorizer
) -> _Answer:
    url = endpoint.url + path
    headers = {"accept": "application/json"} | authorize("GET", url, None)
    timeout = min(FIRST_CONTACT_TIMEOUT, connection.request_timeout)
    try:
        response = http.request("GET", url, headers=headers, timeout=timeout, retries=False, redirect=False)
    except (HTTPError, OSError) as error:
        fault = connection_fault(error, endpoint.url)
        went_away = type(fault) is ClusterUnreachable
        if (
            endpoint.scheme == "http"
            and (went_away or isinstance(fault, ClusterTimeout))
            and speaks_tls(endpoint, timeout)
        ):
            fault = tls_expected_fault(endpoint.url)
        raise fault from error
    try:
        body = orjson.loads(response.data)
    except orjson.JSONDecodeError:
        body = response.data.decode("utf-8", "replace")
    return _Answer(response.status, response.headers, body)


def _from_root(answer: _Answer, endpoint: Endpoint) -> ServerInfo | None:
    """Read the server from the answer to ``GET /``; None if OpenSearch hides its version there."""
    version = answer.body["version"]
    distribution: Distribution
    if version.get("distribution") == "opensearch":
        distribution = "opensearch"
    elif answer.headers.get("x-elastic-product") == "Elasticsearch" or "build_flavor" in version:
        distribution = "elasticsearch"
    else:
        raise _unsupported(endpoint, f"{version.get('distribution', 'a server')} {version.get('number', '')}".strip())
    parsed = _parse(str(version.get("number", "")), endpoint)
    if distribution == "opensearch" and parsed[0] == PRETENDED_MAJOR:
        return None
    return _supported(distribution, parsed, str(answer.body.get("cluster_name", "")), endpoint)


def _from_nodes(root: _Answer, nodes: _Answer, endpoint: Endpoint) -> ServerInfo:
    found = list(nodes.body.get("nodes", {}).values()) if nodes.status == 200 and isinstance(nodes.body, dict) else []
    if not found:
        raise _unsupported(endpoint, "something else")
    is_elastic = nodes.headers.get("x-elastic-product") == "Elasticsearch"
    pretends = isinstance(root.body, dict) and root.body.get("version", {}).get("distribution") == "opensearch"
    if not is_elastic and not pretends:
        raise _unsupported(endpoint, f"an unknown server {found[0].get('version', '')}".strip())
    parsed = _parse(str(found[0].get("version", "")), endpoint)
    distribution: Distribution = "elasticsearch" if is_elastic else "opensearch"
    return _supported(distribution, parsed, str(nodes.body.get("cluster_name", "")), endpoint)


def _parse(text: str, endpoint: Endpoint) -> tuple[int, int, int]:
    match = _VERSION.match(text)
    if not match:
        raise _unsupported(endpoint, f"version “{text}”")
    return int(match[1]), int(match[2]), int(match[3])


def _supported(
    distribution: Distribution, version: tuple[int, int, int], cluster_name: str, endpoint: Endpoint
) -> ServerInfo:
    info = ServerInfo(distribution, version, cluster_name, endpoint.url)
    if version[0] not in SUPPORTED[distribution]:
        raise _unsupported(endpoint, info.text)
    return info


def _unsupported(endpoint: Endpoint, what: str) -> UnsupportedServer:
    return UnsupportedServer(f"at {endpoint.url} is {what}", hint=_WRONG_SERVER_HINT)
