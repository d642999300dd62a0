"""Credentials in every place where a URL can stand, each of which fails: nothing that is said or stored has them."""

from __future__ import annotations

import base64
import json
import logging
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cli_run import run
from notifying_parts import ready_cluster, write, written
from service_parts import NOW, FixedClock, a_job
from signin_events import job_data, write_job
from stub_server import Reply, StubServer

from ipi_es.cli.shared.logs import set_up
from ipi_es.config.settings.settings_file import Settings
from ipi_es.service.health.health import DEAD_AFTER, Fleet
from ipi_es.service.health.http_server import readiness
from ipi_es.service.health.metrics import exposition, registry
from ipi_es.service.worker import Worker
from ipi_es.testing.memory_cluster import MemoryCluster

SECRET = "Gx7-hunter2/%:Zq"
IN_URL = quote(SECRET, safe="")
PLAIN = "Gx7hunter2Zq"
"""One that needs no quoting, and so comes through every parser as it is."""
USER = "sitter"
TLS = Reply(200, {})
REFUSED = Reply(401, {"error": "no"})


def leaks(text: str) -> list[str]:
    """The forms of the secrets that a text has."""
    secrets = (SECRET, IN_URL, PLAIN)
    pairs = [f"{USER}:{each}" for each in secrets]
    forms = [*secrets, *(base64.b64encode(each.encode()).decode().rstrip("=") for each in (*secrets, *pairs))]
    return [form for form in forms if form in text]


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What is logged at the most talkative has no secret either."""
    set_up("debug", "text", verbose=True)
    caplog.set_level(logging.DEBUG)
    yield
    assert leaks(caplog.text + "".join(f"{record.__dict__}" for record in caplog.records)) == []


def said(*command: object) -> str:
    """Everything that a command says, with the traceback of what it raised."""
    result = run("-v", *command)
    raised = "" if result.exc_info is None else "".join(traceback.format_exception(*result.exc_info))
    assert result.exit_code != 0, result.output
    return result.output + raised


def hosts() -> list[str]:
    user = f"{USER}:{IN_URL}@"
    return [
        f"https://{user}nowhere.invalid:9200",
        f"http://{user}127.0.0.1:9",
        f"https://{user}127.0.0.1:9/{IN_URL}?token={IN_URL}",
        f"https://{USER}:{PLAIN}@127.0.0.1:99999",
        f"https://{USER}:{PLAIN}@[::1",
        f"https://{USER}:{PLAIN}@host\u2100:9200",
        f"ftp://{USER}:{PLAIN}@host:9200",
        f"{USER}:{PLAIN}@host:9200",
        f"https://host:9200/?token={PLAIN}",
        f"https://host:{PLAIN}",
        f"https://{PLAIN}\n@host:9200",
    ]


@pytest.mark.parametrize("where", ["list", "text", "environment"])
def test_hosts_with_credentials_are_refused_without_quoting_them(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ipi-es.yml"
    for host in hosts():
        monkeypatch.setenv("ES_URL", host)
        value: Any = {"list": [host], "text": host, "environment": "${ES_URL}"}[where]
        file.write_text(json.dumps({"elasticsearch": {"hosts": value}}))
        assert leaks(said("--config", file, "setup")) == [], host


@pytest.mark.parametrize("secret", [f"one\n{PLAIN}", f"{PLAIN}\x00", f"{PLAIN}…", f"{PLAIN}\r\nx: y"])
@pytest.mark.parametrize("name", ["api_key", "bearer_token", "password"])
def test_a_secret_that_no_header_can_hold_is_refused_without_quoting_it(tmp_path: Path, name: str, secret: str) -> None:
    job = write_job(tmp_path / "job.json", job_data("signins"))
    with StubServer(lambda *_: REFUSED) as stub:
        for given in ({name: secret}, {f"{name}_file": "secret"}):
            (tmp_path / "secret").write_text(secret, newline="")
            user = {"username": USER} if name == "password" else {}
            file = tmp_path / "ipi-es.yml"
            file.write_text(json.dumps({"elasticsearch": {"hosts": [stub.url], "max_retries": 0, **user, **given}}))
            for command in (["setup"], ["check", job]):
                text = said("--config", file, *command)
                assert leaks(text) == [], (given, command)
                assert "Error: " not in text.replace("ConfigError: ", "").replace("AuthenticationFailed: ", ""), text


CONSOLES = [
    f"https://{USER}:{IN_URL}@nowhere.invalid:5601",
    f"ftp://{USER}:{PLAIN}@host",
    f"https://{USER}:{PLAIN}@host:99999",
    f"https://{USER}:{PLAIN}@[::1",
    f"https://{USER}:{PLAIN}@host\u2100",
]


@pytest.mark.parametrize("console", CONSOLES)
def test_consoles_with_credentials_are_refused_without_quoting_them(tmp_path: Path, console: str) -> None:
    file = tmp_path / "ipi-es.yml"
    file.write_text(json.dumps({"elasticsearch": {"hosts": ["http://127.0.0.1:9"], "max_retries": 0}}))
    job = write_job(tmp_path / "job.json", job_data("signins"))
    in_file = write_job(tmp_path / "in-file.json", {**job_data("signins"), "alerts": {"console": console}})
    render = ["alerts", "render", "--stack", "watcher", "--index", "ipi-es-alerts"]
    install = ["alerts", "install", "--stack", "kibana", "--index", "ipi-es-alerts"]
    for command in (
        [*render, job, "--console", console],
        [*render, in_file],
        [*install, job, "--kibana", console],
        ["setup", "--kibana", console],
        ["job", "validate", in_file],
    ):
        assert leaks(said("--config", file, *command)) == [], command


DESTINATIONS: dict[str, tuple[str, str]] = {
    "nobody listens": ("webhook", f"http://{USER}:{IN_URL}@127.0.0.1:9/{IN_URL}?token={PLAIN}#{PLAIN}"),
    "name unknown": ("webhook", f"https://{USER}:{IN_URL}@nowhere.invalid/{IN_URL}/{PLAIN}?token={PLAIN}"),
    "refused": ("webhook", "http://" + f"{USER}:{IN_URL}@STUB/{IN_URL}?token={PLAIN}"),
    "no TLS": ("webhook", "https://" + f"{USER}:{IN_URL}@STUB/{IN_URL}?token={PLAIN}"),
    "no port": ("webhook", f"http://{USER}:{PLAIN}@127.0.0.1:99999/{PLAIN}"),
    "no host": ("webhook", f"http://{USER}:{PLAIN}@[::1/{PLAIN}"),
    "odd host": ("webhook", f"http://{USER}:{PLAIN}@host\u2100/{PLAIN}"),
    "label too long": ("webhook", f"http://{USER}:{PLAIN}@{'a' * 70}.invalid/{PLAIN}"),
    "no label": ("webhook", f"http://{USER}:{PLAIN}@.invalid/{PLAIN}"),
    "json away": ("apprise", f"json://{USER}:{PLAIN}@127.0.0.1:9/{PLAIN}?token={PLAIN}"),
    "json refused": ("apprise", f"json://{USER}:{IN_URL}@STUB/{IN_URL}"),
    "jsons without TLS": ("apprise", f"jsons://{USER}:{IN_URL}@STUB/{IN_URL}"),
    "mail away": ("apprise", f"mailto://{USER}:{PLAIN}@127.0.0.1:9?smtp=127.0.0.1&to=a@example.org"),
    "unknown service": ("apprise", f"nosuch://{PLAIN}/{IN_URL}"),
    "unreadable": ("apprise", f"slack://{PLAIN}"),
}


@pytest.mark.parametrize("case", DESTINATIONS)
@pytest.mark.parametrize("in_file", [False, True], ids=["in the job", "in a file"])
def test_a_destination_that_fails_is_named_everywhere_without_its_secrets(
    tmp_path: Path, case: str, in_file: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    way, url = DESTINATIONS[case]
    monkeypatch.setenv("HTTPS_PROXY", "")
    with StubServer(lambda *_: REFUSED) as stub:
        url = url.replace("STUB", stub.url.removeprefix("http://"))
        (tmp_path / "url").write_text(f"{url}\n")
        (tmp_path / "token").write_text(f"{PLAIN}\n")
        given: dict[str, Any] = {"name": "ops", **({f"{way}_file": "url"} if in_file else {way: url})}
        if way == "webhook":
            given["bearer_token_file"] = "token"
        job = {**job_data("logins"), "alerts": {"on": ["records"], "notify": [given]}}
        file = write_job(tmp_path / "job.json", job)
        (tmp_path / "ipi-es.yml").write_text(json.dumps({"jobs": [str(file)]}))
        assert leaks(said("--config", tmp_path / "ipi-es.yml", "alerts", "test", file)) == []


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # a part of Apprise's
@pytest.mark.parametrize("case", [name for name in DESTINATIONS if name not in ("no host", "odd host")])
def test_a_worker_says_and_stores_nothing_of_a_failing_destinations_url(tmp_path: Path, case: str) -> None:
    way, url = DESTINATIONS[case]
    (tmp_path / "token").write_text(f"{PLAIN}\n")
    with StubServer(lambda *_: REFUSED) as stub:
        given = {"name": "ops", way: url.replace("STUB", stub.url.removeprefix("http://"))}
        if way == "webhook":
            given["bearer_token_file"] = str(tmp_path / "token")
        job = a_job("logins", analysis_config={"bucket_span": "1h"}, alerts={"on": ["records"], "notify": [given]})
        cluster, clock = ready_cluster(), FixedClock(NOW)
        worker, fleet = Worker(Settings(), [job], lambda: cluster, clock, threading.Event()), Fleet([job])
        worker.notifier(cluster, fleet).begin()
        write(cluster, written(NOW))
        for seconds in (0, DEAD_AFTER + 60):
            clock.time = NOW + seconds
            worker.notifier(cluster, fleet).once()
        for health in fleet:
            health.tick_began(clock.time)
        told = readiness(fleet, clock.time)
        assert [each["reason"] for each in told["reasons"]] == ["destination_dead"], told
        shown = (
            json.dumps(told) + exposition(registry(fleet, clock), "")[0].decode() + f"{fleet.reports(NOW)}{job!r}{job}"
        )
        assert leaks(shown + job.model_dump_json() + stored(cluster)) == []


def stored(cluster: MemoryCluster) -> str:
    """All documents."""
    return json.dumps([each.source for name in cluster.indices("*") for each in cluster.scan(name, {"match_all": {}})])


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize(
    "proxy",
    [
        f"http://{USER}:{IN_URL}@nowhere.invalid:3128",
        f"http://{USER}:{PLAIN}@127.0.0.1:9",
        f"http://{USER}:{PLAIN}@127.0.0.1:99999",
        f"socks5://{USER}:{PLAIN}@127.0.0.1:9",
        f"nosuch://{USER}:{PLAIN}@127.0.0.1:9",
        f"http://{USER}:{PLAIN}@[::1",
    ],
)
def test_a_proxy_that_fails_is_not_quoted(
    tmp_path: Path, variable: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (variable, variable.lower()):
        monkeypatch.setenv(name, proxy)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    for way, url in (("webhook", "http://203.0.113.1:9/x"), ("apprise", "json://203.0.113.1:9/x")):
        scheme = "https" if variable == "HTTPS_PROXY" else "http"
        given = {"name": "ops", way: url.replace("http://", f"{scheme}://").replace("json://", f"json{scheme[4:]}://")}
        job = {**job_data("logins"), "alerts": {"on": ["records"], "notify": [given]}}
        file = write_job(tmp_path / "job.json", job)
        (tmp_path / "ipi-es.yml").write_text(json.dumps({"jobs": [str(file)]}))
        assert leaks(said("--config", tmp_path / "ipi-es.yml", "alerts", "test", file)) == []
    (tmp_path / "ipi-es.yml").write_text(json.dumps({"elasticsearch": {"hosts": ["http://127.0.0.1:9"]}}))
    assert leaks(said("--config", tmp_path / "ipi-es.yml", "setup")) == []


def test_a_cluster_that_quotes_what_it_refuses_gives_no_webhook_away(tmp_path: Path) -> None:
    """The definition of an alert holds the webhook's URL, and a server may repeat a definition that it refuses."""

    def script(method: str, path: str, body: bytes) -> Reply:
        if path == "/":
            return Reply(200, {"version": {"number": "8.19.4", "build_flavor": "default"}, "cluster_name": "c"})
        if path == "/_watcher/stats":
            return Reply(200, {"stats": []})
        place = max(body.find(PLAIN.encode()) - 60, 0)
        reason = f"failed to parse [{body[place : place + 200].decode()}]"
        error = {"type": "parse_exception", "reason": reason, "root_cause": [{"type": "x", "reason": reason}]}
        return Reply(400, {"error": error}) if method == "PUT" else Reply(404, {"found": False})

    (tmp_path / "url").write_text(f"https://hooks.example.org/{PLAIN}?token={IN_URL}\n")
    job = write_job(tmp_path / "job.json", job_data("signins"))
    with StubServer(script) as stub:
        file = tmp_path / "ipi-es.yml"
        file.write_text(json.dumps({"elasticsearch": {"hosts": [stub.url], "max_retries": 0}}))
        command = ["alerts", "install", "--stack", "watcher", job, "--webhook-file", tmp_path / "url"]
        text = said("--config", file, *command)
        assert "failed to parse" in text
        assert leaks(text) == []
