"""Search bodies of panels, with the aggregations that Lens or a visualization sends."""

from __future__ import annotations

from consoles.sources import Spec, query

_OPS = {"average": "avg", "count": "value_count"}


def body(panel: Spec, scripts: dict[str, str]) -> Spec:
    """Return the search of a chart, table or list of documents; ``scripts`` are painless, by computed field."""
    asked = {"query": query(panel["filter"]), "track_total_hits": True}
    if panel["kind"] == "documents":
        order = [{field: {"order": direction, "unmapped_type": "date"}} for field, direction in panel["sort"]]
        fields = {name: {"script": _script(text)} for name, text in scripts.items() if name in panel["columns"]}
        return asked | {"size": 50, "sort": order, "script_fields": fields, "_source": True}
    if panel["kind"] == "table":
        metrics = _metrics(panel["metrics"], scripts)
        aggs: Spec = {}
        for row in reversed(panel["rows"]):
            aggs = {"row": {"terms": _terms(row, panel["metrics"][0]), "aggs": metrics | aggs}}
        return asked | {"size": 0, "aggs": aggs}
    metrics = _metrics(panel["series"], scripts)
    steps = {"field": "timestamp", "fixed_interval": "3h", "min_doc_count": 1}
    time = {"time": {"date_histogram": steps, "aggs": metrics}}
    if "split" in panel:
        time = {"split": {"terms": _terms(panel["split"], panel["series"][0]), "aggs": metrics | time}}
    return asked | {"size": 0, "aggs": time}


def _terms(row: Spec, first: Spec) -> Spec:
    order = {"_key": "asc"} if row.get("order") == "key" else {"_count" if first["op"] == "count" else "m0": "desc"}
    return {"field": row["field"], "size": row["size"], "order": order}


def _metrics(metrics: list[Spec], scripts: dict[str, str]) -> Spec:
    found: Spec = {}
    for number, each in enumerate(metrics):
        field = each.get("field", "_index")
        source = {"script": _script(scripts[field])} if field in scripts else {"field": field}
        found[f"m{number}"] = {_OPS.get(each["op"], each["op"]): source}
    return found


def _script(text: str) -> Spec:
    return {"lang": "painless", "source": text}
