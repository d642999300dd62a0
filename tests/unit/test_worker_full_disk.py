"""A full disk under ``snapshots.directory``: said with what to do, nothing is scored past it, and then made good."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from worker_company import DAY, SCORED_FROM

from ipi_es.cluster.memory import MemoryCluster
from ipi_es.errors import SnapshotError
from ipi_es.setup import plan
from ipi_es.state import directory_blobs
from ipi_es.state.job_state import StateStore
from ipi_es.worker.job_work import JobWork

JOB = company.make_job(hold_probability=0.03)
END = SCORED_FROM + 3 * DAY


def trained(folder: Path) -> MemoryCluster:
    cluster = MemoryCluster()
    plan.apply(cluster, plan.plan(cluster))
    company.fill(cluster)
    with JobWork(cluster, JOB, snapshots=folder, clock=parts.TestClock(parts.NOW - 3_600)).claimed() as claim:
        claim.train(company.LEARN_FROM, SCORED_FROM)
    return cluster


def backfill(cluster: MemoryCluster, folder: Path) -> None:
    with JobWork(cluster, JOB, snapshots=folder, clock=parts.TestClock()).claimed() as claim:
        claim.backfill(claim.plan(SCORED_FROM, END), lambda _: None)


def full_for(times: int) -> Callable[[Path, bytes], None]:
    """Writes fail so often, after a part of the file is there; then somebody frees space."""
    left, write = times, directory_blobs._write_synced

    def written(path: Path, data: bytes) -> None:
        nonlocal left
        if left:
            left -= 1
            path.with_name(f"{path.name}.1.part").write_bytes(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data)

    return written


@pytest.mark.parametrize("times", [1, 3])
def test_worker_with_a_full_disk_says_so_and_goes_on_when_there_is_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr("ipi_es.worker.training.train", parts.made_training)
    quiet, disturbed = trained(tmp_path / "quiet"), trained(tmp_path / "full")
    backfill(quiet, tmp_path / "quiet")
    monkeypatch.setattr(directory_blobs, "_write_synced", full_for(times))
    for _ in range(times):
        with pytest.raises(SnapshotError, match="No space left") as failed:
            backfill(disturbed, tmp_path / "full")
        assert "the disk is full: free some space" in str(failed.value.hint)
        state: Any = StateStore(disturbed).read(JOB.job_id)
        assert state.checkpoint <= SCORED_FROM + DAY, "not past the day whose delta could not be written"
    backfill(disturbed, tmp_path / "full")
    assert parts.results(disturbed, JOB) == parts.results(quiet, JOB)
    work = JobWork(disturbed, JOB, snapshots=tmp_path / "full")
    work.stores.blobs.sweep(JOB.job_id)
    assert not list((tmp_path / "full").rglob("*.part"))
