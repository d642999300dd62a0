"""Saved objects of Kibana 8.12 and later: data views, Lens charts, saved searches, Vega, dashboards by reference."""

from __future__ import annotations

import json

from consoles.formats import field_formats
from consoles.links import LINK_ROWS, kibana_panel
from consoles.sources import (
    COLUMNS,
    SEVERITY_COLOURS,
    Dashboard,
    Spec,
    dashboards,
    data_views,
    kql,
    labels,
    panels,
    pills,
)
from consoles.vega import swimlane

CORE_VERSION = "8.8.0"
VERSIONS = {
    "index-pattern": "8.0.0",
    "search": "7.9.3",
    "visualization": "8.0.0",
    "lens": "8.9.0",
    "dashboard": "8.9.0",
}
"""Format version of each type's attributes, none newer than 8.12's; later consoles migrate them on import."""

PANEL_VERSION = "8.12.0"
WIDTHS = {
    "score": 90,
    "partition_field_value": 130,
    "influencer_field_value": 185,
    "by_field_value": 125,
    "operator": 110,
    "source.geo.country_iso_code": 105,
    "source.network_type": 105,
    "events_link": 130,
    "annotation_type": 120,
    "job_id": 120,
}
"""Pixels of a list's columns, wide enough for a heading with its two icons; the sentence gets the rest."""

_SERIES = {"bar": "bar", "stack": "bar_stacked", "line": "line"}

DATE_FIELDS = ("timestamp", "event.ingested", "end_timestamp", "renormalized_at")


def objects() -> list[Spec]:
    """Return all objects; referenced ones come first."""
    views = data_views()
    found = [_data_view(view) for view in views.values()]
    found += [_panel(panel) for panel in panels().values()]
    return found + [_dashboard(each, views["results"]["id"]) for each in dashboards()]


def _object(kind: str, id_: str, attributes: Spec, references: list[Spec] | None = None) -> Spec:
    return {
        "type": kind,
        "id": id_,
        "attributes": attributes,
        "references": references or [],
        "coreMigrationVersion": CORE_VERSION,
        "typeMigrationVersion": VERSIONS[kind],
        "managed": False,
    }


def _data_view(view: Spec) -> Spec:
    computed = {name: _runtime(each) for name, each in view.get("computed", {}).items()}
    attributes = {
        "title": view["title"],
        "name": view["name"],
        "timeFieldName": view["time"],
        "fields": "[]",
        "fieldAttrs": json.dumps({name: {"customLabel": label} for name, label in labels(view).items()}),
        "fieldFormatMap": json.dumps(field_formats(view)),
        "runtimeFieldMap": json.dumps(computed),
        "typeMeta": "{}",
    }
    return _object("index-pattern", view["id"], attributes)


def _runtime(computed: Spec) -> Spec:
    """Turn a script that returns a value (or null) into a runtime field's script, which emits it."""
    lines = computed["script"].replace("return null;", "return;")
    head, _, last = lines.rpartition("return ")
    return {"type": computed["type"], "script": {"source": f"{head}emit({last.removesuffix(';')});"}}


def _panel(panel: Spec) -> Spec:
    make = {"text": _text, "swimlane": _vega, "time": _time, "table": _table, "documents": _documents}
    return make[panel["kind"]](panel)


def _text(panel: Spec) -> Spec:
    params = {"fontSize": 12, "openLinksInNewTab": False, "markdown": panel["text"]}
    return _visualization(panel, "markdown", params, title=f"ipi-es: {panel['id']}")


def _vega(panel: Spec) -> Spec:
    spec = json.dumps(swimlane(panel, "kibana"), indent=2, ensure_ascii=False)
    return _visualization(panel, "vega", {"spec": spec}, title=f"ipi-es: {panel['title']}")


def _visualization(panel: Spec, kind: str, params: Spec, *, title: str) -> Spec:
    attributes = {
        "title": title,
        "description": "",
        "visState": json.dumps({"title": title, "type": kind, "params": params, "aggs": []}, ensure_ascii=False),
        "uiStateJSON": "{}",
        "version": 1,
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(_source(""))},
    }
    return _object("visualization", f"ipi-es-{panel['id']}", attributes)


def _source(query: str) -> Spec:
    return {"query": {"query": query, "language": "kuery"}, "filter": []}


def _documents(panel: Spec) -> Spec:
    name = "kibanaSavedObjectMeta.searchSourceJSON.index"
    source = {"highlightAll": True, "version": True, **_source(kql(panel["filter"])), "indexRefName": name}
    attributes = {
        "title": f"ipi-es: {panel['title']}",
        "description": "",
        "columns": panel["columns"],
        "sort": panel["sort"],
        "grid": {"columns": {name: {"width": wide} for name, wide in WIDTHS.items() if name in panel["columns"]}},
        "rowHeight": -1,  # as high as the longest cell
        "hits": 0,
        "version": 1,
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source)},
    }
    reference = {"name": name, "type": "index-pattern", "id": data_views()[panel["view"]]["id"]}
    return _object("search", f"ipi-es-{panel['id']}", attributes, [reference])


def _lens(panel: Spec, kind: str, layers: dict[str, Spec], visualization: Spec) -> Spec:
    state = {
        "visualization": visualization,
        "query": {"query": kql(panel["filter"]), "language": "kuery"},
        "filters": [],
        "datasourceStates": {"formBased": {"layers": layers}},
        "internalReferences": [],
        "adHocDataViews": {},
    }
    view = data_views()[panel.get("view", "results")]["id"]
    references = [
        {"type": "index-pattern", "id": view, "name": f"indexpattern-datasource-layer-{layer}"} for layer in layers
    ]
    title = f"ipi-es: {panel['title']}"
    attributes = {"title": title, "description": "", "visualizationType": kind, "state": state}
    return _object("lens", f"ipi-es-{panel['id']}", attributes, references)


def _layer(columns: dict[str, Spec]) -> Spec:
    return {"columns": columns, "columnOrder": list(columns), "incompleteColumns": {}, "sampling": 1}


def _time(panel: Spec) -> Spec:
    layers, drawn = {}, []
    for number, series in enumerate(panel["series"]):
        layer, x, y, split = (f"{name}{number}" for name in ("layer", "x", "y", "split"))
        columns = {x: _time_column()}
        if "split" in panel:
            columns = {split: _terms(panel["split"] | {"label": series["label"]}, y)} | columns
        columns[y] = _metric(series)
        layers[layer] = _layer(columns)
        look: Spec = {"forAccessor": y, "axisMode": series["axis"]}
        if "colour" in series:
            look["color"] = series["colour"]
        drawn.append(
            {
                "layerId": layer,
                "layerType": "data",
                "seriesType": _SERIES[series["draw"]],
                "xAccessor": x,
                "accessors": [y],
                "yConfig": [look],
                **({"splitAccessor": split} if "split" in panel else {}),
            }
        )
    shown = {"x": False, "yLeft": True, "yRight": True}
    visualization = {
        "legend": {"isVisible": True, "position": "bottom"},
        "valueLabels": "hide",
        "fittingFunction": "None",
        "axisTitlesVisibilitySettings": shown,
        "tickLabelsVisibilitySettings": {"x": True, "yLeft": True, "yRight": True},
        "gridlinesVisibilitySettings": {"x": False, "yLeft": True, "yRight": False},
        "preferredSeriesType": drawn[0]["seriesType"],
        **({"yTitle": panel["measured"]} if "measured" in panel else {}),
        "layers": drawn,
    }
    return _lens(panel, "lnsXY", layers, visualization)


def _table(panel: Spec) -> Spec:
    metrics = {f"metric{number}": _metric(each) for number, each in enumerate(panel["metrics"])}
    rows = {f"row{number}": _terms(each, "metric0") for number, each in enumerate(panel["rows"])}
    shown: list[Spec] = [{"columnId": name, "isTransposed": False} for name in (*rows, *metrics)]
    for number, metric in enumerate(panel["metrics"]):
        if metric.get("severity"):
            shown[len(rows) + number] |= {"colorMode": "cell", "palette": _palette()}
    visualization = {
        "layerId": "layer0",
        "layerType": "data",
        "columns": shown,
        "sorting": {"columnId": "metric0", "direction": "desc"},
        "paging": {"enabled": True, "size": 10},
    }
    return _lens(panel, "lnsDatatable", {"layer0": _layer(rows | metrics)}, visualization)


def _palette() -> Spec:
    lows = [{"color": colour, "stop": low} for low, colour in SEVERITY_COLOURS]
    highs = [*(low for low, _ in SEVERITY_COLOURS[1:]), 100]
    stops = [{"color": colour, "stop": high} for (_, colour), high in zip(SEVERITY_COLOURS, highs, strict=True)]
    params = {
        "name": "custom",
        "steps": len(stops),
        "stops": stops,
        "colorStops": lows,
        "rangeType": "number",
        "rangeMin": 0,
        "rangeMax": None,
        "continuity": "above",
        "progression": "fixed",
        "reverse": False,
    }
    return {"name": "custom", "type": "palette", "params": params}


def _time_column() -> Spec:
    return {
        "label": "timestamp",
        "dataType": "date",
        "operationType": "date_histogram",
        "sourceField": "timestamp",
        "isBucketed": True,
        "scale": "interval",
        "params": {"interval": "auto", "includeEmptyRows": True, "dropPartials": False},
    }


def _terms(row: Spec, metric: str) -> Spec:
    by_key = row.get("order") == "key"
    order = {"type": "alphabetical", "fallback": False} if by_key else {"type": "column", "columnId": metric}
    return {
        "label": row["label"],
        "customLabel": True,
        "dataType": "string",
        "operationType": "terms",
        "sourceField": row["field"],
        "isBucketed": True,
        "scale": "ordinal",
        "params": {
            "size": row["size"],
            "orderBy": order,
            "orderDirection": "asc" if by_key else "desc",
            "otherBucket": False,
            "missingBucket": False,
            "parentFormat": {"id": "terms"},
        },
    }


def _metric(metric: Spec) -> Spec:
    date = metric.get("field") in DATE_FIELDS
    params: Spec = {"emptyAsNull": True}
    if not date and metric["op"] != "count":
        params["format"] = {"id": "number", "params": {"decimals": 1 if _has_fraction(metric) else 0}}
    return {
        "label": metric["label"],
        "customLabel": True,
        "dataType": "date" if date else "number",
        "operationType": metric["op"],
        # rounded down, as in the lists: Lens would show 74.96 as 75.0, in the colour of 74.96
        "sourceField": "score" if metric.get("severity") else metric.get("field", "___records___"),
        "isBucketed": False,
        "scale": "ratio",
        "params": params,
    }


def _has_fraction(metric: Spec) -> bool:
    return metric["op"] == "average" or str(metric["field"]).endswith(("_score", "_share"))


def _dashboard(dashboard: Dashboard, view: str) -> Spec:
    # Kibana keeps what belongs to a panel or control by its id when a link leads to another dashboard: no two share one
    index = f"{dashboard.short}-links"
    config, references = kibana_panel(dashboard, dashboards(), index)
    shown = [
        {
            "version": PANEL_VERSION,
            "type": "links",
            "panelIndex": index,
            "gridData": {"x": 0, "y": 0, "w": COLUMNS, "h": LINK_ROWS, "i": index},
            "embeddableConfig": config | {"hidePanelTitles": True},
        }
    ]
    for placed in dashboard.panels:
        index = f"{dashboard.short}-{placed.panel['id']}"
        kind = _panel(placed.panel)["type"]
        place = {"x": placed.x, "y": placed.y + LINK_ROWS, "w": placed.width, "h": placed.height, "i": index}
        shown.append(
            {
                "version": PANEL_VERSION,
                "type": kind,
                "panelIndex": index,
                "panelRefName": f"panel_{index}",
                "gridData": place,
                "embeddableConfig": {"enhancements": {}}
                | ({"hidePanelTitles": True} if placed.panel["kind"] == "text" else {}),
                **({"title": placed.panel["title"]} if "title" in placed.panel else {}),
            }
        )
        references.append({"name": f"{index}:panel_{index}", "type": kind, "id": f"ipi-es-{placed.panel['id']}"})
    controls, of_controls = _controls(dashboard, view)
    filters, of_filters = pills(dashboard)
    options = {"useMargins": True, "syncColors": False, "syncCursor": True, "syncTooltips": False}
    attributes = {
        "title": dashboard.title,
        "description": dashboard.description,
        "version": 1,
        "timeRestore": True,
        "timeFrom": "now-7d",
        "timeTo": "now",
        "refreshInterval": {"pause": True, "value": 60_000},
        "controlGroupInput": controls,
        "panelsJSON": json.dumps(shown),
        "optionsJSON": json.dumps(options | {"hidePanelTitles": False}),
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(_source("") | {"filter": filters})},
    }
    return _object("dashboard", dashboard.id, attributes, references + of_controls + of_filters)


def _controls(dashboard: Dashboard, view: str) -> tuple[Spec, list[Spec]]:
    """Return (the group of controls, its references)."""
    controls, references = {}, []
    for number, control in enumerate(dashboard.controls):
        name = f"{dashboard.short}-control-{control['field']}"
        explicit = {"id": name, "fieldName": control["field"], "title": control["label"], "enhancements": {}}
        controls[name] = {
            "order": number,
            "width": "medium",
            "grow": True,
            "type": "optionsListControl",
            "explicitInput": explicit,
        }
        references.append({"name": f"controlGroup_{name}:optionsListDataView", "type": "index-pattern", "id": view})
    ignore = ("ignoreFilters", "ignoreQuery", "ignoreTimerange", "ignoreValidations")
    group = {
        "controlStyle": "oneLine",
        "chainingSystem": "HIERARCHICAL",
        "ignoreParentSettingsJSON": json.dumps(dict.fromkeys(ignore, False)),
        "panelsJSON": json.dumps(controls),
    }
    return group, references
