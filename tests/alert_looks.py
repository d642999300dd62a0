"""Looking at alerts as their schedulers do: the search at a scheduled time, its groups, scripts and messages."""

from __future__ import annotations

import json
from typing import Any

from alert_results import MINUTE
from servers.pool import Server
from service_parts import a_job

from ipi_es import times
from ipi_es.alerts.kinds import Kind, Stack
from ipi_es.alerts.parameters import ConsoleDestination, Parameters
from ipi_es.alerts.render import render
from ipi_es.results.documents.result_documents import ResultContext
from ipi_es.results.words import ALIAS

EVERYWHERE = ConsoleDestination("http://127.0.0.1:9/hook", "ipi-es-alerts", "channel-1")
INTERVAL = 5 * MINUTE


def definition(stack: Stack, kind: Kind, context: ResultContext, **more: Any) -> dict[str, Any]:
    job = a_job(context.job_id, analysis_config={"bucket_span": "1h"})
    parameters = Parameters(job, destination=EVERYWHERE, console="https://kibana.example.org", **more)
    return render(stack, kind, parameters).body


def iso(moment: int) -> str:
    return times.iso(moment).replace("Z", ".000Z")


def at(text: str, moment: int) -> str:
    """A search's mustache, as its scheduler fills it in at a scheduled time."""
    return text.replace("{{ctx.trigger.scheduled_time}}", iso(moment)).replace("{{period_end}}", str(moment * 1_000))


def search_of(stack: Stack, body: dict[str, Any], moment: int) -> dict[str, Any]:
    if stack == "watcher":
        found = body["input"]["search"]["request"]["body"]
    elif stack == "opensearch":
        found = body["inputs"][0]["search"]["query"]
    else:  # what Kibana makes of a rule, see its fetching of an Elasticsearch query
        params = body["params"]
        window = {"gte": iso(moment - params["timeWindowSize"] * MINUTE), "lte": iso(moment)}
        query = json.loads(params["esQuery"])["query"]
        found = {
            "size": 100,
            "query": {"bool": {"filter": [query, {"range": {params["timeField"]: window}}]}},
            "track_total_hits": True,
        }
        return json.loads(json.dumps(found).replace("now-", f"{iso(moment)}||-"))
    return json.loads(at(json.dumps(found), moment))


def ask(server: Server, search: dict[str, Any]) -> dict[str, Any]:
    status, answer = server.call("POST", f"/{ALIAS}/_search", search)
    assert status == 200, answer
    return answer


def bare(search: dict[str, Any], server: Server) -> dict[str, Any]:
    """Without scripts, where the server has no Painless."""
    if server.is_opensearch:
        return search
    text = json.loads(json.dumps(search))
    if groups := text.get("aggregations", {}).get("alerts"):
        groups["aggregations"]["worst"]["top_hits"].pop("script_fields", None)
    return text


def fired(answer: dict[str, Any]) -> list[tuple[int, str]]:
    """(bucket's start, entity) of each group."""
    found = []
    for group in answer["aggregations"]["alerts"]["buckets"]:
        key = dict(group["key"])
        start = key.pop("timestamp") // 1_000
        found.append((start, key.get("partition_field_value") or key.get("influencer_field_value") or ""))
    return found


def painless(server: Server, source: str, params: dict[str, Any]) -> Any:
    script = {"lang": "painless", "source": source, "params": params}
    status, answer = server.call("POST", "/_scripts/painless/_execute", {"script": script})
    assert status == 200, answer
    return answer["result"]


def message_of(server: Server, action: dict[str, Any], results: dict[str, Any]) -> str:
    """What the server's mustache makes of an action's message, with the escaping for JSON that Alerting uses."""
    source = action["message_template"]["source"]
    # the endpoint's own output must be JSON: the message is made as a text of that JSON, quotes of the template escaped
    status, answer = server.call(
        "POST",
        "/_render/template",
        {
            "source": source if source.startswith("{") else json.dumps({"t": source}),
            "params": {"ctx": {"results": [results]}},
        },
    )
    assert status == 200, answer
    output = answer["template_output"]
    return json.dumps(output) if source.startswith("{") else output["t"]
