"""`ipi-es job pause|resume|reset|delete` and `ipi-es snapshots revert`, on a cluster in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from cli_run import at_a_terminal, run, work_in
from verdict_parts import said

from ipi_es.cluster.port import Put
from ipi_es.results.words import ALIAS
from ipi_es.state.cluster_blobs import SNAPSHOT_INDEX, ClusterBlobs
from ipi_es.state.job_state import STATE_INDEX, JobState, StateStore
from ipi_es.state.verdict_store import VERDICTS_INDEX, VerdictStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.lease_wait import LeaseWait

JOB = company.make_job()
INDICES = (ALIAS, STATE_INDEX, SNAPSHOT_INDEX, VERDICTS_INDEX)
OTHERS = ("ipi-es-anomalies-shared-2025.08", "ipi-es-anomalies-signins-2025.08")


@pytest.fixture(scope="module")
def scored() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
        parts.backfill(cluster, JOB)
        VerdictStore(cluster, "signins").add_verdict(said("a", "192.0.2.1"))
        cluster.bulk([Put(OTHERS[1], "another's", {"job_id": "another", "result_type": "annotation"})], refresh=True)
        yield cluster


@pytest.fixture
def cluster(scored: MemoryCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    made = parts.fragile(scored)
    work_in(monkeypatch, tmp_path, made, company.job_data())
    return made


def state_of(cluster: MemoryCluster) -> JobState | None:
    return StateStore(cluster).read("signins")


def remains(cluster: MemoryCluster, job_id: str = "signins") -> dict[str, int]:
    query = {"bool": {"filter": [{"term": {"job_id": job_id}}]}}
    for index in INDICES:
        cluster.refresh(index)
    return {index: cluster.count(index, query) for index in INDICES}


def test_paused_and_resumed(cluster: MemoryCluster) -> None:
    assert "is paused" in run("job", "pause", "signins").stdout
    state = state_of(cluster)
    assert state is not None
    assert state.paused
    assert "goes on" in run("job", "resume", "signins").stdout
    state = state_of(cluster)
    assert state is not None
    assert not state.paused


def test_resuming_a_job_that_never_ran_makes_no_state(cluster: MemoryCluster) -> None:
    Path("jobs/new.json").write_text(json.dumps(company.job_data("new")))
    assert run("job", "resume", "new").stdout == "Job new was not paused: nothing to do.\n"
    assert StateStore(cluster).read("new") is None
    assert run("job", "resume", "signins").stdout == "Job signins was not paused: nothing to do.\n"
    assert run("job", "pause", "new").exit_code == 0
    assert StateStore(cluster).read("new") is not None


def test_deleted_job_leaves_nothing_behind(cluster: MemoryCluster) -> None:
    before = remains(cluster)
    assert min(before.values()) > 0
    done = run("job", "delete", "signins", "--yes")
    assert done.exit_code == 0, done.output
    assert "Its file, if it has one, is still there" in done.stdout
    assert "1 verdicts" in done.stdout
    assert remains(cluster) == dict.fromkeys(INDICES, 0)
    assert remains(cluster, "another")[ALIAS] == 1
    assert cluster.indices(f"{ALIAS}-*") == [OTHERS[1]], "what held its results alone is gone"
    assert Path("jobs/signins.json").exists()


def test_reset_job_keeps_verdicts_and_whether_it_is_paused(cluster: MemoryCluster) -> None:
    run("job", "pause", "signins")
    before = state_of(cluster)
    done = run("job", "reset", "signins", "--yes")
    assert done.exit_code == 0, done.output
    assert remains(cluster) == {ALIAS: 0, STATE_INDEX: 1, SNAPSHOT_INDEX: 0, VERDICTS_INDEX: 1}
    state = state_of(cluster)
    assert before is not None
    assert state is not None
    assert (state.checkpoint, state.snapshot_id, state.quantiles_id, state.lease_owner) == (None, None, None, None)
    assert state.external_version > before.external_version, "what a worker of before writes is refused"
    assert state.paused
    assert VerdictStore(cluster, "signins").all().verdicts


def test_job_without_a_file_is_deleted_by_its_id(cluster: MemoryCluster) -> None:
    Path("jobs/signins.json").unlink()
    assert run("job", "delete", "signins", "--yes").exit_code == 0
    assert max(remains(cluster).values()) == 0
    gone = run("job", "delete", "signins", "--yes")
    assert gone.exit_code == 2
    assert "there is no job “signins”" in gone.stderr


@pytest.mark.parametrize("command", ["reset", "delete"])
def test_nothing_is_destroyed_without_being_asked_for(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    before = remains(cluster)
    alone = run("job", command, "signins")
    assert alone.exit_code == 2
    assert "--yes" in alone.stderr
    assert "1 snapshots, 1 verdicts" in alone.stderr
    assert "scored up to 2025-09-04T00:00:00Z" in alone.stderr
    assert remains(cluster) == before


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_who_is_there_is_asked(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch, answer: str, code: int) -> None:
    at_a_terminal(monkeypatch)
    before = remains(cluster)
    asked = run("job", "delete", "signins", stdin=f"{answer}\n")
    assert asked.exit_code == code, asked.output
    assert "All of it is deleted, verdicts too." in asked.stderr
    assert (remains(cluster) == before) == bool(code)


def test_job_that_a_worker_is_amid_is_not_touched(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    acquire = LeaseWait.acquire

    def without_sleep(wait: LeaseWait, *lease: Any, **more: Any) -> JobState:  # else 90 s a command
        return acquire(replace(wait, sleep=lambda _: None), *lease, **more)

    monkeypatch.setattr(LeaseWait, "acquire", without_sleep)
    now = 4_000_000_000
    StateStore(cluster).acquire_lease("signins", "elsewhere:1:2", now, 60, alive=lambda _: True)
    before = remains(cluster)
    for command in ("reset", "delete"):
        busy = run("job", command, "signins", "--yes")
        assert busy.exit_code == 1
        assert "ipi-es job pause signins" in busy.stderr
    assert remains(cluster) == before


def test_killed_deletion_is_ended_by_the_next(cluster: Any) -> None:
    for number in range(1, 30):
        dying = parts.fragile(cluster)
        dying.dies_at = number
        removal = made_removal(dying)
        try:
            removal.delete()
        except parts.Killed:
            after = parts.revived(dying)
            made_removal(after).delete()
            assert max(remains(after).values()) == 0, f"killed at write {number}"
        else:
            break
    assert number > 5


def made_removal(cluster: MemoryCluster) -> Any:
    from ipi_es.worker.upkeep.removal import Removal

    return Removal(cluster, "signins", parts.TestClock(parts.NOW + 7_200))


def test_snapshot_is_gone_back_to(cluster: MemoryCluster) -> None:
    (snapshot,) = [info.id for info in ClusterBlobs(cluster).list("signins", "network")]
    alone = run("snapshots", "revert", "signins", snapshot)
    assert alone.exit_code == 2
    assert "40 buckets up to 2025-09-04T00:00:00Z are scored again" in alone.stderr
    done = run("snapshots", "revert", "signins", snapshot, "--delete-results", "--yes")
    assert done.exit_code == 0, done.output
    state = state_of(cluster)
    assert state is not None
    assert state.checkpoint == company.SCORED_FROM
    cluster.refresh(ALIAS)
    left = [each.source["result_type"] for each in cluster.scan(ALIAS, {"term": {"job_id": "signins"}})]
    assert set(left) == {"annotation"}, "what was said stays"


def test_snapshot_that_is_not_there_is_told_with_the_nearest(cluster: MemoryCluster) -> None:
    (snapshot,) = [info.id for info in ClusterBlobs(cluster).list("signins", "network")]
    missing = run("snapshots", "revert", "signins", f"{snapshot[:-1]}x", "--yes")
    assert missing.exit_code == 1
    assert f"did you mean {snapshot}?" in missing.stderr
    part = run("snapshots", "revert", "signins", f"history-{snapshot}", "--yes")
    assert part.exit_code == 2
    assert f"name the snapshot, {snapshot}: its history goes with it" in part.stderr
