"""`ipi-es job validate` and `ipi-es job import`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_run import run
from elastic_parts import FEED, elastic_job
from signin_events import job_data, write_job

from ipi_es.config.files.loading import load_job


def test_right_file_is_ok(tmp_path: Path) -> None:
    result = run("job", "validate", write_job(tmp_path / "job.json", job_data("logs-*")))
    assert result.exit_code == 0, result.output
    assert "ok. Job sign-ins: rare source.ip of each user.name, every 1h, from logs-*" in result.stdout


def test_harmless_oddities_are_notes(tmp_path: Path) -> None:
    result = run("job", "validate", write_job(tmp_path / "job.json", job_data("logs-*", scroll_size=1_000)))
    assert result.exit_code == 0
    assert "scroll_size has no effect" in result.stderr


def test_mistakes_of_all_files_are_listed_at_once(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    for name, change in (("a", {}), ("b", {"bucketspan": 1}), ("c", {"job_id": "C"}), ("d", {"job_id": "d"})):
        write_job(tmp_path / "jobs" / f"{name}.json", {**job_data("logs-*"), "job_id": name, **change})
    write_job(tmp_path / "e.json", {**job_data("logs-*"), "job_id": "d"})
    result = run("job", "validate", tmp_path / "jobs", tmp_path / "e.json", tmp_path / "missing.yml")
    assert result.exit_code == 2
    assert "a.json: ok. Job a" in result.stdout
    assert "Job d" not in result.stdout
    said = " ".join(result.stderr.split())
    assert "5 job files can't be used" in said
    for part in ("b.json", "bucketspan", "c.json", "e.json has the job_id d too", "d.json has the job_id d too"):
        assert part in said
    assert "missing.yml: there is no such file" in said


def test_a_folder_without_job_files_is_refused(tmp_path: Path) -> None:
    result = run("job", "validate", tmp_path)
    assert result.exit_code == 2
    assert "has no job file" in result.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"analysis_config": {"bucket_span": 0}}, "analysis_config.bucket_span"),
        ({"analysis_config": {"bucket_span": "0s"}}, "must be at least 1m"),
        ({"analysis_config": {"bucketspan": "1h"}}, "bucket_span"),
        ({"analysis_config": {"bucket_span": "7m"}}, "doesn't divide a day"),
        ({"job_id": "Sign Ins"}, "job_id"),
    ],
)
def test_mistake_is_refused_with_its_place(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    result = run("job", "validate", write_job(tmp_path / "job.json", {**job_data("logs-*"), **change}))
    assert result.exit_code == 2
    assert said in result.stderr
    assert "job.json" in result.stderr


def test_missing_file_is_refused(tmp_path: Path) -> None:
    result = run("job", "validate", tmp_path / "none.yml")
    assert result.exit_code == 2
    assert "there is no such file" in result.stderr


def test_elastic_job_becomes_a_file_that_validates(tmp_path: Path) -> None:
    job = tmp_path / "elastic.json"
    job.write_text(json.dumps({"count": 1, "jobs": [elastic_job()]}))
    feed = tmp_path / "feed.json"
    feed.write_text(json.dumps({"count": 1, "datafeeds": [FEED]}))
    out = tmp_path / "jobs" / "rare.yml"
    result = run("job", "import", job, "--datafeed", feed, "-o", out)
    assert result.exit_code == 0, result.output
    assert "model_plot_config" in result.stderr
    assert load_job(out).bucket_span == 900
    assert run("job", "validate", out).exit_code == 0


def test_output_is_not_overwritten_unasked(tmp_path: Path) -> None:
    job = tmp_path / "elastic.json"
    job.write_text(json.dumps(elastic_job(datafeed_config=FEED)))
    out = tmp_path / "rare.yml"
    out.write_text("mine")
    result = run("job", "import", job, "-o", out)
    assert result.exit_code == 2
    assert "--overwrite" in result.stderr
    assert out.read_text() == "mine"
    assert run("job", "import", job, "-o", out, "--overwrite").exit_code == 0


def test_hyphen_reads_standard_input_and_yaml_goes_to_standard_output() -> None:
    result = run("job", "import", "-", stdin=json.dumps(elastic_job(datafeed_config=FEED)))
    assert result.exit_code == 0, result.output
    assert "job_id: rare_ips" in result.stdout
    assert "note:" not in result.stdout


def test_what_is_not_possible_is_refused_by_name() -> None:
    job = elastic_job(datafeed_config=FEED)
    job["analysis_config"]["detectors"][0]["function"] = "mean"
    result = run("job", "import", "-", stdin=json.dumps(job))
    assert result.exit_code == 2
    assert "ipi-es takes rare only" in result.stderr


def test_filters_of_custom_rules_are_read_from_a_file(tmp_path: Path) -> None:
    job = elastic_job(datafeed_config=FEED)
    scope = {"source.ip": {"filter_id": "vpn", "filter_type": "include"}}
    job["analysis_config"]["detectors"][0]["custom_rules"] = [{"actions": ["skip_result"], "scope": scope}]
    filters = tmp_path / "filters.json"
    filters.write_text(json.dumps({"count": 1, "filters": [{"filter_id": "vpn", "items": ["203.0.113.7"]}]}))
    result = run("job", "import", "-", "--filters", filters, stdin=json.dumps(job))
    assert result.exit_code == 0, result.output
    assert "203.0.113.7" in result.stdout
    filters.write_text("[1]")
    assert run("job", "import", "-", "--filters", filters, stdin=json.dumps(job)).exit_code == 2
