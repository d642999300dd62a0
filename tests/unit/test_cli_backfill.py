"""`ipi-es backfill` on a cluster in memory: ranges and events of which nothing can be made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import worker_company as company
from cli_run import clock_at, connect_to, run

from ipi_es.setup import setup_plan
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import iso

NOW = company.SCORED_TO + 1_800
"""Half an hour into a bucket of three hours."""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    made = MemoryCluster()
    setup_plan.apply(made, setup_plan.plan(made))
    company.fill(made)
    connect_to(monkeypatch, made)
    clock_at(monkeypatch, NOW)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    return made


def refused(code: int, start: str, end: str = "now", **feed: object) -> str:
    data = company.job_data()
    data["datafeed_config"] |= feed
    Path("job.json").write_text(json.dumps(data))
    done = run("backfill", "job.json", "--start", start, "--end", end)
    assert done.exit_code == code, done.output
    assert "→" in done.stderr
    return done.stderr


def test_end_before_start_is_refused(cluster: MemoryCluster) -> None:
    assert "is not before the end" in refused(2, "now-1d", "now-2d")
    assert "is not before the end" in refused(2, "now-1d", "now-1d")


def test_start_in_the_future_is_refused(cluster: MemoryCluster) -> None:
    assert "lies in the future" in refused(2, "now+1d", "now+2d")
    assert "lies in the future" in refused(2, "now+1d")  # the default end is now


def test_range_without_a_whole_bucket_is_refused(cluster: MemoryCluster) -> None:
    said = refused(2, "now-20m")
    assert "no 3h bucket" in said
    assert "whole buckets" in said


def test_events_of_which_none_can_be_used_are_no_matter_of_more_time(cluster: MemoryCluster) -> None:
    said = refused(1, "now-1d", learn_outcomes="none", score_outcomes="none")
    assert "0 unique (bucket, entity, IP)" in said
    assert "`ipi-es check signins` says what" in said
    assert "longer time" not in said


def test_the_newest_ten_days_are_scored_where_no_range_is_given(cluster: MemoryCluster) -> None:
    data = company.job_data()
    data["datafeed_config"] |= {"learn_outcomes": "none", "score_outcomes": "none"}  # it ends before a training
    Path("job.json").write_text(json.dumps(data))
    to = company.SCORED_TO
    for given, end in ((), to), (("--end", iso(to - 86_400)), to - 86_400):
        done = run("backfill", "job.json", *given)
        assert f"From {iso(end - 10 * 86_400)} to {iso(end)}; --start and --end" in done.stderr
