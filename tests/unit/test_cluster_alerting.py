"""OpenSearch's alerting over HTTP: a server with Alerting but without Notifications says which plugin is missing."""

from __future__ import annotations

import pytest
from stub_server import Reply, StubServer

from ipi_es.cluster.connection import Connection
from ipi_es.cluster.opensearch import OpenSearchCluster
from ipi_es.cluster.port import ServerInfo
from ipi_es.cluster.transport.retry import Retry
from ipi_es.errors import NotFound


def test_a_channel_without_notifications_names_the_plugin() -> None:
    missing = "no handler found for uri [/_plugins/_notifications/configs/c] and method [GET]"

    def answer(_method: str, _path: str, _body: bytes) -> Reply:
        return Reply(400, {"error": missing})

    with StubServer(answer) as stub:
        info = ServerInfo("opensearch", (2, 19, 4), "c", stub.url)
        cluster = OpenSearchCluster(info, Connection(hosts=(stub.url,)), Retry(0))
        try:
            with pytest.raises(NotFound, match="but not Notifications") as refused:
                cluster.alerting.write_channel("c", "name", "https://hooks.example.org")
        finally:
            cluster.close()
    assert "opensearch-notifications" in str(refused.value.hint)
    assert "datafeed_config" not in str(refused.value.hint)
