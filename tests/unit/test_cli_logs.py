"""Log lines: text for people, ECS JSON for machines, and no word of the libraries in between."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ipi_es.cli.logs import AboutJob, formatter
from ipi_es.errors import ClusterBusy
from ipi_es.service.log_context import about_job, current_job


def line(message: str = "bucket %s: %d events", *args: Any, error: BaseException | None = None) -> dict[str, Any]:
    info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord("ipi_es.service", logging.WARNING, __file__, 1, message, args, info)
    AboutJob().filter(record)
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
        "from ipi_es.cli.context import shell\n"
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
        assert [each.split()[2:] for each in lines] == [["INFO", "mine"], ["WARNING", "missed"]]
