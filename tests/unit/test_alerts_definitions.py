"""Alert definitions: what may be in them by their servers' documentation, tiling windows, and how they are put."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from service_parts import a_job

from ipi_es import resources
from ipi_es.alerts.kinds import KINDS, SCORED, STACK_NAMES, Kind, Stack
from ipi_es.alerts.message import Message
from ipi_es.alerts.parameters import INTERVALS, MARGIN, ConsoleDestination, Parameters
from ipi_es.alerts.render import Definition, render, stable_uuid
from ipi_es.cluster.port import ServerInfo
from ipi_es.errors import UsageError
from ipi_es.results.reading.queries import CLOSED
from ipi_es.results.words import NO_ALARM
from ipi_es.service.blindness.blind_change import BlindState

EVERYWHERE = ConsoleDestination("https://hooks.example.org/x", "ipi-es-alerts", "channel-1")
ELASTICSEARCH = ServerInfo("elasticsearch", (8, 19, 5), "memory", "memory:")


def made(stack: Stack, kind: Kind, destination: ConsoleDestination = EVERYWHERE, **more: Any) -> Definition:
    job = a_job("logins", analysis_config={"bucket_span": "1h"})
    given: dict[str, Any] = {"console": "https://kibana.example.org", **more}
    return render(stack, kind, Parameters(job, destination=destination, **given))


WATCH = {
    "metadata": dict,
    "trigger": {"schedule": {"cron": str}},
    "input": {"search": {"request": {"indices": list, "body": dict, "indices_options": dict}}},
    "condition": ({"compare": dict}, {"script": {"lang": str, "source": str}}),
    "transform": {"script": {"lang": str, "source": str, "params": dict}},
    "actions": dict,
}
WATCH_ACTIONS = {
    "logging": {"level": str, "text": str},
    "index": {"index": str, "execution_time_field": str},
    "webhook": {"method": str, "url": str, "headers": dict, "body": str},
}
TEMPLATE = {"lang": str, "source": str}
MONITOR = {
    "type": str,
    "monitor_type": str,
    "name": str,
    "enabled": bool,
    "schedule": {"period": {"interval": int, "unit": str}},
    "inputs": [{"search": {"indices": list, "query": dict}}],
    "triggers": [
        {
            "query_level_trigger": {
                "name": str,
                "severity": str,
                "condition": {"script": TEMPLATE},
                "actions": [
                    {
                        "name": str,
                        "destination_id": str,
                        "throttle_enabled": bool,
                        "subject_template": TEMPLATE,
                        "message_template": TEMPLATE,
                    }
                ],
            }
        }
    ],
}
ES_QUERY = {
    "searchType": str,
    "index": list,
    "timeField": str,
    "esQuery": str,
    "size": int,
    "threshold": list,
    "thresholdComparator": str,
    "timeWindowSize": int,
    "timeWindowUnit": str,
    "aggType": str,
    "groupBy": str,
    "termField": list,
    "termSize": int,
    "excludeHitsFromPreviousRun": bool,
}
"""Parameters of an Elasticsearch query rule that Kibana 8.12 knows (it refuses others)."""
RULE = {
    "name": str,
    "rule_type_id": str,
    "consumer": str,
    "enabled": bool,
    "tags": list,
    "schedule": {"interval": str},
    "params": ES_QUERY,
    "actions": [
        {
            "id": str,
            "group": str,
            "params": ({"documents": list}, {"body": str}),
            "frequency": {"summary": bool, "notify_when": str, "throttle": type(None)},
        }
    ],
}
SCHEMAS: dict[str, Any] = {"watcher": WATCH, "opensearch": MONITOR, "kibana": RULE}


def mistakes(body: Any, schema: Any, path: str = "") -> Iterator[str]:
    """Keys that a schema doesn't know, and values of another type."""
    if isinstance(schema, tuple):
        if all(list(mistakes(body, each, path)) for each in schema):
            yield f"{path}: fits none of {schema}"
    elif isinstance(schema, type):
        if not isinstance(body, schema):
            yield f"{path}: {body!r} is no {schema.__name__}"
    elif isinstance(schema, list):
        for number, each in enumerate(body):
            yield from mistakes(each, schema[0], f"{path}[{number}]")
    else:
        yield from (f"{path}.{key} is not known" for key in body.keys() - schema.keys())
        for key in body.keys() & schema.keys():
            yield from mistakes(body[key], schema[key], f"{path}.{key}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stack", STACK_NAMES)
def test_definition_has_known_keys_only_and_no_placeholder_left(stack: Stack, kind: Kind) -> None:
    definition = made(stack, kind)
    assert not list(mistakes(definition.body, SCHEMAS[stack]))
    assert "${" not in json.dumps(definition.body)
    if stack == "watcher":
        for action in definition.body["actions"].values():
            (name,) = action.keys() & WATCH_ACTIONS.keys()
            assert not list(mistakes(action[name], WATCH_ACTIONS[name]))
            assert set(action) - {name} == {"foreach", "max_iterations"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stack", STACK_NAMES)
def test_without_a_console_there_is_no_half_link(stack: Stack, kind: Kind) -> None:
    text = json.dumps(made(stack, kind, console="").body)
    text = re.sub(
        r"String link\(.*?String linkToEntity", "", text
    )  # this function of scripts gives no link without a console
    assert "_g=" not in text
    assert "/app/dashboards" not in text
    assert "https://k/app/dashboards#/view/" in json.dumps(made(stack, kind, console="https://k").body)


def test_unknown_keys_are_noticed() -> None:
    body = made("watcher", "buckets").body
    assert list(mistakes({**body, "condition": {"sript": {}}}, WATCH))
    assert list(mistakes({**body, "trigger": {"schedule": {"period": {}}}}, WATCH))


@pytest.mark.parametrize("kind", SCORED)
@pytest.mark.parametrize("stack", STACK_NAMES)
def test_interim_suppressed_repeated_scheduled_and_closed_are_left_out(stack: Stack, kind: Kind) -> None:
    text = json.dumps(made(stack, kind).body).replace("\\", "")
    assert '{"term": {"is_interim": false}}' in text
    left_out = [{"exists": {"field": field}} for field in ("suppressed_by", "repeat_of", "scheduled_events")]
    assert {*NO_ALARM} == {each["exists"]["field"] for each in left_out}
    assert f'"must_not": {json.dumps([*left_out, CLOSED])}' in text
    assert '{"term": {"job_id": "logins"}}' in text
    assert '"gte": 75.0' in text
    assert "initial_" in text


@pytest.mark.parametrize("stack", STACK_NAMES)
def test_blind_alert_is_of_a_jobs_blindness_that_lasts_and_says_what_the_annotation_says(stack: Stack) -> None:
    text = json.dumps(made(stack, "blind").body).replace('\\"', '"')  # Kibana keeps its query as text
    states = [str(each) for each in BlindState if each is not BlindState.ENDED]
    for wanted in (
        {"term": {"job_id": "logins"}},
        {"term": {"result_type": "annotation"}},
        {"term": {"annotation_type": "blind"}},
        {"terms": {"blind_state": states}},
    ):
        assert json.dumps(wanted).replace(" ", "") in text.replace(" ", "")
    assert "_source.annotation" in text
    if stack == "watcher":
        assert "(hit._source.blind_state == 'half_blind' ? ' is half blind. ' : ' is blind. ')" in text


@pytest.mark.parametrize("interval", INTERVALS)
def test_windows_meet_without_gap_or_overlap(interval: int) -> None:
    for stack, kind in ((stack, kind) for stack in ("watcher", "opensearch") for kind in SCORED):
        text = json.dumps(made(stack, kind, interval=interval).body)
        (begin, end) = re.search(
            r'"gte": "\{\{[a-z_.]+\}\}\|\|-(\d+)s", "lt": "\{\{[a-z_.]+\}\}\|\|-(\d+)s"', text
        ).groups()
        assert int(end) == MARGIN
        assert int(begin) - int(end) == interval * 60
    assert 60 % interval == 0
    assert (
        made("watcher", "buckets", interval=interval).body["trigger"]["schedule"]["cron"] == f"0 0/{interval} * * * ?"
    )


def test_kibana_rule_looks_back_further_than_it_waits_and_alerts_once_a_group() -> None:
    for kind in SCORED:
        body = made("kibana", kind).body
        assert body["params"]["timeWindowSize"] > 5
        assert body["params"]["termField"][0] == "alert_time"
        assert {action["frequency"]["notify_when"] for action in body["actions"]} == {"onActionGroupChange"}


def test_parameters_are_in_the_definition() -> None:
    text = json.dumps(made("watcher", "records", threshold=50.0, score_field="record_score", max_age=3_600).body)
    assert '{"range": {"record_score": {"gte": 50.0}}}' in text
    assert "initial_record_score" not in text
    assert "||-3600s" in text


def test_what_can_not_be_is_refused() -> None:
    with pytest.raises(UsageError, match="have no record_score"):
        made("watcher", "buckets", score_field="record_score")
    with pytest.raises(UsageError, match="every 7 minutes"):
        made("watcher", "buckets", interval=7)
    with pytest.raises(UsageError, match="no score"):
        made("watcher", "buckets", threshold=101.0)
    for stack in ("kibana", "opensearch"):
        with pytest.raises(UsageError, match="goes nowhere"):
            made(stack, "buckets", ConsoleDestination())


def test_only_named_destinations_are_in_it_and_a_watch_without_any_logs() -> None:
    assert set(made("watcher", "records", ConsoleDestination()).body["actions"]) == {"log"}
    assert set(made("watcher", "records", ConsoleDestination(index="a")).body["actions"]) == {"index"}
    assert len(made("kibana", "records", ConsoleDestination(index="a")).body["actions"]) == 1
    (trigger,) = made("opensearch", "records", ConsoleDestination(channel="c")).body["triggers"]
    assert [each["destination_id"] for each in trigger["query_level_trigger"]["actions"]] == ["c"]


def test_every_template_belongs_to_a_kind_and_every_script_is_used() -> None:
    common = {each.name for each in (resources.folder("templates") / "alerts" / "common").iterdir()}
    for stack in STACK_NAMES:
        folder = resources.folder("templates") / "alerts" / stack
        files = {each.name for each in folder.iterdir()}
        assert {name for name in files if name.endswith(".json")} == {f"{kind}.json" for kind in KINDS}
        texts = "".join((folder / name).read_text() for name in files)
        for name in files | (common if stack != "kibana" else set()):
            if name.endswith(".painless"):
                assert f"${{script:{name.removesuffix('.painless')}}}" in texts


def test_ids_are_stable_and_kibanas_look_random() -> None:
    assert made("watcher", "records").id == "ipi-es-logins-records"
    assert made("kibana", "records").id == made("kibana", "records").id != made("kibana", "buckets").id
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", stable_uuid("a"))


def test_severities_are_those_of_one_table_everywhere() -> None:
    folder = resources.folder("templates") / "alerts"
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        assert not re.search(r"(?<!%)\b(75|50|25)\b|'major'|'minor'", path.read_text()), path
    chain = "score >= 75 ? 'critical' : score >= 50 ? 'major' : score >= 25 ? 'minor' : 'warning'"
    for stack in STACK_NAMES:
        text = json.dumps(made(stack, "records").body)
        assert "${" not in text
        assert (chain in text) is (stack != "kibana")  # Mustache can't compare


FIELDS = ["id", "job_id", "alert", "who", "from", "when", "score", "severity", "why", "link"]
"""Of each alert, in all consoles and in the worker's message."""


def sent(stack: Stack, kind: Kind, **more: Any) -> list[list[str]]:
    """The names of the fields that a definition's actions send, as they are written."""
    body = made(stack, kind, **more).body
    if stack == "kibana":
        actions = [action["params"] for action in body["actions"]]
        return [list(each.get("documents", [None])[0] or json.loads(each["body"])) for each in actions]
    if stack == "watcher":
        return [re.findall(r"^ *alert\.(\w+) = ", body["transform"]["script"]["source"], flags=re.MULTILINE)]
    source = body["triggers"][0]["query_level_trigger"]["actions"][0]["message_template"]["source"]
    return [re.findall(r'[{,]"(\w+)":(?!\[)', source)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stack", STACK_NAMES)
def test_all_consoles_send_the_same_fields(stack: Stack, kind: Kind) -> None:
    assert all(each == FIELDS + (["text"] if stack == "watcher" else []) for each in sent(stack, kind))
    assert [name for name in Message("i", "j", "records", 0, "major", "w").to_dict() if name in FIELDS] == FIELDS


def test_kibana_says_no_severity_that_it_does_not_know() -> None:
    (document,) = made("kibana", "records").body["actions"][0]["params"]["documents"]
    assert document["severity"] == "critical"
    for each in sent("kibana", "records", threshold=50.0):
        assert each == [name for name in FIELDS if name != "severity"]
    assert all("severity" in each for each in sent("kibana", "blind", threshold=50.0))


def test_ids_have_the_same_parts_everywhere() -> None:
    """Job, kind, bucket in epoch milliseconds, and what was found: as a message of the worker begins."""
    key, hit = "key", "context.hits.0._source"
    parts: dict[Kind, list[str]] = {
        "buckets": ["timestamp"],
        "influencers": ["timestamp", "influencer_field_name", "influencer_field_value"],
        "records": ["timestamp", "partition_field_value"],
        "blind": ["timestamp"],
    }
    for kind, names in parts.items():
        for stack, place in (("opensearch", key), ("kibana", hit)):
            wanted = "|".join(["logins", kind, *(f"{{{{{place}.{name}}}}}" for name in names)])
            text = json.dumps(made(stack, kind).body).replace("\\", "")  # type: ignore[arg-type]
            assert f'"{wanted}"' in text, (stack, kind)


def test_no_list_ends_with_a_blank() -> None:
    for stack in ("kibana", "opensearch"):
        for kind in SCORED:
            assert not re.search(r"\}\} \{\{/[\w.]+\}\}", json.dumps(made(stack, kind).body)), (stack, kind)


def test_the_index_of_alerts_has_every_field_with_its_type() -> None:
    body = json.loads((resources.folder("templates") / "alerts" / "index.json").read_text())
    fields = {name: each["type"] for name, each in body["mappings"]["properties"].items()}
    assert set(fields) == {*FIELDS, "text", "@timestamp"}
    assert (fields["score"], fields["when"], fields["severity"]) == ("double", "date", "keyword")
    # Kibana can only write epoch milliseconds there, as text
    assert body["mappings"]["properties"]["when"]["format"] == "strict_date_optional_time||epoch_millis"
