"""What the dashboards ask, on real servers with results in them, and the swim-lane drawn from the answers."""

from __future__ import annotations

import base64
import json
import re
import struct
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import rison
import vl_convert
from console_parts import kibana, opensearch, panel_pictures, picture, queries, request, sources, vega
from servers.pool import Server

from ipi_es.cluster.port import Cluster
from ipi_es.results.documents.explanation import ScoreExplanation
from ipi_es.results.documents.members import Members
from ipi_es.results.documents.result_documents import (
    Bucket,
    BucketInfluencer,
    Influencer,
    Record,
    ResultContext,
    ResultDocument,
    Stamp,
    annotation,
)
from ipi_es.results.reading.incident_grouping import Incident
from ipi_es.results.reading.rule_uses import HiddenResults, event_uses, rule_uses
from ipi_es.results.store import ResultStore
from ipi_es.results.words import ALIAS, BUCKET_TIME

HOUR = 3_600
DAY = 24 * HOUR
START = 1_778_457_600  # 2026-05-11T00:00:00Z
MANY = 10_000  # entities: the state that a big company's dashboard is in
STAMP = Stamp("snap-1", "q-1", ingested=START + DAY)
ASKING = [panel for panel in sources.panels().values() if panel["kind"] in {"time", "table", "documents"}]
LANES = [panel for panel in sources.panels().values() if panel["kind"] == "swimlane"]
SCRIPTS = {name: each["script"] for name, each in sources.data_views()["results"]["computed"].items()}


@pytest.fixture
def context(cluster: Cluster) -> Iterator[ResultContext]:
    name = f"consoles-{uuid.uuid4().hex[:8]}"
    yield ResultContext(name, HOUR, "user.name", "source.ip", ("user.name", "source.ip"), results_index_name=name)
    for index in cluster.indices(f"{ALIAS}-{name}*"):
        cluster.delete_index(index)


def explanation(entity: int) -> ScoreExplanation:
    return ScoreExplanation(
        history_class="31–200 events",
        prior_events=40,
        calibration_size=9_999,
        probability_extrapolated=False,
        c1=80.0,
        c2=90.0,
        c3=100.0,
        bound="rank",
        first_occurrence=True,
        relative_rarity=1.0,
        typical=(("192.0.2.0/24", 40, 1.0),),
        network=f"198.51.{entity % 256}.0/24",
        cold_start=("young_job",),
    )


def results(context: ResultContext, entities: int) -> Iterator[ResultDocument]:
    """A day: 24 buckets, a record and an influencer of each entity, one more that is allowed, an incident, and an
    annotation."""
    for hour in range(24):
        score = 92.0 if hour == 9 else 0.0
        whole = BucketInfluencer(BUCKET_TIME, score, 2.0, 1e-5)
        bucket = Bucket(
            start=START + hour * HOUR, event_count=200, processing_time_ms=5, influencers=[whole],
            top_entities=["user-0"], unparsable_count=hour,
        ).document(context, STAMP)  # fmt: skip
        bucket.source["renormalized_at"] = (START + DAY) * 1_000
        yield bucket
    for number in range(entities):
        yield from found(context, number, f"user-{number}", 99.0 if number == 0 else 90.0 * number / entities)
    yield from found(context, 7, "allowed", 98.0, suppressed_by="vpn")
    yield next(found(context, 7, "again", 97.0, repeat_of="another"))
    yield from found(context, 7, "scheduled", 96.0, replace(STAMP, scheduled_events=("move", "test")))
    worst = tuple((each.id, each.source) for each in found(context, 0, "user-0", 99.0))
    one = Incident(worst).to_dict(context.job_id) | {"event.ingested": (START + DAY) * 1_000}
    yield ResultDocument(context.index_for(START), one["incident_id"], one)
    yield annotation(
        context, STAMP, start=START, end=START + HOUR, annotation_type="blind", text="no events for an hour"
    )


def found(
    context: ResultContext, number: int, entity: str, score: float, stamp: Stamp = STAMP, **more: Any
) -> Iterator[ResultDocument]:
    start, ip = START + number % 24 * HOUR, f"198.51.{number % 256}.{number // 256 % 256}"
    yield Record(
        start=start, entity=entity, ip=ip, probability=1e-6, record_score=score, actual=-5.0,
        typical=3.0, event_count=2, explanation=explanation(number),
        enrichment={"source.as.number": 64_500, "source.geo.country_iso_code": "SG", "source.network_type": ["vpn"]},
        **more,
    ).document(context, stamp)  # fmt: skip
    for field, value in (("user.name", entity), ("source.ip", ip)):
        yield Influencer(
            start=start, field=field, value=value, probability=1e-6, influencer_score=score,
            members=Members(1, 1, 0, 0, (ip if field == "user.name" else entity,), 2), **more,
        ).document(context, stamp)  # fmt: skip


@pytest.fixture
def filled(cluster: Cluster, context: ResultContext) -> ResultContext:
    fill(cluster, context, 30)
    return context


def fill(cluster: Cluster, context: ResultContext, entities: int) -> None:
    ResultStore(
        cluster, context.job_id, results_index_name=context.results_index_name, flat_fields=context.flat_fields
    ).write(results(context, entities), 1)
    cluster.refresh(ALIAS)


def ask(server: Server, body: dict[str, Any]) -> dict[str, Any]:
    status, answer = server.call("POST", f"/{ALIAS}/_search", body)
    assert status == 200, answer
    return dict(answer)


def of_job(body: dict[str, Any], context: ResultContext) -> dict[str, Any]:
    return body | {"query": {"bool": {"filter": [body["query"], {"term": {"job_id": context.job_id}}]}}}


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


def drawn(server: Server, context: ResultContext, panel: dict[str, Any], start: int) -> str:
    """A chart or table of the three days from ``start``, epoch seconds, by the aggregation that Lens asks."""
    window = start * 1_000, (start + 3 * DAY) * 1_000
    only = [{"term": {"job_id": context.job_id}}, sources.hidden(panel["id"])]
    asked = panel_pictures.asked(panel, SCRIPTS, window, only)
    return str(
        vl_convert.vegalite_to_svg(panel_pictures.specification(panel, ask(server, asked), window, (1_150, 260)))
    )


@pytest.mark.only_on(
    "opensearch", "Painless of Elasticsearch 8 and 9 is in no package registry; OpenSearch runs the same script"
)
@pytest.mark.parametrize("panel", ASKING, ids=lambda panel: panel["id"])
def test_every_chart_and_table_is_drawn_and_an_empty_one_says_so(
    server: Server, filled: ResultContext, panel: dict[str, Any]
) -> None:
    svg = drawn(server, filled, panel, START - DAY)
    assert "No results found" not in svg
    named = [each["label"] for each in (*panel.get("rows", ()), *panel.get("metrics", ()))]
    assert all(f">{name}<" in svg for name in named)
    if panel["kind"] == "time":
        assert len(re.findall(r'aria-roledescription="(?:bar|point|line mark)"', svg)) >= len(panel["series"])
    assert "No results found" in drawn(server, filled, panel, START + 30 * DAY)


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


@pytest.mark.parametrize("days", [0.25, 1, 7, 30, 365, 3_650])
@pytest.mark.parametrize("panel", LANES, ids=lambda panel: panel["id"])
def test_swim_lane_is_drawn_over_any_time_range(
    server: Server, filled: ResultContext, panel: dict[str, Any], days: float
) -> None:
    end = (START + DAY) * 1_000
    spec = vega.swimlane(panel, "kibana")
    body = request(spec, end - int(days * DAY * 1_000), end, {"term": {"job_id": filled.job_id}})
    svg = picture(spec, ask(server, body), vl_convert.vega_to_svg)
    assert len(cells(svg)) >= 1
    assert panel["empty"] not in svg


def cells(svg: str) -> list[str]:
    """The colours of the swim-lane's cells."""
    (group,) = re.findall(r'<g class="mark-rect role-mark cell"[^>]*>(.*?)</g>', svg, flags=re.DOTALL)
    return re.findall(r'fill="(#\w{6})"', group)


def test_swim_lane_shows_the_worst_first_in_their_severities_colours(server: Server, filled: ResultContext) -> None:
    spec = vega.swimlane(sources.panels()["lanes-entities"], "kibana")
    start, end = START * 1_000, (START + DAY) * 1_000
    context = {"bool": {"filter": [{"term": {"job_id": filled.job_id}}, sources.hidden("lanes-entities")]}}
    svg = picture(spec, ask(server, request(spec, start, end, context)), vl_convert.vega_to_svg)
    names = re.findall(r">(user-\d+)<", svg)
    assert names[:3] == ["user-0", "user-29", "user-28"]
    assert len(names) == 20
    assert "worst 20 of about 30 entities" in svg
    assert cells(svg)[0] == "#fe5050"
    assert set(cells(svg)) == {"#fe5050", "#fba740", "#fdec25"}


@pytest.mark.parametrize("panel", LANES, ids=lambda panel: panel["id"])
def test_empty_swim_lane_says_so(server: Server, filled: ResultContext, panel: dict[str, Any]) -> None:
    spec = vega.swimlane(panel, "opensearch")
    later = (START + 30 * DAY) * 1_000
    answer = ask(server, request(spec, later, later + DAY * 1_000, {"term": {"job_id": filled.job_id}}))
    assert panel["empty"] in picture(spec, answer, vl_convert.vega_to_svg)


def test_ten_thousand_entities_are_twenty_lanes(server: Server, cluster: Cluster, context: ResultContext) -> None:
    fill(cluster, context, MANY)
    spec = vega.swimlane(sources.panels()["lanes-entities"], "kibana")
    only = {"bool": {"filter": [{"term": {"job_id": context.job_id}}, sources.hidden("lanes-entities")]}}
    answer = ask(server, request(spec, START * 1_000, (START + DAY) * 1_000, only))
    assert answer["took"] < 10_000  # milliseconds; a console gives up after 30 s
    svg = picture(spec, answer, vl_convert.vega_to_svg)
    assert len(re.findall(r">(user-\d+)<", svg)) == 20
    assert re.search(r"worst 20 of about (9,[5-9]|10,[0-5])\d\d entities", svg)
    if server.is_opensearch:
        charts = {panel["id"]: drawn(server, context, panel, START - DAY) for panel in ASKING}
        assert all(len(svg) < 500_000 for svg in charts.values())  # bytes: a console draws that at once
        assert "user-0" in charts["top-entities"]
        assert len(re.findall(r">user-\d+<", charts["top-entities"])) == panel_pictures.PAGE


def test_picture_has_the_size_of_its_panel(server: Server, filled: ResultContext) -> None:
    spec = vega.swimlane(sources.panels()["lanes-jobs"], "kibana")
    body = request(spec, START * 1_000, (START + DAY) * 1_000, {"term": {"job_id": filled.job_id}})
    png = picture(spec, ask(server, body), vl_convert.vega_to_png, width=600, height=150)
    width, height = struct.unpack(">II", png[16:24])
    assert (abs(width - 600), abs(height - 150)) < (12, 12)
    assert len(base64.b64encode(png)) > 1_000
