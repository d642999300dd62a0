"""What `ipi-es node` says of the local server's data: gone when it stops, unless somebody asked to keep them."""

from __future__ import annotations

import pytest
from cli_run import run

from ipi_es.node import NodeStatus


@pytest.mark.parametrize(
    ("keep", "up", "down"), [(False, "are deleted when it stops", "are deleted"), (True, "stay", "are kept")]
)
def test_what_becomes_of_the_data_is_said(monkeypatch: pytest.MonkeyPatch, keep: bool, up: str, down: str) -> None:
    running = NodeStatus(1, "1", "http://127.0.0.1:1", "/d", "/d/server.log", keep)
    monkeypatch.setattr("ipi_es.node.status", lambda: running)
    monkeypatch.setattr("ipi_es.node.stop_detached", lambda: True)
    monkeypatch.setattr("ipi_es.node.start_detached", lambda **_: running)
    for command in ("start", "status"):
        said = run("node", command).stdout
        assert "listens at http://127.0.0.1:1 " in said
        assert f"Its data {up}" in said
    assert run("node", "stop").stdout.startswith(f"Stopped. Its data {down}")


def test_stopping_what_does_not_run_deletes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipi_es.node.status", lambda: None)
    monkeypatch.setattr("ipi_es.node.stop_detached", lambda: False)
    assert run("node", "stop").stdout == "No local server runs.\n"
