"""What the demo says of itself: by which scores it counts."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ipi_es.cli.demo import further, program, show
from ipi_es.config.files.loading import check_job
from ipi_es.demo.company import simulate
from ipi_es.demo.demo_run import END, JOB, DemoOutcome
from ipi_es.demo.demo_verdict import judge
from ipi_es.results.documents.renormalized import renormalized
from ipi_es.results.documents.result_documents import Influencer, Stamp
from ipi_es.results.store import ResultStore
from ipi_es.results.words import ALIAS
from ipi_es.setup import setup_plan
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.scoring.describer import context_of


@pytest.fixture(scope="module")
def outcome() -> DemoOutcome:
    """A demo whose only finding was major when it was written, and is critical now."""
    simulation, job, cluster = simulate(3, end=END, people=110, days=14), check_job(JOB), MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    context, stamp = context_of(job), Stamp("s", "q", END)
    made = Influencer(
        start=END - 3_600, field="user.name", value="alice", probability=1e-4, influencer_score=74.97
    ).document(context, stamp)
    risen = replace(made, source=renormalized(made.source, score=80.9, quantiles_id="r", at=END))
    store = ResultStore(cluster, job.job_id, flat_fields=context.flat_fields)
    store.write([risen], 1)
    cluster.refresh(ALIAS)
    verdict = judge(store, simulation)
    assert (verdict.other_critical, verdict.now_critical) == ((), ("alice",))
    worst = {"bucket": [], "record": [], "influencer": store.read("influencer")}
    return DemoOutcome(simulation, job, verdict, {"events": 1, "bucket": 1}, {}, worst)


def test_demo_says_that_it_counts_by_initial_scores_and_what_it_would_be_by_those_of_now(
    outcome: DemoOutcome, capsys: pytest.CaptureFixture[str]
) -> None:
    show(outcome)
    text = " ".join(capsys.readouterr().out.split())
    assert "Score: as of now, after renormalization. Initially: when it was written, which alerts go by." in text
    assert re.search(r"2026-05-31T23:00:00Z 80\S* (?:critical )?74 user.name: alice", text), text
    assert (
        "Besides them 0 other entities and addresses were critical in the ten days when they were written. "
        "By the scores of now, after renormalization, it is 1." in text
    )


def test_a_kept_demo_says_that_its_data_stay_when_the_server_stops(
    outcome: DemoOutcome, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPI_ES_CACHE", str(tmp_path))
    further(outcome, "http://127.0.0.1:9200")
    lines = capsys.readouterr().out.splitlines()
    assert any(" serve " in each and "http://127.0.0.1:9275" in each for each in lines)
    (line,) = (each for each in lines if "node stop" in each)
    assert re.search(r"ends it; its data stay for `(\S*/)?ipi-es node start --keep`$", line)


def test_the_printed_commands_can_be_run_where_they_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run.py's virtual environment isn't on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Path(program()) == Path(sys.executable).with_name("ipi-es")
    script = tmp_path / "ipi-es"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    assert program() == "ipi-es"
