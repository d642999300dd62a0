"""`ipi-es run` as a process beside a real server: makes an outage good, ends in time, and goes on."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from backfill_process import Bench
from servers.pool import Server

from ipi_es.state.job_state import JobState, StateStore
from ipi_es.times import iso

LEAVES_WITHIN = 10.0
"""Seconds, as the command promises."""


@pytest.fixture(scope="module")
def bench(opensearch: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    name = f"run-{uuid.uuid4().hex[:8]}"
    training = {"window": f"{company.LEARN_DAYS}d", "min_events": 200, "every": "0s"}
    job = company.make_job(name, f"test-{name}", analysis_config={"bucket_span": "1h"}, training=training)
    made = Bench(opensearch.url, tmp_path_factory.mktemp("run"), job)
    try:
        made.train()
        yield made
    finally:
        made.remove()


def state_of(bench: Bench) -> JobState:
    state = StateStore(bench.cluster).read(bench.job.job_id)
    assert state is not None
    return state


def company_results(bench: Bench) -> dict[Any, Any]:
    """Those of the company's days, but for which batch they were written in and what renormalization made of them."""
    kept = ("quantiles_id", "record_score", "influencer_score", "anomaly_score", "max_record_score")
    later = ("bucket_influencers", "anomaly_score_explanation")
    return {
        place: {name: value for name, value in each.items() if name not in (*kept, *later)}
        for place, each in parts.results(bench.cluster, bench.job).items()
        if each["timestamp"] // 1_000 < bench.end and each["result_type"] != "annotation"
    }


def test_outage_is_made_good_through_a_stop_and_a_kill(bench: Bench) -> None:
    code, said = bench.run("backfill", bench.job_file(), "--start", iso(company.SCORED_FROM), "--end", iso(bench.end))
    assert code == 0, said
    expected = company_results(bench)
    bench.fresh()

    worker = bench.start("run", bench.job_file())
    assert worker.wait_for("bucket 2025-09-01"), worker.said
    began = time.monotonic()
    worker.process.send_signal(signal.SIGTERM)
    assert worker.ended() == 0, worker.said
    assert time.monotonic() - began < LEAVES_WITHIN
    stopped = state_of(bench)
    assert stopped.lease_owner is None
    assert (stopped.checkpoint or 0) >= company.SCORED_FROM + company.DAY

    worker = bench.start("run", bench.job_file())
    assert worker.wait_for("bucket 2025-09-0"), worker.said
    worker.process.kill()
    worker.ended()
    assert (state_of(bench).checkpoint or 0) >= (stopped.checkpoint or 0)

    worker = bench.start("run", bench.job_file())
    assert worker.wait_for("bucket 2025-09-06"), worker.said  # it would go on until today
    worker.process.send_signal(signal.SIGTERM)
    assert worker.ended() == 0, worker.said
    assert company_results(bench) == expected
