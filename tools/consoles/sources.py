"""Reading `kibana/sources`: dashboards, panels and data views as plain values for both consoles."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "kibana" / "sources"

PREFIX = "ipi-es-"
"""Start of each id."""

DASHBOARDS = ("overview", "entity", "jobs")
COLUMNS = 48
"""Columns of a dashboard's grid in both consoles."""

SEVERITY_COLOURS = ((0, "#d2e9f7"), (1, "#8bc8fb"), (25, "#fdec25"), (50, "#fba740"), (75, "#fe5050"))
"""(lowest score, background): Elastic's colours of anomalies; black text on each has a contrast of at least 5:1."""

Spec = dict[str, Any]


@dataclass(frozen=True)
class Placed:
    """A panel and its place, in columns and rows from the top left."""

    panel: Spec
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Dashboard:
    """One dashboard with its panels in place."""

    id: str
    title: str
    description: str
    controls: list[Spec]
    panels: list[Placed]
    hidden: list[Spec]
    """Filters of the whole dashboard that leave out what their ``filter`` finds; a person can switch each one off."""

    @property
    def short(self) -> str:
        """The id without the product's name."""
        return self.id.removeprefix(PREFIX)

    @property
    def label(self) -> str:
        """The title without the product's name."""
        return self.title.removeprefix("ipi-es: ")


def data_views() -> dict[str, Spec]:
    """Return the data views by short name; computed fields contain their script's text."""
    views: dict[str, Spec] = yaml.safe_load((FOLDER / "data-views.yml").read_text(encoding="utf-8"))
    for view in views.values():
        for computed in view.get("computed", {}).values():
            computed["script"] = (FOLDER / computed["script"]).read_text(encoding="utf-8").strip()
    return views


def dashboards() -> list[Dashboard]:
    """Return all dashboards; ``use: ID`` is replaced by the panel that another dashboard describes."""
    read = [yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8")) for name in DASHBOARDS]
    known = {panel["id"]: panel for each in read for panel in each["panels"] if "id" in panel}
    return [
        Dashboard(
            each["id"],
            each["title"],
            each["description"],
            each["controls"],
            _placed(
                [known[panel["use"]] | {"size": panel["size"]} if "use" in panel else panel for panel in each["panels"]]
            ),
            each.get("hidden", []),
        )
        for each in read
    ]


def panels() -> dict[str, Spec]:
    """Return every panel once, by id."""
    return {placed.panel["id"]: placed.panel for each in dashboards() for placed in each.panels}


def _placed(panels: list[Spec]) -> list[Placed]:
    placed, x, y, deepest = [], 0, 0, 0
    for panel in panels:
        width, height = panel["size"]
        if x + width > COLUMNS:
            x, y = 0, deepest
        placed.append(Placed(panel, x, y, width, height))
        x, deepest = x + width, max(deepest, y + height)
    return placed


def kql(filter_: Spec | None) -> str:
    """Return a panel's filter in Kibana's query language, which OpenSearch Dashboards also supports."""
    parts = []
    for name, value in (filter_ or {}).items():
        if name == "with":
            parts += [f"{field}: *" for field in value]
        elif name == "without":
            parts += [f"not {field}: *" for field in value]
        elif name == "least":
            parts += [f"{field} >= {low}" for field, low in value.items()]
        elif name in {"like", "unlike"}:
            start = "" if name == "like" else "not "
            parts += [f"{start}{field}: ({' or '.join(patterns)})" for field, patterns in value.items()]
        else:
            parts.append(f"{name}: {json.dumps(value)}")
    return " and ".join(parts)


def query(filter_: Spec | None) -> Spec:
    """Return a panel's filter as a query of the server."""
    must: list[Spec] = []
    must_not: list[Spec] = []
    for name, value in (filter_ or {}).items():
        if name == "with":
            must += [{"exists": {"field": field}} for field in value]
        elif name == "without":
            must_not += [{"exists": {"field": field}} for field in value]
        elif name == "least":
            must += [{"range": {field: {"gte": low}}} for field, low in value.items()]
        elif name in {"like", "unlike"}:
            for field, patterns in value.items():
                any_of = {"bool": {"should": [{"wildcard": {field: {"value": each}}} for each in patterns]}}
                (must if name == "like" else must_not).append(any_of)
        else:
            must.append({"term": {name: value}})
    return {"bool": {"filter": must, **({"must_not": must_not} if must_not else {})}}


_META_INDEX = "kibanaSavedObjectMeta.searchSourceJSON.filter[{number}].meta.index"


def pills(dashboard: Dashboard) -> tuple[list[Spec], list[Spec]]:
    """Return (filters, references) of a dashboard's search source, in the form of both consoles."""
    filters, references = [], []
    view = data_views()["results"]["id"]
    for number, each in enumerate(dashboard.hidden):
        found = {"bool": {"must_not": [query(each["filter"])]}}
        name = _META_INDEX.format(number=number)
        meta = {
            "alias": each["label"],
            "disabled": False,
            "negate": False,
            "type": "custom",
            "key": "query",
            "value": json.dumps(found),
            "indexRefName": name,
        }
        filters.append({"$state": {"store": "appState"}, "meta": meta, "query": found})
        references.append({"name": name, "type": "index-pattern", "id": view})
    return filters, references


def hidden(panel_id: str) -> Spec:
    """Return the query that the filters of the first dashboard with this panel add to it."""
    dashboard = next(each for each in dashboards() if any(one.panel["id"] == panel_id for one in each.panels))
    return {"bool": {"must_not": [query(each["filter"]) for each in dashboard.hidden]}}


def labels(view: Spec) -> dict[str, str]:
    """Return the headings of a data view's fields, computed ones included."""
    return view.get("labels", {}) | {name: each["label"] for name, each in view.get("computed", {}).items()}
