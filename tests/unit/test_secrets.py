"""Secrets are in no log, no error, no repr, no process arguments, and go to nobody but the configured host."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from cli_run import run
from signin_events import job_data, write_job
from stub_server import Reply, StubServer

from ipi_es.cli.main import cli
from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.config.files.loading import load_settings
from ipi_es.errors import ClusterError, IpiEsError

SECRET = "Gx7-hunter2/%:Zq"
USER = "sitter"
WAYS: dict[str, dict[str, str]] = {
    "password": {"username": USER, "password": SECRET},
    "api_key": {"api_key": f"id:{SECRET}"},
    "bearer_token": {"bearer_token": SECRET},
}
ROOT_BODY = {"version": {"number": "2.19.4", "distribution": "opensearch"}, "cluster_name": "c"}
DENIED = {"error": {"type": "security_exception", "reason": "no permissions for [indices:data/read/search] and User"}}
ANSWERS: dict[str, Reply] = {
    "401": Reply(401, "Unauthorized", content_type="text/plain"),
    "403": Reply(403, DENIED),
    "500": Reply(500, {"error": {"type": "exception", "reason": "broken"}}),
    "not JSON": Reply(200, "<html>log in</html>", content_type="text/html"),
    "cut": Reply(200, ROOT_BODY, cut=True),
    "closed": Reply(close=True),
}


def forms(secret: str) -> list[str]:
    """The secret as it is written, and as it is sent."""
    texts = [secret, f"{USER}:{secret}", f"id:{secret}"]
    return [*texts, *(base64.b64encode(text.encode()).decode() for text in texts)]


def leaks(text: str) -> list[str]:
    return [form for form in forms(SECRET) if form in text]


def settings_file(folder: Path, url: str, way: str, **more: Any) -> Path:
    file = folder / "ipi-es.yml"
    section = {"hosts": [url], "max_retries": 0, "request_timeout": 1, **WAYS[way]}
    file.write_text(json.dumps({"elasticsearch": section, **more}))
    return file


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Everything is logged, of all libraries; and none of it has the secret."""
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "elasticsearch", "elastic_transport", "opensearch", "opensearchpy"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield
    said = caplog.text + "".join(f"{record.__dict__}" for record in caplog.records)
    assert leaks(said) == []


def last(reply: Reply) -> Any:
    """A server that is found, and then answers everything so."""
    return lambda _method, path, _body: Reply(body=ROOT_BODY) if path == "/" else reply


@pytest.mark.parametrize(("way", "form"), [*((way, "text") for way in WAYS), ("password", "ecs")])
def test_no_command_says_a_secret_whatever_the_server_answers(tmp_path: Path, way: str, form: str) -> None:
    job = write_job(tmp_path / "job.json", job_data("signins"))
    for name, reply in ANSWERS.items() if (way, form) == ("password", "text") else [("401", ANSWERS["401"])]:
        for script in (last(reply), lambda _method, _path, _body, reply=reply: reply):
            with StubServer(script, product=None) as stub:
                file = settings_file(tmp_path, stub.url, way, logging={"format": form, "level": "debug"})
                for command in (["check", job], ["setup"]):
                    result = run("-v", "--config", file, *command)
                    assert leaks(result.output) == [], (name, command)
                    if result.exc_info is not None:
                        assert leaks("".join(traceback.format_exception(*result.exc_info))) == [], (name, command)
        assert stub.requests


@pytest.mark.parametrize("way", WAYS)
def test_no_repr_has_a_secret(tmp_path: Path, way: str) -> None:
    for kind in ("opensearch", "elasticsearch"):
        root = ROOT_BODY if kind == "opensearch" else {"version": {"number": "9.5.3", "build_flavor": "default"}}
        with StubServer(lambda _method, _path, _body, root=root: Reply(body=root)) as stub:
            settings = load_settings(settings_file(tmp_path, stub.url, way))
            connection = Connection(**settings.elasticsearch.plain())
            cluster = connect(connection)
            client = cluster._clients.client  # type: ignore[attr-defined]
            shown = [settings, settings.elasticsearch, connection, cluster, cluster.info, client, client.transport]
            shown += [cluster._clients, cluster._clients._in_use]  # type: ignore[attr-defined]
            assert leaks("".join(f"{each!r} {each}" for each in shown)) == []
            assert leaks(settings.model_dump_json()) == []
            cluster.close()


def test_an_error_of_any_kind_carries_no_secret(tmp_path: Path) -> None:
    for reply in ANSWERS.values():
        with StubServer(lambda _method, _path, _body, reply=reply: reply, product=None) as stub:
            connection = Connection(hosts=(stub.url,), max_retries=0, **WAYS["password"])
            with pytest.raises(ClusterError) as caught:
                connect(connection)
            error: BaseException | None = caught.value
            while error is not None:
                assert leaks(f"{error!r} {error} {error.args}") == []
                error = error.__cause__ or error.__context__


def test_credentials_are_not_sent_on_to_where_a_server_redirects() -> None:
    with StubServer(lambda _method, _path, _body: Reply(body=ROOT_BODY)) as other:

        class Redirecting(StubServer):
            def reply(self, handler: Any, reply: Reply) -> None:
                handler.send_response(302)
                handler.send_header("location", other.url + "/")
                handler.send_header("content-length", "0")
                handler.end_headers()

        with Redirecting(lambda _method, _path, _body: Reply()) as stub:
            with pytest.raises(IpiEsError, match="redirects elsewhere"):
                connect(Connection(hosts=(stub.url,), max_retries=0, **WAYS["password"]))
            assert stub.requests
        assert other.requests == []


def commands(group: click.Group, context: click.Context) -> Iterator[click.Command]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield command
        if isinstance(command, click.Group):
            yield from commands(command, context)


def test_no_command_takes_a_secret_as_an_argument() -> None:
    wanted = re.compile(r"pass(word|phrase)?\b|secret|token|api.?key|credential|auth", re.IGNORECASE)
    context = click.Context(cli)
    names = [option for command in commands(cli, context) for each in command.params for option in each.opts]
    assert len(names) > 50
    # a file's name is no secret, and is how they are given
    assert [name for name in names if wanted.search(name) and not name.endswith("-file")] == []


def test_the_process_and_its_children_have_no_secret_in_their_arguments(tmp_path: Path) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def script(_method: str, _path: str, _body: bytes) -> Reply:
        asked.set()
        return Reply(401, "Unauthorized", wait=go_on)

    with StubServer(script) as stub:
        (tmp_path / "secret").write_text(SECRET)
        section = {"hosts": [stub.url], "username": "${LOGIN}", "password_file": "secret", "max_retries": 0}
        (tmp_path / "ipi-es.yml").write_text(json.dumps({"elasticsearch": section}))
        process = subprocess.Popen(
            [sys.executable, "-m", "ipi_es", "-v", "setup"],
            cwd=tmp_path,
            env={**os.environ, "LOGIN": USER},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert asked.wait(60)
            seen = {}
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    seen[folder.name] = (folder / "cmdline").read_text(errors="replace")
                except OSError:
                    continue
        finally:
            go_on.set()
            said, _ = process.communicate(timeout=60)
    assert str(process.pid) in seen or not Path("/proc/self").exists()
    assert leaks("".join(seen.values())) == []
    assert process.returncode == 1
    assert "refused the credentials" in said
    assert leaks(said) == []
