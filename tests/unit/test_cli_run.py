"""`ipi-es run` as a command, on a cluster in memory; that it runs on is tested with processes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import live_parts as live
import pytest
import worker_company as company
import worker_parts as parts
from cli_run import clock_at, connect_to, run
from worker_company import HOUR, SCORED_FROM

from ipi_es.cluster.port import Put
from ipi_es.errors import ClusterUnreachable
from ipi_es.state.job_state import StateStore
from ipi_es.state.owner import this_process
from ipi_es.testing.memory_cluster import MemoryCluster

JOB = live.live_job(datafeed_config={"frequency": "3h"}, training={"every": "0s", "min_events": 200, "window": "10d"})
NOW = SCORED_FROM + 9 * HOUR + live.DELAY


@pytest.fixture(scope="module")
def trained() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        yield parts.trained_cluster(JOB, patch)


@pytest.fixture
def cluster(trained: MemoryCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    made = parts.copy_of(trained)
    connect_to(monkeypatch, made)
    clock_at(monkeypatch, NOW)
    monkeypatch.setattr("ipi_es.cli.run.stopped_by_signals", threading.Event)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    (tmp_path / "jobs").mkdir()
    write("signins")
    return made


def write(job_id: str, index: str = company.EVENTS) -> None:
    data = json.loads(JOB.model_dump_json(exclude_unset=True))
    data |= {"job_id": job_id, "results_index_name": job_id}
    data["datafeed_config"]["indices"] = [index]
    Path(f"jobs/{job_id}.json").write_text(json.dumps(data))


def test_a_bad_file_stops_only_its_own_job(cluster: MemoryCluster, caplog: pytest.LogCaptureFixture) -> None:
    Path("jobs/broken.yml").write_text("job_id: broken\n")
    done = run("run", "--once")
    assert (done.exit_code, done.stdout) == (1, "signins: worked, 3 buckets scored\n")
    assert "jobs/broken.yml: datafeed_config: is missing" in caplog.text


def test_without_any_good_file_all_bad_ones_are_listed(cluster: MemoryCluster) -> None:
    Path("jobs/signins.json").write_text("{")
    Path("jobs/broken.yml").write_text("job_id: broken\n")
    done = run("run", "--once")
    assert done.exit_code == 2
    assert "broken.yml" in done.stderr
    assert "signins.json" in done.stderr


def test_once_does_what_is_due_and_ends(cluster: MemoryCluster) -> None:
    done = run("run", "--once")
    assert (done.exit_code, done.stdout) == (0, "signins: worked, 3 buckets scored\n")
    state = StateStore(cluster).read("signins")
    assert state is not None
    assert (state.checkpoint, state.lease_owner) == (SCORED_FROM + 9 * HOUR, None)
    assert state.details.last_worker == this_process()
    assert run("run", "--once").stdout == "signins: nothing was due\n"


def test_once_fails_if_a_job_fails_and_does_the_others_all_the_same(cluster: MemoryCluster) -> None:
    write("broken", index="no-such-index")
    done = run("run", "--once")
    assert done.exit_code == 1
    assert "signins: worked, 3 buckets scored" in done.stdout
    assert "broken: failed" in done.stderr
    assert "no-such-index" in done.stderr


def test_only_the_jobs_that_are_named_are_run(cluster: MemoryCluster) -> None:
    write("broken", index="no-such-index")
    assert run("run", "--once", "signins").exit_code == 0
    assert StateStore(cluster).read("broken") is None


def test_once_says_what_a_job_waits_for(cluster: MemoryCluster) -> None:
    cluster.create_index("new", {"mappings": company.MAPPINGS})
    cluster.bulk([Put("new", "1", company.document((NOW - HOUR, "new", "203.0.113.1", "success")))], refresh=True)
    write("young", index="new")
    done = run("run", "--once", "young")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("young: waits for events to learn from: there are none between")


def test_once_waits_for_the_first_events_of_a_new_job(cluster: MemoryCluster) -> None:
    for job_id, index in (("pattern", "auth-later-*"), ("bare", "bare"), ("empty", "empty")):
        write(job_id, index=index)
    cluster.create_index("bare", {})
    cluster.create_index("empty", {"mappings": company.MAPPINGS})
    done = run("run", "--once", "pattern", "bare", "empty")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{job_id}: waits for the first events: there is no document in {index}"
        for job_id, index in (("pattern", "auth-later-*"), ("bare", "bare"), ("empty", "empty"))
    ]
    state = StateStore(cluster).read("pattern")
    assert state is not None
    assert "first events" in str(state.details.waits_for)
    assert state.details.last_error is None


class Refusing(MemoryCluster):
    """Lets nothing be read."""

    def lacking(self, on_cluster: Sequence[str], on_indices: Mapping[str, Sequence[str]]) -> Any:
        return [("read", name) for name in on_indices]


def test_right_that_lacks_is_no_matter_of_waiting(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    # a search over a pattern doesn't notice it: Elasticsearch leaves out what may not be read
    write("young", index="auth-later-*")
    refusing = Refusing()
    refusing.copy_from(cluster)
    connect_to(monkeypatch, refusing)
    done = run("run", "--once", "young")
    assert done.exit_code == 1
    assert "no index matches" in done.stderr


def test_once_fails_where_events_are_there_and_none_of_them_can_be_used(cluster: MemoryCluster) -> None:
    write("young", index="other")
    cluster.create_index("other", {"mappings": company.MAPPINGS})
    other = company.document((NOW - HOUR, "new", "203.0.113.1", "success"))
    cluster.bulk([Put("other", "1", {**other, "event": {"category": "web"}})], refresh=True)
    done = run("run", "--once", "young")
    assert done.exit_code == 1
    assert "none of the 1 documents in other matches" in done.stderr


def test_a_trained_job_whose_indices_are_gone_fails(cluster: MemoryCluster) -> None:
    cluster.delete_index(company.EVENTS)
    assert run("run", "--once").exit_code == 1


def test_once_leaves_a_job_to_whoever_holds_it(cluster: MemoryCluster) -> None:
    StateStore(cluster).acquire_lease("signins", "elsewhere:1:1", NOW, 60, alive=lambda _: True)
    done = run("run", "--once")
    assert done.exit_code == 0
    assert "held by process 1 on elsewhere" in done.stdout


def test_cluster_that_is_away_ends_once_with_an_error(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: object) -> NoReturn:
        raise ClusterUnreachable("nothing listens", hint="start it")

    connect_to(monkeypatch, away)
    done = run("run", "--once")
    assert (done.exit_code, "nothing listens" in done.stderr) == (1, True)


def test_cluster_that_is_not_set_up_is_said_at_once(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_to(monkeypatch, MemoryCluster())
    for options in (["--once"], []):
        done = run("run", *options)
        assert done.exit_code == 1
        assert "ipi-es setup" in done.stderr


def test_run_without_any_job_says_where_jobs_are_written(cluster: MemoryCluster) -> None:
    Path("jobs/signins.json").unlink()
    done = run("run")
    assert done.exit_code == 2
    assert "jobs/" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--once", "--listen", ":1"], "--listen is of no use"),
        (["--once", "--serve"], "--serve is of no use"),
        (["--listen", "nowhere"], "HOST:PORT"),
    ],
)
def test_wrong_options_are_refused(cluster: MemoryCluster, options: list[str], said: str) -> None:
    done = run("run", *options)
    assert done.exit_code == 2
    assert said in done.stderr
