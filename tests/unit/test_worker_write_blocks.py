"""An older month that may not be written to stops nothing: what would change there is left out, and told once."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from cli_run import clock_at, connect_to, run
from late_parts import add_events, live
from worker_company import DAY, HOUR

from ipi_es.errors import ClusterReadOnly
from ipi_es.results.retention import delete_before
from ipi_es.results.words import ALIAS
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.late.late_rescoring import rescore_late

JOB = company.make_job()
MONTH_END = company.SCORED_FROM + 2 * DAY
"""2025-09-01: the scored days lie on both sides of it."""
AUGUST, SEPTEMBER = f"{ALIAS}-signins-2025.08", f"{ALIAS}-signins-2025.09"
BLOCKS = ("index.blocks.write", "index.blocks.read_only")


@pytest.fixture(scope="module")
def august() -> Iterator[MemoryCluster]:
    """Scored to the end of the month, not renormalized since."""
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
        with live(cluster, JOB) as session:
            session.catch_up(MONTH_END, lambda _: None)
        yield cluster


def blocked(august: MemoryCluster, block: str = BLOCKS[0]) -> parts.FragileCluster:
    cluster = parts.fragile(august, own_events=True)
    cluster.admin.set(AUGUST, {block: True})
    return cluster


def stored(cluster: MemoryCluster, index: str) -> dict[str, Any]:
    return {place[1]: each for place, each in parts.results(cluster, JOB).items() if place[0] == index}


def go_on(cluster: MemoryCluster, end: int = company.SCORED_TO) -> None:
    with live(cluster, JOB) as session:
        session.catch_up(end, lambda _: None)


@pytest.mark.parametrize("block", BLOCKS)
def test_scoring_goes_on_and_the_blocked_month_keeps_its_scores(
    august: MemoryCluster, caplog: pytest.LogCaptureFixture, block: str
) -> None:
    free = parts.fragile(august)
    go_on(free)
    assert stored(free, AUGUST) != stored(august, AUGUST)  # else there would be nothing to leave out
    cluster = blocked(august, block)
    with caplog.at_level(logging.WARNING):
        go_on(cluster, MONTH_END + DAY)
        go_on(cluster)
    assert stored(cluster, AUGUST) == stored(august, AUGUST)
    assert stored(cluster, SEPTEMBER) == stored(free, SEPTEMBER)
    said = [record.getMessage() for record in caplog.records if AUGUST in record.getMessage()]
    assert said == [f"job signins: scores in {AUGUST} stay as they are: it may not be written to ({block})"]
    state = StateStore(cluster).read(JOB.job_id)
    assert state is not None
    assert state.details.not_renormalized == (AUGUST,)
    assert state.renormalized_to is not None
    assert state.renormalized_to > MONTH_END


def test_a_run_that_was_killed_leaves_what_an_undisturbed_one_leaves(august: MemoryCluster) -> None:
    whole = blocked(august)
    go_on(whole)
    for dies_at in range(3, whole.writes, 7):
        cluster = blocked(august)
        cluster.dies_at = dies_at
        with pytest.raises(parts.Killed):
            go_on(cluster)
        again = parts.revived(cluster)
        go_on(again)
        assert parts.results(again, JOB) == parts.results(whole, JOB), dies_at


def test_without_the_block_the_month_follows_again(august: MemoryCluster) -> None:
    """Scores that were left out are not taken for written: one process goes on as a new one does."""
    cluster, restarted = blocked(august), blocked(august)
    with live(cluster, JOB) as session:
        session.catch_up(MONTH_END + DAY, lambda _: None)
        cluster.admin.set(AUGUST, {BLOCKS[0]: None})
        session.catch_up(company.SCORED_TO, lambda _: None)
    go_on(restarted, MONTH_END + DAY)
    restarted.admin.set(AUGUST, {BLOCKS[0]: None})
    go_on(restarted)
    assert stored(cluster, AUGUST) != stored(august, AUGUST)
    assert parts.results(cluster, JOB) == parts.results(restarted, JOB)
    state = StateStore(cluster).read(JOB.job_id)
    assert state is not None
    assert state.details.not_renormalized == ()


def test_the_month_that_is_written_to_is_an_error(august: MemoryCluster) -> None:
    cluster = blocked(august)
    go_on(cluster, MONTH_END + DAY)
    cluster.admin.set(SEPTEMBER, {BLOCKS[0]: True})
    with pytest.raises(ClusterReadOnly, match=SEPTEMBER) as refused:
        go_on(cluster)
    assert f'PUT {SEPTEMBER}/_settings {{"index.blocks.write": null}}' in str(refused.value)


def test_late_events_of_the_blocked_month_are_told_once_and_scoring_goes_on(august: MemoryCluster) -> None:
    cluster = blocked(august)
    go_on(cluster, MONTH_END + 3 * HOUR)
    add_events(cluster, [(MONTH_END - 2 * HOUR, "person07", "198.51.100.9")])
    for _ in range(2):
        with live(cluster, JOB) as session:
            (done,) = rescore_late(session, parts.NOW)
        assert done.unable == f"{AUGUST} may not be written to (index.blocks.write)"
        said = [
            (place, each)
            for place, each in parts.results(cluster, JOB).items()
            if each.get("annotation_type") == "delayed_data"
        ]
        (((index, _), source),) = said
        assert index == SEPTEMBER  # found by its time, wherever it lies
        assert source["timestamp"] == done.start * 1_000
        assert f"not scored again: {AUGUST} may not be written to" in source["annotation"]
    go_on(cluster)


def test_too_late_events_of_the_blocked_month_are_told(august: MemoryCluster) -> None:
    cluster = blocked(august)
    go_on(cluster, MONTH_END + 2 * DAY)
    add_events(cluster, [(company.SCORED_FROM + HOUR, "person07", "198.51.100.9")])
    with live(cluster, JOB) as session:
        assert rescore_late(session, parts.NOW) == []
    said = [each for each in stored(cluster, SEPTEMBER).values() if "came later than late_window" in str(each)]
    assert len(said) == 1


def test_retention_leaves_single_documents_there_and_deletes_whole_indices(august: MemoryCluster) -> None:
    cluster = blocked(august)
    go_on(cluster, MONTH_END + DAY)
    before = stored(cluster, AUGUST)
    assert delete_before(cluster, JOB.job_id, company.SCORED_FROM + DAY, 2**62).documents == 0
    assert stored(cluster, AUGUST) == before
    gone = delete_before(cluster, JOB.job_id, MONTH_END + 12 * HOUR, 2**62)
    assert gone.indices == (AUGUST,)
    assert gone.documents > 0


def test_check_knows_it(august: MemoryCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = blocked(august)
    go_on(cluster, MONTH_END + DAY)
    connect_to(monkeypatch, cluster)
    clock_at(monkeypatch, MONTH_END + DAY)
    monkeypatch.chdir(tmp_path)
    Path("job.json").write_text(json.dumps(company.job_data()))
    rows = json.loads(run("check", "job.json", "--format", "json").stdout)
    (found,) = [each for each in rows if each["check"] == "write blocks"]
    assert (found["status"], AUGUST in found["message"]) == ("warning", True)
    cluster.admin.set(SEPTEMBER, {BLOCKS[0]: True})
    rows = json.loads(run("check", "job.json", "--format", "json").stdout)
    found = [each for each in rows if each["check"] == "write blocks"]
    assert [each["status"] for each in found] == ["problem", "warning"]
    assert f"PUT {SEPTEMBER}/_settings" in found[0]["hint"]
