"""Which snapshot answers: of a directory, an archive or the cluster, and when newer or broken ones come."""

from __future__ import annotations

import logging
import os
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from endpoint_parts import Asked, invoke, trained_cluster, use
from incident_parts import ready
from saved_snapshot import add_day, save_snapshot
from serve_parts import services_of
from served_folder import BODIES, CSV, JSON, app_of, folder
from signin_events import make_job

from ipi_es.cluster.port import Cluster
from ipi_es.errors import (
    PermissionDenied,
    SnapshotDamaged,
    SnapshotMissing,
)
from ipi_es.serve.application import application
from ipi_es.serve.endpoint.directory_scorers import DirectoryScorers
from ipi_es.state.cluster_blobs import SNAPSHOT_INDEX, ClusterBlobs
from ipi_es.state.directory_blobs import DirectoryBlobs
from ipi_es.testing.memory_cluster import MemoryCluster

__all__ = ["folder"]


def eventually(found: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20
    while not found():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_a_new_snapshot_is_taken_up_and_no_request_fails(folder: Path) -> None:
    scorers = DirectoryScorers(folder, {}, look_every=0.01)
    app = app_of(scorers)
    seen, stop = list[Asked](), threading.Event()

    def keep_asking() -> None:
        while not stop.is_set():
            seen.append(invoke(app, BODIES[CSV]))

    thread = threading.Thread(target=keep_asking)
    thread.start()
    ids = [scorers.scorer(None).id]
    for seed in (2, 3):
        snapshot_id, _ = save_snapshot(DirectoryBlobs(folder), make_job(), seed=seed, created=1_000 + seed)
        ids.append(snapshot_id)
        eventually(lambda wanted=snapshot_id: scorers.scorer(None).id == wanted)  # type: ignore[misc]
    stop.set()
    thread.join()
    assert {answer.status for answer in seen} == {200}
    named = list(dict.fromkeys(answer.headers["x-ipi-es-snapshot"] for answer in seen))
    assert named == [each for each in ids if each in named]
    for each in ids:
        answers = {answer.body for answer in seen if answer.headers["x-ipi-es-snapshot"] == each}
        assert len(answers) <= 1, "an answer is of one snapshot alone"


def test_a_further_day_of_history_is_taken_up(folder: Path) -> None:
    scorers = DirectoryScorers(folder, {}, look_every=0.0)
    app, blobs = app_of(scorers), DirectoryBlobs(folder)

    def history_class() -> str:
        answer = invoke(app, "newcomer,198.51.100.7\n", accept=f"{JSON};probability=True")
        return str(answer.json()["predictions"][0]["history_class"])

    assert history_class() == "no events"
    _, history = save_snapshot(blobs, make_job())
    add_day(blobs, make_job(), history, "newcomer", "198.51.100.7")
    eventually(lambda: history_class() == "31–200 events")


@pytest.mark.parametrize("broken", ["network", "manifest"])
def test_a_broken_new_snapshot_keeps_the_old_one_and_says_so(
    folder: Path, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    scorers = DirectoryScorers(folder, {}, look_every=0.0)
    app = app_of(scorers)
    before = invoke(app, BODIES[CSV])
    snapshot_id, _ = save_snapshot(DirectoryBlobs(folder), make_job(), seed=2, created=2_000)
    [blob] = (folder / "sign-ins").glob(f"{snapshot_id}.*.blob")
    file = blob if broken == "network" else folder / "sign-ins" / f"{snapshot_id}.json"
    whole = file.read_bytes()
    with caplog.at_level(logging.WARNING):
        file.write_bytes(whole[: len(whole) // 2])
        eventually(lambda: (invoke(app, BODIES[CSV]).status, bool(scorers.troubles)) == (200, True))
    assert invoke(app, BODIES[CSV]).body == before.body
    assert "is not in use" in scorers.troubles["sign-ins"]
    assert len([each for each in caplog.records if "is not in use" in each.message]) == 1
    file.write_bytes(whole)
    eventually(lambda: invoke(app, BODIES[CSV]).headers["x-ipi-es-snapshot"] == snapshot_id)
    eventually(lambda: (invoke(app, BODIES[CSV]).status, scorers.troubles) == (200, {}))


def test_a_directory_that_goes_away_keeps_the_snapshot(folder: Path) -> None:
    scorers = DirectoryScorers(folder, {}, look_every=0.0)
    folder.rename(folder.with_name("gone"))
    assert scorers.scorer(None).id
    assert "can't be read" in scorers.troubles["sign-ins"]


def pack(folder: Path, file: Path) -> None:
    part = file.with_suffix(".part")
    with tarfile.open(part, "w:gz") as archive:
        archive.add(folder, ".")
    part.replace(file)


def test_an_archive_is_served_and_its_replacement_too(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    pack(folder, archive)
    scorers = DirectoryScorers(archive, {}, look_every=0.0)
    app = app_of(scorers)
    assert invoke(app, BODIES[CSV]).dots == invoke(app_of(DirectoryScorers(folder, {})), BODIES[CSV]).dots
    assert invoke(app, BODIES[CSV], path="/endpoints/other/invocations").status == 400
    snapshot_id, _ = save_snapshot(DirectoryBlobs(folder), make_job(), seed=2, created=2_000)
    pack(folder, archive)
    eventually(lambda: scorers.scorer(None).id == snapshot_id)
    archive.write_bytes(b"no archive")
    eventually(lambda: bool(scorers.scorer(None).id and scorers.troubles))
    assert scorers.scorer(None).id == snapshot_id


def test_nothing_to_serve_is_an_error_at_the_start(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SnapshotMissing):
        DirectoryScorers(tmp_path / "empty", {})
    [blob] = (folder / "sign-ins").glob("2*.blob")
    os.truncate(blob, 100)
    with pytest.raises(SnapshotDamaged):
        DirectoryScorers(folder, {})


@pytest.fixture
def cluster() -> Cluster:
    """With the snapshot and the state of one job."""
    return trained_cluster(make_job())


def test_a_jobs_snapshot_of_the_cluster_is_served(cluster: MemoryCluster, folder: Path) -> None:
    app = application(services_of(lambda _: cluster, [make_job()]))
    expected = invoke(app_of(DirectoryScorers(folder, {})), BODIES[CSV]).dots
    signed = {"authorization": "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c"}
    for path, more in (("/invocations", {}), ("/endpoints/sign-ins/invocations", signed)):
        assert invoke(app, BODIES[CSV], path=path, **more).dots == expected
    assert Asked(app, "GET", "/ping").status == 200
    assert invoke(app, BODIES[CSV], authorization="Unknown x").status == 401


def test_the_state_of_the_cluster_decides_which_snapshot_answers(cluster: Cluster) -> None:
    app = application(services_of(lambda _: cluster, [make_job()]))
    first = invoke(app, BODIES[CSV]).headers["x-ipi-es-snapshot"]
    snapshot_id, history = save_snapshot(ClusterBlobs(cluster), make_job(), seed=2, created=2_000)
    assert invoke(app, BODIES[CSV]).headers["x-ipi-es-snapshot"] == first
    use(cluster, make_job(), snapshot_id, history)
    eventually(lambda: invoke(app, BODIES[CSV]).headers["x-ipi-es-snapshot"] == snapshot_id)
    use(cluster, make_job(), "none", history)
    assert invoke(app, BODIES[CSV]).status == 200
    eventually(lambda: "1 jobs are not in use" in str(Asked(app, "GET", "/readyz").json()["warnings"]))
    assert "sign-ins" not in Asked(app, "GET", "/readyz").answer.text
    assert invoke(app, BODIES[CSV]).headers["x-ipi-es-snapshot"] == snapshot_id


def test_a_scorer_that_is_in_memory_answers_nobody_who_may_not_read_the_snapshots(cluster: MemoryCluster) -> None:
    app = application(services_of(lambda _: cluster, [make_job()]))
    assert invoke(app, BODIES[CSV]).status == 200
    read = cluster.get

    def get(index: str, place: str) -> Any:
        if index == SNAPSHOT_INDEX:
            raise PermissionDenied("no right to read the snapshots", status=403)
        return read(index, place)

    cluster.get = get  # type: ignore[method-assign]
    assert invoke(app, BODIES[CSV]).status == 403
    assert Asked(app, "GET", "/ping").status == 403


def test_a_job_that_is_not_trained_is_not_ready() -> None:
    app = application(services_of(lambda _: ready(MemoryCluster()), [make_job()]))
    assert invoke(app, BODIES[CSV]).status == 503
    assert Asked(app, "GET", "/ping").status == 503
