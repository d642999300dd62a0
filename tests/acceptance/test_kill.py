"""`ipi-es backfill` killed at random moments and run again leaves, document by document, what a quiet run leaves."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Iterator

import numpy as np
import pytest
import worker_company as company
from backfill_process import Bench, same
from servers.pool import Server

KILLS = 20
SCORE_DAYS = 20
"""Enough work for twenty kills: half-hourly buckets of twenty days, at least four batches a day."""
AT_THE_START = 4
"""Every so many kills, one falls into the start: connecting, loading, catching up."""


@pytest.fixture(scope="module")
def bench(opensearch: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    name = f"kill-{uuid.uuid4().hex[:8]}"
    job = company.make_job(name, f"test-{name}", analysis_config={"bucket_span": "30m"})
    made = Bench(opensearch.url, tmp_path_factory.mktemp("kill"), job, score_days=SCORE_DAYS)
    try:
        made.train()
        made.fresh()  # what the training said beside the results isn't said again after each fresh start
        yield made
    finally:
        made.remove()


@pytest.mark.faults
def test_killed_at_random_moments_and_run_again_gives_the_same_documents(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    run = bench.start(*bench.backfill())
    assert run.wait_for("bucket 2")
    ready = time.monotonic()
    assert run.ended() == 0, run.said
    startup, work = ready - began, time.monotonic() - ready
    expected = bench.everything()
    assert len(expected["results"]) > SCORE_DAYS * 48

    bench.fresh()
    rng = np.random.default_rng(20)
    begun = []
    for number in range(KILLS):
        run = bench.start(*bench.backfill())
        if number % AT_THE_START == 0:
            time.sleep(startup * float(rng.uniform(0.3, 1.0)))
        elif run.wait_for("bucket 2"):
            # on average three fifths of the work in all, since each run does some before it is noticed
            time.sleep(work / KILLS * float(rng.uniform(0.0, 1.2)))
        run.process.send_signal(signal.SIGKILL)
        assert run.ended() == -signal.SIGKILL, f"kill {number} came too late: the work is too short\n{run.said}"
        begun.append("Going on from" in run.said)
    run = bench.start(*bench.backfill())
    assert run.ended() == 0, run.said
    assert "Going on from" in run.said
    same(bench.everything(), expected)
    with capsys.disabled():
        print(
            f"\n{KILLS} kills in {work:.1f} s of work after {startup:.1f} s of start, "
            f"{sum(begun)} runs went on from a checkpoint; {len(expected['results'])} documents equal"
        )
