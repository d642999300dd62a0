"""Log lines: text for people, ECS JSON for machines, and no word of the libraries in between."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ipi_es.cli.shared.logs import ForMachines, formatter
from ipi_es.errors import ClusterBusy
from ipi_es.service.log_context import about_job, current_job, logs_its_job


def line(message: str = "bucket %s: %d events", *args: Any, error: BaseException | None = None) -> dict[str, Any]:
    info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord("ipi_es.service", logging.WARNING, __file__, 1, message, args, info)
    ForMachines().filter(record)
    text = formatter("ecs").format(record)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_an_ecs_line_has_what_ecs_asks_for() -> None:
    found = line("bucket %s: %d events", "2026-05-01T08:00:00Z", 7)
    assert found["message"] == "bucket 2026-05-01T08:00:00Z: 7 events"
    assert found["log.level"] == "warning"
    assert found["@timestamp"].endswith("Z")
    assert found["ecs.version"]
    assert found["log"]["logger"] == "ipi_es.service"
    assert found["service"]["name"] == "ipi-es"
    assert found["event"] == {"dataset": "ipi-es.log"}
    assert "labels" not in found


def test_a_line_within_a_job_names_it() -> None:
    with about_job("logins"):
        with about_job("vpn"):
            assert line("x")["labels"] == {"job_id": "vpn"}
        assert line("x")["labels"] == {"job_id": "logins"}
    assert current_job() is None
    assert "labels" not in line("x")


def busy() -> None:
    raise ClusterBusy("429", hint="wait")


def test_what_works_for_a_job_logs_about_it() -> None:
    @dataclass
    class Works:
        job: Any = field(default_factory=lambda: SimpleNamespace(job_id="logins"))

        @logs_its_job
        def tick(self, now: int, *, patient: bool) -> tuple[int, bool, str | None]:
            """Tells what it was given."""
            return now, patient, current_job()

    assert Works().tick(1, patient=True) == (1, True, "logins")
    assert current_job() is None
    assert Works.tick.__doc__ == "Tells what it was given."


def test_what_ends_a_process_is_a_line_too(tmp_path: Path) -> None:
    for log_format in ("ecs", "text"):
        (tmp_path / "ipi-es.yml").write_text(f"logging: {{format: {log_format}}}\n", encoding="utf-8")
        code = "from ipi_es.cli.main import main; main(['run', 'nowhere'])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 2
        said = json.loads(done.stderr) if log_format == "ecs" else {"message": done.stderr.removeprefix("ipi-es: ")}
        assert said["message"].startswith("there is no job “nowhere”\n  → ")


def test_an_error_keeps_its_kind_and_its_hint_on_one_line() -> None:
    with pytest.raises(ClusterBusy) as raised:
        busy()
    found = line("tick failed", error=raised.value)
    assert found["error"]["type"] == "ClusterBusy"
    assert found["error"]["message"] == "429\n  → wait"
    assert "test_cli_logs" in found["error"]["stack_trace"]


def test_text_is_for_people() -> None:
    record = logging.LogRecord("ipi_es", logging.INFO, __file__, 1, "scored", (), None)
    assert formatter("text").format(record).endswith(" INFO    scored")


@pytest.mark.parametrize(("log_format", "verbose"), [("text", False), ("ecs", False), ("ecs", True)])
def test_settings_decide_what_a_process_logs(tmp_path: Path, log_format: str, verbose: bool) -> None:
    """In a process of its own: the root logger is set up once."""
    (tmp_path / "ipi-es.yml").write_text(f"logging: {{format: {log_format}, level: info}}\n", encoding="utf-8")
    code = (
        "import logging, click\n"
        "from ipi_es.cli.shared.shell import shell\n"
        "from ipi_es.service.log_context import about_job\n"
        f"context = click.Context(click.Command('x'), obj={{'verbose': {verbose}}})\n"
        "shell(context)\n"
        "with about_job('logins'):\n"
        "    logging.getLogger('ipi_es').info('mine')\n"
        "    logging.getLogger('ipi_es').debug('detail')\n"
        "for name in ('apscheduler.executors', 'uvicorn.error', 'elastic_transport', 'urllib3'):\n"
        "    logging.getLogger(name).info('noise')\n"
        "logging.getLogger('apscheduler').warning('missed')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    lines = done.stderr.splitlines()
    assert done.stdout == ""
    if log_format == "ecs":
        said = [json.loads(each) for each in lines]
        assert [each["message"] for each in said] == ["mine", *(["detail"] if verbose else []), "missed"]
        assert said[0]["labels"] == {"job_id": "logins"}
    else:
        assert [each.split()[1:] for each in lines] == [["INFO", "mine"], ["WARNING", "missed"]]
