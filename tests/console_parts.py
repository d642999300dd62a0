"""What a console does with a Vega specification before Vega sees it, and a picture of the outcome."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))  # not a package: it is run from the repository

from consoles import kibana, opensearch, panel_pictures, queries, sources, vega  # noqa: E402

__all__ = ["ROOT", "kibana", "opensearch", "panel_pictures", "picture", "queries", "request", "sources", "vega"]

STEPS = (  # (milliseconds a sixtieth of the time range may last, the console's interval)
    (45_000, "30s"), (180_000, "1m"), (450_000, "5m"), (1_200_000, "10m"), (2_700_000, "30m"), (7_200_000, "1h"),
    (21_600_000, "3h"), (86_400_000, "12h"), (604_800_000, "24h"), (1_814_400_000, "1w"), (3_628_800_000, "30d"),
)  # fmt: skip
CALENDAR = {"1w", "1y"}


def request(spec: dict[str, Any], start: int, end: int, context: dict[str, Any] | None = None) -> dict[str, Any]:
    """The search that Kibana sends for the specification's data: [start, end] in epoch ms, ``context`` a filter."""
    url = spec["data"][0]["url"]
    assert url["%context%"] is True
    assert "query" not in url["body"]  # both consoles refuse it beside %context%
    body: dict[str, Any] = _inject(copy.deepcopy(url["body"]), start, end)
    time = {"range": {url["%timefield%"]: {"gte": start, "lte": end, "format": "epoch_millis"}}}
    body["query"] = {"bool": {"must": [time], "filter": [context] if context else []}}
    return body


def _inject(value: Any, start: int, end: int) -> Any:
    if isinstance(value, list):
        return [_inject(each, start, end) for each in value]
    if not isinstance(value, dict):
        return value
    if "%timefilter%" in value:
        return {"min": start, "max": end}[value["%timefilter%"]]
    found = {key: _inject(each, start, end) for key, each in value.items()}
    if isinstance(value.get("interval"), dict):
        wish = (end - start) / value["interval"]["%autointerval%"]
        step = next((step for most, step in STEPS if wish <= most), "1y")
        del found["interval"]
        found["calendar_interval" if step in CALENDAR else "fixed_interval"] = step
    return found


def picture(
    spec: dict[str, Any],
    answer: dict[str, Any],
    draw: Callable[..., Any],
    *,
    width: int = 1_150,
    height: int = 300,
    **options: Any,
) -> Any:
    """Drawn by ``draw`` (of vl_convert) with the server's answer in the place of its URL, in a panel of this size."""
    text = json.dumps(spec)
    for name in (*vega.ADD_FILTER.values(), *vega.SET_TIME.values()):
        text = text.replace(name, "info")
    drawn = json.loads(text)
    data = drawn["data"][0]
    del data["url"]
    data["values"] = answer
    return draw(drawn | {"width": width, "height": height, "background": "white"}, **options)
