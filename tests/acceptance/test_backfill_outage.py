"""The server goes away under a running backfill, and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import worker_company as company
from backfill_process import Bench, same

from ipi_es.node import LocalNode
from ipi_es.state.job_state import StateStore
from ipi_es.times import iso

HEAP = "256m"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[list[LocalNode]]:
    """Servers of this test's own, stopped at its end; what the shared ones hold must not depend on this."""
    nodes: list[LocalNode] = []
    yield nodes
    for node in nodes:
        node.stop()


@pytest.mark.faults
def test_server_that_goes_away_is_said_and_the_next_run_goes_on(
    trained_bench: Bench, place: list[LocalNode], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    place.append(LocalNode.start(data_dir=data, heap=HEAP))
    port = int(place[0].url.rpartition(":")[2])
    bench = Bench(place[0].url, tmp_path / "bench", trained_bench.job)
    bench.take_over(trained_bench)
    code, said = bench.run(*bench.backfill())
    assert code == 0, said
    expected = bench.everything()

    bench.fresh()
    run = bench.start(*bench.backfill())
    assert run.wait_for(f"bucket {iso(company.SCORED_FROM + company.DAY)}")
    place[0].stop()
    assert run.ended() == 1, run.said
    assert "run the same command again to go on" in run.said
    message = run.said.partition("ipi-es: ")[2]
    assert place[0].url in message
    assert "→" in message  # what to do next
    assert "Traceback" not in run.said

    place.append(LocalNode.start(data_dir=data, http_port=port, heap=HEAP))
    state = StateStore(bench.cluster).read(bench.job.job_id)
    assert state is not None
    assert company.SCORED_FROM < (state.checkpoint or 0) < company.SCORED_TO
    code, said = bench.run(*bench.backfill())
    assert code == 0, said
    assert f"Going on from {iso(state.checkpoint or 0)}" in said
    same(bench.everything(), expected)
