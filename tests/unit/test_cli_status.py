"""`ipi-es status` on a cluster in memory: everything it says is from there."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_run import clock_at, connect_to, run

from ipi_es.config.files.loading import load_job
from ipi_es.results.documents.annotations import Annotation
from ipi_es.results.documents.result_documents import Bucket, ResultContext, Stamp
from ipi_es.results.store import ResultStore
from ipi_es.setup import setup_plan
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.details import JobDetails, LastError
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import iso
from ipi_es.worker.history.history_keeper import history_base

NOW, SPAN, DAY = 1_780_000_200, 900, 86_400
TRAINED_TO = NOW // DAY * DAY - 2 * DAY
SNAPSHOT = "20260526T000000Z-1f3a9c0b"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    made = MemoryCluster()
    setup_plan.apply(made, setup_plan.plan(made))
    connect_to(monkeypatch, made)
    clock_at(monkeypatch, NOW)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    (tmp_path / "jobs").mkdir()
    return made


def write(job_id: str, folder: str = "jobs") -> Path:
    path = Path(folder) / f"{job_id}.json"
    data = {
        "job_id": job_id,
        "analysis_config": {"bucket_span": "15m"},
        "datafeed_config": {"indices": ["logs"], "query_delay": "60s"},
    }
    path.write_text(json.dumps(data))
    return path


def stored(cluster: MemoryCluster, job_id: str, *, held: bool = False, **fields: Any) -> None:
    states = StateStore(cluster)
    state = states.acquire_lease(job_id, "worker-1:7:123", NOW, 60, alive=lambda _: True, doing="training")
    state = states.save(state.advanced(**fields))
    if not held:
        states.release(state)


def trained(cluster: MemoryCluster, job_id: str, *, days: int = 20, **fields: Any) -> None:
    base, day = history_base(SNAPSHOT), TRAINED_TO // DAY
    about = {"day": day, "origin": day - days}
    ClusterBlobs(cluster).write(job_id, base, "history_base", b"h", created=TRAINED_TO, attributes=about)
    usual = {"checkpoint": NOW, "snapshot_id": SNAPSHOT, "history_id": f"{base}+{day + 1}"}
    stored(cluster, job_id, **usual | fields)


def rows(*names: str) -> dict[str, dict[str, Any]]:
    result = run("status", *names, "--format", "json")
    assert result.exit_code == 0, result.output
    return {row["job_id"]: row for row in json.loads(result.stdout)}


def test_a_job_that_never_ran_is_new(cluster: MemoryCluster) -> None:
    write("logins")
    (row,) = rows().values()
    assert (row["state"], row["configured"], row["checkpoint"], row["lag_buckets"]) == ("new", True, None, None)


def test_nothing_at_all_says_what_to_do(cluster: MemoryCluster) -> None:
    result = run("status")
    assert result.exit_code == 0
    assert "No job yet" in result.stdout


def test_a_cluster_that_was_never_set_up_has_new_jobs(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_to(monkeypatch, MemoryCluster())
    write("logins")
    assert rows()["logins"]["state"] == "new"


def test_a_running_job_shows_who_runs_it_how_far_it_is_and_what_it_has_learned(cluster: MemoryCluster) -> None:
    write("logins")
    trained(cluster, "logins", held=True, checkpoint=NOW - 2 * SPAN)
    row = rows()["logins"]
    assert row["state"] == "running"
    assert row["holder"] == "worker-1:7:123"
    assert (row["doing"], row["doing_since"]) == ("training", iso(NOW))
    assert row["lag_buckets"] == 1  # the newest of the two is complete in a minute
    assert row["snapshot_id"] == SNAPSHOT
    assert row["trained_to"] == "2026-05-26T00:00:00Z"
    assert row["snapshot_age_seconds"] == NOW - TRAINED_TO
    assert (row["history_days"], row["warming_up"]) == (21, False)
    said = run("status").stdout
    assert "running on worker-1, training for 0s" in said
    assert "1 bucket" in said
    assert "2026-05-26 (2d)" in said


def test_a_lease_that_ran_out_is_nobodys(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    write("logins")
    trained(cluster, "logins", held=True)
    clock_at(monkeypatch, NOW + 3_600)
    row = rows()["logins"]
    assert (row["state"], row["holder"]) == ("idle", None)
    assert row["lag_buckets"] == 3


def test_an_idle_job_shows_who_worked_on_it_last(cluster: MemoryCluster) -> None:
    write("logins")
    trained(cluster, "logins", details=JobDetails(last_worker="worker-2:9:1"))
    assert rows()["logins"]["last_worker"] == "worker-2:9:1"
    assert "idle, last on worker-2" in run("status").stdout


def test_a_paused_job_is_paused_whoever_holds_it(cluster: MemoryCluster) -> None:
    write("logins")
    trained(cluster, "logins")
    StateStore(cluster).pause("logins", True, NOW)
    assert rows()["logins"]["state"] == "paused"


def test_a_job_without_enough_history_says_what_it_waits_for(cluster: MemoryCluster) -> None:
    write("logins")
    stored(cluster, "logins", details=JobDetails(waits_for="7d of events; there are 3d"))
    row = rows()["logins"]
    assert (row["state"], row["waits_for"]) == ("waiting", "7d of events; there are 3d")
    assert "waits for 7d of events; there are 3d" in run("status").stdout


def test_a_young_job_is_warming_up(cluster: MemoryCluster) -> None:
    write("logins")
    trained(cluster, "logins", days=9)
    assert rows()["logins"]["warming_up"]
    assert "10d, warming up" in run("status").stdout


def test_the_last_error_is_shown(cluster: MemoryCluster) -> None:
    write("logins")
    mistake = LastError(NOW - 60, "FieldMissing", "user.name is in no mapping")
    trained(cluster, "logins", details=JobDetails(last_error=mistake))
    error = {"at": "2026-05-28T20:29:00Z", "kind": "FieldMissing", "text": "user.name is in no mapping"}
    assert rows()["logins"]["last_error"] == error
    assert "2026-05-28T20:29:00Z FieldMissing: user.name" in " ".join(run("status").stdout.split())


def test_silence_is_counted_from_the_newest_bucket(cluster: MemoryCluster) -> None:
    job = load_job(write("logins"))
    trained(cluster, "logins")
    context = ResultContext("logins", SPAN, job.entity_field, job.ip_field)
    made = [
        Bucket(start=NOW - back * SPAN, event_count=count, processing_time_ms=1).document(
            context, Stamp(SNAPSHOT, "q", NOW)
        )
        for back, count in ((1, 0), (2, 0), (3, 5), (4, 0))
    ]
    store = ResultStore(cluster, "logins")
    store.write(made, 1)
    store.show()
    assert rows()["logins"]["empty_buckets"] == 2
    assert "no events in the last 2 buckets" in run("status").stdout
    assert rows()["logins"]["last_annotation"] is None
    fields = (("blind_state", "blind"), ("blind_reason", "no_events"))
    noted = Annotation("blind", NOW - 2 * SPAN, NOW, "No events so far.", fields=fields)
    store.annotate([noted], context, Stamp(SNAPSHOT, "q", NOW), 1)
    store.show()
    assert rows()["logins"]["blind"] is True
    assert rows()["logins"]["last_annotation"] == {
        "type": "blind",
        "timestamp": "2026-05-28T20:00:00Z",
        "text": "No events so far.",
    }
    assert (rows()["logins"]["blind_state"], rows()["logins"]["blind_reason"]) == ("blind", "no_events")
    assert rows()["logins"]["blind_since"] == "2026-05-28T20:00:00Z"
    assert "blind: No events so far." in " ".join(run("status").stdout.split())
    store.annotate([replace(noted, fields=(("blind_state", "ended"), *fields[1:]))], context, Stamp("s", "q", NOW), 1)
    store.show()
    assert (rows()["logins"]["blind"], rows()["logins"]["blind_state"]) == (False, None)


def test_a_snapshot_that_can_not_be_read_hides_nothing_else(cluster: MemoryCluster) -> None:
    write("logins")
    stored(cluster, "logins", checkpoint=NOW, snapshot_id="gone", history_id="history-gone+20000")
    row = rows()["logins"]
    assert (row["snapshot_id"], row["trained_to"], row["history_days"]) == ("gone", None, None)


def test_a_job_without_a_file_is_shown_and_named_as_such(cluster: MemoryCluster) -> None:
    trained(cluster, "elsewhere")
    row = rows()["elsewhere"]
    assert (row["configured"], row["lag_buckets"], row["state"]) == (False, None, "idle")
    assert "no file for it here" in run("status").stdout


def test_only_the_named_jobs_are_shown(cluster: MemoryCluster, tmp_path: Path) -> None:
    write("logins")
    write("vpn")
    other = write("apart", ".")
    trained(cluster, "elsewhere")
    trained(cluster, "apart")
    assert list(rows()) == ["apart", "elsewhere", "logins", "vpn"]
    assert list(rows("vpn")) == ["vpn"]
    assert rows("apart")["apart"]["configured"] is False
    assert rows(str(other.absolute()), "elsewhere")["apart"]["configured"] is True
    wrong = run("status", "login")
    assert wrong.exit_code == 2
    assert "did you mean “logins”" in wrong.stderr


def test_json_lines_are_one_job_a_line(cluster: MemoryCluster) -> None:
    write("logins")
    write("vpn")
    lines = run("status", "--format", "ndjson").stdout.splitlines()
    assert [json.loads(line)["job_id"] for line in lines] == ["logins", "vpn"]


def test_the_status_loads_no_library_that_only_scoring_needs() -> None:
    code = "import sys, ipi_es.worker.job_status; print({'scipy', 'tensorflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "set()\n"
