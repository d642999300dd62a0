"""The adapter for OpenSearch 2 and 3, over opensearch-py 3."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

import opensearchpy
import orjson
from opensearchpy.connection import Urllib3HttpConnection
from opensearchpy.exceptions import ImproperlyConfigured, OpenSearchDslException, OpenSearchException
from opensearchpy.serializer import JSONSerializer

from ipi_es.cluster.alerting import OpenSearchAlerting
from ipi_es.cluster.answers import proofs
from ipi_es.cluster.answers.faults import NOT_FOUND, connection_fault, response_fault
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.lifecycle import Ism
from ipi_es.cluster.port import ServerInfo
from ipi_es.cluster.rest import KEEP_ALIVE, RestCluster
from ipi_es.cluster.transport.authorizing import authorizer
from ipi_es.cluster.transport.client_renewal import RenewedClient
from ipi_es.cluster.transport.deadline import limited
from ipi_es.cluster.transport.retry import Retry
from ipi_es.errors import ClusterError, RequestRejected, UnsupportedServer

CONNECTIONS = 10  # kept open per host; the worker's threads share them
SHARD_DOC_SINCE = (3, 3, 0)  # OpenSearch sorts by _shard_doc from here on
NOTHING_TO_OPEN = "invalid id: [null]"  # OpenSearch's answer (400) where there is no index to open
# all errors of the client and its helpers; a test looks for new ones
CLIENT_ERRORS: tuple[type[Exception], ...] = (OpenSearchException, OpenSearchDslException, ImproperlyConfigured)
_log = logging.getLogger(__name__)


def map_error(error: Exception, where: str) -> ClusterError:
    """Map any exception of the OpenSearch client to an error of :mod:`ipi_es.errors`."""
    if isinstance(error, opensearchpy.ConnectionError):
        if isinstance(error.info, ClusterError):
            return error.info  # from signing, before anything was sent
        return connection_fault(error, where)  # its status is “N/A”
    if isinstance(error, opensearchpy.TransportError):
        status = error.status_code
        body = error.info if error.info or status == NOT_FOUND else {"error": str(error.error)}
        return response_fault(status, body, where) if isinstance(status, int) else connection_fault(error, where)
    if isinstance(error, opensearchpy.SerializationError):
        return UnsupportedServer(
            f"{where} answered with something that is not JSON",
            hint="check that elasticsearch.hosts names the cluster itself, not a login page or another service",
        )
    return RequestRejected(
        f"{where} did not carry out the request: {error}", hint="this is a mistake in ipi-es: report it"
    )


class _Json(JSONSerializer):
    """JSON by orjson, since a composite page has up to 65,535 buckets; bodies are bytes already."""

    def loads(self, s: str) -> Any:
        try:
            return orjson.loads(s)
        except orjson.JSONDecodeError as error:
            raise opensearchpy.SerializationError(s[:200], error) from error

    def dumps(self, data: Any) -> Any:
        return data if isinstance(data, bytes | str) else orjson.dumps(data)


class _Connection(Urllib3HttpConnection):
    """A host; warnings of the server go to the log, not to the user's terminal."""

    def perform_request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,
        ignore: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        if params:  # here, since the client writes a space as “+”, which no signature can be made of
            url = f"{url}?{urlencode(params, quote_via=quote)}"
        return super().perform_request(method, url, None, body, timeout, ignore, headers)

    def _create_urllib3_pool(self) -> None:
        super()._create_urllib3_pool()
        limited(self.pool)

    def _raise_warnings(self, warning_headers: Iterable[str]) -> None:
        for warning in warning_headers or ():
            _log.info("OpenSearch warns: %s", warning)


class OpenSearchCluster(RestCluster):
    """:class:`ipi_es.cluster.port.Cluster` on OpenSearch 2.x and 3.x."""

    pit_options: ClassVar[frozenset[str]] = frozenset({"expand_wildcards", "ignore_unavailable", "allow_no_indices"})

    def __init__(
        self, info: ServerInfo, connection: Connection, retry: Retry, context: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(info, connection.where, retry)
        # the client logs each failed request with its traceback; errors are raised and reported here anyway
        logging.getLogger("opensearch").setLevel(logging.ERROR)
        self._clients = RenewedClient(connection, context, _client_of)

    @property
    def lifecycles(self) -> Ism:
        """See the port."""
        return Ism(self._request)

    @property
    def alerting(self) -> OpenSearchAlerting:
        """See the port."""
        return OpenSearchAlerting(self._request)

    def _send(self, method: str, path: str, params: dict[str, str], body: bytes | None, content_type: str) -> Any:
        def request(client: opensearchpy.OpenSearch) -> Any:
            headers, own = {"content-type": content_type}, dict(params)  # a client may remove keys from it
            try:
                return client.transport.perform_request(method, path, params=own, headers=headers, body=body)
            except CLIENT_ERRORS as error:
                raise map_error(error, self._where) from error

        return self._clients.send(request)

    def _open_pit(self, path: str, params: dict[str, str]) -> str | None:
        params = {**params, "keep_alive": KEEP_ALIVE}
        try:
            path = f"/{path}/_search/point_in_time"
            return str(self._request("POST", path, params=params, proof=proofs.opened("pit_id"))["pit_id"])
        except RequestRejected as error:
            if NOTHING_TO_OPEN in error.message:
                return None
            raise

    def _close_pit(self, pit: str) -> None:
        self._request("DELETE", "/_search/point_in_time", body={"pit_id": [pit]})

    def _tie_breaker(self) -> list[dict[str, Any]]:
        # OpenSearch adds none by itself, and counts _shard_doc by the shard's number within its index: without the
        # index, rows of two indices tie, and those that tie over a page's end are lost (seen on 3.8.0)
        inner = "_shard_doc" if self._info.version >= SHARD_DOC_SINCE else "_id"
        return [{inner: "asc"}, {"_index": "asc"}]

    def close(self) -> None:
        """Release connections; the port can't be used afterwards."""
        self._clients.client.close()


def _client_of(connection: Connection, context: ssl.SSLContext | None) -> opensearchpy.OpenSearch:
    hosts = [
        {
            "host": endpoint.host,
            "port": endpoint.port,
            "scheme": endpoint.scheme,
            "use_ssl": endpoint.scheme == "https",
            "url_prefix": endpoint.prefix,
            **({"ssl_context": context} if endpoint.scheme == "https" else {}),
        }
        for endpoint in connection.endpoints()
    ]
    return opensearchpy.OpenSearch(
        hosts,
        connection_class=_Connection,
        http_auth=authorizer(connection),
        timeout=connection.request_timeout,
        pool_maxsize=CONNECTIONS,
        max_retries=0,  # Retry is the only mechanism
        retry_on_timeout=True,  # max_retries is 0: a host that times out is only moved behind the others
        serializer=_Json(),
    )
