"""What was wrong in the real consoles, held in the shipped files: links, filters, headings, scores, colours."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from console_parts import opensearch, sources, vega

from ipi_es.config.given_verdict import CLOSING
from ipi_es.setup import console_import

KINDS = ("kibana", "opensearch-dashboards")
FILES = {kind: console_import.load(kind) for kind in KINDS}
PEOPLE = ["Score", "Account", "Address", "Operator", "Network", "Country", "Why", "Raw events"]
"""Headings of the table of records, after the time."""


def dashboards(kind: str) -> dict[str, dict[str, Any]]:
    """Id → attributes."""
    return {each["id"]: each["attributes"] for each in FILES[kind] if each["type"] == "dashboard"}


def one(kind: str, id_: str, type_: str | None = None) -> dict[str, Any]:
    (found,) = (each for each in FILES[kind] if each["id"] == id_ and type_ in (None, each["type"]))
    return dict(found)


def ids(kind: str) -> Counter[str]:
    """All ids of panels and controls, of all dashboards."""
    found: Counter[str] = Counter()
    for attributes in dashboards(kind).values():
        panels = json.loads(attributes["panelsJSON"])
        assert all(panel["gridData"]["i"] == panel["panelIndex"] for panel in panels)
        found.update(panel["panelIndex"] for panel in panels)
        found.update(list(json.loads(attributes.get("controlGroupInput", {}).get("panelsJSON", "{}"))))
    for each in FILES[kind]:
        if each["type"] == "visualization":
            controls = json.loads(each["attributes"]["visState"])["params"].get("controls", ())
            found.update(control["id"] for control in controls)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_panels_or_controls_of_all_dashboards_share_an_id(kind: str) -> None:
    found = ids(kind)
    assert len(found) > 20
    assert set(found.values()) == {1}


def test_kibanas_links_keep_filters_and_time() -> None:
    there = dashboards("kibana")
    for id_, attributes in there.items():
        assert "#/view/" not in json.dumps(FILES["kibana"]), "a link in a text keeps nothing"
        (panel,) = (each for each in json.loads(attributes["panelsJSON"]) if each["type"] == "links")
        links = panel["embeddableConfig"]["attributes"]["links"]
        references = {each["name"]: each for each in one("kibana", id_, "dashboard")["references"]}
        targets = [references[f"{panel['panelIndex']}:{link['destinationRefName']}"] for link in links]
        assert [(each["type"], each["id"]) for each in targets] == [("dashboard", target) for target in there]
        for link in links:
            assert link["type"] == "dashboardLink"
            assert link["destinationRefName"] == f"link_{link['id']}_dashboard"
            assert link["options"] == {"openInNewTab": False, "useCurrentDateRange": True, "useCurrentFilters": True}


def test_opensearchs_links_keep_the_time_and_what_is_pinned() -> None:
    there = dashboards("opensearch-dashboards")
    for id_ in there:
        short = id_.removeprefix("ipi-es-")
        state = json.loads(one("opensearch-dashboards", f"ipi-es-{short}-about")["attributes"]["visState"])
        line = state["params"]["markdown"].splitlines()[0]
        for target in set(there) - {id_}:
            # a part of the global state in a link (`?_g=…`) resets the others: time and pinned filters
            assert f"](#/view/{target})" in line
        controls = json.loads(one("opensearch-dashboards", f"ipi-es-{short}-controls")["attributes"]["visState"])
        assert controls["params"]["pinFilters"] is True
        # the dashboard's own time would replace the reader's after each link
        assert there[id_]["timeRestore"] is False
        assert not {"timeFrom", "timeTo"} & set(there[id_])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("id_", ["ipi-es-overview", "ipi-es-entity"])
def test_repeats_and_what_is_allowed_are_hidden_by_filters_that_can_be_switched_off(kind: str, id_: str) -> None:
    source = json.loads(dashboards(kind)[id_]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    repeats, allowed, scheduled, *closed = source["filter"]
    assert all(each["meta"]["alias"].endswith("hidden") and not each["meta"]["disabled"] for each in source["filter"])
    record = {"bool": {"filter": [{"term": {"result_type": "record"}}, {"exists": {"field": "repeat_of"}}]}}
    assert repeats["query"] == {"bool": {"must_not": [record]}}
    assert allowed["query"] == {"bool": {"must_not": [{"bool": {"filter": [{"exists": {"field": "suppressed_by"}}]}}]}}
    assert scheduled["query"] == {
        "bool": {"must_not": [{"bool": {"filter": [{"exists": {"field": "scheduled_events"}}]}}]}
    }
    if id_ == "ipi-es-overview":
        (incidents,) = closed
        words = [{"wildcard": {"state": {"value": word}}} for word in CLOSING]
        left_out = [{"term": {"result_type": "incident"}}, {"bool": {"should": words}}]
        assert incidents["query"] == {"bool": {"must_not": [{"bool": {"filter": left_out}}]}}
    # no panel leaves them out for itself: the switch shows them everywhere
    for field in ("suppressed_by", "scheduled_events"):
        assert all(field not in json.dumps(panel) for panel in sources.panels().values())


def test_every_filters_data_view_is_named() -> None:
    """A filter without one ends in “Warning”."""
    for kind in KINDS:
        for attributes in dashboards(kind).values():
            source = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
            assert all(each["meta"]["indexRefName"] for each in source["filter"])
    script = sources.data_views()["results"]["computed"]["events_link"]["script"]
    assert "meta:(index:ipi-es-events,alias:" in script


def test_records_have_headings_for_people_and_the_whole_sentence() -> None:
    saved = one("kibana", "ipi-es-records")["attributes"]
    view = json.loads(one("kibana", "ipi-es-results")["attributes"]["fieldAttrs"])
    assert [view[name]["customLabel"] for name in saved["columns"]] == PEOPLE
    assert view["timestamp"] == {"customLabel": "Time"}
    assert saved["rowHeight"] == -1, "as high as the sentence"
    assert "reason" not in saved["grid"]["columns"], "it has the width that the others leave"
    assert one("opensearch-dashboards", "ipi-es-records")["attributes"]["columns"] == PEOPLE
    for kind in KINDS:
        assert one(kind, "ipi-es-records")["attributes"]["sort"][0] == ["record_score", "desc"]


@pytest.mark.parametrize("kind", KINDS)
def test_scores_have_one_decimal_and_only_scores_have_colours(kind: str) -> None:
    formats = json.loads(one(kind, "ipi-es-results")["attributes"]["fieldFormatMap"])
    coloured = {name for name, each in formats.items() if each["id"] == "color"}
    assert coloured == {"score" if kind == "kibana" else "Score"}
    assert formats["record_score"]["params"]["pattern"] == "0,0.[0]"
    assert "Math.floor(found * 10) / 10" in sources.data_views()["results"]["computed"]["score"]["script"]
    for panel in sources.panels().values():
        scores = [each for each in panel.get("metrics", ()) if str(each.get("field", "")).endswith("_score")]
        assert all(each["op"] == "max" and each.get("severity") for each in scores), "no sum has a severity's colour"


def test_tables_of_kibana_show_scores_rounded_down() -> None:
    """Lens rounds: of the stored field 74.96 was 75.0, in the colour of a lower severity."""
    coloured = 0
    for each in FILES["kibana"]:
        if each["type"] == "lens" and each["attributes"]["visualizationType"] == "lnsDatatable":
            state = each["attributes"]["state"]
            columns = state["datasourceStates"]["formBased"]["layers"]["layer0"]["columns"]
            shown = [column["columnId"] for column in state["visualization"]["columns"] if "palette" in column]
            assert {columns[name]["sourceField"] for name in shown} <= {"score"}
            coloured += len(shown)
    assert coloured == 4


def test_columns_of_kibanas_lists_have_room_for_their_headings() -> None:
    """A heading stands between two icons; of “Score” in 65 pixels “S…” was left."""
    for id_, view in (("ipi-es-records", "ipi-es-results"), ("ipi-es-wholes", "ipi-es-results")):
        labels = json.loads(one("kibana", view, "index-pattern")["attributes"]["fieldAttrs"])
        columns = one("kibana", id_)["attributes"]["grid"]["columns"]
        assert len(columns) >= 2
        assert all(column["width"] >= 52 + 7.2 * len(labels[name]["customLabel"]) for name, column in columns.items())


@pytest.mark.parametrize("kind", KINDS)
def test_times_are_shown_to_the_minute(kind: str) -> None:
    """With the consoles' own pattern, half as long again, columns cut the hour."""
    for id_ in ("ipi-es-results", "ipi-es-annotations"):
        view = json.loads(one(kind, id_, "index-pattern")["attributes"]["fieldFormatMap"])
        assert view["timestamp"] == {"id": "date", "params": {"pattern": "YYYY-MM-DD HH:mm"}}
        assert view["event.ingested"] == view["timestamp"]


def test_declared_colours_reach_opensearch_dashboards() -> None:
    for panel in sources.panels().values():
        declared = {each["label"]: each["colour"] for each in panel.get("series", ()) if "colour" in each}
        if declared:
            saved = one("opensearch-dashboards", f"ipi-es-{panel['id']}")["attributes"]
            assert json.loads(saved["uiStateJSON"]) == {"vis": {"colors": declared}}


def test_repeats_are_not_drawn_as_zero_and_single_hours_are_bars() -> None:
    panels = sources.panels()
    # an hour without a result of one kind is 0 in a line of OpenSearch Dashboards, and a faint dot in Kibana's
    assert {each["draw"] for name in ("entity-scores", "entity-gap") for each in panels[name]["series"]} == {"bar"}


def test_repeats_have_a_colour_of_their_own_in_the_lanes_of_entities_alone() -> None:
    for panel, repeats in (("lanes-entities", True), ("lanes-jobs", False)):
        spec = vega.swimlane(sources.panels()[panel], "kibana")
        (colours,) = (each for each in spec["scales"] if each["name"] == "colour")
        parts = [each for name, each in spec["data"][0]["url"]["body"]["aggs"].items() if name.startswith("part")]
        assert len(parts) == len(sources.panels()[panel]["parts"])
        assert any("repeats" in each["aggs"]["lanes"]["aggs"]["cells"]["aggs"] for each in parts) is repeats
        assert ("repeat" in colours["domain"]) is repeats
        assert len(colours["domain"]) == len(colours["range"])


@pytest.mark.parametrize("console", ["kibana", "opensearch"])
def test_a_click_on_a_cell_narrows_the_time_too(console: str) -> None:
    for panel in ("lanes-jobs", "lanes-entities"):
        signals = {each["name"]: each for each in vega.swimlane(sources.panels()[panel], console)["signals"]}
        (narrowed,) = signals["narrowed"]["on"]
        function = "kibanaSetTimeFilter" if console == "kibana" else "opensearchDashboardsSetTimeFilter"
        assert narrowed == {"events": "@cell:click", "update": f"{function}(datum.start, datum.end - 1)"}, (
            "both ends of a console's time range are in it: the next bucket begins at the end"
        )
        (chosen,) = signals["chosen"]["on"]
        assert chosen["events"] == "@cell:click, @name:click"


def test_a_chosen_entitys_addresses_are_read_from_its_records() -> None:
    panel = sources.panels()["addresses"]
    assert panel["filter"] == {"result_type": "record"}  # records name the entity, influencers of addresses needn't
    assert [row["field"] for row in panel["rows"]] == ["by_field_value"]
    overview = next(each for each in sources.dashboards() if each.short == "overview")
    assert "addresses" in {placed.panel["id"] for placed in overview.panels}


def test_headings_of_opensearch_are_only_to_be_read() -> None:
    fields = json.loads(one("opensearch-dashboards", "ipi-es-results")["attributes"]["fields"])
    listed = {each["name"]: each for each in fields}
    assert not any(listed[name]["searchable"] for name in ("Account", "Address", "Why"))
    assert listed["Why"]["script"] == opensearch.heading_script("reason", "text") == "return params._source.reason;"


def test_the_texts_say_which_score_is_meant() -> None:
    text = sources.panels()["overview-about"]["text"]
    assert "*current*" in text
    assert "*initial*" in text
    assert "current score" in sources.panels()["records"]["title"]
