"""How fields look in tables: what Kibana's data views and OpenSearch Dashboards' index patterns have in common."""

from __future__ import annotations

from consoles.sources import SEVERITY_COLOURS, Spec

DISCOVER = "../app/discover#/?{{rawValue}}"
"""Relative to the console's own path, whatever space, tenant or base path it has."""


def field_formats(view: Spec) -> Spec:
    """``{field: format}``: scores on their severity's colour, computed links as links."""
    formats: Spec = {field: {"id": "color", "params": _colours()} for field in view.get("scores", ())}
    for name, computed in view.get("computed", {}).items():
        if computed.get("link"):
            params = {"type": "a", "urlTemplate": DISCOVER, "labelTemplate": "events", "openLinkInCurrentTab": False}
            formats[name] = {"id": "url", "params": params}
        elif computed["type"] == "double":
            formats[name] = {"id": "number", "params": {"pattern": "0,0.[0]"}}
    return formats


def _colours() -> Spec:
    """Both ends of a range belong to it, and the last range that fits wins: so each ends at 100."""
    colours = [
        {"range": f"{low}:100", "regex": "<insert regex>", "text": "#000000", "background": colour}
        for low, colour in SEVERITY_COLOURS
    ]
    return {"fieldType": "number", "colors": colours}
