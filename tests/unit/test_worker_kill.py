"""A backfill that is killed anywhere and run again writes what an undisturbed one writes, document by document."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import worker_company as company
import worker_parts as parts
from worker_parts import FragileCluster, Killed

from ipi_es.errors import UsageError
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster

JOB = company.make_job(hold_probability=0.03)  # so that the made network holds something too
START = company.SCORED_FROM + 21 * company.HOUR
END = company.SCORED_FROM + 51 * company.HOUR
"""Ten buckets over two ends of days and one of a month, with the spraying, the takeover and empty buckets."""


@pytest.fixture(scope="module")
def trained() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        # so that the little spraying makes repeats of addresses too
        parts.critical_from(patch, 15.0)
        yield parts.trained_cluster(JOB, patch)


@pytest.fixture(scope="module")
def undisturbed(trained: MemoryCluster) -> FragileCluster:
    cluster = parts.fragile(trained)
    cluster.moments = []
    parts.backfill(cluster, JOB, START, END)
    return cluster


def test_the_run_holds_what_could_go_wrong(undisturbed: FragileCluster) -> None:
    found = parts.results(undisturbed, JOB, volatile=True)
    records, influencers = parts.of_kind(found, "record"), parts.of_kind(found, "influencer")
    assert len(parts.of_kind(found, "bucket")) == 10
    assert len({index for index, _ in found}) == 2
    assert any("repeat_of" in each for each in records)
    assert any("suppressed_by" in each for each in records)
    assert sum("held_until" in each for each in records) > 20
    assert any("repeat_of" in each for each in influencers)
    assert any("renormalized_at" in each for each in found.values())
    assert parts.stored_quantiles(undisturbed, JOB)[-1] == "20250901T030000Z"


def test_killed_at_any_write_and_run_again_gives_the_same(undisturbed: FragileCluster) -> None:
    expected = parts.everything(undisturbed, JOB)
    assert undisturbed.moments is not None
    assert len(undisturbed.moments) > 40
    for name, cluster in undisturbed.moments:
        state = StateStore(cluster).read(JOB.job_id)
        assert state is not None
        if state.checkpoint == END and not state.renormalize_due:
            break  # all results are there
        parts.backfill(cluster, JOB, START, END, time=parts.NOW + 7_200)
        assert parts.everything(cluster, JOB) == expected, f"killed after {name}"


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again_gives_the_same(trained: MemoryCluster, undisturbed: FragileCluster, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cluster, time, kills = parts.fragile(trained), parts.NOW, 0
    while True:
        cluster.dies_at, cluster.share = int(rng.integers(1, 14)), float(rng.choice([0.0, 0.3, 0.7, 1.0]))
        time += 7_200
        try:
            parts.backfill(cluster, JOB, START, END, time=time)
        except Killed:
            kills += 1
            cluster = parts.revived(cluster)
        except UsageError:  # it died after its last result
            break
        else:
            break
    assert kills > 3
    cluster = parts.revived(cluster)
    assert parts.everything(cluster, JOB, quantiles=False) == parts.everything(undisturbed, JOB, quantiles=False)
