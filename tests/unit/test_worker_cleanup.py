"""Cleaning on the cluster in memory: what is old goes, what is needed stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from worker_company import DAY, SCORED_FROM, SCORED_TO
from worker_parts import FragileCluster, Killed

from ipi_es.cluster.port import Put
from ipi_es.config.job_config import Job
from ipi_es.errors import PermissionDenied
from ipi_es.results.words import ALIAS
from ipi_es.state.cluster_blobs import SNAPSHOT_INDEX, ClusterBlobs
from ipi_es.state.job_state import JobState, StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.upkeep.cleanup import CleanupResult, clean, results_end

JOB = company.make_job(hold_probability=0.03)
AUGUST, SEPTEMBER = "ipi-es-anomalies-signins-2025.08", "ipi-es-anomalies-signins-2025.09"
SEPTEMBER_BEGINS = SCORED_FROM + 2 * DAY


@pytest.fixture(scope="module")
def scored() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
        parts.backfill(cluster, JOB)
        yield cluster


@pytest.fixture
def cluster(scored: MemoryCluster) -> FragileCluster:
    return parts.fragile(scored)


def cleaned(cluster: MemoryCluster, job: Job = JOB, now: int = parts.NOW) -> CleanupResult:
    work = JobResources(cluster, job, clock=parts.TestClock(now))
    with open_session(work) as session:
        return clean(session, now)


def times(cluster: MemoryCluster, job: Job = JOB) -> list[int]:
    return sorted(each["timestamp"] // 1_000 for each in parts.results(cluster, job).values())


def made_job(**more: Any) -> Job:
    return company.make_job(**{"hold_probability": 0.0, **more})


def annotate(cluster: MemoryCluster, time: int, job_id: str = "signins") -> None:
    index = AUGUST if time < SEPTEMBER_BEGINS else SEPTEMBER
    source = {"job_id": job_id, "result_type": "annotation", "timestamp": time * 1_000, "annotation": "x"}
    cluster.bulk([Put(index, f"note-{job_id}-{time}", source)], refresh=True)


def test_results_are_kept_for_ever_unless_told(cluster: FragileCluster) -> None:
    before = parts.results(cluster, JOB)
    assert cleaned(cluster, now=parts.NOW + 400 * DAY).results == 0
    assert parts.results(cluster, JOB) == before


def test_results_older_than_whole_days_go_with_their_annotations(cluster: FragileCluster) -> None:
    annotate(cluster, SCORED_TO - 3 * DAY - 3_600)
    annotate(cluster, SCORED_TO - 3 * DAY)
    done = cleaned(cluster, made_job(results_retention_days=2))
    assert min(times(cluster)) == SCORED_TO - 2 * DAY
    assert done.indices == (AUGUST,)
    assert done.results > 8, "a day of September"
    assert cluster.indices(f"{ALIAS}-*") == [SEPTEMBER]
    assert not cleaned(cluster, made_job(results_retention_days=2)), "twice is once"


def test_index_with_results_of_another_job_stays_without_ours(cluster: FragileCluster) -> None:
    annotate(cluster, SCORED_FROM, "another")
    done = cleaned(cluster, made_job(results_retention_days=2))
    assert done.indices == ()
    assert cluster.indices(f"{ALIAS}-*") == [AUGUST, SEPTEMBER]
    assert cluster.count(AUGUST, {"match_all": {}}) == 1
    assert min(times(cluster)) == SCORED_TO - 2 * DAY


def test_index_that_a_job_which_is_behind_may_be_about_to_write_to_stays(cluster: FragileCluster) -> None:
    states = StateStore(cluster)
    other = states.acquire_lease("behind", "a", parts.NOW, 60, alive=lambda _: True)
    other = states.save(other.advanced(checkpoint=SCORED_FROM))
    job = made_job(results_retention_days=2)
    assert cleaned(cluster, job).indices == ()
    assert cluster.count(AUGUST, {"match_all": {}}) == 0
    states.save(other.advanced(checkpoint=SEPTEMBER_BEGINS))
    assert cleaned(cluster, job).indices == (AUGUST,), "once nobody will"


def no_index_is_deleted(operation: str, _index: str) -> None:
    if operation == "delete_index":
        raise PermissionDenied("no", status=403)


def test_where_indices_may_not_be_deleted_documents_are(cluster: FragileCluster) -> None:
    cluster.before = no_index_is_deleted
    done = cleaned(cluster, made_job(results_retention_days=2))
    assert done.indices == ()
    assert cluster.count(AUGUST, {"match_all": {}}) == 0
    assert min(times(cluster)) == SCORED_TO - 2 * DAY


def test_stopped_cleaning_leaves_the_rest_for_the_next(cluster: FragileCluster, monkeypatch: Any) -> None:
    monkeypatch.setattr("ipi_es.results.retention.PAGE", 3)
    cluster.before = no_index_is_deleted
    job, asked = made_job(results_retention_days=2), iter([False, False, True, True])
    work = JobResources(cluster, job, clock=parts.TestClock(parts.NOW))
    with open_session(work) as session:
        done = clean(session, parts.NOW, lambda: next(asked))
        assert (done.results, done.quantiles) == (6, 0)
        assert min(times(cluster)) < SCORED_TO - 2 * DAY
        assert clean(session, parts.NOW).quantiles > 0
    assert min(times(cluster)) == SCORED_TO - 2 * DAY


def test_records_that_hold_something_back_outlive_the_others(cluster: FragileCluster) -> None:
    job = made_job(results_retention_days=2, hold_probability=0.03)
    held = [each for each in parts.results(cluster, job).values() if "held_until" in each]
    assert min(each["timestamp"] for each in held) < (SCORED_TO - 3 * DAY) * 1_000
    cleaned(cluster, job)
    left = parts.results(cluster, job).values()
    assert [each for each in left if "held_until" in each] != []
    assert sum("held_until" in each for each in left) == len(held)
    assert min(each["timestamp"] for each in left if "held_until" not in each) == (SCORED_TO - 2 * DAY) * 1_000


def test_job_far_behind_keeps_what_it_looks_back_on() -> None:
    job = made_job(results_retention_days=5, late_window="2d")
    later = SCORED_TO + 90 * DAY + 600
    assert results_end(job, JobState("signins"), later) == SCORED_TO + 85 * DAY
    assert results_end(job, JobState("signins", checkpoint=later), later) == SCORED_TO + 85 * DAY
    assert results_end(job, JobState("signins", checkpoint=SCORED_TO), later) == SCORED_TO - 2 * DAY


def test_renormalization_writes_nothing_again_that_was_cleaned(cluster: FragileCluster) -> None:
    job = made_job(results_retention_days=2)
    work = JobResources(cluster, job, clock=parts.TestClock(parts.NOW))
    with open_session(work) as session:
        session.renormalize()
        clean(session, parts.NOW)
        session.renormalize()
    assert min(times(cluster)) == SCORED_TO - 2 * DAY


def retrained(cluster: MemoryCluster, monkeypatch: Any, *, at: int, seed_days: int = 0) -> str:
    parts.train_by(monkeypatch)
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(at))) as session:
        session.retrain(company.LEARN_FROM + DAY, SCORED_TO - seed_days * DAY)
        return str(session.state.snapshot_id)


def test_superseded_snapshot_goes_with_its_history_once_nothing_needs_it(
    cluster: FragileCluster, monkeypatch: Any
) -> None:
    first = str(StateStore(cluster).read("signins").snapshot_id)  # type: ignore[union-attr]
    second = retrained(cluster, monkeypatch, at=parts.NOW + 20 * DAY)
    assert second != first
    # the results of the last day were scored with it: late events would be too
    assert cleaned(cluster, now=parts.NOW + 20 * DAY).snapshots == ()
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW + 21 * DAY))) as session:
        session.catch_up(SCORED_TO + 2 * DAY, lambda _: None)
    assert cleaned(cluster, now=parts.NOW + 21 * DAY).snapshots == (first,)
    left = ClusterBlobs(cluster).list("signins")
    assert {info.id for info in left if info.kind == "network"} == {second}
    assert all(second in info.id for info in left), "its history is gone too"
    assert not cleaned(cluster, now=parts.NOW + 21 * DAY)


def test_what_killed_writes_left_goes(cluster: FragileCluster) -> None:
    blobs = ClusterBlobs(cluster)
    blobs.write("signins", "history-lost", "history_base", b"x", created=parts.NOW - 2 * DAY)
    blobs.write("signins", "history-new", "history_base", b"x", created=parts.NOW)
    cluster.bulk([Put(SNAPSHOT_INDEX, "chunk:signins:lost:1", {"type": "chunk", "job_id": "signins"})], refresh=True)
    foreign = {"type": "manifest", "job_id": "signins", "blob_id": "newer", "kind": "network", "format": 99}
    chunk = {"type": "chunk", "job_id": "signins", "blob_id": "newer"}
    cluster.bulk([Put(SNAPSHOT_INDEX, "manifest:signins:newer", foreign)])
    cluster.bulk([Put(SNAPSHOT_INDEX, "chunk:signins:newer:1", chunk)], refresh=True)
    (base,) = [info.id for info in blobs.list("signins", "history_base") if info.id.startswith("history-2025")]
    about = {"base": base, "day": 1}
    blobs.write("signins", f"{base}-late-1", "history_late", b"x", created=parts.NOW - 2 * DAY, attributes=about)
    assert cleaned(cluster).pieces == 3
    left = {info.id for info in blobs.list("signins")}
    assert not {"history-lost", f"{base}-late-1"} & left
    assert base in left
    assert "history-new" in left, "a worker that lost the job may still be at it"
    assert cluster.get(SNAPSHOT_INDEX, "chunk:signins:newer:1") is not None, "of a newer ipi-es: not ours to judge"


def test_quantiles_are_thinned_to_one_a_day(cluster: FragileCluster) -> None:
    before = parts.stored_quantiles(cluster, JOB)
    done = cleaned(cluster)
    left = parts.stored_quantiles(cluster, JOB)
    assert done.quantiles == len(before) - len(left) > 0
    assert left[-1] == before[-1]
    assert {"20250831T000000Z", "20250901T000000Z"} <= set(left)


def test_cleaned_job_goes_on_as_if_it_had_not_been(cluster: FragileCluster) -> None:
    other = parts.fragile(cluster)
    cleaned(cluster)
    for each in (cluster, other):
        with open_session(JobResources(each, JOB, clock=parts.TestClock(parts.NOW))) as session:
            session.catch_up(SCORED_TO + DAY, lambda _: None)
    assert parts.results(cluster, JOB) == parts.results(other, JOB)


def test_killed_at_any_write_the_next_cleaning_ends_it(cluster: FragileCluster, monkeypatch: Any) -> None:
    retrained(cluster, monkeypatch, at=parts.NOW + 20 * DAY)
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW + 21 * DAY))) as session:
        session.catch_up(SCORED_TO + 2 * DAY, lambda _: None)
    job, now = company.make_job(hold_probability=0.03, results_retention_days=4), parts.NOW + 22 * DAY
    whole = parts.fragile(cluster)
    cleaned(whole, job, now)
    expected = stored(whole)
    for number in range(1, whole.writes + 1):
        dying = parts.fragile(cluster)
        dying.dies_at, dying.share = number, 1.0
        with pytest.raises(Killed):
            cleaned(dying, job, now)
        after = parts.revived(dying)
        cleaned(after, job, now + 3_600)
        assert stored(after) == expected, f"killed at write {number} of {whole.writes}"


def stored(cluster: MemoryCluster) -> dict[str, Any]:
    return {
        "results": sorted(parts.results(cluster, JOB)),
        "blobs": sorted(info.id for info in ClusterBlobs(cluster).list("signins")),
        "quantiles": parts.stored_quantiles(cluster, JOB),
    }
