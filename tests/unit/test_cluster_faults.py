"""Every exception of both clients becomes one of the project's errors, with the same meaning on both."""

from __future__ import annotations

import http.client
import importlib
import inspect
import re
import socket
import ssl
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import elastic_transport
import elasticsearch
import opensearchpy
import pytest
import urllib3.exceptions

from ipi_es import errors
from ipi_es.cluster import elasticsearch as elastic_adapter
from ipi_es.cluster import opensearch as opensearch_adapter
from ipi_es.cluster.answers.faults import connection_fault, reason_of, response_fault

WHERE = "https://es.example:9200"


def exceptions_of(package: ModuleType) -> list[type[Exception]]:
    """All exception classes (not warnings) of a client: in what the adapters load, and in modules named for errors."""
    (folder,) = package.__path__
    for path in Path(folder).rglob("*.py"):
        if re.search("error|exception", path.stem) and "_async" not in path.parts:
            parts = path.relative_to(folder).with_suffix("").parts
            importlib.import_module(".".join([package.__name__, *parts]))
    modules = [module for name, module in sys.modules.items() if name.startswith(f"{package.__name__}.")]
    found = {
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Exception) and not issubclass(value, Warning)
    }
    own = [each for each in found if each.__module__.startswith(package.__name__)]
    return sorted(own, key=lambda each: f"{each.__module__}.{each.__name__}")


ELASTIC = [*exceptions_of(elastic_transport), *exceptions_of(elasticsearch)]
OPENSEARCH = exceptions_of(opensearchpy)


def meta(status: int) -> Any:
    node = elastic_transport.NodeConfig("https", "es.example", 9200)
    headers = elastic_transport.HttpHeaders()
    return elastic_transport.ApiResponseMeta(
        status=status, http_version="1.1", headers=headers, duration=0.0, node=node
    )


def make(kind: type[Exception], status: int = 500) -> Exception:
    if issubclass(kind, elastic_transport.ApiError):
        return kind("trouble", meta=meta(status), body={"error": "trouble"})
    if issubclass(kind, opensearchpy.ConnectionError):
        return kind("N/A", "trouble", OSError("trouble"))
    if issubclass(kind, opensearchpy.TransportError):
        return kind(status, "trouble", {"error": "trouble"})
    if kind.__name__ in {"BulkIndexError", "ScanError"}:
        return kind("trouble", [])
    return kind("trouble")


def test_the_search_for_exceptions_finds_the_known_ones() -> None:
    assert {"ConnectionTimeout", "TlsError", "UnsupportedProductError", "BulkIndexError", "ScanError"} <= {
        each.__name__ for each in ELASTIC
    }
    assert {"ImproperlyConfigured", "SSLError", "BulkIndexError", "ValidationException"} <= {
        each.__name__ for each in OPENSEARCH
    }


@pytest.mark.parametrize("kind", ELASTIC, ids=lambda kind: kind.__name__)
def test_every_elasticsearch_exception_is_caught_and_mapped(kind: type[Exception]) -> None:
    # the dsl builds bodies and sends nothing; the adapter doesn't load it
    assert issubclass(kind, elastic_adapter.CLIENT_ERRORS) or kind.__module__.startswith("elasticsearch.dsl")
    mapped = elastic_adapter.map_error(make(kind), WHERE)
    assert isinstance(mapped, errors.ClusterError)
    assert WHERE in mapped.message
    assert mapped.hint


@pytest.mark.parametrize("kind", OPENSEARCH, ids=lambda kind: kind.__name__)
def test_every_opensearch_exception_is_caught_and_mapped(kind: type[Exception]) -> None:
    assert issubclass(kind, opensearch_adapter.CLIENT_ERRORS)
    mapped = opensearch_adapter.map_error(make(kind), WHERE)
    assert isinstance(mapped, errors.ClusterError)
    assert WHERE in mapped.message
    assert mapped.hint


STATUSES: list[tuple[int, type[errors.ClusterError]]] = [
    (302, errors.RequestRejected),
    (400, errors.RequestRejected),
    (401, errors.AuthenticationFailed),
    (403, errors.PermissionDenied),
    (404, errors.NotFound),
    (405, errors.RequestRejected),
    (408, errors.ClusterTimeout),
    (409, errors.Conflict),
    (413, errors.RequestRejected),
    (429, errors.ClusterBusy),
    (500, errors.ClusterError),
    (502, errors.ClusterBusy),
    (503, errors.ClusterBusy),
    (504, errors.ClusterBusy),
]


@pytest.mark.parametrize(("status", "kind"), STATUSES)
def test_a_status_means_the_same_on_both_clients(status: int, kind: type[errors.ClusterError]) -> None:
    elastic_kind = elasticsearch.exceptions.HTTP_EXCEPTIONS.get(status, elasticsearch.ApiError)
    elastic = elastic_adapter.map_error(make(elastic_kind, status), WHERE)
    open_kind = opensearchpy.exceptions.HTTP_EXCEPTIONS.get(status, opensearchpy.TransportError)
    opened = opensearch_adapter.map_error(make(open_kind, status), WHERE)
    assert type(elastic) is type(opened) is kind
    assert elastic.status == opened.status == status


def error_body(kind: str, reason: str = "because") -> dict[str, Any]:
    inner = {"type": kind, "reason": reason}
    return {"error": {"type": "outer_exception", "reason": "", "root_cause": [inner], "caused_by": inner}}


@pytest.mark.parametrize(
    ("status", "cause", "kind"),
    [
        (403, "cluster_block_exception", errors.ClusterReadOnly),
        (429, "cluster_block_exception", errors.ClusterReadOnly),
        (503, "cluster_block_exception", errors.ClusterBusy),
        (503, "too_many_buckets_exception", errors.RequestRejected),
        (400, "too_many_buckets_exception", errors.RequestRejected),
        (429, "es_rejected_execution_exception", errors.ClusterBusy),
        (429, "rejected_execution_exception", errors.ClusterBusy),
        (500, "node_not_connected_exception", errors.ClusterBusy),
    ],
)
def test_the_cause_counts_more_than_the_status(status: int, cause: str, kind: type[errors.ClusterError]) -> None:
    fault = response_fault(status, error_body(cause), WHERE)
    assert type(fault) is kind
    assert "because" in fault.message


def test_a_refused_request_names_what_to_look_at_and_a_field_that_cannot_be_grouped_by() -> None:
    assert "datafeed_config.query" in response_fault(400, error_body("parsing_exception"), WHERE).hint
    said = "Can't load fielddata on [source.ip] because fielddata is unsupported on fields of type [ip]. Use doc values"
    fault = response_fault(400, error_body("illegal_argument_exception", said), WHERE)
    assert "doc_values: false" in fault.hint


@pytest.mark.parametrize(
    "body", [None, "", "<html>Bad Gateway</html>", [], {"error": "text"}, {"error": None}, {"a": 1}]
)
def test_any_body_can_be_read(body: Any) -> None:
    assert type(response_fault(502, body, WHERE)) is errors.ClusterBusy
    assert isinstance(reason_of(body), str)


def wrapped(inner: BaseException) -> urllib3.exceptions.ProtocolError:
    return urllib3.exceptions.ProtocolError("Connection aborted.", inner)


CONNECTIONS: list[tuple[BaseException, type[errors.ClusterError], str]] = [
    (ConnectionRefusedError(111, "refused"), errors.ClusterUnreachable, "listens"),
    (socket.gaierror(-2, "Name or service not known"), errors.ClusterUnreachable, "not known"),
    (wrapped(ConnectionResetError(104, "reset")), errors.ClusterUnreachable, "middle"),
    (wrapped(http.client.RemoteDisconnected("closed")), errors.ClusterUnreachable, "middle"),
    (wrapped(http.client.IncompleteRead(b"12")), errors.ClusterUnreachable, "middle"),
    (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), errors.ClusterUnreachable, "middle"),
    (urllib3.exceptions.ConnectTimeoutError("timed out"), errors.ClusterUnreachable, "reached"),
    (TimeoutError("timed out"), errors.ClusterTimeout, "answer in time"),
    (ssl.SSLCertVerificationError(1, "self-signed certificate"), errors.TlsError, "not trusted"),
    (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), errors.TlsError, "plain HTTP"),
    (ssl.SSLError(1, "[SSL] record layer failure (_ssl.c:1000)"), errors.TlsError, "plain HTTP"),
    (wrapped(http.client.BadStatusLine("\x15\x03\x03\x00")), errors.TlsError, "speaks TLS"),
    (ssl.SSLError(1, "[SSL: TLSV1_ALERT_PROTOCOL_VERSION]"), errors.TlsError, "failed"),
    (OSError("odd"), errors.ClusterUnreachable, "odd"),
]


@pytest.mark.parametrize(("cause", "kind", "text"), CONNECTIONS)
def test_a_broken_connection_means_the_same_on_both_clients(
    cause: BaseException, kind: type[errors.ClusterError], text: str
) -> None:
    elastic = elastic_transport.ConnectionError(str(cause))
    elastic.__cause__ = cause
    opened = opensearchpy.ConnectionError("N/A", str(cause), cause)
    for fault in (
        connection_fault(cause, WHERE),
        elastic_adapter.map_error(elastic, WHERE),
        opensearch_adapter.map_error(opened, WHERE),
    ):
        assert type(fault) is kind
        assert text in fault.message
        assert WHERE in fault.message
        assert fault.hint


def test_causes_that_point_at_each_other_end() -> None:
    one, other = OSError("one"), OSError("other")
    one.__cause__, other.__cause__ = other, one
    assert isinstance(connection_fault(one, WHERE), errors.ClusterUnreachable)
