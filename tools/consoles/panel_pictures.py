"""Charts and tables of the dashboards in Vega-Lite, drawn as Lens does from the answers to their own searches."""

from __future__ import annotations

import datetime as dt
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import vl_convert

from consoles import queries
from consoles.kibana import DATE_FIELDS, WIDTHS
from consoles.sources import SEVERITY_COLOURS, Spec, data_views, labels

PALETTE = ["#54b399", "#6092c0", "#d36086", "#9170b8", "#ca8eae", "#d6bf57", "#b9a888", "#da8b45", "#aa6556", "#e7664c"]
"""Kibana's colours for series without a colour of their own."""
ROW, TEXT, TITLE, LINE = 20, 11, 30, 14
"""Pixels: least height of a table's row, font size of its text, height of the title, and of a line of text."""
LETTER = 6.3
"""Average width of a letter, pixels."""
TIME_WIDTH = 150
"""Width of the column of the time, pixels."""
PAGE = 10
"""Rows on a page of a Lens table."""
MARGIN = 100
"""Approximate width of a chart's axes, pixels."""
MOST_STEPS = 100
"""Maximum of time steps that Lens draws with Kibana's default settings."""
STEPS = tuple(
    (count * milliseconds, f"{count}{unit}")
    for unit, milliseconds, counts in (
        ("m", 60_000, (1, 5, 10, 30)),
        ("h", 3_600_000, (1, 3, 12)),
        ("d", 86_400_000, (1, 7, 30)),
    )
    for count in counts
)
"""(milliseconds, interval), ascending."""
FONT = "Inter, Helvetica, sans-serif"


def asked(panel: Spec, scripts: dict[str, str], window: tuple[int, int], only: list[Spec]) -> Spec:
    """Return the panel's search in [start, end), epoch ms, with Lens's time interval and empty steps."""
    body = queries.body(panel, scripts)
    start, end = window
    time = {"range": {"timestamp": {"gte": start, "lt": end, "format": "epoch_millis"}}}
    body["query"] = {"bool": {"filter": [body["query"], time, *only]}}
    outer = body.get("aggs", {}).get("split", body)
    if histogram := outer.get("aggs", {}).get("time"):
        step = next((step for most, step in STEPS if end - start <= MOST_STEPS * most), STEPS[-1][1])
        histogram["date_histogram"] |= {
            "fixed_interval": step, "min_doc_count": 0, "extended_bounds": {"min": start, "max": end - 1},
        }  # fmt: skip
    return body


def draw(panel: Spec, answer: Spec, window: tuple[int, int], size: tuple[int, int]) -> bytes:
    """Draw the panel as PNG; see `specification`."""
    return bytes(vl_convert.vegalite_to_png(specification(panel, answer, window, size), scale=1))


def specification(panel: Spec, answer: Spec, window: tuple[int, int], size: tuple[int, int]) -> Spec:
    """Return the panel in Vega-Lite, ``size`` in pixels; ``window`` in epoch ms."""
    if panel["kind"] == "time":
        spec = _chart(panel, answer, window, size[0])
    else:
        spec = _table(panel, answer, (size[0], size[1] - TITLE))
    title = {"text": panel["title"], "anchor": "start", "fontSize": 14}
    common = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": size[0], "height": size[1] - TITLE, "title": title, "background": "white",
        "autosize": {"type": "fit", "contains": "padding"}, "config": {"font": FONT, "view": {"stroke": None}},
    }  # fmt: skip
    return common | spec


def _nothing() -> Spec:
    mark = {"type": "text", "text": "No results found", "fontSize": 16, "color": "#69707d"}
    return {"data": {"values": [{}]}, "mark": mark}


def _chart(panel: Spec, answer: Spec, window: tuple[int, int], width: int) -> Spec:
    values = list(_points(panel, answer["aggregations"]))
    if all(each["value"] is None for each in values):
        return _nothing()
    x = {"field": "time", "type": "temporal", "scale": {"domain": list(window), "type": "utc"}, "title": None}
    steps = len({each["time"] for each in values})
    layers = [_series(panel, number, x, 0.9 * (width - MARGIN) / steps) for number in range(len(panel["series"]))]
    sides = {series["axis"] for series in panel["series"]}
    resolve = {"resolve": {"scale": {"y": "independent"}}} if len(sides) > 1 else {}
    return {"data": {"values": values}, "layer": layers} | resolve


def _series(panel: Spec, number: int, x: Spec, wide: float) -> Spec:
    series = panel["series"][number]
    line, bars = series["draw"] == "line", [at for at, each in enumerate(panel["series"]) if each["draw"] == "bar"]
    names = [each["label"] for each in panel["series"]]
    colours = [each.get("colour", PALETTE[at]) for at, each in enumerate(panel["series"])]
    colour: Spec = {"field": "split", "type": "nominal", "scale": {"range": PALETTE}}
    if "split" not in panel:
        colour = {"field": "series", "type": "nominal", "scale": {"domain": names, "range": colours}}
    axis = {
        "orient": series["axis"],
        "title": panel.get("measured", series["label"]) if len(names) > 1 else None,
        "grid": series["axis"] == "left",
    }
    y = {"field": "value", "type": "quantitative", "axis": axis, "stack": "zero" if series["draw"] == "stack" else None}
    legend = {"orient": "bottom", "title": None, "labelLimit": 240}
    # Lens draws isolated points
    mark: Spec = {"type": "line", "point": {"size": 14}}
    if not line:  # the bars of several series are beside each other
        each = wide / max(len(bars), 1)
        beside = (bars.index(number) - (len(bars) - 1) / 2) * each if number in bars else 0
        mark = {"type": "bar", "size": each, "xOffset": beside}
    return {
        "transform": [{"filter": f"datum.number === {number}"}],
        "mark": mark,
        "encoding": {"x": x, "y": y, "color": colour | {"legend": legend}},
    }


def _points(panel: Spec, found: Spec) -> Iterator[Spec]:
    groups = found["split"]["buckets"] if "split" in panel else [found]
    for group in groups:
        for step in group["time"]["buckets"]:
            for number, series in enumerate(panel["series"]):
                # for an empty step, Lens draws nothing instead of a sum or count of 0
                value = step[f"m{number}"]["value"] if step["doc_count"] else None
                yield {
                    "time": step["key"], "value": value, "number": number, "series": series["label"],
                    "split": str(group.get("key", "")),
                }  # fmt: skip


def _table(panel: Spec, answer: Spec, size: tuple[int, int]) -> Spec:
    width, high = size
    heads, rows, scored = _cells(panel, answer)
    if not rows:
        return _nothing()
    left = _edges(panel, len(heads), width)
    values, y = list[Spec](), 0
    for number, cells in enumerate([heads, *rows[:PAGE]]):
        shown = [_text(cell) for cell in cells]
        letters = [int((left[at + 1] - left[at] - 8) / LETTER) for at in range(len(heads))]
        if panel["kind"] == "table":
            shown = [text[:most] for text, most in zip(shown, letters, strict=True)]
        else:  # rows as high as their longest cell
            shown = ["\n".join(textwrap.wrap(text, most)) for text, most in zip(shown, letters, strict=True)]
        deep = max(ROW, LINE * max(text.count("\n") + 1 for text in shown) + 6)
        if y + deep > high:
            break
        for column, text in enumerate(shown):
            fill = _severity(cells[column]) if number and column in scored else "white"
            x = {"x": left[column], "x2": left[column + 1] - 4}
            values.append({"text": text, "fill": fill, "bold": number == 0, "y": y, "below": y + deep - 3} | x)
        y += deep
    place: Spec = {
        "x": {"field": "x", "type": "quantitative", "scale": {"domain": [0, width]}, "axis": None},
        "y": {"field": "y", "type": "quantitative", "scale": {"domain": [0, high], "reverse": True}, "axis": None},
    }  # fmt: skip
    box = {"mark": "rect", "encoding": place | {
        "x2": {"field": "x2"}, "y2": {"field": "below"}, "color": {"field": "fill", "type": "nominal", "scale": None},
    }}  # fmt: skip
    letters = {
        "mark": {
            "type": "text",
            "align": "left",
            "baseline": "top",
            "dx": 4,
            "dy": 4,
            "fontSize": TEXT,
            "lineBreak": "\n",
        },
        "encoding": place | {"text": {"field": "text"}},
    }
    bold = letters | {"transform": [{"filter": "datum.bold"}], "mark": letters["mark"] | {"fontWeight": "bold"}}
    plain = letters | {"transform": [{"filter": "!datum.bold"}]}
    return {"data": {"values": values}, "layer": [box, bold, plain]}


def _edges(panel: Spec, columns: int, width: int) -> list[float]:
    """Return the left edge of each column and the right edge of the last one; the widest has what the others leave."""
    if panel["kind"] == "documents":
        wide = [TIME_WIDTH, *(WIDTHS.get(name, 0) for name in panel["columns"])]
        rest = (width - sum(wide)) / max(wide.count(0), 1)
        wide = [each or int(rest) for each in wide]
    else:
        wide = [width // columns] * columns
    return [float(sum(wide[:column])) for column in range(columns + 1)]


def _cells(panel: Spec, answer: Spec) -> tuple[list[str], list[list[Any]], set[int]]:
    """Return (headings, rows, columns that are coloured by severity)."""
    if panel["kind"] == "documents":
        names = ["timestamp", *panel["columns"]]
        rows = [[_of_hit(hit, name) for name in names] for hit in answer["hits"]["hits"]]
        heads = labels(data_views()[panel["view"]])
        return [heads.get(name, name) for name in names], rows, {names.index("score")} if "score" in names else set()
    heads = [each["label"] for each in (*panel["rows"], *panel["metrics"])]
    found = [
        [*keys, *(_of_metric(each, inner[f"m{number}"]["value"]) for number, each in enumerate(panel["metrics"]))]
        for keys, inner in _groups(answer["aggregations"], [])
    ]
    found.sort(key=lambda row: row[len(panel["rows"])] or 0, reverse=True)
    return heads, found, {len(panel["rows"]) + at for at, each in enumerate(panel["metrics"]) if each.get("severity")}


def _groups(found: Spec, keys: list[str]) -> Iterator[tuple[list[str], Spec]]:
    for group in found["row"]["buckets"]:
        named = [*keys, str(group["key"])]
        if "row" in group:
            yield from _groups(group, named)
        else:
            yield named, group


def _of_hit(hit: Spec, name: str) -> Any:
    value = hit["_source"].get(name, (hit.get("fields", {}).get(name) or ["–"])[0])
    return _date(value) if name in DATE_FIELDS and isinstance(value, int) else value


def _of_metric(metric: Spec, value: Any) -> Any:
    return _date(value) if metric.get("field") in DATE_FIELDS and value is not None else value


def _date(milliseconds: float) -> str:
    moment = dt.datetime.fromtimestamp(milliseconds / 1_000, dt.UTC)
    return f"{moment:%b %d, %Y @ %H:%M}"


def _severity(score: float) -> str:
    return [colour for low, colour in SEVERITY_COLOURS if score >= low][-1]


def _text(cell: Any) -> str:
    if isinstance(cell, float):
        return f"{cell:,.1f}".removesuffix(".0")
    return re.sub(r"^_g=.*", "events", str(cell))
