"""Field formats that Kibana's data views and OpenSearch Dashboards' index patterns share."""

from __future__ import annotations

from consoles.sources import SEVERITY_COLOURS, Spec

DISCOVER = "../app/discover#/?{{rawValue}}"
"""Link relative to the console's own path, for any space, tenant or base path."""


TIME = "YYYY-MM-DD HH:mm"
"""Times of buckets have no seconds; the consoles' own pattern is half as long again, and columns cut it."""


def field_formats(view: Spec) -> Spec:
    """Return ``{field: format}``: computed scores on their severities' colours, numbers and times short, links."""
    number = {"id": "number", "params": {"pattern": "0,0.[0]"}}
    formats: Spec = dict.fromkeys(view.get("scores", ()), number)
    time = {"id": "date", "params": {"pattern": TIME}}
    formats |= dict.fromkeys(view.get("times", ()), time)
    for name, computed in view.get("computed", {}).items():
        if computed.get("link"):
            params = {"type": "a", "urlTemplate": DISCOVER, "labelTemplate": "events", "openLinkInCurrentTab": False}
            formats[name] = {"id": "url", "params": params}
        elif computed.get("severity"):
            formats[name] = {"id": "color", "params": _colours()}
        elif computed["type"] == "double":
            formats[name] = number
    return formats


def _colours() -> Spec:
    """Return the colour ranges. Consoles take the last range that contains a score, so each range ends at 100."""
    colours = [
        {"range": f"{low}:100", "regex": "<insert regex>", "text": "#000000", "background": colour}
        for low, colour in SEVERITY_COLOURS
    ]
    return {"fieldType": "number", "colors": colours}
