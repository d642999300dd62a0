"""Alert definitions for incidents on real servers: each calls once for what it must see, and says what it should."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mustache_js
import pytest
import rison
from alert_looks import INTERVAL, ask, bare, definition, message_of, painless, search_of
from alert_results import BUCKET, HOUR, MINUTE, NOW
from servers.pool import Server

from ipi_es.alerts.kinds import Stack
from ipi_es.cluster.port import Cluster
from ipi_es.results.documents.result_documents import ResultContext, ResultDocument
from ipi_es.results.reading.incident_grouping import Incident
from ipi_es.results.store import ResultStore
from ipi_es.results.words import ALIAS


@dataclass
class Seeded:
    """The incidents of a job, of which those in ``must`` alert."""

    context: ResultContext
    must: tuple[str, ...] = ("at", "many", "late")


def incident(
    context: ResultContext, name: str, score: float = 90.0, *, written: int = NOW - 3 * MINUTE, **more: Any
) -> ResultDocument:
    """An incident of one result whose accounts begin with ``name``."""
    result = {
        "result_type": "influencer", "timestamp": more.pop("start", BUCKET) * 1_000, "bucket_span": HOUR,
        "influencer_field_value": "203.0.113.66",
        "top_entities": [name, 'b"ob', "carol", "dave"][: more.get("count", 1)],
        "entity_count": more.pop("count", 1), "initial_influencer_score": score,
        "reason": f'203.0.113.66 was used by "{name}".', **more,
    }  # fmt: skip
    made = Incident(((name, result),))
    source = made.to_dict(context.job_id) | {"event.ingested": written * 1_000, "alert_id": f"incident of {name}"}
    return ResultDocument(context.index_for(made.start), source["incident_id"], source)


@pytest.fixture
def seeded(cluster: Cluster) -> Iterator[Seeded]:
    name = f"alerts-{uuid.uuid4().hex[:8]}"
    context = ResultContext(name, HOUR, "user.name", "source.ip", ("user.name", "source.ip"), results_index_name=name)
    made = [
        incident(context, "at", 75.0),
        incident(context, "many", 95.05, count=45),
        incident(context, "below", 74.9),
        incident(context, "closed", verdict="safe"),
        incident(context, "old", start=BUCKET - 30 * 24 * HOUR),
        incident(context, "late", start=BUCKET - 5 * HOUR),
        incident(context, "before", written=NOW - 6 * MINUTE - 1),
        incident(context, "after", written=NOW - MINUTE),
    ]
    ResultStore(cluster, name, name, flat_fields=context.flat_fields).write(made, 1)
    cluster.refresh(ALIAS)
    yield Seeded(context)
    for index in cluster.indices(f"{ALIAS}-{name}*"):
        cluster.delete_index(index)


@pytest.mark.parametrize("stack", ["watcher", "opensearch"])
def test_each_alerts_once(server: Server, seeded: Seeded, stack: Stack) -> None:
    body = definition(stack, "incidents", seeded.context)
    looks = [ask(server, bare(search_of(stack, body, NOW + step * INTERVAL), server)) for step in (-1, 0, 1)]
    fired = [[group["key"]["alert_id"] for group in look["aggregations"]["alerts"]["buckets"]] for look in looks]
    assert sorted(fired[1]) == sorted(f"incident of {name}" for name in seeded.must)
    assert fired[0] + fired[2] == ["incident of before", "incident of after"]


def test_a_kibana_rule_sees_the_same_and_fills_its_messages(server: Server, seeded: Seeded) -> None:
    body = definition("kibana", "incidents", seeded.context)
    hits = ask(server, search_of("kibana", body, NOW))["hits"]["hits"]
    found = {hit["_source"]["alert_id"]: hit for hit in hits}
    assert found.keys() == {f"incident of {name}" for name in (*seeded.must, "before", "after")}
    assert body["params"]["termField"] == ["alert_id", "severity"]
    for action in body["actions"]:
        (message,) = action["params"].get("documents") or [json.loads(action["params"]["body"])]
        hit = {"context": {"hits": [found["incident of many"]]}}
        filled = {name: mustache_js.render(text, hit) for name, text in message.items()}
        assert filled["id"] == f"{seeded.context.job_id}|incidents|incident of many|critical"
        assert (filled["score"], filled["severity"]) == ("95.0", "critical")
        assert filled["who"] == 'b"ob, carol, dave and more'
        assert filled["from"] == "203.0.113.0/24"
        assert filled["why"] == '203.0.113.66 was used by "many".'


@pytest.mark.only_on(
    "opensearch", "Painless of Elasticsearch 8 and 9 is in no package registry; OpenSearch runs the same script"
)
def test_a_watchs_script_makes_a_message_of_each(server: Server, seeded: Seeded) -> None:
    body = definition("watcher", "incidents", seeded.context)
    script = body["transform"]["script"]
    source = re.sub(r"return \['alerts': alerts\];$", "return alerts.toString();", script["source"])
    source = source.replace("List alerts =", "def ctx = params.ctx; List alerts =")  # functions come first
    payload = ask(server, search_of("watcher", body, NOW))
    text = painless(server, source, {**script["params"], "ctx": {"payload": payload}})
    assert text.count("{id=") == len(seeded.must)
    assert f"id={seeded.context.job_id}|incidents|incident of many|critical" in text
    assert 'who=b"ob, carol, dave and 42 more, from=203.0.113.0/24, when=2026-06-01T06:00:00Z, score=95.0' in text
    assert 'why=203.0.113.66 was used by "at".' in text
    links = re.findall(r"link=(https://kibana.example.org/app/dashboards#/view/ipi-es-[a-z]+)[?](\S+), text=", text)
    queries = {(place.rpartition("-")[2], rison.state_of(state)["_a"]["query"]["query"]) for place, state in links}
    of_job = f'job_id:"{seeded.context.job_id}"'
    assert queries == {
        ("entity", f'{of_job} and partition_field_value:"at"'),
        ("entity", f'{of_job} and partition_field_value:"late"'),
        ("overview", of_job),
    }


@pytest.mark.only_on("opensearch", "messages of OpenSearch Alerting")
def test_a_monitors_message_is_json_with_everything_in_it(server: Server, seeded: Seeded) -> None:
    body = definition("opensearch", "incidents", seeded.context)
    results = ask(server, search_of("opensearch", body, NOW))
    trigger = body["triggers"][0]["query_level_trigger"]
    *alerts, end = json.loads(message_of(server, trigger["actions"][0], results))["alerts"]
    assert end is None
    assert {alert["id"] for alert in alerts} == {
        f"{seeded.context.job_id}|incidents|incident of {name}|critical" for name in seeded.must
    }
    many = next(alert for alert in alerts if "of many|" in alert["id"])
    assert (many["alert"], many["who"], many["score"]) == ("incidents", 'b"ob, carol, dave and 42 more', 95.0)
    assert (many["from"], many["why"]) == ("203.0.113.0/24", '203.0.113.66 was used by "many".')
    at = next(alert for alert in alerts if "of at|" in alert["id"])
    assert "/view/ipi-es-entity?" in at["link"]
    assert message_of(server, trigger["actions"][1], results).count("critical") == len(seeded.must)
