"""The Vega specification of a swim-lane panel, for either console."""

from __future__ import annotations

import json
from typing import Any

from consoles.sources import FOLDER, Spec, query

ADD_FILTER = {"kibana": "kibanaAddFilter", "opensearch": "opensearchDashboardsAddFilter"}
"""Name of the function that adds a filter, in each console."""


SET_TIME = {"kibana": "kibanaSetTimeFilter", "opensearch": "opensearchDashboardsSetTimeFilter"}
"""Name of the function that narrows the time range."""

_REPEAT: Spec = {"exists": {"field": "repeat_of"}}


def swimlane(panel: Spec, console: str) -> Spec:
    """Return the specification with the panel's fields and texts filled in."""
    lane, lanes = panel["lane"]
    clicked = ", ".join(f"{{term: {{{json.dumps(each)}: datum.lane || datum.value}}}}" for each in panel["clicked"])
    words = {
        "{lane}": lane,
        "{lanes}": lanes,
        "{clicked}": clicked,
        "{empty}": panel["empty"],
        "{add_filter}": ADD_FILTER[console],
        "{set_time}": SET_TIME[console],
    }
    read = json.loads((FOLDER / "swimlane.vega.json").read_text(encoding="utf-8"))
    filled: Spec = _fill(read, words)
    part = json.loads((FOLDER / "swimlane.query.json").read_text(encoding="utf-8"))
    for number, each in enumerate(panel["parts"]):
        asked = _fill(part, {"{field}": each["field"], "{score}": each["score"]})
        if each.get("repeats"):
            cells = asked["aggs"]["lanes"]["aggs"]["cells"]["aggs"]
            cells["repeats"] = {"filter": _REPEAT}
            fresh = {"score": {"max": {"field": each["score"]}}}
            cells["fresh"] = {"filter": {"bool": {"must_not": [_REPEAT]}}, "aggs": fresh}
        filled["data"][0]["url"]["body"]["aggs"][f"part{number}"] = asked | {"filter": query(each["filter"])}
    if not any(each.get("repeats") for each in panel["parts"]):
        (colours,) = (each for each in filled["scales"] if each["name"] == "colour")
        place = colours["domain"].index("repeat")
        del colours["domain"][place], colours["range"][place]
    return filled


def _fill(value: Any, words: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {_fill(key, words): _fill(each, words) for key, each in value.items()}
    if isinstance(value, list):
        return [_fill(each, words) for each in value]
    if isinstance(value, str):
        for placeholder, word in words.items():
            value = value.replace(placeholder, word)
    return value
