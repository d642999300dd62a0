"""Charts, tables and swim-lanes, drawn from the answers of real servers."""

from __future__ import annotations

import base64
import re
import struct
from typing import Any

import pytest
import vl_convert
from console_parts import panel_pictures, picture, request, sources, vega
from console_results import ASKING, DAY, LANES, MANY, SCRIPTS, START, ask, fill
from servers.pool import Server

from ipi_es.cluster.port import Cluster
from ipi_es.results.documents.result_documents import (
    ResultContext,
)


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
