"""Faults of Dask during a backfill: workers and schedulers that die, and a worker that reads elsewhere."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import worker_company as company
from backfill_process import Bench, eventually, same
from dask_processes import dask_scheduler, dask_worker, spawned_by
from servers.pool import Server
from tcp_relay import TcpRelay

pytestmark = pytest.mark.faults

DAYS = 5


@pytest.fixture(scope="module")
def bench(opensearch: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    job = company.make_job(
        "faults-dask",
        "test-faults-dask",
        analysis_config={"bucket_span": "15m"},
        results_index_name="faults-dask",
    )
    made = Bench(opensearch.url, tmp_path_factory.mktemp("dask"), job, score_days=DAYS)
    made.train()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def expected(bench: Bench) -> dict[str, object]:
    """What one process leaves."""
    bench.fresh()
    code, said = bench.run(*bench.backfill())
    assert code == 0, said
    return bench.everything()


@pytest.fixture
def fresh(bench: Bench, expected: dict[str, object]) -> Bench:
    bench.fresh()
    return bench


def test_a_worker_of_the_command_is_killed(fresh: Bench, expected: dict[str, object]) -> None:
    run = fresh.start(*fresh.backfill("--workers", 2))
    assert run.wait_for("bucket 2"), run.said
    workers = spawned_by(run.process.pid)
    assert len(workers) >= 2
    os.kill(max(workers), signal.SIGKILL)
    assert run.ended() == 0, run.said
    same(fresh.everything(), expected)


def test_the_command_is_interrupted(fresh: Bench, expected: dict[str, object]) -> None:
    """Ctrl-C reaches the processes of a terminal's whole group: the command's workers too."""
    run = fresh.start(*fresh.backfill("--workers", 2))
    assert run.wait_for("bucket 2"), run.said
    workers = spawned_by(run.process.pid)
    for each in (*workers, run.process.pid):
        os.kill(each, signal.SIGINT)
    assert run.ended() == 130, run.said
    assert [line for line in run.said.splitlines() if line and "bucket 2" not in line][-1].startswith("Stopped.")
    assert "Traceback" not in run.said
    eventually(lambda: not any(Path(f"/proc/{each}").exists() for each in workers))
    code, said = fresh.run(*fresh.backfill("--workers", 1))
    assert code == 0, said
    same(fresh.everything(), expected)


def test_a_worker_of_a_scheduler_is_killed(fresh: Bench, expected: dict[str, object], tmp_path: Path) -> None:
    with dask_scheduler(fresh.directory, workers=2) as dask:
        run = fresh.start(*fresh.backfill("--scheduler", dask.address))
        assert run.wait_for("bucket 2"), run.said
        dask.workers[0].kill()
        assert run.ended() == 0, run.said
    same(fresh.everything(), expected)


def test_the_network_between_a_scheduler_and_a_worker_is_cut(fresh: Bench, expected: dict[str, object]) -> None:
    with (
        dask_scheduler(fresh.directory, workers=1) as dask,
        TcpRelay(dask.port) as relay,
        dask_worker(fresh.directory, f"tcp://127.0.0.1:{relay.port}", 1),
    ):
        eventually(lambda: relay.connections > 0)
        run = fresh.start(*fresh.backfill("--scheduler", dask.address))
        assert run.wait_for("bucket 2"), run.said
        relay.cut()
        assert run.ended() == 0, run.said
    same(fresh.everything(), expected)


def test_the_network_between_the_command_and_a_scheduler_is_cut(fresh: Bench, expected: dict[str, object]) -> None:
    with dask_scheduler(fresh.directory, workers=1) as dask, TcpRelay(dask.port) as relay:
        run = fresh.start(*fresh.backfill("--scheduler", f"tcp://127.0.0.1:{relay.port}"))
        assert run.wait_for("bucket 2"), run.said
        relay.cut()
        assert run.ended() == 1, run.said
        assert "What was finished is kept" in run.said
        assert "Traceback" not in run.said
        code, said = fresh.run(*fresh.backfill("--scheduler", dask.address))
        assert code == 0, said
    same(fresh.everything(), expected)


def test_a_worker_of_another_version_is_refused_and_nothing_is_lost(
    fresh: Bench, expected: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import ipi_es\nipi_es.__version__ = '0.0.1'\n")
    with dask_scheduler(fresh.directory, workers=0) as dask:
        with dask_worker(fresh.directory, dask.address, 0, tmp_path):
            code, said = fresh.run(*fresh.backfill("--scheduler", dask.address))
        assert code == 1, said
        assert "a Dask worker differs from the command: it has ipi-es 0.0.1 instead of" in said
        assert "Traceback" not in said
    code, said = fresh.run(*fresh.backfill())
    assert code == 0, said
    same(fresh.everything(), expected)


def test_a_scheduler_is_killed(fresh: Bench, expected: dict[str, object]) -> None:
    with dask_scheduler(fresh.directory, workers=1) as dask:
        run = fresh.start(*fresh.backfill("--scheduler", dask.address))
        assert run.wait_for("bucket 2"), run.said
        dask.process.kill()
        assert run.ended() == 1, run.said
        assert "What was finished is kept" in run.said
        assert "→" in run.said
        assert "Traceback" not in run.said
    code, said = fresh.run(*fresh.backfill())
    assert code == 0, said
    same(fresh.everything(), expected)


def test_a_scheduler_without_workers_and_none_at_all(fresh: Bench) -> None:
    code, said = fresh.run(*fresh.backfill("--scheduler", "tcp://127.0.0.1:9"))
    assert (code, "no Dask scheduler answers at tcp://127.0.0.1:9" in said) == (1, True), said
    eventually(lambda: fresh.run(*fresh.backfill())[0] == 0)  # the lease was released
