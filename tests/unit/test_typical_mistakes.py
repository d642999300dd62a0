"""Typical mistakes of the first day: what is said names the place, and says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_run import run

JOB = "job_id: logins\ndatafeed_config: {indices: [logs-*]}\n"
SPAN = f"{JOB}analysis_config: {{bucket_span: 7m}}\n"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/logins.yml").write_text(JOB)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("job_id: logins\ndatafeed_config:\n\tindices: [logs-*]\n", ["x.yml:3", "begins with a tab", "spaces"]),
        ("job_id: l\ndatafeed_config: {indices: *logs}\n", ["x.yml:2", "begins with * needs quotes"]),
        ("job_id: l\njob_id: m\ndatafeed_config: {indices: [a]}\n", ["x.yml:2", "is there twice", "keep one"]),
        ("job_id: My Job\ndatafeed_config: {indices: [a]}\n", ["x.yml:1", "lowercase letters"]),
        ("job_id: l\ndatafeed_config: {indices: 'a,b'}\n", ["x.yml:2", "write them as a list"]),
        ("job_id: l\ndatafeed_config: {indices: []}\n", ["x.yml:2", "at least 1 entry"]),
        ("job_id: l\ndatafeed_config: {indices: [a], frobnicate: 3}\n", ["frobnicate", "allowed are indices"]),
        ("job_id: l\ndatafeed_config: {indices: [a], indexs: b}\n", ["did you mean “indices”?"]),
        ("job_id: l\ndatafeed_config: {indices: [a], user_field: u}\n", ["partition_field_name"]),
        ("job_id: l\ndescription: ${NOPE}\ndatafeed_config: {indices: [a]}\n", ["NOPE", "${NOPE:default}"]),
        (SPAN, ["7m doesn't divide a day", "15m"]),
    ],
)
def test_in_a_job_file(folder: Path, text: str, said: list[str]) -> None:
    (folder / "x.yml").write_text(text)
    done = run("job", "validate", "x.yml")
    assert done.exit_code == 2
    assert [part for part in said if part not in done.output] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{hosts: ['http://a:1'], username: bob}", ["username needs password or password_file"]),
        ("{hosts: ['https://u:p@es:9200']}", ["has credentials in it", "password_file"]),
        ("{hosts: ['es.example:9200']}", ["must be a URL with http:// or https://"]),
        ("{hosts: ['http://a:1'], api_key: k, bearer_token: t}", ["different ways to log in: keep one"]),
        ("{hosts: ['http://127.0.0.1:1']}", ["nothing listens at http://127.0.0.1:1", "check host and port"]),
    ],
)
def test_in_the_settings(folder: Path, text: str, said: list[str]) -> None:
    (folder / "ipi-es.yml").write_text(f"elasticsearch: {text}\n")
    done = run("status")
    assert done.exit_code in (1, 2)
    assert [part for part in said if part not in done.output] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["job", "validate", "nope.yml"], ["there is no such file", "looked for in"]),
        (["job", "validate", "jobs/login.yml"], ["did you mean “jobs/logins.yml”?"]),
        (["explain", "lgins", "alice", "192.0.2.1"], ["there is no job “lgins”", "did you mean “logins”?"]),
        (["explain", "logins", "alice", "nowhere"], ["is no IP address", "198.51.100.7"]),
        (["backfill", "logins", "--start", "yesterday"], ["is not a time", "now-7d"]),
        (["results", "records", "logins", "--time-zone", "Europe/Berln"], ["Europe/Berln", "Europe/Berlin"]),
        (["trian", "logins"], ["Did you mean “train”?"]),
        (["job", "create", "x", "--from", "oktaa"], ["did you mean okta?"]),
    ],
)
def test_on_the_command_line(arguments: list[str], said: list[str]) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert [part for part in said if part not in done.output] == []


def test_an_unknown_job_beside_a_file_that_can_not_be_used(folder: Path) -> None:
    (folder / "jobs/broken.yml").write_text("job_id: two\ndatafeed_config: {indices: []}\n")
    done = run("explain", "lgins", "alice", "192.0.2.1")
    assert done.exit_code == 2
    assert "there is no job “lgins” in the files that can be used" in done.output
    assert "did you mean “logins”?" in done.output
    assert "broken.yml:2: datafeed_config.indices: must have at least 1 entry" in done.output
