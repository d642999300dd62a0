"""What people look at, on real servers: the page, tables and explanation of a job that was learned and scored."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from cli_run import run
from servers.pool import Server
from worker_company import DAY, HOUR

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.results.words import ALIAS
from ipi_es.times import iso
from ipi_es.worker.open_session import open_session

END = company.SCORED_FROM + 2 * DAY


@pytest.fixture
def job(cluster: Cluster, server: Server, index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """A job with two scored days, and here a folder with its file and the cluster's settings."""
    name = f"report-{uuid.uuid4().hex[:8]}"
    made = company.make_job(name, index)
    company.fill(cluster, index, score_days=2)
    parts.train_by(monkeypatch)
    with open_session(parts.JobResources(cluster, made, clock=parts.TestClock(parts.NOW - 3_600))) as session:
        session.train(company.LEARN_FROM, company.SCORED_FROM)
    parts.backfill(cluster, made, end=END)
    cluster.refresh(ALIAS)
    (tmp_path / "job.json").write_text(json.dumps(company.job_data(name, index)))
    (tmp_path / "ipi-es.yml").write_text(f"elasticsearch: {{hosts: ['{server.url}']}}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    yield made
    parts.remove(cluster, name)


def told(*arguments: str) -> list[dict[str, Any]]:
    done = run(*arguments, "--format", "json")
    assert done.exit_code == 0, done.output
    return list(json.loads(done.stdout))


def test_report_has_what_the_results_have(job: Job) -> None:
    done = run("report", "job.json", "-o", "page.html")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("16 buckets from ")
    page = Path("page.html").read_text(encoding="utf-8")
    assert f"{iso(END)[:10]} 00:00 UTC</p>" in page
    assert "can't be read" not in page
    worst, *_ = told("results", "records", "job.json", "--size", "1")
    assert worst["partition_field_value"] in page
    assert worst["by_field_value"] in page
    leaders = told("results", "influencers", "job.json", "--min-score", "50")
    assert {each["influencer_field_value"] for each in leaders} <= set(re.findall(r"[\w.:-]+", page))
    before = (iso(company.LEARN_FROM), iso(company.LEARN_FROM + HOUR))
    quiet = run("report", "job.json", "--start", before[0], "--end", before[1], "-o", "-")
    assert "Nothing was scored in this time" in quiet.stdout


def test_explanation_and_status_rest_on_what_was_learned_and_recorded(job: Job) -> None:
    worst, *_ = told("results", "records", "job.json", "--size", "1")
    (found,) = told("explain", "job.json", worst["partition_field_value"], worst["by_field_value"])
    assert found["records"][0]["record_score"] == worst["record_score"]
    assert found["as_of"] == iso(END)
    assert found["usual_networks"]
    (stands,) = told("status", job.job_id)
    assert (stands["job_id"], stands["checkpoint"], stands["state"]) == (job.job_id, iso(END), "idle")
