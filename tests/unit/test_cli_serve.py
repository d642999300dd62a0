"""`ipi-es serve` as a command: what it refuses, and as a process that answers and ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from cli_run import run

JOB = "job_id: logins\ndatafeed_config: {indices: [logs]}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "logins.yml").write_text(JOB)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--listen", "nowhere"), "must be HOST:PORT"),
        (("--tls-certificate", "none.pem", "--tls-key", "none.pem"), "none.pem"),
        (("--tls-certificate", "jobs/logins.yml"), "belong together"),
        (("--tls-certificate", "jobs/logins.yml", "--tls-key", "jobs/logins.yml"), "can't be used"),
        (("--listen", "192.0.2.1:0"), "can't listen"),
    ],
)
def test_options_that_cannot_be_used_are_refused(folder: Path, options: tuple[str, ...], said: str) -> None:
    refused = run("serve", *options)
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_without_a_job_there_is_nothing_to_serve(folder: Path) -> None:
    (folder / "jobs" / "logins.yml").unlink()
    refused = run("serve")
    assert (refused.exit_code, "there is no job" in refused.stderr) == (2, True)


@pytest.mark.parametrize(("words", "what"), [(("serve",), "1 job"), (("run", "--serve"), "results")])
def test_it_answers_while_the_cluster_is_away_and_ends_by_a_signal(
    words: tuple[str, ...], what: str, folder: Path
) -> None:
    (folder / "ipi-es.yml").write_text("elasticsearch: {hosts: ['http://127.0.0.1:9']}\nserve: {listen: ':0'}\n")
    command = [sys.executable, "-m", "ipi_es", *words]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, env={**os.environ})
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.match(rf"Serving {what} at (http://127\.0\.0\.1:\d+)\.", line)
        assert found, line
        with urllib.request.urlopen(f"{found[1]}/healthz", timeout=10) as answer:
            assert answer.read() == b"ok\n"
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 9
    finally:
        process.kill()
        process.communicate()
