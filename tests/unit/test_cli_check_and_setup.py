"""`ipi-es setup`, `check` and `snapshots` on a cluster in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_run import clock_at, connect_to, run
from saved_snapshot import add_day, save_snapshot
from signin_events import CONTEXT_MAPPING, DAY, END, fill, job_data, make_job, with_context, write_job

from ipi_es.errors import ClusterUnreachable
from ipi_es.setup import setup_plan
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster

NOW = END + 600


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    """What every command of the test connects to; it is told the time."""
    made = MemoryCluster()
    connect_to(monkeypatch, made)
    clock_at(monkeypatch, NOW)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    return made


@pytest.fixture
def job(tmp_path: Path) -> Path:
    (tmp_path / "jobs").mkdir()
    return write_job(tmp_path / "jobs" / "job.json", job_data("signins"))


@pytest.fixture
def ready(cluster: MemoryCluster, job: Path) -> MemoryCluster:
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    return cluster


def test_setup_shows_does_and_then_has_nothing_to_do(cluster: MemoryCluster) -> None:
    shown = run("setup", "--dry-run").stdout
    assert "create index template ipi-es-results" in shown
    assert "Nothing was changed." in shown
    assert cluster.get_index_template("ipi-es-results") is None
    assert "done: create index template ipi-es-state" in run("setup").stdout
    assert cluster.get_index_template("ipi-es-results") is not None
    assert "Nothing to do" in run("setup").stdout
    assert "Nothing to do" in run("setup", "--dry-run").stdout


def test_setup_overwrites_what_was_changed_by_hand_with_force_only(ready: MemoryCluster) -> None:
    body = ready.get_index_template("ipi-es-state") or {}
    body["template"]["mappings"]["dynamic"] = "strict"
    ready.put_index_template("ipi-es-state", body)
    assert "needs --force" in run("setup", "--dry-run").stdout
    refused = run("setup")
    assert refused.exit_code == 2
    assert "ipi-es setup --force" in refused.stderr
    assert run("setup", "--force").exit_code == 0
    assert "Nothing to do" in run("setup").stdout


def test_setup_exits_with_1_where_an_index_cannot_be_mended(cluster: MemoryCluster) -> None:
    cluster.create_index("ipi-es-state", {"mappings": {"properties": {"job_id": {"type": "text"}}}})
    result = run("setup")
    assert result.exit_code == 1
    assert "job_id: is text, should be keyword" in result.stdout
    assert "can't fix mapping of index ipi-es-state" in result.stdout
    assert cluster.get_index_template("ipi-es-state") is not None
    assert "Do it with" not in run("setup", "--dry-run").stdout


def test_check_of_a_healthy_job_exits_with_0(ready: MemoryCluster) -> None:
    fill(ready, change=with_context, mapping=CONTEXT_MAPPING)
    result = run("check", "sign-ins")
    assert result.exit_code == 0, result.output
    assert "0 problems, 0 warnings" in result.stdout


def test_check_with_warnings_exits_with_0(ready: MemoryCluster, job: Path) -> None:
    fill(ready, change=lambda document, number: {**document, "source": {"ip": f"10.0.0.{number % 9}"}})
    result = run("check", job)
    assert result.exit_code == 0
    assert "all addresses in source.ip are private" in result.stdout
    assert "→ a proxy" in result.stdout


def test_check_with_a_problem_exits_with_1(cluster: MemoryCluster, job: Path) -> None:
    fill(cluster)
    result = run("check", job)
    assert result.exit_code == 1
    assert "PROBLEM" in result.stdout
    assert "run `ipi-es setup` once" in result.stdout


def test_check_as_json_and_ndjson(ready: MemoryCluster) -> None:
    fill(ready)
    rows = json.loads(run("check", "sign-ins", "--format", "json").stdout)
    assert {"check", "status", "message", "hint"} == set(rows[0])
    lines = run("check", "sign-ins", "--format", "ndjson").stdout.splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_check_says_what_has_no_effect(ready: MemoryCluster, tmp_path: Path) -> None:
    fill(ready)
    job = write_job(tmp_path / "odd.json", job_data("signins", scroll_size=1_000))
    result = run("check", job)
    assert result.exit_code == 0
    assert "datafeed_config.scroll_size has no effect" in result.stdout


def test_check_of_an_unreachable_cluster_is_a_problem_and_no_crash(
    job: Path, cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise ClusterUnreachable("http://nowhere:9200 can't be reached", hint="check elasticsearch.hosts")

    connect_to(monkeypatch, refuse)
    result = run("check", job)
    assert result.exit_code == 1
    assert "→ check elasticsearch.hosts" in result.stdout
    assert run("setup").exit_code == 1


def test_check_of_an_unknown_job_is_wrong_usage(job: Path, cluster: MemoryCluster) -> None:
    result = run("check", "sign-in")
    assert result.exit_code == 2
    assert "did you mean “sign-ins”?" in result.stderr


def put_in_use(cluster: MemoryCluster, snapshot_id: str, history_id: str) -> None:
    states = StateStore(cluster)
    state = states.acquire_lease("sign-ins", "me", NOW, 60, alive=lambda _: True)
    states.release(states.save(state.advanced(snapshot_id=snapshot_id, history_id=history_id)))


def test_snapshots_are_listed_with_size_quality_and_use(ready: MemoryCluster) -> None:
    blobs = ClusterBlobs(ready)
    old, _ = save_snapshot(blobs, make_job(), seed=1, created=END - DAY)
    new, history = save_snapshot(blobs, make_job(), seed=2, created=END)
    history = add_day(blobs, make_job(), history, "a", "192.0.2.1")
    put_in_use(ready, new, str(history))
    rows = json.loads(run("snapshots", "list", "sign-ins", "--format", "json").stdout)
    assert [(row["snapshot_id"], row["in_use"], row["history_days"]) for row in rows] == [
        (old, False, 0),
        (new, True, 1),
    ]
    assert rows[0]["discriminator_auc"] == 0.5
    assert rows[0]["size"] > 1_000
    table = run("snapshots", "list", "sign-ins").stdout
    assert old in table
    assert "KiB" in table


def test_no_snapshots_says_how_to_make_one(ready: MemoryCluster) -> None:
    assert "ipi-es train sign-ins" in run("snapshots", "list", "sign-ins").stdout


def test_deleting_a_snapshot_takes_its_history_with_it(ready: MemoryCluster) -> None:
    blobs = ClusterBlobs(ready)
    old, history = save_snapshot(blobs, make_job(), seed=1)
    add_day(blobs, make_job(), history, "a", "192.0.2.1")
    new, kept = save_snapshot(blobs, make_job(), seed=2)
    put_in_use(ready, new, str(kept))
    result = run("snapshots", "delete", "sign-ins", old)
    assert result.exit_code == 0, result.output
    assert "with 2 parts of its history" in result.stdout
    assert {info.id for info in blobs.list("sign-ins")} == {new, kept.base}


def test_the_snapshot_in_use_is_not_deleted(ready: MemoryCluster) -> None:
    blobs = ClusterBlobs(ready)
    snapshot, history = save_snapshot(blobs, make_job())
    other, _ = save_snapshot(blobs, make_job(), seed=2)
    put_in_use(ready, snapshot, str(history))
    result = run("snapshots", "delete", "sign-ins", other, snapshot)
    assert result.exit_code == 2
    assert "is in use" in result.stderr
    assert len(blobs.list("sign-ins", "network")) == 2


def test_a_newer_snapshot_is_kept_while_a_worker_is_at_work(ready: MemoryCluster) -> None:
    blobs = ClusterBlobs(ready)
    old, history = save_snapshot(blobs, make_job(), created=1_000)
    put_in_use(ready, old, str(history))
    new, _ = save_snapshot(blobs, make_job(), seed=2, created=2_000)
    StateStore(ready).acquire_lease("sign-ins", "worker", NOW, 60, alive=lambda _: True)
    result = run("snapshots", "delete", "sign-ins", new)
    assert result.exit_code == 2
    assert "about to take it" in result.stderr


def test_a_misspelled_snapshot_gets_the_nearest_right_name(ready: MemoryCluster) -> None:
    snapshot, _ = save_snapshot(ClusterBlobs(ready), make_job())
    result = run("snapshots", "delete", "sign-ins", snapshot[:-1] + "x")
    assert result.exit_code == 1
    assert f"did you mean {snapshot}?" in result.stderr


def test_a_snapshots_history_is_not_deleted_alone(ready: MemoryCluster) -> None:
    _, history = save_snapshot(ClusterBlobs(ready), make_job())
    result = run("snapshots", "delete", "sign-ins", history.base)
    assert result.exit_code == 2
    assert "name the snapshot" in result.stderr


def test_score_takes_the_snapshot_and_the_history_in_use(ready: MemoryCluster) -> None:
    blobs = ClusterBlobs(ready)
    snapshot, history = save_snapshot(blobs, make_job())
    later = add_day(blobs, make_job(), history, "newcomer", "198.51.100.7")
    put_in_use(ready, snapshot, str(history))
    assert ",no events," in run("score", "sign-ins", stdin="newcomer,198.51.100.7\n").stdout
    put_in_use(ready, snapshot, str(later))
    assert ",31–200 events," in run("score", "sign-ins", stdin="newcomer,198.51.100.7\n").stdout


def test_score_of_an_untrained_job_says_train(ready: MemoryCluster) -> None:
    result = run("score", "sign-ins", stdin="a,192.0.2.1\n")
    assert result.exit_code == 1
    assert "ipi-es train sign-ins" in result.stderr
