"""The shipped dashboards: as their sources say, whole in themselves, on fields that exist, in formats old enough."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from console_parts import ROOT, kibana, opensearch, sources, vega

from ipi_es import resources
from ipi_es.results.index_mapping import mapped_type
from ipi_es.scoring.probability import SEVERITY_THRESHOLDS
from ipi_es.setup import console_import, templates

KINDS = ("kibana", "opensearch-dashboards")
FILES = {kind: console_import.load(kind) for kind in KINDS}
COMPUTED = set(sources.data_views()["results"]["computed"])
HEADINGS = {heading for view in opensearch.HEADINGS.values() for heading in view.values()}
"""Scripted fields of OpenSearch Dashboards under names for people."""
EVERY = [(kind, each) for kind in KINDS for each in FILES[kind]]
PANEL_IDS = [
    "addresses", "annotations", "bucket-scores", "entity-about", "entity-addresses", "entity-gap", "entity-networks",
    "entity-scores", "entity-usual", "incidents", "jobs-about", "jobs-lag", "jobs-renormalization", "jobs-renormalized",
    "jobs-snapshots", "jobs-table", "jobs-unparsable", "jobs-warm-up", "lanes-entities", "lanes-jobs",
    "overview-about", "records", "top-entities", "top-ips", "wholes",
]  # fmt: skip
"""People's links, and what an import replaces, hang on these."""

NEWEST = {
    "kibana": {"index-pattern": "8.0.0", "search": "8.0.0", "visualization": "8.5.0", "lens": "8.9.0",
               "dashboard": "8.9.0"},
    "opensearch-dashboards": {"index-pattern": "7.6.0", "search": "7.9.3", "visualization": "7.10.0",
                              "dashboard": "7.9.3"},
}  # fmt: skip
"""What Kibana 8.12 and OpenSearch Dashboards 2.8 themselves write into an export; newer is refused by them."""

KNOWN = {
    "dashboard": {"title", "description", "kibanaSavedObjectMeta", "timeRestore", "timeFrom", "timeTo",
                  "refreshInterval", "controlGroupInput", "panelsJSON", "optionsJSON", "hits", "version"},
    "search": {"title", "description", "columns", "sort", "grid", "rowHeight", "rowsPerPage", "hideChart",
               "breakdownField", "kibanaSavedObjectMeta", "isTextBasedQuery", "usesAdHocDataView", "timeRestore",
               "timeRange", "refreshInterval", "viewMode", "hideAggregatedPreview", "hits", "version"},
}  # fmt: skip
"""Attributes by Kibana 8.8's schemas of these types, which refuse all others on import; later ones only added some."""

LENS_OPERATIONS = {"date_histogram", "terms", "min", "max", "sum", "average", "count"}
AGGREGATIONS = {"date_histogram", "terms", "min", "max", "sum", "avg", "count"}


def named(each: tuple[str, dict[str, Any]]) -> str:
    return f"{each[0]}-{each[1]['id']}-{each[1]['type']}"


def mapping() -> dict[str, Any]:
    (shipped,) = (each for each in templates.load() if each.name == "ipi-es-results")
    return shipped.mappings


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(each) for each in version.split("."))


def test_files_are_as_their_sources_say() -> None:
    for name, made in (("kibana.ndjson", kibana.objects()), ("opensearch-dashboards.ndjson", opensearch.objects())):
        text = "".join(json.dumps(each, ensure_ascii=False, sort_keys=True) + "\n" for each in made)
        assert (ROOT / "kibana" / name).read_text(encoding="utf-8") == text, "run python tools/build_dashboards.py"


def test_files_are_found_as_resources() -> None:
    assert all(resources.folder("kibana").joinpath(file).is_file() for file in console_import.FILES.values())


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_stable_and_unique(kind: str) -> None:
    places = [(each["type"], each["id"]) for each in FILES[kind]]
    assert len(set(places)) == len(places)
    found = {id_.removeprefix("ipi-es-") for type_, id_ in places if type_ not in {"dashboard", "index-pattern"}}
    assert sorted(each for each in found if not each.endswith("-controls")) == PANEL_IDS
    assert [id_ for type_, id_ in places if type_ == "dashboard"] == ["ipi-es-overview", "ipi-es-entity", "ipi-es-jobs"]


@pytest.mark.parametrize("each", EVERY, ids=named)
def test_every_reference_is_in_the_file_and_used(each: tuple[str, dict[str, Any]]) -> None:
    kind, saved = each
    there = {(one["type"], one["id"]) for one in FILES[kind]}
    assert all((one["type"], one["id"]) in there for one in saved["references"])
    names = [one["name"] for one in saved["references"]]
    assert len(set(names)) == len(names)
    assert sorted(names) == sorted(wanted_references(kind, saved))


def wanted_references(kind: str, saved: dict[str, Any]) -> Iterator[str]:
    """The names that the object's attributes ask for."""
    attributes = saved["attributes"]
    source = json.loads(attributes.get("kibanaSavedObjectMeta", {}).get("searchSourceJSON", "{}"))
    if "indexRefName" in source:
        yield source["indexRefName"]
    if saved["type"] == "lens":
        layers = attributes["state"]["datasourceStates"]["formBased"]["layers"]
        yield from (f"indexpattern-datasource-layer-{layer}" for layer in layers)
    if saved["type"] == "visualization":
        controls = json.loads(attributes["visState"])["params"].get("controls", ())
        yield from (control["indexPatternRefName"] for control in controls)
    if saved["type"] == "dashboard":
        for panel in json.loads(attributes["panelsJSON"]):
            for link in panel["embeddableConfig"].get("attributes", {}).get("links", ()):
                yield f"{panel['panelIndex']}:{link['destinationRefName']}"
            if "panelRefName" in panel:
                yield f"{panel['panelIndex']}:{panel['panelRefName']}" if kind == "kibana" else panel["panelRefName"]
        yield from (pill["meta"]["indexRefName"] for pill in source["filter"])
        group = json.loads(attributes.get("controlGroupInput", {}).get("panelsJSON", "{}"))
        yield from (f"controlGroup_{name}:optionsListDataView" for name in group)


@pytest.mark.parametrize("each", EVERY, ids=named)
def test_every_field_is_in_the_mapping(each: tuple[str, dict[str, Any]]) -> None:
    kind, saved = each
    results = mapping()
    for field in fields(saved):
        known = field in COMPUTED | HEADINGS or mapped_type(field, results) not in (None, "object", "nested")
        assert known, f"{field} of {kind} {saved['id']}"


def fields(saved: dict[str, Any]) -> Iterator[str]:
    """Every field that an object asks the results for."""
    attributes = saved["attributes"]
    if saved["type"] == "index-pattern":
        if saved["id"] != "ipi-es-events":
            yield attributes["timeFieldName"]
            yield from json.loads(attributes["fieldFormatMap"])
        return
    source = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"]) if saved["type"] != "lens" else {}
    yield from in_kql(source.get("query", {}).get("query", ""))
    if saved["type"] == "search":
        yield from attributes["columns"]
        yield from (field for field, _ in attributes["sort"])
    if saved["type"] == "lens":
        yield from in_kql(attributes["state"]["query"]["query"])
        for layer in attributes["state"]["datasourceStates"]["formBased"]["layers"].values():
            yield from (
                column["sourceField"] for column in layer["columns"].values() if column["operationType"] != "count"
            )
    if saved["type"] == "visualization":
        state = json.loads(attributes["visState"])
        yield from (agg["params"]["field"] for agg in state["aggs"] if "field" in agg["params"])
        yield from (control["fieldName"] for control in state["params"].get("controls", ()))
        if state["type"] == "vega":
            yield from in_query(json.loads(state["params"]["spec"])["data"][0]["url"])
    group = json.loads(attributes.get("controlGroupInput", {}).get("panelsJSON", "{}"))
    yield from (control["explicitInput"]["fieldName"] for control in group.values())


def in_kql(text: str) -> list[str]:
    return re.findall(r"([\w.@]+):", re.sub(r'"[^"]*"', "", text))


def in_query(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from in_query(each)
    if isinstance(value, dict):
        for key, each in value.items():
            if key in {"field", "%timefield%"}:
                yield each
            elif key == "term":
                yield from each
            else:
                yield from in_query(each)


@pytest.mark.parametrize("each", EVERY, ids=named)
def test_no_format_is_newer_than_the_oldest_console_writes(each: tuple[str, dict[str, Any]]) -> None:
    kind, saved = each
    newest = NEWEST[kind][saved["type"]]
    if kind == "kibana":
        assert numbers(saved["typeMigrationVersion"]) <= numbers(newest)
        assert numbers(saved["coreMigrationVersion"]) <= (8, 8, 0)
    else:
        assert set(saved["migrationVersion"]) == {saved["type"]}
        assert numbers(saved["migrationVersion"][saved["type"]]) <= numbers(newest)


@pytest.mark.parametrize("each", [each for each in EVERY if each[0] == "kibana"], ids=named)
def test_kibana_refuses_no_attribute(each: tuple[str, dict[str, Any]]) -> None:
    _, saved = each
    if saved["type"] in KNOWN:
        assert set(saved["attributes"]) <= KNOWN[saved["type"]]
    if saved["type"] == "dashboard":
        group = saved["attributes"]["controlGroupInput"]
        assert set(group) <= {"panelsJSON", "controlStyle", "chainingSystem", "ignoreParentSettingsJSON"}
        assert set(saved["attributes"]["refreshInterval"]) <= {"pause", "value", "display", "section"}


@pytest.mark.parametrize("each", EVERY, ids=named)
def test_nothing_is_used_that_the_oldest_console_lacks(each: tuple[str, dict[str, Any]]) -> None:
    kind, saved = each
    attributes = saved["attributes"]
    if saved["type"] == "lens":
        assert attributes["visualizationType"] in {"lnsXY", "lnsDatatable"}
        for layer in attributes["state"]["datasourceStates"]["formBased"]["layers"].values():
            assert {column["operationType"] for column in layer["columns"].values()} <= LENS_OPERATIONS
    if saved["type"] == "visualization":
        state = json.loads(attributes["visState"])
        allowed = {"markdown", "vega"} if kind == "kibana" else {
            "markdown", "vega", "table", "line", "histogram", "input_control_vis"
        }  # fmt: skip
        assert state["type"] in allowed
        assert {agg["type"] for agg in state["aggs"]} <= AGGREGATIONS
    if saved["type"] == "dashboard":
        panels = json.loads(attributes["panelsJSON"])
        assert {numbers(panel["version"]) for panel in panels} == {(8, 12, 0) if kind == "kibana" else (2, 8, 0)}
        assert all("panelRefName" in panel for panel in panels if panel.get("type") != "links"), (
            "all panels but the links are by reference"
        )
        assert "sections" not in attributes


@pytest.mark.parametrize("kind", KINDS)
def test_panels_neither_overlap_nor_leave_the_grid(kind: str) -> None:
    for saved in FILES[kind]:
        if saved["type"] != "dashboard":
            continue
        taken: set[tuple[int, int]] = set()
        for panel in json.loads(saved["attributes"]["panelsJSON"]):
            grid = panel["gridData"]
            assert grid["x"] + grid["w"] <= sources.COLUMNS
            cells = {
                (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
            }
            assert not cells & taken, f"{saved['id']}: {panel['panelIndex']}"
            taken |= cells


@pytest.mark.parametrize("kind", KINDS)
def test_each_swim_lane_reads_an_index_that_a_data_view_names(kind: str) -> None:
    titles = {each["attributes"]["title"] for each in FILES[kind] if each["type"] == "index-pattern"}
    for panel in sources.panels().values():
        if panel["kind"] == "swimlane":
            spec = vega.swimlane(panel, "kibana" if kind == "kibana" else "opensearch")
            assert spec["data"][0]["url"]["index"] in titles
            signals = {each["name"]: each for each in spec["signals"]}
            (click,) = signals["chosen"]["on"]
            assert f"'{spec['data'][0]['url']['index']}'" in click["update"], (
                "a filter's data view is found by its title"
            )
            assert ("kibanaAddFilter" in click["update"]) is (kind == "kibana")
            assert not re.search(r"\{\w+\}", json.dumps(spec)), "a placeholder is left"


def test_tables_colour_scores_by_the_products_severities() -> None:
    lows = [low for low, _ in sources.SEVERITY_COLOURS]
    assert [low for low in lows if low != 1] == list(SEVERITY_THRESHOLDS)


def test_index_pattern_lists_every_field_of_the_template() -> None:
    (saved,) = (each for each in FILES["opensearch-dashboards"] if each["id"] == "ipi-es-results")
    listed = {each["name"]: each for each in json.loads(saved["attributes"]["fields"])}
    assert {"user.name", "source.ip", "written_after", "Score", "Account", "Why"} <= set(listed)
    assert {"reason", "unparsable_count", "anomaly_score_explanation.typical.network"} <= set(listed)
    assert all(each["scripted"] is (name in COMPUTED | HEADINGS) for name, each in listed.items())


def test_runtime_fields_emit_what_scripted_fields_return() -> None:
    (saved,) = (each for each in FILES["kibana"] if each["id"] == "ipi-es-results")
    for name, field in json.loads(saved["attributes"]["runtimeFieldMap"]).items():
        script = field["script"]["source"]
        assert "return null" not in script, name
        assert len(re.findall(r"\bemit\(", script)) == 1, name
        assert field["type"] in {"keyword", "long", "double"}


def test_sources_name_no_file_that_is_missing() -> None:
    folder = Path(sources.FOLDER)
    assert {each.stem for each in folder.glob("*.painless")} == COMPUTED
