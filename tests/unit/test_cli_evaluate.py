"""`ipi-es evaluate --job`: what of a job's index is evaluated, and with what. No training here: see tests/ml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli_run import clock_at, connect_to, run
from signin_events import DAY, END, START, fill, job_data, write_job

from ipi_es.errors import UsageError
from ipi_es.evaluation.evaluation import EvaluationSettings
from ipi_es.evaluation.evaluation_events import EvaluationEvents
from ipi_es.testing.memory_cluster import MemoryCluster


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    made = MemoryCluster()
    connect_to(monkeypatch, made)
    clock_at(monkeypatch, END + 600)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[EvaluationEvents, EvaluationSettings]]:
    """What the command would measure."""
    found: list[tuple[EvaluationEvents, EvaluationSettings]] = []

    def stop(events: EvaluationEvents, settings: EvaluationSettings) -> Any:
        found.append((events, settings))
        raise UsageError("far enough")

    monkeypatch.setattr("ipi_es.cli.evaluate._run", stop)
    return found


def test_a_jobs_successes_are_evaluated_with_its_hyperparameters_and_networks(
    tmp_path: Path, cluster: MemoryCluster, asked: list[tuple[EvaluationEvents, EvaluationSettings]]
) -> None:
    fill(cluster)
    (tmp_path / "networks.csv").write_text("prefix,asn,country\n192.0.2.0/28,64500,DE\n")
    (tmp_path / "vpn.txt").write_text("203.0.113.0/24\n")
    data = job_data("signins", networks_files=[{"path": "vpn.txt", "type": "vpn"}, "networks.csv"])
    write_job(tmp_path / "job.json", {**data, "ip_insights": {"epochs": 3}})
    result = run("evaluate", "--job", "job.json")
    assert "far enough" in result.stderr, result.output
    [(events, settings)] = asked
    assert len(events.entities) == 10
    assert len(events.addresses) == 30
    assert events.day[0] * DAY == START
    assert events.time[-1] < END
    assert not events.labelled
    assert settings.hyperparameters.epochs == 3
    assert settings.look_up is not None
    known = settings.look_up(events.addresses)
    assert (known.operator > 0).sum() == 16


def test_a_part_of_a_jobs_time_is_evaluated(
    tmp_path: Path, cluster: MemoryCluster, asked: list[tuple[EvaluationEvents, EvaluationSettings]]
) -> None:
    fill(cluster)
    write_job(tmp_path / "job.json", job_data("signins"))
    run("evaluate", "--job", "job.json", "--start", "2026-05-03", "--end", "2026-05-10")
    [(events, settings)] = asked
    assert sorted(set(events.day - START // DAY)) == list(range(2, 9))
    assert settings.look_up is None


def test_a_job_without_events_says_so(tmp_path: Path, cluster: MemoryCluster) -> None:
    fill(cluster, days=0)
    write_job(tmp_path / "job.json", job_data("signins"))
    result = run("evaluate", "--job", "job.json")
    assert result.exit_code == 1
    assert "are empty" in result.stderr


def test_a_file_of_other_columns_comes_by_standard_input(
    tmp_path: Path, cluster: MemoryCluster, asked: list[tuple[EvaluationEvents, EvaluationSettings]]
) -> None:
    lines = "ts,user,src,asn,n\n2026-05-01T08:00:00Z,ann,192.0.2.1,AS64500,3\n2026-05-02,bob,192.0.2.2,,1\n"
    names = {"time": "ts", "entity": "user", "ip": "src", "operator": "asn", "count": "n"}
    options = [text for meaning, name in names.items() for text in (f"--{meaning}-column", name)]
    result = run("evaluate", "-", *options, "--networks-for-attacks-only", stdin=lines)
    assert "far enough" in result.stderr, result.output
    assert "operators of 1 of these addresses and the countries of 0" in result.stdout
    [(events, settings)] = asked
    assert events.entities == ["ann", "bob"]
    assert events.count is not None
    assert events.count.tolist() == [3, 1]
    assert not settings.context_for_scorers


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-", "--entity-column", "x", "--ip-column", "x"], "given for more than one column"),
        (["--job", "signins", "--entity-column", "x"], "a job's file names its fields"),
        (["-", "--entity-column", "user"], "standard input lacks user"),
    ],
)
def test_wrong_columns_are_refused_with_what_to_do(cluster: MemoryCluster, options: list[str], said: str) -> None:
    result = run("evaluate", *options, stdin="timestamp,entity,ip\n1,a,192.0.2.1\n")
    assert result.exit_code == 2
    assert said in result.stderr
    assert "→" in result.stderr
