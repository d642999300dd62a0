"""Interim results: seen at once, replaced by the final ones, and nothing else knows of them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from late_parts import add_events, everything, live, remove_events
from worker_company import DAY, HOUR

from ipi_es.config.files.loading import check_job
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.scoring.interim_results import write_interim

JOB = company.make_job(hold_probability=0.03, renormalization_window_days=1)
SPAN = JOB.bucket_span
LOUD = company.SCORED_FROM + DAY + 9 * HOUR
"""The bucket with the spraying and the takeover."""
STRANGER = "85.11.9.7"


@pytest.fixture(scope="module")
def before() -> Iterator[MemoryCluster]:
    """Scored up to the loud bucket, by a worker that is gone."""
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
        with live(cluster, JOB) as session:
            session.catch_up(LOUD, lambda _: None)
        yield cluster


@pytest.fixture
def cluster(before: MemoryCluster) -> MemoryCluster:
    return parts.copy_of(before, own_events=True)


def at_loud(cluster: MemoryCluster) -> dict[str, dict[str, Any]]:
    found = parts.results(cluster, JOB, volatile=True)
    return {place: source for (_, place), source in found.items() if source["timestamp"] == LOUD * 1_000}


def test_the_bucket_at_the_checkpoint_is_written_and_says_that_it_is_interim(cluster: MemoryCluster) -> None:
    with live(cluster, JOB) as session:
        written = write_interim(session, LOUD + HOUR)
    found = at_loud(cluster)
    assert len(found) == written > 20
    assert all(each["is_interim"] for each in found.values())
    assert {each["result_type"] for each in found.values()} == {"record", "influencer", "bucket"}
    assert not [each for each in parts.results(cluster, JOB).values() if each["timestamp"] > LOUD * 1_000]


def test_nothing_of_any_state_moves(cluster: MemoryCluster) -> None:
    before = everything(cluster, JOB)
    with live(cluster, JOB) as session:
        follower = session.loaded_scoring().pipeline
        state, levels = session.state, follower.scorer.levels
        moving = copy.deepcopy((follower.scorer.repeats, follower.scorer.holds, follower.keeper.rows))
        assert write_interim(session, LOUD + HOUR)
        assert session.state == state
        assert follower.scorer.levels is levels
        assert repr((follower.scorer.repeats, follower.scorer.holds, follower.keeper.rows)) == repr(moving)
    after = everything(cluster, JOB)
    assert [after[name] for name in ("state", "blobs", "quantiles")] == [
        before[name] for name in ("state", "blobs", "quantiles")
    ]
    final = {place: each for place, each in after["results"].items() if not each["is_interim"]}
    assert final == before["results"]


@pytest.mark.parametrize("dies", [False, True])
def test_final_results_are_those_of_a_run_without_interim_ones(cluster: MemoryCluster, dies: bool) -> None:
    quiet = parts.copy_of(cluster)
    with live(quiet, JOB) as session:
        session.catch_up(LOUD + 6 * HOUR, lambda _: None)
    with live(cluster, JOB) as session:
        assert write_interim(session, LOUD + HOUR)
        if not dies:
            session.catch_up(LOUD + SPAN, lambda _: None)
            assert write_interim(session, LOUD + SPAN + HOUR)
            session.catch_up(LOUD + 6 * HOUR, lambda _: None)
    if dies:
        with live(cluster, JOB) as session:
            session.catch_up(LOUD + 6 * HOUR, lambda _: None)
    assert everything(cluster, JOB)["results"] == everything(quiet, JOB)["results"]


def test_what_is_not_produced_again_is_deleted(cluster: MemoryCluster) -> None:
    ids = add_events(cluster, [(LOUD + n, f"person{n:02d}", STRANGER) for n in range(3)])
    with live(cluster, JOB) as session:
        write_interim(session, LOUD + HOUR)
        first = set(at_loud(cluster))
        remove_events(cluster, ids[:1])
        write_interim(session, LOUD + HOUR + 60)
        second = set(at_loud(cluster))
        remove_events(cluster, ids[1:2])
        session.catch_up(LOUD + SPAN, lambda _: None)
    final = at_loud(cluster)
    assert len(first - second) >= 1
    assert len(second - set(final)) >= 1
    assert not any(each["is_interim"] for each in final.values())


def test_nothing_is_written_while_no_event_came(cluster: MemoryCluster) -> None:
    counting = parts.fragile(cluster, own_events=True)
    with live(counting, JOB) as session:
        assert write_interim(session, LOUD + HOUR)
        writes = counting.writes
        assert write_interim(session, LOUD + HOUR + 600) == 0
        assert counting.writes == writes
        add_events(counting, [(LOUD + 60, "person03", STRANGER)])
        assert write_interim(session, LOUD + HOUR + 1_200)


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (LOUD, "the bucket has not begun"),
        (LOUD - HOUR, "the clock was set back"),
        (LOUD + SPAN + JOB.query_delay, "the job lags: the bucket is complete"),
    ],
)
def test_there_is_none(cluster: MemoryCluster, now: int, why: str) -> None:
    with live(cluster, JOB) as session:
        assert write_interim(session, now) == 0, why
    assert not at_loud(cluster)


def test_there_is_none_where_nobody_looks_in_between(cluster: MemoryCluster) -> None:
    data = {**company.job_data(), "datafeed_config": {"indices": [company.EVENTS], "frequency": "3h"}}
    with live(cluster, check_job(data)) as session:
        assert write_interim(session, LOUD + HOUR) == 0


def test_a_bucket_between_its_end_and_its_completeness_is_interim(cluster: MemoryCluster) -> None:
    with live(cluster, JOB) as session:
        assert write_interim(session, LOUD + SPAN + JOB.query_delay - 1)


def test_final_results_of_an_earlier_run_are_left_alone(cluster: MemoryCluster) -> None:
    with live(cluster, JOB) as session:
        session.catch_up(LOUD + SPAN, lambda _: None)
        session.scoring.invalidate()
        session.writer.save(session.state.advanced(checkpoint=LOUD))
        before = at_loud(cluster)
        assert write_interim(session, LOUD + HOUR) == 0
    assert at_loud(cluster) == before


def test_the_state_knows_nothing_of_it(cluster: MemoryCluster) -> None:
    with live(cluster, JOB) as session:
        write_interim(session, LOUD + HOUR)
    state = StateStore(cluster).read(JOB.job_id)
    assert state is not None
    assert state.checkpoint == LOUD
