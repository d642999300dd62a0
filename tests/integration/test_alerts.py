"""Alert definitions on real servers: their queries, scripts and messages see what they must, once, and nothing else."""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import alert_results as seeded
import mustache_js
import pytest
import rison
from alert_looks import INTERVAL, ask, bare, definition, fired, message_of, painless, search_of
from alert_results import BUCKET, HOUR, NOW, SEEDS
from servers.pool import Server
from service_parts import a_job

from ipi_es.alerts.kinds import KINDS, SCORED, Kind, Stack
from ipi_es.alerts.parameters import MARGIN, Parameters
from ipi_es.cluster.port import Cluster
from ipi_es.results.documents import result_documents
from ipi_es.results.documents.result_documents import ResultContext, ResultDocument, Stamp
from ipi_es.results.store import ResultStore
from ipi_es.results.words import ALIAS


@pytest.fixture
def context(cluster: Cluster) -> Iterator[ResultContext]:
    name = f"alerts-{uuid.uuid4().hex[:8]}"
    yield ResultContext(name, HOUR, "user.name", "source.ip", ("user.name", "source.ip"), results_index_name=name)
    for index in cluster.indices(f"{ALIAS}-{name}*"):
        cluster.delete_index(index)


@pytest.fixture
def write(cluster: Cluster, context: ResultContext) -> Callable[[list[ResultDocument]], None]:
    store = ResultStore(cluster, context.job_id, context.results_index_name, flat_fields=context.flat_fields)

    def written(made: list[ResultDocument]) -> None:
        store.write(made, 1)
        cluster.refresh(ALIAS)

    return written


TRIED = "203.0.113.66 was used by 45 user.name values (50 events): alice, "
"""How the alert of the address that tried many accounts begins to say why."""


@pytest.mark.parametrize("kind", SCORED)
@pytest.mark.parametrize("stack", ["watcher", "opensearch"])
def test_fires_once_where_it_must_and_nowhere_else(
    server: Server, context: ResultContext, write: Any, stack: Stack, kind: Kind
) -> None:
    made, must = SEEDS[kind](context)
    write(made)
    body = definition(stack, kind, context)
    looks = [ask(server, bare(search_of(stack, body, NOW + step * INTERVAL), server)) for step in (-1, 0, 1)]
    assert sorted(fired(looks[1])) == sorted(must)
    assert looks[1]["hits"]["total"]["value"] >= len(must)
    # the neighbouring windows have what lies just outside, and nothing twice
    everything = [alert for look in looks for alert in fired(look)]
    assert len(everything) == len(set(everything))


def group_of(hit: dict[str, Any]) -> tuple[int, str]:
    """(bucket's start, entity), by which a rule's alerts are told apart."""
    source = hit["_source"]
    return source["timestamp"] // 1_000, source.get("partition_field_value") or source.get(
        "influencer_field_value"
    ) or ""


@pytest.mark.parametrize("kind", SCORED)
def test_kibana_rule_sees_the_same(server: Server, context: ResultContext, write: Any, kind: Kind) -> None:
    made, must = SEEDS[kind](context)
    write(made)
    hits = ask(server, search_of("kibana", definition("kibana", kind, context), NOW))["hits"]["hits"]
    found = {group_of(hit) for hit in hits}
    # a rule looks back over several intervals, and its groups tell what was alerted before
    assert must <= found
    names = {name for _, name in found - must}
    assert names <= {"second before", "second after", ""}


@pytest.mark.parametrize("kind", SCORED)
def test_kibana_rule_fires_once_a_group_though_its_runs_drift_and_kibana_is_away(
    server: Server, context: ResultContext, write: Any, kind: Kind
) -> None:
    made, must = SEEDS[kind](context)
    write(made)
    body = definition("kibana", kind, context)
    early = [NOW - 700 + place * (INTERVAL + 7) for place in range(3)]  # the last sees some of what was written
    late = [NOW + 5 * HOUR + place * (INTERVAL + 11) for place in range(16)]  # the last see nothing any more
    active: set[tuple[int, str]] = set()
    said: Counter[tuple[int, str]] = Counter()
    for moment in early + late:
        search = {**search_of("kibana", body, moment), "size": 1_000}
        found = {group_of(hit) for hit in ask(server, search)["hits"]["hits"]}
        said.update(found - active)  # Kibana acts on a group that was not active at the last run
        active = found
    assert active == set()
    assert set(said.values()) == {1}
    assert must <= said.keys()


@pytest.mark.parametrize("kind", SCORED)
def test_kibana_rules_messages_are_filled_from_what_a_rule_found(
    server: Server, context: ResultContext, write: Any, kind: Kind
) -> None:
    made, _ = SEEDS[kind](context)
    write(made)
    body = definition("kibana", kind, context)
    hits = ask(server, search_of("kibana", body, NOW))["hits"]["hits"]
    # the hits of one group, as Kibana hands them to the action
    chosen = [hit for hit in hits if hit["_source"].get("partition_field_value") == 'al"ice'] or hits[:1]
    for action in body["actions"]:
        (message,) = action["params"].get("documents") or [json.loads(action["params"]["body"])]
        filled = {name: mustache_js.render(text, {"context": {"hits": chosen}}) for name, text in message.items()}
        assert not [name for name, text in filled.items() if "{{" in text or (not text and name not in {"who", "from"})]
        source = chosen[0]["_source"]
        start = str(source["timestamp"])
        assert filled["id"].startswith(f"{context.job_id}|{kind}|{start}")
        assert filled["when"] == start
        assert filled["score"] == str(max(int(hit["_source"][SCORE[kind]] * 10) / 10 for hit in chosen))
        assert filled["severity"] == "critical"
        query = rison.state_of(filled["link"].partition("?")[2])["_a"]["query"]["query"]
        assert query == f'job_id:"{context.job_id}" and timestamp:{start}'
        if kind == "records":
            assert filled["id"].endswith('|al"ice')
            assert filled["who"] == 'al"ice'
            assert set(filled["from"].split(", ")) == {"203.0.113.9", "198.51.100.7"}
            assert 'al"ice used ' in filled["why"]
        elif kind == "influencers":
            assert filled["id"].endswith(f"|{source['influencer_field_name']}|{source['influencer_field_value']}")
            assert filled["why"] == source["reason"]
            assert filled["who"]
            assert filled["from"]
        else:
            assert (filled["who"], filled["from"]) == ('alice, b"ob', "198.51.100.7")


SCORE = {
    "records": "initial_record_score",
    "influencers": "initial_influencer_score",
    "buckets": "initial_anomaly_score",
}


def test_current_score_can_be_asked_for(server: Server, context: ResultContext, write: Any) -> None:
    made, _ = seeded.records(context)
    write(made)
    body = definition("watcher", "records", context, score_field="record_score")
    names = {name for _, name in fired(ask(server, search_of("watcher", body, NOW)))}
    assert "up" in names
    assert "down" not in names


def blind(context: ResultContext, state: str, ingested: int) -> ResultDocument:
    stamp, fields = Stamp("snap-1", "q-1", ingested=ingested), {"blind_state": state, "blind_reason": "no_events"}
    return result_documents.annotation(
        context, stamp, start=BUCKET, end=BUCKET + HOUR, annotation_type="blind", text="No events.", fields=fields
    )


@pytest.mark.parametrize("stack", ["watcher", "opensearch"])
def test_blind_fires_when_it_begins_and_not_when_it_ends(
    server: Server, context: ResultContext, write: Any, stack: Stack
) -> None:
    body = definition(stack, "blind", context)
    for state in ("blind", "half_blind"):
        write([blind(context, state, NOW - 120)])
        assert fired(ask(server, bare(search_of(stack, body, NOW), server))) == [(BUCKET, "")]
        assert fired(ask(server, bare(search_of(stack, body, NOW + INTERVAL), server))) == []
    write([blind(context, "ended", NOW - 120)])
    assert fired(ask(server, bare(search_of(stack, body, NOW), server))) == []


@pytest.mark.parametrize("stack", ["watcher", "opensearch"])
def test_silence_is_said_at_one_look_only(server: Server, context: ResultContext, write: Any, stack: Stack) -> None:
    write([seeded.bucket(context, BUCKET, 0.0)])
    silence = Parameters(a_job(context.job_id, analysis_config={"bucket_span": "1h"})).silence()
    body = definition(stack, "silent", context)
    said = []
    begins = seeded.WRITTEN + silence + MARGIN
    for moment in range(NOW, begins + 4 * INTERVAL, INTERVAL):
        found = ask(server, search_of(stack, body, moment))["aggregations"]
        if found["latest"]["doc_count"] == 0 and found["before"]["doc_count"] > 0:
            said.append(moment)
    assert len(said) == 1
    assert begins <= said[0] < begins + INTERVAL


@pytest.mark.only_on(
    "opensearch", "Painless of Elasticsearch 8 and 9 is in no package registry; OpenSearch runs the same script"
)
@pytest.mark.parametrize("kind", SCORED)
def test_watchers_script_makes_a_message_of_each_alert(
    opensearch: Server, context: ResultContext, kind: Kind, server: Server, write: Any
) -> None:
    made, must = SEEDS[kind](context)
    write(made)
    body = definition("watcher", kind, context)
    payload = ask(server, search_of("watcher", body, NOW))
    script = body["transform"]["script"]
    source = re.sub(r"return \['alerts': alerts\];$", "return alerts.toString();", script["source"])
    source = source.replace("List alerts =", "def ctx = params.ctx; List alerts =")  # functions come first
    text = painless(server, source, {**script["params"], "ctx": {"payload": payload}})
    assert text.count("{id=") == len(must)
    links = re.findall(r"link=(https://kibana.example.org/app/dashboards#/view/ipi-es-([a-z]+)[?](\S+)), text=", text)
    assert len(links) == len(must)
    queries = {(there, rison.state_of(state)["_a"]["query"]["query"]) for _, there, state in links}
    assert {f'job_id:"{context.job_id}"'} == {query.partition(" and ")[0] for _, query in queries}
    assert "severity=critical" in text
    assert f"{context.job_id}|{kind}|{BUCKET * 1_000}" in text
    if kind == "records":
        assert 'who=al"ice, from=203.0.113.9, 198.51.100.7, when=2026-06-01T06:00:00Z, score=95.0' in text
        assert "used 203.0.113.9" in text
        assert ("entity", f'job_id:"{context.job_id}" and partition_field_value:"al\\"ice"') in queries
    elif kind == "influencers":
        assert 'who=alice, b"ob, carol and 42 more, from=203.0.113.66, when' in text
        assert "who=down, from=198.51.100.7, 203.0.113.9, 203.0.113.10 and 2 more, when" in text
        assert TRIED in text
        either = '(by_field_value:"203.0.113.66" or influencer_field_value:"203.0.113.66")'
        assert ("overview", f'job_id:"{context.job_id}" and {either}') in queries
    else:
        assert 'who=alice, b"ob, from=198.51.100.7, when' in text
        assert "why=2 unusual pairs of 2 user.name values and 1 source.ip value: " in text


@pytest.mark.only_on(
    "opensearch", "Painless of Elasticsearch 8 and 9 is in no package registry; OpenSearch runs the same script"
)
def test_watchers_scripts_of_a_blind_and_a_silent_job_run(server: Server, context: ResultContext) -> None:
    hit = {
        "_source": {"annotation": "No events.", "blind_state": "blind"},
        "fields": {"timestamp": ["2026-06-01T06:00:00Z"]},
    }
    group = {"key": {"timestamp": BUCKET * 1_000}, "worst": {"hits": {"hits": [hit]}}}
    ctx = {
        "payload": {"aggregations": {"alerts": {"buckets": [group]}}},
        "trigger": {"scheduled_time": "2026-06-01T08:00:00Z"},
    }
    for kind, when in (("blind", "2026-06-01T06:00:00Z"), ("silent", "2026-06-01T08:00:00Z")):
        script = definition("watcher", kind, context)["transform"]["script"]
        first = "List alerts =" if kind == "blind" else "Map alert ="
        source = script["source"].replace(first, f"def ctx = params.ctx; {first}", 1)
        source = re.sub(r"return \['alerts': (.*)\];$", r"return \1.toString();", source)
        text = painless(server, source, {**script["params"], "ctx": ctx})
        assert f"when={when}, score=null, severity=critical" in text
        state = re.search(r"link=https://kibana.example.org/app/dashboards#/view/ipi-es-jobs[?](\S+), text=", text)
        assert state is not None
        assert rison.state_of(state[1])["_g"]["time"]["to"] == f"{when}||+12h"


@pytest.mark.only_on("opensearch", "messages of OpenSearch Alerting")
@pytest.mark.parametrize("kind", SCORED)
def test_opensearch_message_is_json_with_everything_in_it(
    server: Server, context: ResultContext, write: Any, kind: Kind
) -> None:
    made, must = SEEDS[kind](context)
    write(made)
    body = definition("opensearch", kind, context)
    results = ask(server, search_of("opensearch", body, NOW))
    trigger = body["triggers"][0]["query_level_trigger"]
    condition = "def ctx = params.ctx; " + trigger["condition"]["script"]["source"]
    assert painless(server, condition, {"ctx": {"results": [results]}}) == "true"
    message = message_of(server, trigger["actions"][0], results)
    *alerts, end = json.loads(message)["alerts"]
    assert end is None
    assert len(alerts) == len(must)
    assert len({alert["id"] for alert in alerts}) == len(must)
    for alert in alerts:
        assert alert["severity"] == "critical"
        assert alert["score"] >= 75.0
        assert alert["when"].endswith(":00:00Z")
        state = rison.state_of(alert["link"].partition("?")[2])
        assert state["_g"]["time"]["from"] == alert["when"] + "||-12h"
        query = state["_a"]["query"]["query"]
        assert query.startswith(f'job_id:"{context.job_id}"')
        assert alert["score"] == int(alert["score"] * 10) / 10
        assert not re.search(r"\s$", alert["who"] + alert["from"] + alert["why"])
    if kind == "records":
        alice = next(alert for alert in alerts if alert["who"] == 'al"ice')
        assert (alice["score"], alice["from"]) == (95.0, "203.0.113.9, 198.51.100.7")
        assert "ipi-es-entity?" in alice["link"]
        assert 'al"ice used 203.0.113.9' in alice["why"]
    elif kind == "influencers":
        tried = next(alert for alert in alerts if "203.0.113.66" in alert["id"])
        assert (tried["who"], tried["from"]) == ('alice, b"ob, carol and 42 more', "203.0.113.66")
        assert tried["why"].startswith(TRIED)
        down = next(alert for alert in alerts if alert["who"] == "down")
        assert down["from"] == "198.51.100.7, 203.0.113.9, 203.0.113.10 and 2 more"
    else:
        assert all(alert["why"].startswith("2 unusual pairs of 2 user.name values") for alert in alerts)
        assert {(alert["who"], alert["from"]) for alert in alerts} == {('alice, b"ob', "198.51.100.7")}
    people = message_of(server, trigger["actions"][1], results)
    assert people.count("critical") == len(must)


@pytest.mark.only_on(
    "opensearch", "Painless of Elasticsearch 8 and 9 is in no package registry; OpenSearch runs the same script"
)
def test_silence_conditions_run(server: Server, context: ResultContext) -> None:
    for stack, place in (("watcher", "payload"), ("opensearch", "results")):
        body = definition(stack, "silent", context)
        source = (
            body["condition"]["script"]["source"]
            if stack == "watcher"
            else body["triggers"][0]["query_level_trigger"]["condition"]["script"]["source"]
        )
        for counted, said in (((0, 1), "true"), ((0, 0), "false"), ((1, 1), "false"), (None, "false")):
            latest, before = counted or (0, 0)
            counts = {"aggregations": {"latest": {"doc_count": latest}, "before": {"doc_count": before}}}
            answer = {} if counted is None else counts  # nothing to count in: there is no index yet
            ctx = {place: [answer] if place == "results" else answer}
            assert painless(server, f"def ctx = params.ctx; {source}", {"ctx": ctx}) == said


@pytest.mark.only_on("opensearch", "OpenSearch Alerting refuses a monitor whose indices can't be searched")
@pytest.mark.parametrize("kind", KINDS)
def test_monitor_can_be_put_and_is_quiet_before_the_first_result(
    server: Server, context: ResultContext, kind: Kind
) -> None:
    body = definition("opensearch", kind, context)
    (index,) = body["inputs"][0]["search"]["indices"]
    assert index == f"{ALIAS}*"  # a name alone is 404 while there is nothing; a pattern is an empty answer
    status, answer = server.call(
        "POST", f"/{index.replace('*', f'-{uuid.uuid4().hex}*')}/_search", search_of("opensearch", body, NOW)
    )
    assert status == 200
    condition = body["triggers"][0]["query_level_trigger"]["condition"]["script"]["source"]
    assert painless(server, f"def ctx = params.ctx; {condition}", {"ctx": {"results": [answer]}}) == "false"


@pytest.mark.only_on(
    "opensearch",
    "Painless of Elasticsearch 8 and 9 is in no package registry; OpenSearch runs the same script, in a derived field",
)
def test_kibanas_runtime_field_is_the_buckets_time(server: Server, context: ResultContext, write: Any) -> None:
    write([seeded.record(context, "alice", "198.51.100.7", 80.0)])
    script = json.loads(definition("kibana", "records", context)["params"]["esQuery"])["runtime_mappings"]["alert_time"]
    search = {
        "query": {"term": {"job_id": context.job_id}},
        "derived": {"alert_time": {"type": "keyword", "script": script["script"]}},
        "fields": ["alert_time"],
    }
    (hit,) = ask(server, search)["hits"]["hits"]
    assert hit["fields"]["alert_time"] == ["2026-06-01T06:00:00Z"]
