"""Renormalization of stored results: twice is once, both ways, and only the scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from worker_company import DAY, HOUR, SCORED_FROM, SCORED_TO
from worker_parts import FragileCluster, Killed

from ipi_es.results.words import RESULT_KINDS, SCORE_FIELDS
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import to_ms
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.scoring.normalizer_state import NormalizerState
from ipi_es.worker.scoring.renormalization import ResultWindow, decide

JOB = company.make_job()
LATER = parts.NOW + 86_400


@pytest.fixture(scope="module")
def trained() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        yield parts.trained_cluster(JOB, patch)


@pytest.fixture(scope="module")
def drifted(trained: MemoryCluster) -> MemoryCluster:
    """A job whose scores were not brought up to date since they were written."""
    never = company.make_job(renormalization_window_days=0)
    cluster = parts.copy_of(trained)
    parts.backfill(cluster, never)
    return cluster


def renormalize(cluster: MemoryCluster, time: int = LATER) -> int:
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(time))) as session:
        return session.renormalize()


def state_of(cluster: MemoryCluster) -> Any:
    state = StateStore(cluster).read(JOB.job_id)
    assert state is not None
    return state


def score(source: dict[str, Any]) -> float:
    return float(source[SCORE_FIELDS[source["result_type"]]])


def test_scores_move_both_ways(drifted: MemoryCluster) -> None:
    before, cluster = parts.results(drifted, JOB), parts.copy_of(drifted)
    assert renormalize(cluster) > 10
    after = parts.results(cluster, JOB)
    scored = [place for place, each in before.items() if each["result_type"] in RESULT_KINDS]
    moves = [score(after[place]) - score(before[place]) for place in scored]
    assert min(moves) < -1.5
    assert max(moves) > 1.5


def test_only_scores_change_and_each_change_is_accounted_for(drifted: MemoryCluster) -> None:
    before, cluster = parts.results(drifted, JOB, volatile=True), parts.copy_of(drifted)
    changed = renormalize(cluster)
    after = parts.results(cluster, JOB, volatile=True)
    moving = {
        "renormalized_at", "quantiles_id", "record_score", "influencer_score", "anomaly_score", "bucket_influencers",
        "max_record_score", "anomaly_score_explanation",
    }  # fmt: skip
    assert before.keys() == after.keys()
    assert sum(before[place] != after[place] for place in before) == changed
    for place, source in before.items():
        now = after[place]
        assert {name for name in now if now[name] != source.get(name)} <= moving
        assert now["event.ingested"] == source["event.ingested"]
        assert {n: v for n, v in now.items() if n.startswith("initial_")} == {
            n: v for n, v in source.items() if n.startswith("initial_")
        }
        for one, other in zip(source.get("bucket_influencers", ()), now.get("bucket_influencers", ()), strict=True):
            assert {**one, "anomaly_score": 0} == {**other, "anomaly_score": 0}
        if now != source:
            assert now["quantiles_id"] == state_of(cluster).quantiles_id
            assert now["renormalized_at"] >= LATER * 1_000


def test_a_bucket_s_score_is_the_largest_of_its_influencers_and_follows_its_records(drifted: MemoryCluster) -> None:
    cluster = parts.copy_of(drifted)
    renormalize(cluster)
    found = parts.results(cluster, JOB)
    for bucket in parts.of_kind(found, "bucket"):
        assert bucket["anomaly_score"] == max(each["anomaly_score"] for each in bucket["bucket_influencers"])
        new = [
            each["record_score"]
            for each in parts.of_kind(found, "record")
            if each["timestamp"] == bucket["timestamp"] and not {"repeat_of", "suppressed_by"} & each.keys()
        ]
        assert abs(bucket["max_record_score"] - max(new, default=0.0)) < 1.5


def test_second_run_writes_nothing(drifted: MemoryCluster) -> None:
    cluster = parts.copy_of(drifted)
    assert renormalize(cluster) > 0
    once = parts.results(cluster, JOB, volatile=True)
    assert renormalize(cluster, LATER + 60) == 0
    assert parts.results(cluster, JOB, volatile=True) == once


def test_run_after_a_backfill_that_ended_with_one_writes_nothing(trained: MemoryCluster) -> None:
    cluster = parts.copy_of(trained)
    parts.backfill(cluster, JOB, SCORED_FROM, SCORED_FROM + 2 * DAY)
    last = state_of(cluster).renormalized_to
    assert last > SCORED_FROM + DAY
    cluster = parts.copy_of(trained)
    parts.backfill(cluster, JOB, SCORED_FROM, last)
    assert (state_of(cluster).renormalized_to, state_of(cluster).renormalize_due) == (last, False)
    assert renormalize(cluster) == 0


def test_interrupted_and_run_again_gives_the_same(drifted: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipi_es.worker.scoring.renormalization._PAGE", 7)
    whole = parts.copy_of(drifted)
    changed = renormalize(whole)
    assert changed > 3 * 7
    for dies_at in range(1, 7):
        for share in (0.5, 1.0):
            cluster: FragileCluster = parts.fragile(drifted)
            cluster.dies_at, cluster.share = dies_at, share
            try:
                renormalize(cluster)
            except Killed:
                cluster = parts.revived(cluster)
                assert 0 <= renormalize(cluster, LATER + 3_600) <= changed
            assert parts.results(cluster, JOB) == parts.results(whole, JOB), f"write {dies_at}, {share}"


def test_results_before_the_window_stay_as_they_are(drifted: MemoryCluster) -> None:
    short = company.make_job(renormalization_window_days=1)
    cluster = parts.copy_of(drifted)
    with open_session(JobResources(cluster, short, clock=parts.TestClock(LATER))) as session:
        session.renormalize()
    begin = (SCORED_TO - DAY) * 1_000
    for each in parts.results(cluster, JOB, volatile=True).values():
        assert each["timestamp"] >= begin or "renormalized_at" not in each


def test_one_that_a_kill_prevented_after_the_last_bucket_is_made_by_the_next_run(trained: MemoryCluster) -> None:
    end = SCORED_FROM + DAY + 12 * HOUR
    quiet = parts.fragile(trained)
    parts.backfill(quiet, JOB, SCORED_FROM, end)
    for dies_at in range(quiet.writes, 0, -1):
        cluster = parts.fragile(trained)
        cluster.dies_at = dies_at
        with pytest.raises(Killed):
            parts.backfill(cluster, JOB, SCORED_FROM, end)
        state = state_of(parts.revived(cluster))
        if state.renormalize_due:
            break
    assert state.checkpoint == end
    cluster = parts.revived(cluster)
    parts.backfill(cluster, JOB, SCORED_FROM, end, time=LATER)
    assert parts.results(cluster, JOB) == parts.results(quiet, JOB)
    assert renormalize(cluster, LATER + 60) == 0


def test_only_results_of_the_jobs_own_fields_change_whichever_were_added_first() -> None:
    window = ResultWindow(DAY, "user.name", "source.ip")
    seen = {"probability": 1e-6, "timestamp": to_ms(SCORED_FROM)}
    for field in ("client.ip", "source.ip"):
        influencer = {"result_type": "influencer", "influencer_field_name": field, "influencer_score": 1.0}
        window.add(f"influencer of {field}", "results", {**seen, **influencer})
    window.add("record", "results", {**seen, "result_type": "record", "record_score": 1.0})
    changes = decide(window, NormalizerState.empty(("user.name", "source.ip")))
    assert set(changes.results) == {("results", "influencer of source.ip"), ("results", "record")}
