"""What the dashboards ask, on real servers with results in them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import rison
from console_parts import kibana, opensearch, queries, sources
from console_results import ASKING, HOUR, SCRIPTS, START, ask, of_job
from servers.pool import Server

from ipi_es.cluster.port import Cluster
from ipi_es.results.documents.result_documents import (
    ResultContext,
)
from ipi_es.results.reading.rule_uses import HiddenResults, event_uses, rule_uses


@pytest.mark.parametrize("panel", ASKING, ids=lambda panel: panel["id"])
def test_every_panel_finds_what_it_shows(server: Server, filled: ResultContext, panel: dict[str, Any]) -> None:
    scripted = {each.get("field") for each in panel.get("series", ())} & set(SCRIPTS)
    if scripted and not server.is_opensearch:
        pytest.skip("Painless of Elasticsearch 8 and 9 is in no package registry; OpenSearch runs the same script")
    answer = ask(server, of_job(queries.body(panel, SCRIPTS if server.is_opensearch else {}), filled))
    assert answer["hits"]["total"]["value"] > 0
    if panel["kind"] == "documents":
        asked = [name for name in panel["columns"] if name not in SCRIPTS]
        optional = {"source.geo.country_iso_code"}  # not every record has a country
        assert set(asked) <= set(answer["hits"]["hits"][0]["_source"]) | optional
        return
    name = "split" if "split" in panel else "time" if panel["kind"] == "time" else "row"
    inner = answer["aggregations"][name]["buckets"][0]
    if "split" in panel:
        inner = inner["time"]["buckets"][0]
    values = [inner[name]["value"] for name in inner if re.fullmatch(r"m\d", name)]
    assert len(values) == len(panel.get("series") or panel["metrics"])
    assert all(value is not None for value in values)


def test_repeats_and_what_was_expected_are_left_out_unless_their_filters_are_switched_off(
    server: Server, filled: ResultContext
) -> None:
    panels = sources.panels()

    def of_panel(name: str, *, hidden: bool = True) -> dict[str, Any]:
        body = queries.body(panels[name], {})
        filters = [body["query"], *([sources.hidden(name)] if hidden else [])]
        return ask(server, of_job(body | {"query": {"bool": {"filter": filters}}}, filled))

    records = of_panel("records")["hits"]["hits"]
    assert not {"allowed", "again", "scheduled"} & {each["_source"]["partition_field_value"] for each in records}
    switched_off = of_panel("records", hidden=False)["hits"]["hits"]
    assert {"allowed", "again", "scheduled"} <= {each["_source"]["partition_field_value"] for each in switched_off}
    assert records[0]["_source"]["reason"].startswith(
        "user-0 used 198.51.0.0 (2 events). 198.51.0.0 belongs to a VPN. In what was learned before "
    )
    top = of_panel("top-entities")["aggregations"]["row"]["buckets"]
    assert [each["key"] for each in top][:2] == ["user-0", "user-29"]
    addresses = of_panel("top-ips")["aggregations"]["row"]["buckets"]
    assert all(re.fullmatch(r"[\d.]+", each["key"]) for each in addresses)


def test_what_was_hidden_is_counted_by_rule_and_by_scheduled_event(cluster: Cluster, filled: ResultContext) -> None:
    last = START + 7 * HOUR
    assert rule_uses(cluster, filled.job_id) == {"vpn": HiddenResults(1, last, 98.0)}
    of_events = event_uses(cluster, filled.job_id)
    assert of_events == {name: HiddenResults(1, last, 96.0) for name in ("move", "test")}


@pytest.mark.only_on(
    "opensearch", "Painless of Elasticsearch 8 and 9 is in no package registry; OpenSearch runs the same script"
)
def test_kibanas_runtime_fields_run_as_opensearchs_derived_fields_do(server: Server, filled: ResultContext) -> None:
    (view,) = (each for each in kibana.objects() if each["id"] == "ipi-es-results")
    runtime = json.loads(view["attributes"]["runtimeFieldMap"])
    search = {"derived": runtime, "fields": list(runtime), "size": 1}
    found = {}
    for kind in ("record", "bucket"):
        query = {"bool": {"filter": [{"term": {"job_id": filled.job_id}}, {"term": {"result_type": kind}}]}}
        (hit,) = ask(server, {**search, "query": query, "sort": [{"timestamp": "desc"}]})["hits"]["hits"]
        found[kind] = hit["fields"]
    assert set(found["record"]) == {"events_link", "score", "operator"}
    assert found["record"]["operator"] == ["AS64500"]
    assert found["record"]["score"][0] == pytest.approx(69.0)
    assert rison.state_of(found["record"]["events_link"][0])["_a"]["index"] == "ipi-es-events"
    assert found["bucket"] == {"written_after": [0.0], "unparsable_share": [11.5], "score": [0.0]}


@pytest.mark.only_on("opensearch", "headings are scripted fields of OpenSearch Dashboards")
def test_headings_have_the_values_of_their_fields(server: Server, filled: ResultContext) -> None:
    views = sources.data_views()
    (pattern,) = (each for each in opensearch.objects() if each["id"] == views["results"]["id"])
    scripts = {
        each["name"]: {"script": {"lang": "painless", "source": each["script"]}}
        for each in json.loads(pattern["attributes"]["fields"])
        if each["scripted"]
    }
    search = {"script_fields": scripts, "_source": True, "size": 1, "query": {"term": {"result_type": "record"}}}
    asked = of_job(search, filled) | {"sort": [{"record_score": "desc"}]}
    (hit,) = ask(server, asked)["hits"]["hits"]
    shown, source = hit["fields"], hit["_source"]
    assert shown["Score"] == [99.0]
    assert shown["Account"] == [source["partition_field_value"]]
    assert shown["Address"] == [source["by_field_value"]]
    assert shown["Why"] == [source["reason"]]
    assert shown["Operator"] == ["AS64500"]
    assert shown["Country"] == ["SG"]
    # a console computes every scripted field of every document: none may fail on another kind of result
    for kind in ("bucket", "influencer", "annotation"):
        assert ask(server, of_job(search | {"query": {"term": {"result_type": kind}}}, filled))["hits"]["hits"], kind
