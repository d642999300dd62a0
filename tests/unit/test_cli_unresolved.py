"""A cluster whose name isn't known: every command says so at once, and ends as what failed."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import worker_company as company
from cli_run import run

HOST = "no-such-host.invalid"


@pytest.fixture(autouse=True)
def unresolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: Any, **_how: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    (tmp_path / "signins.json").write_text(json.dumps(company.job_data()))
    settings = {"elasticsearch": {"hosts": [f"https://{HOST}:9200"]}, "jobs": ["signins.json"]}
    (tmp_path / "ipi-es.yml").write_text(json.dumps(settings))


@pytest.mark.parametrize(
    "command",
    [
        ["setup"],
        ["check", "signins"],
        ["status"],
        ["results", "records", "signins"],
        ["results", "overall", "signins"],
        ["explain", "signins", "alice", "192.0.2.1"],
        ["report", "signins", "-o", "page.html"],
        ["verdict", "list", "signins"],
        ["snapshots", "list", "signins"],
        ["renormalize", "signins"],
        ["train", "signins"],
        ["backfill", "signins", "--start", "now-2d"],
        ["run", "--once"],
        ["alerts", "install", "signins", "--stack", "watcher", "--index", "alerts"],
        ["job", "pause", "signins"],
    ],
    ids=" ".join,
)
def test_a_name_that_is_not_known_is_said_with_the_name(command: list[str]) -> None:
    done = run(*command)
    assert done.exit_code == 1
    said = done.stdout if command[0] == "check" else done.stderr  # there it is a finding
    assert f"the host name of https://{HOST}:9200 is not known here" in said
    assert "→ check elasticsearch.hosts, DNS and the network" in said
    assert "Traceback" not in done.output
    assert not Path("page.html").exists()
