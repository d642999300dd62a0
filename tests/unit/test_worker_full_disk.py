"""A full disk, or a limit on files, under ``snapshots.directory`` and under what commands write.

It is said with what to do, nothing is scored past it, and it is made good when there is space.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import live_parts
import pytest
import worker_company as company
import worker_parts as parts
from full_disk import full_disk
from worker_company import DAY, HOUR, SCORED_FROM

from ipi_es.errors import SnapshotError
from ipi_es.service.tick_outcome import TickResult
from ipi_es.setup import setup_plan
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session

JOB = company.make_job(hold_probability=0.03)
END = SCORED_FROM + 3 * DAY


def trained(folder: Path) -> MemoryCluster:
    cluster = MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    company.fill(cluster)
    with open_session(
        JobResources(cluster, JOB, snapshots=folder, clock=parts.TestClock(parts.NOW - 3_600))
    ) as session:
        session.train(company.LEARN_FROM, SCORED_FROM)
    return cluster


def backfill(cluster: MemoryCluster, folder: Path) -> None:
    with open_session(JobResources(cluster, JOB, snapshots=folder, clock=parts.TestClock())) as session:
        session.backfill(session.plan(SCORED_FROM, END), lambda _: None)


@pytest.mark.parametrize("times", [1, 3])
def test_worker_with_a_full_disk_says_so_and_goes_on_when_there_is_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    parts.train_by(monkeypatch)
    quiet, disturbed = trained(tmp_path / "quiet"), trained(tmp_path / "full")
    backfill(quiet, tmp_path / "quiet")
    with full_disk(times):
        for _ in range(times):
            with pytest.raises(SnapshotError, match="No space left") as failed:
                backfill(disturbed, tmp_path / "full")
            assert "the disk is full: free some space" in str(failed.value.hint)
            state: Any = StateStore(disturbed).read(JOB.job_id)
            assert state.checkpoint <= SCORED_FROM + DAY, "not past the day whose delta could not be written"
        backfill(disturbed, tmp_path / "full")
        assert parts.results(disturbed, JOB) == parts.results(quiet, JOB)
    work = JobResources(disturbed, JOB, snapshots=tmp_path / "full")
    work.stores.blobs.sweep(JOB.job_id)
    assert not list((tmp_path / "full").rglob("*.part"))


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file that this process writes may become larger than ``size`` bytes: the real thing, as the system does it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_live_worker_under_a_limit_on_files_says_so_and_goes_on_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts.train_by(monkeypatch)
    cluster = trained(tmp_path / "disk")
    worker = live_parts.Worker(cluster, live_parts.live_job(hold_probability=0.03), snapshots=tmp_path / "disk")
    worker.tick(SCORED_FROM + 12 * HOUR)
    for _ in range(2):
        with files_of_at_most(64):
            outcome = worker.tick(END)
        assert outcome.did is TickResult.FAILED
        assert "File too large" in outcome.text
        assert "a limit on the size of files" in outcome.text
        assert worker.state.checkpoint <= SCORED_FROM + DAY
        assert [each for each in worker.resources.stores.blobs.list(JOB.job_id) if each.kind == "history_delta"] == []
    assert worker.tick(END).did is TickResult.WORKED
    assert worker.state.checkpoint == END
    deltas = [each for each in worker.resources.stores.blobs.list(JOB.job_id) if each.kind == "history_delta"]
    assert len(deltas) == (END - SCORED_FROM) // DAY
    for each in deltas:
        worker.resources.stores.blobs.read(JOB.job_id, each.id)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_command_whose_output_has_no_space_says_so() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123  (a device, not a path of ours)
        done = subprocess.run(
            [sys.executable, "-m", "ipi_es", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            check=False,
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr.strip() == "ipi-es: can't write: No space left on device"
