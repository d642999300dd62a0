"""Saved objects of OpenSearch Dashboards 2.8 and later: index patterns, visualizations, dashboards by reference."""

from __future__ import annotations

import json
from collections.abc import Iterator

from consoles.formats import field_formats
from consoles.links import markdown
from consoles.sources import ROOT, Dashboard, Spec, dashboards, data_views, kql, panels, pills
from consoles.vega import swimlane

VERSIONS = {"index-pattern": "7.6.0", "search": "7.9.3", "visualization": "7.10.0", "dashboard": "7.9.3"}
PANEL_VERSION = "2.8.0"
_OPS = {"average": "avg"}
_INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"


def _headings(view: Spec) -> dict[str, str]:
    """Return field → the name of the scripted field of its values: in this console a field's name is the heading."""
    shown = {
        name: each["label"]
        for name, each in view.get("computed", {}).items()
        if {"link", "severity", "heading"} & set(each)
    }
    return {field: label for field, label in view.get("labels", {}).items() if field != view["time"]} | shown


HEADINGS = {name: _headings(view) for name, view in data_views().items()}
"""View → field → heading."""
_KINDS = {"keyword": "string", "text": "string", "date": "date", "boolean": "boolean", "ip": "ip"}
"""Type in the mapping → type in an index pattern; other types are numbers."""


def objects() -> list[Spec]:
    """Return all objects; referenced ones come first."""
    views = data_views()
    found = [_index_pattern(name, view) for name, view in views.items()]
    found += [_panel(panel) for panel in panels().values() if panel["kind"] != "text"]
    found += [_text(panel, each) for each in dashboards() for panel in _texts(each)]
    found += [_controls(each) for each in dashboards()]
    return found + [_dashboard(each) for each in dashboards()]


def _object(kind: str, id_: str, attributes: Spec, references: list[Spec] | None = None) -> Spec:
    return {
        "type": kind,
        "id": id_,
        "attributes": attributes,
        "references": references or [],
        "migrationVersion": {kind: VERSIONS[kind]},
    }


def _index_pattern(name: str, view: Spec) -> Spec:
    fields = [] if name == "events" else list(_fields(name, view))
    formats = {HEADINGS[name].get(field, field): found for field, found in field_formats(view).items()}
    attributes = {
        "title": view["title"],
        "timeFieldName": view["time"],
        "fields": json.dumps(fields),
        "fieldFormatMap": json.dumps(formats),
    }
    return _object("index-pattern", view["id"], attributes)


def _fields(view_name: str, view: Spec) -> Iterator[Spec]:
    """Yield all fields of the results: the console doesn't add them to an index pattern that has scripted fields."""
    template = json.loads((ROOT / "templates" / "ipi-es-results.json").read_text(encoding="utf-8"))
    mapped = dict(_leaves(template["template"]["mappings"]["properties"])) | view.get("flat", {})
    for name, kind in sorted(mapped.items()):
        yield field_of(name, kind)
    computed = view.get("computed", {})
    for name, each in computed.items():
        yield _scripted(HEADINGS[view_name].get(name, name), each["type"], each["script"])
    for name, heading in HEADINGS[view_name].items():
        if name not in computed:
            # only to be read: a filter or aggregation belongs on the field itself
            readable = {"searchable": False, "aggregatable": False}
            yield _scripted(heading, "keyword", heading_script(name, mapped[name])) | readable


def _scripted(name: str, kind: str, script: str) -> Spec:
    return field_of(name, kind) | {"scripted": True, "lang": "painless", "script": script, "readFromDocValues": False}


def heading_script(field: str, kind: str) -> str:
    """Return the Painless script of a heading: the field's value, of a text from the document itself."""
    if kind == "text":
        return f"return params._source.{field};"
    missing = f"!doc.containsKey('{field}') || doc['{field}'].size() == 0"
    return f"if ({missing}) {{ return null; }} return doc['{field}'].value;"


def field_of(name: str, kind: str) -> Spec:
    """Return a field as in an index pattern."""
    return {
        "name": name,
        "type": _KINDS.get(kind, "number"),
        "esTypes": [kind],
        "count": 0,
        "scripted": False,
        "searchable": True,
        "aggregatable": kind != "text",
        "readFromDocValues": kind != "text",
    }


def _leaves(properties: Spec, path: str = "") -> Iterator[tuple[str, str]]:
    for name, mapping in properties.items():
        if mapping.get("type") == "nested":
            continue
        if "properties" in mapping:
            yield from _leaves(mapping["properties"], f"{path}{name}.")
        else:
            kind = mapping["type"]
            yield f"{path}{name}", "date" if kind == "alias" else kind


def _panel(panel: Spec) -> Spec:
    make = {"swimlane": _vega, "time": _time, "table": _table, "documents": _documents}
    return make[panel["kind"]](panel)


def _texts(dashboard: Dashboard) -> list[Spec]:
    return [placed.panel for placed in dashboard.panels if placed.panel["kind"] == "text"]


def _text(panel: Spec, dashboard: Dashboard) -> Spec:
    text = f"{markdown(dashboard, dashboards())}\n\n{panel['text']}"
    params = {"fontSize": 12, "openLinksInNewTab": False, "markdown": text}
    return _visualization(panel["id"], panel["id"], "markdown", params)


def _vega(panel: Spec) -> Spec:
    spec = json.dumps(swimlane(panel, "opensearch"), indent=2, ensure_ascii=False)
    return _visualization(panel["id"], panel["title"], "vega", {"spec": spec})


def _source(query: str) -> Spec:
    return {"query": {"query": query, "language": "kuery"}, "filter": []}


def _visualization(
    id_: str,
    title: str,
    kind: str,
    params: Spec,
    *,
    aggs: list[Spec] | None = None,
    filter_: Spec | None = None,
    references: list[Spec] | None = None,
    colours: dict[str, str] | None = None,
) -> Spec:
    source = _source(kql(filter_))
    referred = list(references or [])
    if aggs:
        source["indexRefName"] = _INDEX
        referred.append({"name": _INDEX, "type": "index-pattern", "id": data_views()["results"]["id"]})
    title = f"ipi-es: {title}"
    attributes = {
        "title": title,
        "description": "",
        "visState": json.dumps(
            {"title": title, "type": kind, "params": params, "aggs": aggs or []}, ensure_ascii=False
        ),
        "uiStateJSON": json.dumps({"vis": {"colors": colours}} if colours else {}),
        "version": 1,
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source)},
    }
    return _object("visualization", f"ipi-es-{id_}", attributes, referred)


def _documents(panel: Spec) -> Spec:
    source = {"highlightAll": True, "version": True, **_source(kql(panel["filter"])), "indexRefName": _INDEX}
    attributes = {
        "title": f"ipi-es: {panel['title']}",
        "description": "",
        "columns": [HEADINGS[panel["view"]].get(name, name) for name in panel["columns"]],
        "sort": panel["sort"],
        "hits": 0,
        "version": 1,
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source)},
    }
    reference = {"name": _INDEX, "type": "index-pattern", "id": data_views()[panel["view"]]["id"]}
    return _object("search", f"ipi-es-{panel['id']}", attributes, [reference])


def _metric(number: int, metric: Spec) -> Spec:
    params = {"customLabel": metric["label"]} | ({"field": metric["field"]} if "field" in metric else {})
    if metric.get("severity"):
        params["field"] = HEADINGS["results"]["score"]  # it has the severities' colours, and one decimal
    op = _OPS.get(metric["op"], metric["op"])
    return {"id": str(number), "enabled": True, "type": op, "schema": "metric", "params": params}


def _terms(number: int, row: Spec, schema: str) -> Spec:
    by_key = row.get("order") == "key"
    params = {
        "field": row["field"],
        "size": row["size"],
        "orderBy": "_key" if by_key else "1",
        "order": "asc" if by_key else "desc",
        "otherBucket": False,
        "otherBucketLabel": "Other",
        "missingBucket": False,
        "missingBucketLabel": "Missing",
        "customLabel": row.get("label", row["field"]),
    }
    return {"id": str(number), "enabled": True, "type": "terms", "schema": schema, "params": params}


def _table(panel: Spec) -> Spec:
    aggs = [_metric(number, each) for number, each in enumerate(panel["metrics"], start=1)]
    aggs += [_terms(number, each, "bucket") for number, each in enumerate(panel["rows"], start=len(aggs) + 1)]
    params = {
        "perPage": 10,
        "showPartialRows": False,
        "showMetricsAtAllLevels": False,
        "showTotal": False,
        "totalFunc": "sum",
        "percentageCol": "",
    }
    return _visualization(panel["id"], panel["title"], "table", params, aggs=aggs, filter_=panel["filter"])


def _time(panel: Spec) -> Spec:
    aggs = [_metric(number, each) for number, each in enumerate(panel["series"], start=1)]
    if "split" in panel:  # before the time, so that all time buckets have the same values
        aggs.append(_terms(len(aggs) + 1, panel["split"], "group"))
    steps = {
        "field": "timestamp",
        "useNormalizedOpenSearchInterval": True,
        "interval": "auto",
        "drop_partials": False,
        "min_doc_count": 1,
        "extended_bounds": {},
    }
    aggs.append(
        {"id": str(len(aggs) + 1), "enabled": True, "type": "date_histogram", "schema": "segment", "params": steps}
    )
    sides = ["left", *(["right"] if any(each["axis"] == "right" for each in panel["series"]) else [])]
    axes = {side: f"ValueAxis-{number}" for number, side in enumerate(sides, start=1)}
    series = [
        {
            "show": True,
            "type": "line" if each["draw"] == "line" else "histogram",
            "mode": "stacked" if each["draw"] == "stack" else "normal",
            "data": {"id": str(number), "label": each["label"]},
            "valueAxis": axes[each["axis"]],
            "drawLinesBetweenPoints": True,
            "interpolate": "linear",
            "lineWidth": 2,
            "showCircles": True,
        }
        for number, each in enumerate(panel["series"], start=1)
    ]
    params = {
        "type": series[0]["type"],
        "grid": {"categoryLines": False},
        "categoryAxes": [_axis("CategoryAxis-1", "bottom", "category", "")],
        "valueAxes": [
            _axis(
                name,
                side,
                "value",
                panel.get("measured") or ", ".join(each["label"] for each in panel["series"] if each["axis"] == side),
            )
            for side, name in axes.items()
        ],
        "seriesParams": series,
        "addTooltip": True,
        "addLegend": True,
        "legendPosition": "bottom",
        "times": [],
        "addTimeMarker": False,
        "labels": {"show": False},
        "thresholdLine": {"show": False, "value": 10, "width": 1, "style": "full", "color": "#E7664C"},
    }
    kind = str(series[0]["type"])
    colours = {each["label"]: each["colour"] for each in panel["series"] if "colour" in each}
    return _visualization(
        panel["id"], panel["title"], kind, params, aggs=aggs, filter_=panel["filter"], colours=colours
    )


def _axis(id_: str, position: str, kind: str, title: str) -> Spec:
    axis: Spec = {
        "id": id_,
        "type": kind,
        "position": position,
        "show": True,
        "style": {},
        "scale": {"type": "linear"},
        "labels": {"show": True, "truncate": 100, "filter": kind == "category"},
        "title": {"text": title} if title else {},
    }
    if kind == "value":
        axis |= {"name": f"{position.title()}Axis-1", "scale": {"type": "linear", "mode": "normal"}}
    return axis


def _controls(dashboard: Dashboard) -> Spec:
    controls, references = [], []
    for number, control in enumerate(dashboard.controls):
        name = f"control_{number}_index_pattern"
        controls.append(
            {
                "id": f"{dashboard.short}-control-{control['field']}",
                "fieldName": control["field"],
                "label": control["label"],
                "parent": "",
                "type": "list",
                "options": {"type": "terms", "multiselect": True, "dynamicOptions": True, "size": 20, "order": "desc"},
                "indexPatternRefName": name,
            }
        )
        references.append({"name": name, "type": "index-pattern", "id": data_views()["results"]["id"]})
    params = {"controls": controls, "updateFiltersOnChange": True, "useTimeFilter": True, "pinFilters": True}
    id_ = f"{dashboard.short}-controls"
    return _visualization(id_, id_, "input_control_vis", params, references=references)


CONTROL_ROWS = 6
"""Height of the panel with the controls, in rows of the grid."""
LINE_ROWS = 2
"""Rows that the line of links adds to a dashboard's text."""


def _dashboard(dashboard: Dashboard) -> Spec:
    places = [("controls", _controls(dashboard), {"x": 0, "y": 0, "w": 48, "h": CONTROL_ROWS}, None)]
    for placed in dashboard.panels:
        panel, more = placed.panel, LINE_ROWS if placed.y else 0
        grid = {"x": placed.x, "y": placed.y + CONTROL_ROWS + more, "w": placed.width, "h": placed.height}
        if panel["kind"] == "text":
            places.append((panel["id"], _text(panel, dashboard), grid | {"h": placed.height + LINE_ROWS}, None))
        else:
            places.append((panel["id"], _panel(panel), grid, panel.get("title")))
    shown, references = [], []
    for id_, made, grid, title in places:
        index = f"{dashboard.short}-{id_}"
        name = f"panel_{index}"
        shown.append(
            {
                "version": PANEL_VERSION,
                "gridData": {**grid, "i": index},
                "panelIndex": index,
                "embeddableConfig": {} if title else {"hidePanelTitles": True},
                "panelRefName": name,
                **({"title": title} if title else {}),
            }
        )
        references.append({"name": name, "type": made["type"], "id": made["id"]})
    filters, of_filters = pills(dashboard)
    attributes = {
        "title": dashboard.title,
        "description": dashboard.description,
        "hits": 0,
        "version": 1,
        # a saved time would replace the reader's own after each link
        "timeRestore": False,
        "panelsJSON": json.dumps(shown),
        "optionsJSON": json.dumps({"useMargins": True, "hidePanelTitles": False}),
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(_source("") | {"filter": filters})},
    }
    return _object("dashboard", dashboard.id, attributes, references + of_filters)
