"""Field formats that Kibana's data views and OpenSearch Dashboards' index patterns share."""

from __future__ import annotations

from consoles.sources import SEVERITY_COLOURS, Spec

DISCOVER = "../app/discover#/?{{rawValue}}"
"""Link relative to the console's own path, for any space, tenant or base path."""


def field_formats(view: Spec) -> Spec:
    """Return ``{field: format}``: scores on their severity's colour, computed links as links."""
    formats: Spec = {field: {"id": "color", "params": _colours()} for field in view.get("scores", ())}
    for name, computed in view.get("computed", {}).items():
        if computed.get("link"):
            params = {"type": "a", "urlTemplate": DISCOVER, "labelTemplate": "events", "openLinkInCurrentTab": False}
            formats[name] = {"id": "url", "params": params}
        elif computed["type"] == "double":
            formats[name] = {"id": "number", "params": {"pattern": "0,0.[0]"}}
    return formats


def _colours() -> Spec:
    """Return the colour ranges. Consoles take the last range that contains a score, so each range ends at 100."""
    colours = [
        {"range": f"{low}:100", "regex": "<insert regex>", "text": "#000000", "background": colour}
        for low, colour in SEVERITY_COLOURS
    ]
    return {"fieldType": "number", "colors": colours}
