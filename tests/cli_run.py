"""The command line as tests call it: in this process, with its error messages and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ipi_es.cli.main import main
from ipi_es.cluster.port import Cluster


class _Entry:
    """What CliRunner takes for a command: the real entry point, which turns errors into messages."""

    name = "ipi-es"

    def main(self, args: list[str], prog_name: str = "", **extra: Any) -> Any:
        return main(list(args))


def run(*args: Any, stdin: str | bytes = "") -> Result:
    """Result of `ipi-es ARGS`: ``exit_code``, ``stdout``, ``stderr``, ``output`` (both)."""
    return CliRunner().invoke(_Entry(), [str(arg) for arg in args], input=stdin)  # type: ignore[arg-type]


def connect_to(patch: pytest.MonkeyPatch, cluster: Cluster | Callable[[Any], Cluster]) -> None:
    """Let commands reach this cluster, or what a call with their connection returns or raises."""
    patch.setattr("ipi_es.cluster.connect.connect", cluster if callable(cluster) else lambda _: cluster)


def work_in(
    patch: pytest.MonkeyPatch,
    folder: Path,
    cluster: Cluster | Callable[[Any], Cluster],
    job: Mapping[str, Any] | None = None,
) -> None:
    """Let commands run in a folder without ipi-es.yml against this cluster, with the file of a job, if any."""
    connect_to(patch, cluster)
    patch.chdir(folder)
    patch.delenv("IPI_ES_CONFIG", raising=False)
    if job is not None:
        (folder / "jobs").mkdir()
        (folder / "jobs" / f"{job['job_id']}.json").write_text(json.dumps(job))


def at_a_terminal(patch: pytest.MonkeyPatch) -> None:
    """Let commands take standard input for a terminal, so that they ask."""
    patch.setattr("ipi_es.cli.shared.output._is_interactive", lambda: True)


def clock_at(patch: pytest.MonkeyPatch, now: int) -> None:
    """Let the machine's clock show ``now`` (epoch seconds) to commands and workers."""
    patch.setattr("ipi_es.worker.clock.SystemClock.now", lambda _: now)
