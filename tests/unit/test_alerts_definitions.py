"""Alert definitions: what may be in them by their servers' documentation, tiling windows, and how they are put."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cli_run import run
from service_parts import a_job

from ipi_es import resources
from ipi_es.alerts.install import install_in_cluster, install_in_kibana
from ipi_es.alerts.kibana import Kibana
from ipi_es.alerts.kinds import KINDS, SCORED, STACKS, Kind, Stack
from ipi_es.alerts.parameters import INTERVALS, MARGIN, Destination, Parameters
from ipi_es.alerts.render import Definition, render, stable_uuid
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.console import Console
from ipi_es.cluster.memory import MemoryCluster
from ipi_es.cluster.port import ServerInfo
from ipi_es.errors import AuthenticationFailed, IpiEsError, NotFound, PermissionDenied, RequestRejected, UsageError

EVERYWHERE = Destination("https://hooks.example.org/x", "ipi-es-alerts", "channel-1")
ELASTICSEARCH = ServerInfo("elasticsearch", (8, 19, 5), "memory", "memory:")


def made(stack: Stack, kind: Kind, destination: Destination = EVERYWHERE, **more: Any) -> Definition:
    job = a_job("logins", analysis_config={"bucket_span": "1h"})
    return render(stack, kind, Parameters(job, destination=destination, console="https://kibana.example.org", **more))


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
@pytest.mark.parametrize("stack", STACKS)
def test_definition_has_known_keys_only_and_no_placeholder_left(stack: Stack, kind: Kind) -> None:
    definition = made(stack, kind)
    assert not list(mistakes(definition.body, SCHEMAS[stack]))
    assert "${" not in json.dumps(definition.body)
    if stack == "watcher":
        for action in definition.body["actions"].values():
            (name,) = action.keys() & WATCH_ACTIONS.keys()
            assert not list(mistakes(action[name], WATCH_ACTIONS[name]))
            assert set(action) - {name} == {"foreach", "max_iterations"}


def test_unknown_keys_are_noticed() -> None:
    body = made("watcher", "buckets").body
    assert list(mistakes({**body, "condition": {"sript": {}}}, WATCH))
    assert list(mistakes({**body, "trigger": {"schedule": {"period": {}}}}, WATCH))


@pytest.mark.parametrize("kind", SCORED)
@pytest.mark.parametrize("stack", STACKS)
def test_interim_suppressed_and_repeated_are_left_out(stack: Stack, kind: Kind) -> None:
    text = json.dumps(made(stack, kind).body).replace("\\", "")
    assert '{"term": {"is_interim": false}}' in text
    assert '"must_not": [{"exists": {"field": "suppressed_by"}}, {"exists": {"field": "repeat_of"}}]' in text
    assert '{"term": {"job_id": "logins"}}' in text
    assert '"gte": 75.0' in text
    assert "initial_" in text


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
            made(stack, "buckets", Destination())


def test_only_named_destinations_are_in_it_and_a_watch_without_any_logs() -> None:
    assert set(made("watcher", "records", Destination()).body["actions"]) == {"log"}
    assert set(made("watcher", "records", Destination(index="a")).body["actions"]) == {"index"}
    assert len(made("kibana", "records", Destination(index="a")).body["actions"]) == 1
    (trigger,) = made("opensearch", "records", Destination(channel="c")).body["triggers"]
    assert [each["destination_id"] for each in trigger["query_level_trigger"]["actions"]] == ["c"]


def test_every_template_belongs_to_a_kind_and_every_script_is_used() -> None:
    for stack in STACKS:
        folder = resources.folder("templates") / "alerts" / stack
        files = {each.name for each in folder.iterdir()}
        assert {name for name in files if name.endswith(".json")} == {f"{kind}.json" for kind in KINDS}
        texts = "".join((folder / name).read_text() for name in files if name.endswith(".json"))
        for name in files:
            if name.endswith(".painless"):
                assert f"${{script:{name.removesuffix('.painless')}}}" in texts


def test_ids_are_stable_and_kibanas_look_random() -> None:
    assert made("watcher", "records").id == "ipi-es-logins-records"
    assert made("kibana", "records").id == made("kibana", "records").id != made("kibana", "buckets").id
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", stable_uuid("a"))


def parameters() -> Parameters:
    return Parameters(a_job("logins"), destination=EVERYWHERE)


def test_watches_and_monitors_are_put_and_replaced() -> None:
    for stack, cluster in (("watcher", MemoryCluster(info=ELASTICSEARCH)), ("opensearch", MemoryCluster())):
        cluster.alerting.there = True
        first = list(install_in_cluster(cluster, stack, KINDS, parameters()))
        assert all(done.created for done in first)
        assert set(cluster.alerting.definitions) == {f"ipi-es-logins-{kind}" for kind in KINDS}
        assert not any(done.created for done in install_in_cluster(cluster, stack, KINDS, parameters()))
        assert bool(cluster.alerting.channels) == (stack == "opensearch")


def test_wrong_or_bare_server_is_said() -> None:
    with pytest.raises(UsageError, match="--stack opensearch"):
        list(install_in_cluster(MemoryCluster(), "watcher", KINDS, parameters()))
    with pytest.raises(NotFound, match="own notifications"):
        list(install_in_cluster(MemoryCluster(), "opensearch", KINDS, parameters()))


class _Kibana(ThreadingHTTPServer):
    """Rules and connectors, with the checks of Kibana that matter here."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.things: dict[str, Any] = {"/api/status": {}}
        self.status = 0
        self.name = "kbn-name"
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Answers(BaseHTTPRequestHandler):
    server: _Kibana

    def do_GET(self) -> None:
        self._say(200 if self.path in self.server.things else 404)

    def do_POST(self) -> None:
        self._say(409 if self.path in self.server.things else self._take())

    def do_PUT(self) -> None:
        self._say(self._take() if self.path in self.server.things else 404)

    def _take(self) -> int:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/hook":
            return 200
        if self.headers["kbn-xsrf"] is None or (self.command == "PUT" and "consumer" in body):
            return 400
        self.server.things[self.path] = body
        return 200

    def _say(self, status: int) -> None:
        text = b'{"message": "said by Kibana"}'
        asked = self.path != "/api/status"
        self.send_response(self.server.status if asked and self.server.status else status)
        self.send_header(self.server.name, "here")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


def at(server: _Kibana, space: str | None = None) -> Kibana:
    return Kibana(Console(server.url, Connection(hosts=("http://127.0.0.1:9200",)), space=space))


@pytest.fixture
def kibana() -> Iterator[_Kibana]:
    with _Kibana() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_rules_and_connectors_are_put_and_replaced(kibana: _Kibana) -> None:
    first = list(install_in_kibana(at(kibana, "soc"), KINDS, parameters()))
    assert all(done.created for done in first)
    assert len(first) == len(KINDS) + 2
    assert all(path.startswith("/s/soc/api/") for path in kibana.things.keys() - {"/api/status"})
    assert not any(done.created for done in install_in_kibana(at(kibana, "soc"), KINDS, parameters()))


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, AuthenticationFailed), (403, PermissionDenied), (400, RequestRejected)],
)
def test_kibanas_refusal_is_an_error_with_its_words(kibana: _Kibana, status: int, error: type[IpiEsError]) -> None:
    kibana.status = status
    with pytest.raises(error, match="said by Kibana"):
        list(install_in_kibana(at(kibana), KINDS, parameters()))


def test_the_other_console_is_said(kibana: _Kibana) -> None:
    kibana.name = "osd-name"
    with pytest.raises(UsageError, match="OpenSearch Dashboards has no rules"):
        at(kibana)


@pytest.fixture
def job_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    (tmp_path / "jobs").mkdir()
    path = tmp_path / "jobs" / "logins.json"
    path.write_text(json.dumps({"job_id": "logins", "datafeed_config": {"indices": ["logs"]}}))
    return path


def test_render_prints_what_would_be_put(job_file: Path, tmp_path: Path) -> None:
    printed = json.loads(run("alerts", "render", "logins", "--stack", "watcher", "--on", "records").stdout)
    assert set(printed) == {"ipi-es-logins-records", "ipi-es-logins-blind", "ipi-es-logins-silent"}
    run("alerts", "render", "logins", "--stack", "kibana", "--index", "alerts", "-o", tmp_path / "out")
    assert len(list((tmp_path / "out").glob("*.json"))) == 4
    nowhere = run("alerts", "render", "logins", "--stack", "opensearch")
    assert nowhere.exit_code == 2
    assert "goes nowhere" in nowhere.stderr


def test_severities_are_those_of_one_table_everywhere() -> None:
    folder = resources.folder("templates") / "alerts"
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        assert not re.search(r"\b(75|50|25)\b|'major'|'minor'", path.read_text()), path
    chain = "score >= 75 ? 'critical' : score >= 50 ? 'major' : score >= 25 ? 'minor' : 'warning'"
    for stack in STACKS:
        text = json.dumps(made(stack, "records").body)
        assert "${" not in text
        assert (chain if stack != "kibana" else "critical from 75, major from 50, minor from 25") in text


SECRET = "https://hooks.example.org/services/T0/B0/s3cr3t"


@pytest.mark.parametrize("stack", ["watcher", "kibana"])
def test_a_webhook_from_a_file_is_the_same_as_one_that_is_said(job_file: Path, tmp_path: Path, stack: str) -> None:
    (tmp_path / "hook").write_text(f"{SECRET}\n")
    said = run("alerts", "render", "logins", "--stack", stack, "--webhook", SECRET)
    assert SECRET in said.stdout
    assert (
        run("alerts", "render", "logins", "--stack", stack, "--webhook-file", tmp_path / "hook").stdout == said.stdout
    )


@pytest.mark.parametrize("text", ["", "s3cr3t", f"{SECRET} {SECRET}", f"url = {SECRET}", "https://[s3cr3t"])
def test_what_is_no_webhook_is_refused_without_quoting_it(job_file: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "hook").write_text(text)
    done = run("alerts", "render", "logins", "--stack", "watcher", "--webhook-file", tmp_path / "hook")
    assert done.exit_code == 2
    assert "has no URL with http:// or https://" in done.stderr
    assert "s3cr3t" not in done.output
    assert run("alerts", "render", "logins", "--stack", "watcher", "--webhook", text or "-").exit_code == 2


def test_two_webhooks_are_refused(job_file: Path, tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(SECRET)
    both = ("--webhook", "https://a.example.org", "--webhook-file", tmp_path / "hook")
    done = run("alerts", "render", "logins", "--stack", "opensearch", *both)
    assert done.exit_code == 2
    assert "keep one of them" in done.stderr


def test_install_puts_it_and_says_so(job_file: Path, monkeypatch: pytest.MonkeyPatch, kibana: _Kibana) -> None:
    cluster = MemoryCluster()
    cluster.alerting.there = True
    monkeypatch.setattr("ipi_es.cluster.connect.connect", lambda _: cluster)
    done = run("alerts", "install", "logins", "--stack", "opensearch", "--channel", "c1")
    assert "created monitor: ipi-es logins: unusual buckets" in done.stdout
    assert "replaced" in run("alerts", "install", "logins", "--stack", "opensearch", "--channel", "c1").stdout
    put = run("alerts", "install", "logins", "--stack", "kibana", "--kibana", kibana.url, "--index", "a")
    assert "created connector: ipi-es logins: index" in put.stdout
    assert "created rule: ipi-es logins: no results" in put.stdout
    assert "--kibana" in run("alerts", "install", "logins", "--stack", "kibana", "--index", "a").stderr


def test_alerts_test_says_what_came_of_it(job_file: Path, kibana: _Kibana) -> None:
    assert run("alerts", "test", "logins").exit_code == 2
    config = json.loads(job_file.read_text())
    ways = [{"name": "here", "webhook": f"{kibana.url}/hook"}, {"name": "nowhere", "webhook": "http://127.0.0.1:9/x"}]
    job_file.write_text(json.dumps({**config, "alerts": {"notify": ways}}))
    done = run("alerts", "test", "logins")
    assert done.exit_code == 1
    assert "not sent: nowhere" in done.stderr
    assert done.stdout == "sent to here\n"
    assert run("alerts", "test", "logins", "--destination", "there").exit_code == 2


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        ({"notify": [{"name": "a", "webhook": "ftp://x"}]}, "http:// or https://"),
        ({"notify": [{"name": "a"}]}, "must have one of"),
        ({"notify": [{"name": "a", "webhook": "http://x", "webhook_file": "logins.json"}]}, "must have one of"),
        ({"notify": [{"name": "a", "webhook_file": "nowhere"}]}, "webhook_file: can't be read"),
        ({"notify": [{"name": "a", "apprise": "x"}]}, "as Apprise has them"),
        ({"notify": [{"name": "a", "webhook": "http://x"}, {"name": "a", "webhook": "http://y"}]}, "same name"),
        ({"on": ["events"]}, "buckets"),
    ],
)
def test_mistakes_in_the_jobs_file_are_said(job_file: Path, alerts: dict[str, Any], said: str) -> None:
    config = json.loads(job_file.read_text())
    job_file.write_text(json.dumps({**config, "alerts": alerts}))
    done = run("job", "validate", job_file)
    assert done.exit_code == 2
    assert said in done.stderr
