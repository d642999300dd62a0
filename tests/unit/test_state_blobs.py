"""Blobs: one suite for the cluster (in memory) and for a directory."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from full_disk import full_disk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipi_es.errors import (
    LostJob,
    NotFound,
    SnapshotDamaged,
    SnapshotError,
    SnapshotForeign,
    SnapshotMissing,
    UsageError,
)
from ipi_es.setup import setup_plan
from ipi_es.state.blobs import BlobStore
from ipi_es.state.cluster_blobs import CHUNK_BYTES, SNAPSHOT_INDEX, ClusterBlobs
from ipi_es.state.directory_blobs import DirectoryBlobs
from ipi_es.testing.memory_cluster import MemoryCluster

NOW = 1_777_593_600


def cluster() -> MemoryCluster:
    made = MemoryCluster()
    setup_plan.apply(made, setup_plan.plan(made))
    return made


@pytest.fixture(params=["cluster", "directory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return ClusterBlobs(cluster(), chunk_bytes=10) if request.param == "cluster" else DirectoryBlobs(tmp_path / "deep")


def write(blobs: BlobStore, blob_id: str = "n-1", data: bytes = b"x" * 25, **changes):
    return blobs.write(
        "logins", blob_id, changes.pop("kind", "network"), data, created=changes.pop("created", NOW), **changes
    )


@given(st.lists(st.binary(max_size=45), min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_last_bytes_written_are_read(blobs: BlobStore, contents: list[bytes]) -> None:
    for data in contents:
        write(blobs, data=data)
        assert blobs.read("logins", "n-1") == data
    assert [info.size for info in blobs.list("logins")] == [len(contents[-1])]
    assert blobs.sweep("logins") == 0  # type: ignore[attr-defined]


def test_manifest_tells_what_there_is(blobs: BlobStore) -> None:
    info = write(blobs, attributes={"day": 20_500, "base": "b-1"}, kind="history_delta")
    assert blobs.info("logins", "n-1") == info
    assert (info.size, info.kind, info.created, dict(info.attributes)) == (
        25,
        "history_delta",
        NOW,
        {"day": 20_500, "base": "b-1"},
    )


def test_blobs_are_listed_oldest_first_by_kind_and_by_job(blobs: BlobStore) -> None:
    write(blobs, "b", created=NOW + 1)
    write(blobs, "a", created=NOW + 2, kind="history_base")
    write(blobs, "c", created=NOW)
    assert [info.id for info in blobs.list("logins")] == ["c", "b", "a"]
    assert [info.id for info in blobs.list("logins", "network")] == ["c", "b"]
    assert blobs.list("other") == []


def test_deleted_blob_is_gone(blobs: BlobStore) -> None:
    write(blobs)
    write(blobs, "n-1.2", b"kept")
    assert blobs.delete("logins", "n-1")
    assert not blobs.delete("logins", "n-1")
    with pytest.raises(SnapshotMissing, match="ipi-es train logins"):
        blobs.read("logins", "n-1")
    assert blobs.read("logins", "n-1.2") == b"kept"


def test_missing_blob_says_what_to_do(blobs: BlobStore) -> None:
    with pytest.raises(SnapshotMissing, match="snapshots list logins"):
        blobs.info("logins", "n-1")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a:b", "x" * 201, "ä"])
def test_names_that_are_no_file_names_are_refused(blobs: BlobStore, name: str) -> None:
    with pytest.raises(UsageError, match="can't be the name"):
        write(blobs, name)


def test_large_blob_is_cut_into_documents_that_every_server_takes() -> None:
    made = cluster()
    data = os.urandom(CHUNK_BYTES + 1)
    info = write(ClusterBlobs(made), data=data)
    assert info.chunks == 2
    sizes = [len(each.source["data"]) for each in made.scan(SNAPSHOT_INDEX, {"term": {"type": "chunk"}})]
    made.refresh(SNAPSHOT_INDEX)
    sizes = [len(each.source["data"]) for each in made.scan(SNAPSHOT_INDEX, {"term": {"type": "chunk"}})]
    assert max(sizes) <= 8 * 1024 * 1024
    assert ClusterBlobs(made).read("logins", "n-1") == data


def chunk_ids(made: MemoryCluster) -> list[str]:
    made.refresh(SNAPSHOT_INDEX)
    return sorted(each.id for each in made.scan(SNAPSHOT_INDEX, {"term": {"type": "chunk"}}))


def test_replaced_blob_leaves_no_chunks_behind() -> None:
    made = cluster()
    blobs = ClusterBlobs(made, chunk_bytes=10)
    write(blobs, data=b"a" * 35)
    write(blobs, data=b"b" * 15)
    assert len(chunk_ids(made)) == 2
    blobs.delete("logins", "n-1")
    assert chunk_ids(made) == []


def test_write_that_was_killed_leaves_no_blob_and_is_swept() -> None:
    made = cluster()
    blobs = ClusterBlobs(made, chunk_bytes=10)
    write(blobs, "whole", b"w" * 30)

    def die(operation: str, _index: str) -> None:
        if operation == "put" and next(puts) == 2:
            raise KeyboardInterrupt

    puts = iter(range(10))
    made.before = die
    with pytest.raises(KeyboardInterrupt):
        write(blobs)
    made.before = lambda _operation, _index: None
    assert [info.id for info in blobs.list("logins")] == ["whole"]
    assert len(chunk_ids(made)) == 5
    assert blobs.sweep("logins") == 2
    assert blobs.read("logins", "whole") == b"w" * 30


def test_damaged_or_missing_chunk_is_refused() -> None:
    made = cluster()
    blobs = ClusterBlobs(made, chunk_bytes=10)
    write(blobs)
    place = chunk_ids(made)[1]
    good = made.get(SNAPSHOT_INDEX, place)
    assert good is not None
    for change in ({"data": "eHh4"}, {"data": "?"}, {"data": None}, {"sha256": "0"}):
        made.put(SNAPSHOT_INDEX, place, {**good.source, **change})
        with pytest.raises(SnapshotDamaged, match="part 2"):
            blobs.read("logins", "n-1")
    made.delete(SNAPSHOT_INDEX, place)
    with pytest.raises(SnapshotDamaged, match="part 2 of 3 is missing"):
        blobs.read("logins", "n-1")


def test_foreign_manifest_in_the_cluster_is_refused() -> None:
    made = cluster()
    blobs = ClusterBlobs(made)
    info = write(blobs)
    for change, error in (
        ({"job_id": "other"}, SnapshotForeign),
        ({"format": 99}, SnapshotForeign),
        ({"format": 1 << 31}, SnapshotForeign),
        ({"size": None}, SnapshotDamaged),
    ):
        made.put(SNAPSHOT_INDEX, "manifest:logins:n-1", {**info.to_source(), **change}, refresh=True)
        with pytest.raises(error):
            blobs.read("logins", "n-1")
        assert blobs.list("logins") == []


@pytest.mark.parametrize("other", ["a-1", "z-1"])
def test_manifest_of_another_blob_in_its_place_is_refused(other: str) -> None:
    made = cluster()
    blobs = ClusterBlobs(made)
    info = write(blobs)
    made.put(SNAPSHOT_INDEX, "manifest:logins:n-1", {**info.to_source(), "blob_id": other}, refresh=True)
    with pytest.raises(SnapshotForeign, match=f"is really {other} of job logins"):
        blobs.read("logins", "n-1")


def test_snapshots_without_setup_say_what_to_do() -> None:
    with pytest.raises(NotFound, match="template"):
        write(ClusterBlobs(MemoryCluster()))


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    write(blobs, data=b"y" * 100)
    (file,) = (tmp_path / "logins").glob("*.blob")
    file.write_bytes(b"z" * 100)
    with pytest.raises(SnapshotDamaged, match="checksum is wrong"):
        blobs.read("logins", "n-1")
    file.write_bytes(b"y" * 99)
    with pytest.raises(SnapshotDamaged, match="99 bytes instead of 100"):
        blobs.read("logins", "n-1")
    file.unlink()
    with pytest.raises(SnapshotDamaged, match="is missing"):
        blobs.read("logins", "n-1")
    (tmp_path / "logins" / "n-1.json").write_text("{")
    with pytest.raises(SnapshotDamaged, match="no JSON"):
        blobs.read("logins", "n-1")


def test_file_of_another_job_is_refused(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    write(blobs)
    (tmp_path / "logins").rename(tmp_path / "other")
    with pytest.raises(SnapshotForeign, match="of job logins"):
        blobs.read("other", "n-1")
    assert blobs.list("other") == []


@pytest.mark.parametrize("other", [False, True])
def test_folder_of_a_deleted_job_is_removed_unless_it_holds_other_files(tmp_path: Path, other: bool) -> None:
    blobs = DirectoryBlobs(tmp_path)
    write(blobs)
    write(blobs, "n-2")
    (tmp_path / "logins" / "n-3.json.7.part").write_text("{")
    if other:
        (tmp_path / "logins" / "notes.txt").write_text("keep this")
    assert blobs.delete_all("logins") == 2
    assert [path.name for path in tmp_path.rglob("*")] == (["logins", "notes.txt"] if other else [])
    assert blobs.delete_all("logins") == 0


def test_directory_holds_whole_files_only(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    write(blobs, data=b"first")
    with full_disk(), pytest.raises(SnapshotError, match="the disk is full"):
        write(blobs, data=b"second")
    assert blobs.read("logins", "n-1") == b"first"
    assert blobs.sweep("logins") == 1
    assert json.loads((tmp_path / "logins" / "n-1.json").read_text())["size"] == 5


def test_who_lost_the_job_replaces_nothing(blobs: BlobStore) -> None:
    def lost() -> None:
        raise LostJob("another worker has it")

    write(blobs, data=b"the successor's")
    with pytest.raises(LostJob):
        write(blobs, data=b"mine", still_ours=lost)
    assert blobs.read("logins", "n-1") == b"the successor's"
    blobs.sweep("logins")  # type: ignore[attr-defined]
    assert blobs.read("logins", "n-1") == b"the successor's"


@pytest.mark.parametrize("there", [True, False])
def test_who_is_stopped_right_after_asking_for_the_lease_can_not_replace_what_a_successor_wrote(there: bool) -> None:
    """Between the two a machine may stand still for as long as it likes."""
    blobs = ClusterBlobs(cluster(), chunk_bytes=10)
    if there:
        write(blobs, data=b"of an earlier run")
    with pytest.raises(LostJob, match="another worker has written n-1"):
        write(blobs, data=b"mine", still_ours=lambda: write(blobs, data=b"the successor's"))
    assert blobs.read("logins", "n-1") == b"the successor's"
