"""What `ipi-es node` says of the local server's data: gone when it stops, unless somebody asked to keep them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cli_run import run

from ipi_es.node import NodeStatus


def local_server(patch: pytest.MonkeyPatch, running: NodeStatus | None) -> None:
    """Let this server run, and no real one be started or stopped."""
    answers: dict[str, Callable[..., Any]] = {
        "status": lambda: running,
        "stop_detached": lambda: running is not None,
        "start_detached": lambda **_: running,
    }
    for name, answer in answers.items():
        patch.setattr(f"ipi_es.node.{name}", answer)


@pytest.mark.parametrize(
    ("keep", "up", "down"), [(False, "are deleted when it stops", "are deleted"), (True, "stay", "are kept")]
)
def test_what_becomes_of_the_data_is_said(monkeypatch: pytest.MonkeyPatch, keep: bool, up: str, down: str) -> None:
    running = NodeStatus(1, "1", "http://127.0.0.1:1", "/d", "/d/server.log", keep)
    local_server(monkeypatch, running)
    for command in ("start", "status"):
        said = run("node", command).stdout
        assert "listens at http://127.0.0.1:1 " in said
        assert f"Its data {up}" in said
    assert run("node", "stop").stdout.startswith(f"Stopped. Its data {down}")


def test_stopping_what_does_not_run_deletes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    local_server(monkeypatch, None)
    assert run("node", "stop").stdout == "No local server runs.\n"
