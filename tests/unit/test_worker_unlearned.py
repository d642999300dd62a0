"""What a bucket has too few records for is not learned from it, also after a kill, a late rescoring and a cleaning."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import worker_company as company
import worker_parts as parts
from worker_parts import FragileCluster

from ipi_es.results.retention import old_results
from ipi_es.results.words import ALIAS
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources

JOB = company.make_job(hold_probability=0.03, max_records_per_bucket=2)
START = company.SCORED_FROM + 21 * company.HOUR
END = company.SCORED_FROM + 51 * company.HOUR


@pytest.fixture(scope="module")
def trained() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        yield parts.trained_cluster(JOB, patch)


@pytest.fixture(scope="module")
def undisturbed(trained: MemoryCluster) -> FragileCluster:
    cluster = parts.fragile(trained)
    cluster.moments = []
    parts.backfill(cluster, JOB, START, END)
    return cluster


def left_out(cluster: MemoryCluster) -> dict[int, list[str]]:
    """Whom buckets say that they teach nothing of, by their start."""
    buckets = parts.of_kind(parts.results(cluster, JOB), "bucket")
    return {each["timestamp"] // 1_000: each["unlearned_entities"] for each in buckets if "unlearned_entities" in each}


def test_who_has_holds_without_a_record_is_named(undisturbed: FragileCluster) -> None:
    found = left_out(undisturbed)
    assert found
    held = JobResources(undisturbed, JOB).holds(START, END)
    assert {start: sorted(names) for start, names in held.unlearned.items()} == found


def test_killed_at_any_write_and_run_again_gives_the_same(undisturbed: FragileCluster) -> None:
    expected = parts.everything(undisturbed, JOB)
    assert undisturbed.moments is not None
    for name, cluster in undisturbed.moments:
        state = StateStore(cluster).read(JOB.job_id)
        assert state is not None
        if state.checkpoint == END and not state.renormalize_due:
            break  # all results are there
        parts.backfill(cluster, JOB, START, END, time=parts.NOW + 7_200)
        assert parts.everything(cluster, JOB) == expected, f"killed after {name}"


def test_buckets_that_name_somebody_outlive_the_others(undisturbed: FragileCluster) -> None:
    query = old_results(JOB.job_id, END, START)
    gone = {each.id for each in undisturbed.scan(ALIAS, query)}
    kept = [each for each in parts.results(undisturbed, JOB).items() if each[0][1] not in gone]
    assert {each["timestamp"] // 1_000 for _, each in kept if each["result_type"] == "bucket"} == set(
        left_out(undisturbed)
    )
