"""The links from records to their events: a console finds these, however entity and address are written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import rison
from console_parts import queries, sources
from console_results import SCRIPTS, ask, found, of_job
from servers.pool import Server

from ipi_es.cluster.port import Cluster
from ipi_es.results.documents.result_documents import (
    ResultContext,
)
from ipi_es.results.store import ResultStore
from ipi_es.results.words import ALIAS

ODD = """o'neil "x" \\ 100% #1 & a+b!? *<i>\n\t(last,line:)"""


def link_of(server: Server, cluster: Cluster, context: ResultContext, entity: str) -> str:
    """The link of a record of this entity."""
    ResultStore(
        cluster, context.job_id, results_index_name=context.results_index_name, flat_fields=context.flat_fields
    ).write(found(context, 0, entity, 80.0), 1)
    cluster.refresh(ALIAS)
    (hit,) = ask(server, of_job(queries.body(sources.panels()["records"], SCRIPTS), context))["hits"]["hits"]
    (link,) = hit["fields"]["events_link"]
    return str(link)


@pytest.mark.only_on(
    "opensearch", "Painless of Elasticsearch 8 and 9 is in no package registry; OpenSearch runs the same script"
)
@pytest.mark.parametrize(
    ("entity", "written", "others"),
    [
        (ODD, [ODD, ODD.upper()], [ODD.replace("*", "_"), ODD.replace("?", "_")]),
        ("alice", ["alice", "Alice", "CORP\\ALICE", "alice@corp.example", "X\\alice@y"], ["alice2", "malice", "a"]),
        ("alice", ["corp/Alice", "corp/alice@x", " alice", "alice "], ["corp/malice", "alice/admin"]),
        ("josé", ["José", "Jose\u0301", "CORP\\JOSE\u0301"], ["jose"]),
        ("用户", ["用户", "用户@corp.example"], ["用"]),
        ("4711", ["4711"], ["47110"]),
        ("2001:db8::7", ["2001:db8::7"], ["2001:db8::70"]),
    ],
)
def test_link_to_the_events_finds_them_however_the_entity_is_called_and_written(
    server: Server, cluster: Cluster, context: ResultContext, index: str, entity: str, written: list[str], others: Any
) -> None:
    link = link_of(server, cluster, context, entity)
    assert not set(link) & set(' "#+\\<>\n\t')
    state = rison.state_of(link)
    assert state["_g"] == {"time": {"from": "2026-05-11T00:00:00Z", "to": "2026-05-11T01:00:00Z"}}
    assert state["_a"]["index"] == "ipi-es-events"
    assert state["_a"]["columns"] == ["user.name", "source.ip"]
    assert state["_a"]["query"]["language"] == "kuery"
    wanted = 'source.ip:("198.51.0.0" or "64:ff9b::c633:0" or "2002:c633:0::/48")'
    assert state["_a"]["query"]["query"] == wanted
    (filtered,) = state["_a"]["filters"]
    assert filtered["meta"]["alias"] == f"user.name is {entity}, however it is written"
    fields = {"properties": {"user": {"properties": {"name": {"type": "keyword"}}}}}
    server.call("PUT", f"/{index}", {"mappings": fields})
    for number, name in enumerate([*written, *others]):
        server.call("PUT", f"/{index}/_doc/{number}?refresh=true", {"user": {"name": name}})
    status, answer = server.call("POST", f"/{index}/_search", {"size": 50, "query": filtered["query"]})
    assert status == 200, answer
    assert sorted(hit["_source"]["user"]["name"] for hit in answer["hits"]["hits"]) == sorted(written)


@pytest.mark.only_on(
    "opensearch", "Painless of Elasticsearch 8 and 9 is in no package registry; OpenSearch runs the same script"
)
def test_link_to_the_events_filters_by_no_single_field_where_entities_have_several(
    server: Server, cluster: Cluster, context: ResultContext
) -> None:
    several = replace(context, entity_sources=("user.email", "{host.name}/{user.name}"))
    state = rison.state_of(link_of(server, cluster, several, "web/root"))
    assert state["_a"]["filters"] == []
    assert "columns" not in state["_a"]
    assert "198.51.0.0" in state["_a"]["query"]["query"]
    assert state["_g"] == {"time": {"from": "2026-05-11T00:00:00Z", "to": "2026-05-11T01:00:00Z"}}


@pytest.mark.only_on(
    "opensearch", "Painless of Elasticsearch 8 and 9 is in no package registry; OpenSearch runs the same script"
)
@pytest.mark.parametrize(("entity", "filters"), [(f"pseudo-{'a' * 52}", 0), ("pseudo-anna", 1)])
def test_link_to_the_events_filters_by_no_pseudonym(
    server: Server, cluster: Cluster, context: ResultContext, entity: str, filters: int
) -> None:
    """No event has it; those of the address at that time are found."""
    state = rison.state_of(link_of(server, cluster, context, entity))
    assert len(state["_a"]["filters"]) == filters
    assert "198.51.0.0" in state["_a"]["query"]["query"]


def test_link_to_the_events_finds_addresses_inside_others(server: Server, index: str) -> None:
    """What KQL makes of the link's three values: phrases, which fields of addresses take as networks too."""
    server.call("PUT", f"/{index}", {"mappings": {"properties": {"ip": {"type": "ip"}}}})
    inside = ["198.51.0.0", "::ffff:198.51.0.0", "64:ff9b::198.51.0.0", "2002:c633:0::1", "2002:c633:0:7:a::b"]
    for number, ip in enumerate([*inside, "198.51.0.1", "2002:c633:1::1", "64:ff9b::c633:1"]):
        server.call("PUT", f"/{index}/_doc/{number}?refresh=true", {"ip": ip})
    asked = [{"match_phrase": {"ip": text}} for text in ("198.51.0.0", "64:ff9b::c633:0", "2002:c633:0::/48")]
    status, answer = server.call("POST", f"/{index}/_search", {"size": 50, "query": {"bool": {"should": asked}}})
    assert status == 200, answer
    assert sorted(hit["_source"]["ip"] for hit in answer["hits"]["hits"]) == sorted(inside)
