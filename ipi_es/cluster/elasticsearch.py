"""The adapter for Elasticsearch 8 and 9, over the elasticsearch client 8.19."""

from __future__ import annotations

import logging
import ssl
from typing import Any, ClassVar

import elastic_transport
import orjson
import urllib3
from elastic_transport import HttpHeaders, NodeConfig, Urllib3HttpNode
from elastic_transport.client_utils import DEFAULT, DefaultType
from elasticsearch import Elasticsearch, UnsupportedProductError
from elasticsearch.helpers import BulkIndexError, ScanError
from elasticsearch.serializer import JsonSerializer

from ipi_es.cluster.alerting import Watcher
from ipi_es.cluster.answers import proofs
from ipi_es.cluster.answers.faults import connection_fault, response_fault
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.lifecycle import Ilm
from ipi_es.cluster.port import ServerInfo
from ipi_es.cluster.rest import KEEP_ALIVE, RestCluster
from ipi_es.cluster.transport.client_renewal import RenewedClient
from ipi_es.cluster.transport.deadline import limited
from ipi_es.cluster.transport.retry import Retry
from ipi_es.errors import ClusterError, RequestRejected, UnsupportedServer

CONNECTIONS = 10  # kept open per host; the worker's threads share them
# all errors of the client and its helpers, without its dsl, which isn't loaded; a test looks for new ones
CLIENT_ERRORS: tuple[type[Exception], ...] = (
    elastic_transport.ApiError,
    elastic_transport.TransportError,
    BulkIndexError,
    ScanError,
)
_log = logging.getLogger(__name__)


def map_error(error: Exception, where: str) -> ClusterError:
    """Map any exception of the Elasticsearch client to an error of :mod:`ipi_es.errors`."""
    if isinstance(error, UnsupportedProductError):
        return UnsupportedServer(
            f"{where} does not say that it is Elasticsearch",
            hint="if there is a proxy in front, let it pass the header X-elastic-product",
        )
    if isinstance(error, elastic_transport.ApiError):
        return response_fault(error.meta.status, error.body, where)
    if isinstance(error, elastic_transport.SerializationError):
        return UnsupportedServer(
            f"{where} answered with something that is not JSON",
            hint="check that elasticsearch.hosts names the cluster itself, not a login page or another service",
        )
    if isinstance(error, elastic_transport.TransportError):
        return connection_fault(error, where)
    return RequestRejected(
        f"{where} did not carry out the request: {error}", hint="this is a mistake in ipi-es: report it"
    )


class _Json(JsonSerializer):
    """JSON by orjson, since a composite page has up to 65,536 buckets; other text is kept, so its status is seen."""

    def json_loads(self, data: bytes) -> Any:
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            return data.decode("utf-8", "replace")


class _Node(Urllib3HttpNode):
    """A host whose TLS uses our context alone (the client's own would add public CAs to it)."""

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        if config.ssl_context is not None:
            self.pool = urllib3.HTTPSConnectionPool(
                config.host,
                port=config.port,
                timeout=urllib3.Timeout(total=config.request_timeout),
                maxsize=config.connections_per_node,
                block=True,
                ssl_context=config.ssl_context,
            )
        limited(self.pool)

    def perform_request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: DefaultType | float | None = DEFAULT,
    ) -> Any:
        response = super().perform_request(method, target, body, headers, request_timeout)
        warning = response.meta.headers.pop("warning", None)
        if warning:  # a deprecation is for the log, not for the user's terminal
            _log.info("Elasticsearch warns: %s", warning)
        return response


class ElasticsearchCluster(RestCluster):
    """:class:`ipi_es.cluster.port.Cluster` on Elasticsearch 8.x and 9.x."""

    pit_options: ClassVar[frozenset[str]] = frozenset({"ignore_unavailable", "expand_wildcards"})

    def __init__(
        self, info: ServerInfo, connection: Connection, retry: Retry, context: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(info, connection.where, retry)
        # the client warns of each failure; errors are raised and reported here anyway
        logging.getLogger("elastic_transport").setLevel(logging.ERROR)
        self._clients = RenewedClient(connection, context, _client_of)

    @property
    def lifecycles(self) -> Ilm:
        """See the port."""
        return Ilm(self._request)

    @property
    def alerting(self) -> Watcher:
        """See the port."""
        return Watcher(self._request)

    def _send(self, method: str, path: str, params: dict[str, str], body: bytes | None, content_type: str) -> Any:
        def request(client: Elasticsearch) -> Any:
            headers = {"accept": "application/json"} | ({"content-type": content_type} if body is not None else {})
            own = dict(params)  # a client may remove keys from it
            try:
                return client.perform_request(method, path, params=own, headers=headers, body=body).body
            except CLIENT_ERRORS as error:
                raise map_error(error, self._where) from error

        return self._clients.send(request)

    def _open_pit(self, path: str, params: dict[str, str]) -> str:
        params = {**params, "keep_alive": KEEP_ALIVE}
        return str(self._request("POST", f"/{path}/_pit", params=params, proof=proofs.opened("id"))["id"])

    def _close_pit(self, pit: str) -> None:
        self._request("DELETE", "/_pit", body={"id": pit})

    def _tie_breaker(self) -> list[dict[str, Any]]:
        return [{"_shard_doc": "asc"}]  # implicit there, but explicit here: a caller's sort is then surely unique

    def close(self) -> None:
        """Release connections; the port can't be used afterwards."""
        self._clients.client.close()


def _client_of(connection: Connection, context: ssl.SSLContext | None) -> Elasticsearch:
    nodes = [
        NodeConfig(
            endpoint.scheme,
            endpoint.host,
            endpoint.port,
            path_prefix=endpoint.prefix,
            connections_per_node=CONNECTIONS,
            request_timeout=connection.request_timeout,
            ssl_context=context if endpoint.scheme == "https" else None,
        )
        for endpoint in connection.endpoints()
    ]
    fast = _Json()
    return Elasticsearch(
        nodes,
        node_class=_Node,
        headers=connection.headers(),
        max_retries=0,  # Retry is the only mechanism
        retry_on_status=(),
        request_timeout=connection.request_timeout,
        serializers={"application/json": fast, "application/vnd.elasticsearch+json": fast},
    )
