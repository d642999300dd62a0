"""How alert definitions are put where they belong: watches, monitors, Kibana's rules and connectors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kibana_rules import KibanaRules, kibana_rules
from service_parts import a_job

from ipi_es.alerts.install import install_in_cluster, install_in_kibana
from ipi_es.alerts.kibana import Kibana
from ipi_es.alerts.kinds import KINDS
from ipi_es.alerts.parameters import ConsoleDestination, Parameters
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.console import Console
from ipi_es.cluster.port import ServerInfo
from ipi_es.errors import AuthenticationFailed, IpiEsError, NotFound, PermissionDenied, RequestRejected, UsageError
from ipi_es.testing.memory_cluster import MemoryCluster

EVERYWHERE = ConsoleDestination("https://hooks.example.org/x", "ipi-es-alerts", "channel-1")
ELASTICSEARCH = ServerInfo("elasticsearch", (8, 19, 5), "memory", "memory:")


def parameters() -> Parameters:
    return Parameters(a_job("logins"), destination=EVERYWHERE)


def test_watches_and_monitors_are_put_and_replaced() -> None:
    for stack, cluster in (("watcher", MemoryCluster(info=ELASTICSEARCH)), ("opensearch", MemoryCluster())):
        cluster.alerting.there = True
        first = list(install_in_cluster(cluster, stack, KINDS, parameters()))
        assert all(done.created for done in first)
        assert set(cluster.alerting.definitions) == {f"ipi-es-logins-{kind}" for kind in KINDS}
        assert not any(done.created for done in install_in_cluster(cluster, stack, KINDS, parameters()))
        assert bool(cluster.alerting.channels) == (stack == "opensearch")


def watched() -> MemoryCluster:
    cluster = MemoryCluster(info=ELASTICSEARCH)
    cluster.alerting.there = True
    return cluster


def test_the_index_of_alerts_gets_the_types_of_its_fields() -> None:
    cluster = watched()
    first = list(install_in_cluster(cluster, "watcher", KINDS, parameters()))
    assert first[0].text == "created index of alerts: ipi-es-alerts"
    properties = cluster.get_mapping("ipi-es-alerts")["ipi-es-alerts"]["properties"]
    assert (properties["score"], properties["severity"]) == ({"type": "double"}, {"type": "keyword"})
    second = list(install_in_cluster(cluster, "watcher", KINDS, parameters()))
    assert second[0].text == "replaced index of alerts: ipi-es-alerts"


def test_an_index_that_lacks_fields_gets_them_and_one_with_texts_is_refused() -> None:
    cluster = watched()
    cluster.create_index("ipi-es-alerts", {"mappings": {"properties": {"job_id": {"type": "keyword"}}}})
    list(install_in_cluster(cluster, "watcher", KINDS, parameters()))
    assert cluster.get_mapping("ipi-es-alerts")["ipi-es-alerts"]["properties"]["when"]["type"] == "date"
    other = watched()
    other.create_index("ipi-es-alerts", {"mappings": {"properties": {"score": {"type": "text"}}}})
    with pytest.raises(UsageError, match="score is text") as refused:
        list(install_in_cluster(other, "watcher", KINDS, parameters()))
    assert "--index" in str(refused.value.hint)
    assert not other.alerting.definitions


def test_wrong_or_bare_server_is_said() -> None:
    with pytest.raises(UsageError, match="--stack opensearch"):
        list(install_in_cluster(MemoryCluster(), "watcher", KINDS, parameters()))
    with pytest.raises(NotFound, match="own notifications"):
        list(install_in_cluster(MemoryCluster(), "opensearch", KINDS, parameters()))


def at(server: KibanaRules, space: str | None = None) -> Kibana:
    return Kibana(Console(server.url, Connection(hosts=("http://127.0.0.1:9200",)), space=space))


@pytest.fixture
def kibana() -> Iterator[KibanaRules]:
    with kibana_rules() as server:
        yield server


def test_rules_and_connectors_are_put_and_replaced(kibana: KibanaRules) -> None:
    first = list(install_in_kibana(at(kibana, "soc"), KINDS, parameters()))
    assert all(done.created for done in first)
    assert len(first) == len(KINDS) + 2
    assert all(path.startswith("/s/soc/api/") for path in kibana.things.keys() - {"/api/status"})
    assert not any(done.created for done in install_in_kibana(at(kibana, "soc"), KINDS, parameters()))


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, AuthenticationFailed), (403, PermissionDenied), (400, RequestRejected)],
)
def test_kibanas_refusal_is_an_error_with_its_words(kibana: KibanaRules, status: int, error: type[IpiEsError]) -> None:
    kibana.status = status
    with pytest.raises(error, match="said by Kibana"):
        list(install_in_kibana(at(kibana), KINDS, parameters()))


def test_the_other_console_is_said(kibana: KibanaRules) -> None:
    kibana.name = "osd-name"
    with pytest.raises(UsageError, match="OpenSearch Dashboards has no rules"):
        at(kibana)
