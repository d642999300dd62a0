"""Raw lines of sshd, as a shipper without pipelines sends them: parsed on a real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_run import run
from servers.plain_http import call
from servers.pool import Server

INDEX = "filebeat-raw-2026.05.01"
READ = "2026-05-01T09:00:05.123Z"
HEAD = "May  1 09:00:00 host-1 sshd[4242]: "


def line(message: str, **more: Any) -> dict[str, Any]:
    """A document as Filebeat sends it without modules."""
    agent = {"agent": {"type": "filebeat"}, "host": {"name": "host-1"}, "log": {"file": {"path": "/var/log/auth.log"}}}
    return {"@timestamp": READ, "message": message, **agent, **more}


def load(server: Server, documents: dict[str, dict[str, Any]]) -> None:
    lines = "".join(f'{{"create":{{"_id":"{id_}"}}}}\n{json.dumps(each)}\n' for id_, each in documents.items())
    _, answer = call(server.url, "POST", f"/{INDEX}/_bulk?refresh=true", lines)
    assert not answer["errors"], answer


def parsed(server: Server, id_: str) -> dict[str, Any]:
    return dict(call(server.url, "GET", f"/{INDEX}/_doc/{id_}")[1]["_source"])


SIGN_INS = {
    f"{HEAD}Accepted publickey for alice from 198.51.100.7 port 4242 ssh2: RSA SHA256:abc": (
        "alice",
        "198.51.100.7",
        True,
    ),
    f"{HEAD}Failed password for invalid user bob from 2001:db8::7 port 22 ssh2": ("bob", "2001:db8::7", False),
    f"{HEAD}message repeated 3 times: [ Failed password for carol from 192.0.2.1 port 22 ssh2]": (
        "carol",
        "192.0.2.1",
        False,
    ),
    "2026-05-01T09:00:00.5+02:00 host-1 sshd-session[1]: Accepted password for dave from 192.0.2.2 port 22 ssh2": (
        "dave",
        "192.0.2.2",
        True,
    ),
    f"{HEAD}Failed none for invalid user a from 9.9.9.9 port 22 ssh2 from 203.0.113.5 port 1 ssh2": (
        "a from 9.9.9.9 port 22 ssh2",
        "203.0.113.5",
        False,
    ),
}
"""A line → account, address, whether it succeeded. The last account's name pretends an address."""
OTHERS = (
    f"{HEAD}Connection closed by 192.0.2.9 port 22",
    "May  1 09:00:00 host-1 sudo: mallory : COMMAND=/bin/echo Accepted password for root from 192.0.2.9 port 22 ssh2",
    "Accepted password for root from 192.0.2.9 port 22 ssh2",
)
"""Texts that are no sign-ins of sshd: another line, another program's, one without any header."""


@pytest.fixture
def settings(opensearch: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ipi-es.yml").write_text(f"elasticsearch: {{hosts: ['{opensearch.url}']}}\n")
    call(opensearch.url, "DELETE", f"/{INDEX}")


@pytest.mark.usefixtures("settings")
def test_lines_that_are_there_and_new_ones_are_parsed(opensearch: Server) -> None:
    load(opensearch, {str(number): line(text) for number, text in enumerate([*SIGN_INS, *OTHERS])})
    suggested = run("job", "suggest", "--index", INDEX)
    assert "filebeat-raw-*: 7 lines are sign-ins of OpenSSH's sshd, but not parsed" in suggested.stdout
    assert "Next: ipi-es job suggest --parse --write" in suggested.stdout
    assert "7 lines" in run("parse", "sshd", "--index", INDEX, "--dry-run").stdout
    assert "source" not in parsed(opensearch, "0"), "a dry run changes nothing"
    done = run("parse", "sshd", "--index", INDEX, "--yes")
    assert done.exit_code == 0, done.stderr
    assert f"5 lines in {INDEX} were parsed. 2 lines have another form" in done.stdout
    journal = {"journald": {"process": {"name": "sshd"}}}
    load(opensearch, {"new": line("Accepted password for erin from 192.0.2.3 port 22 ssh2", **journal)})
    wanted = {str(number): each for number, each in enumerate(SIGN_INS.values())} | {"new": ("erin", "192.0.2.3", True)}
    for id_, (account, ip, succeeded) in wanted.items():
        found = parsed(opensearch, id_)
        assert (found["user"]["name"], found["source"]["ip"]) == (account, ip)
        assert found["event"]["outcome"] == ("success" if succeeded else "failure")
        assert (found["event"]["action"], found["event"]["category"]) == ("ssh_login", ["authentication"])
        assert found["@timestamp"] == READ
        assert "ipi_es_line" not in found
    for number, text in enumerate(OTHERS, start=len(SIGN_INS)):
        assert parsed(opensearch, str(number)) == line(text)
    assert "0 lines in" in run("parse", "sshd", "--index", INDEX, "--yes").stdout
    assert INDEX in run("parse", "sshd", "--index", INDEX, "--remove", "--yes").stdout
    again = run("parse", "sshd", "--index", INDEX, "--remove", "--yes")
    assert again.exit_code == 1
    assert "uses the pipeline ipi-es-sshd" in again.stderr
    load(opensearch, {"later": line(next(iter(SIGN_INS)))})
    assert "source" not in parsed(opensearch, "later")


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(
    ("written", "more", "at"),
    [
        ("Dec 10 06:55:46", {}, "2025-12-10T06:55:46Z"),
        ("May  1 09:00:00", {"event": {"timezone": "+02:00"}}, READ),
        ("Apr 29 23:00:00", {"event": {"timezone": "+02:00"}}, "2026-04-29T21:00:00Z"),
        ("Feb 29 12:00:00", {}, "2024-02-29T12:00:00Z"),
        ("2024-03-05T01:02:03.5+01:00", {}, "2024-03-05T00:02:03.5Z"),
    ],
)
def test_a_line_of_an_old_file_has_its_own_time(
    opensearch: Server, written: str, more: dict[str, Any], at: str
) -> None:
    load(
        opensearch,
        {"1": line(f"{written} host-1 sshd[1]: Failed password for root from 192.0.2.1 port 1 ssh2", **more)},
    )
    assert run("parse", "sshd", "--index", INDEX, "--yes").exit_code == 0
    found = parsed(opensearch, "1")
    assert found["@timestamp"] == at
    assert found["event"].get("created") == (None if at == READ else READ)


@pytest.mark.usefixtures("settings")
def test_what_cannot_be_parsed_says_why(opensearch: Server) -> None:
    assert "no index matches" in run("parse", "sshd", "--index", "nowhere-*").stderr
    load(opensearch, {"1": line("session opened for user root")})
    assert "has lines of sign-ins" in run("parse", "sshd", "--index", INDEX).stderr
    load(opensearch, {"2": line(next(iter(SIGN_INS)))})
    call(opensearch.url, "PUT", "/_ingest/pipeline/other", {"processors": [{"set": {"field": "a", "value": 1}}]})
    call(opensearch.url, "PUT", f"/{INDEX}/_settings", {"index": {"final_pipeline": "other"}})
    refused = run("parse", "sshd", "--index", INDEX, "--yes")
    assert refused.exit_code == 1
    assert "has the final pipeline other already" in refused.stderr
    call(opensearch.url, "DELETE", f"/{INDEX}")
    call(opensearch.url, "DELETE", "/_ingest/pipeline/other")
