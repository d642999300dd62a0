"""`ipi-es verdict` on a cluster in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_run import clock_at, connect_to, run
from signin_events import job_data, write_job

from ipi_es.results.store import ResultStore
from ipi_es.setup import setup_plan
from ipi_es.state.job_state import StateStore
from ipi_es.state.verdict_store import VerdictStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.upkeep.removal import DELETING

NOW = 1_780_000_000


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    made = MemoryCluster()
    setup_plan.apply(made, setup_plan.plan(made))
    StateStore(made).pause("sign-ins", True, NOW)  # a state, as every job has that ran
    connect_to(monkeypatch, made)
    clock_at(monkeypatch, NOW)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    write_job(tmp_path / "job.json", job_data("signins", entity_normalize=["lowercase"]))
    return made


def test_confirmed_listed_and_taken_back(cluster: MemoryCluster) -> None:
    said = run("verdict", "confirm", "job.json", "Alice", "2001:db8::7", "--by", "ann", "--comment", "her flat")
    assert "alice is confirmed to use 2001:db8::/48" in said.stdout, said.output
    assert VerdictStore(cluster, "sign-ins").confirmed() == {("alice", "2001:db8::/48")}
    assert VerdictStore(cluster, "others").confirmed() == set()
    (row,) = json.loads(run("verdict", "list", "job.json", "--format", "json").stdout)
    assert row == {
        "time": "2026-05-28T20:26:40Z",
        "verdict": "confirmed",
        "entity": "alice",
        "ip": "2001:db8::7",
        "network": "2001:db8::/48",
        "by": "ann",
        "comment": "her flat",
    }
    assert "her flat" in run("verdict", "list", "job.json").stdout
    (noted,) = annotations(cluster)
    assert noted["annotation"] == "ann confirmed that alice uses 2001:db8::/48: her flat."
    assert noted["timestamp"] == NOW // noted["bucket_span"] * noted["bucket_span"] * 1_000
    assert "revoked" in run("verdict", "remove", "job.json", "ALICE", "2001:db8::8").stdout
    (noted,) = annotations(cluster)
    assert noted["annotation"].endswith("her flat. Revoked at 2026-05-28T20:26:40Z.")
    assert "No verdict on job.json yet" in run("verdict", "list", "job.json").stdout


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_user_without_a_name_is_told_by_his_number(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def nobody() -> str:
        raise error("uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)
    monkeypatch.setattr("os.getuid", lambda: 4711)
    assert run("verdict", "confirm", "job.json", "alice", "192.0.2.3").exit_code == 0
    (row,) = json.loads(run("verdict", "list", "job.json", "--format", "json").stdout)
    assert row["by"] == "uid 4711"


def annotations(cluster: MemoryCluster) -> list[dict[str, Any]]:
    store = ResultStore(cluster, "sign-ins")
    store.show()
    return [each.source for each in store.annotations(types=["verdict"])]


def test_what_is_no_address_or_was_never_said_is_refused(cluster: MemoryCluster) -> None:
    assert run("verdict", "confirm", "job.json", "alice", "192.0.2.300").exit_code == 2
    gone = run("verdict", "remove", "job.json", "alice", "192.0.2.3")
    assert gone.exit_code == 2
    assert "there is no verdict on alice and 192.0.2.0/24" in gone.stderr


def test_cluster_that_is_not_set_up_is_refused(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_to(monkeypatch, MemoryCluster())
    result = run("verdict", "confirm", "job.json", "alice", "192.0.2.3")
    assert result.exit_code != 0
    assert "ipi-es setup" in result.stderr


def test_a_job_that_never_ran_or_was_deleted_takes_no_verdict(cluster: MemoryCluster) -> None:
    StateStore(cluster).delete("sign-ins")
    refused = run("verdict", "confirm", "job.json", "alice", "192.0.2.3")
    assert refused.exit_code == 2
    assert "job sign-ins has no state: it never ran, or it was deleted" in refused.output
    assert VerdictStore(cluster, "sign-ins").all() == []
    assert annotations(cluster) == []


def test_a_verdict_on_a_job_that_is_deleted_at_that_moment_leaves_nothing(cluster: MemoryCluster) -> None:
    states, noted = StateStore(cluster), list[str]()

    def before(operation: str, index: str) -> None:
        if operation == "bulk":
            noted.append(index)
        elif noted:  # right after the annotation
            cluster.before = lambda _operation, _index: None
            states.acquire_lease("sign-ins", "host:7:1", NOW, 24, alive=lambda _: True, doing=DELETING)

    cluster.before = before
    refused = run("verdict", "confirm", "job.json", "alice", "192.0.2.3")
    assert refused.exit_code == 1
    assert "job sign-ins is held by process 7 on host, deleting it since 2026-05-28T20:26:40Z" in refused.output
    assert VerdictStore(cluster, "sign-ins").all() == []
    assert annotations(cluster) == []
