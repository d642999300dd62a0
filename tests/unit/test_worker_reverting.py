"""Going back to a snapshot: what is scored again is what was scored the first time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from worker_company import DAY, SCORED_FROM, SCORED_TO
from worker_parts import FragileCluster, Killed

from ipi_es.errors import SnapshotDamaged, SnapshotMissing
from ipi_es.results.documents.annotations import Annotation
from ipi_es.results.words import AnnotationType
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.job_state import JobState, StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.late.late_rescoring import rescore_late
from ipi_es.worker.open_session import open_session
from ipi_es.worker.training.revert import Reversion, plan_revert, revert
from ipi_es.worker.upkeep.cleanup import clean

JOB = company.make_job(hold_probability=0.03)
RETRAINED_AT = SCORED_FROM + 3 * DAY


@pytest.fixture(scope="module")
def made() -> Iterator[MemoryCluster]:
    """Scored for five days, with another training after three."""
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
        with open_session(JobResources(cluster, JOB, clock=parts.TestClock(RETRAINED_AT))) as session:
            session.catch_up(RETRAINED_AT, lambda _: None)
        with open_session(JobResources(cluster, JOB, clock=parts.TestClock(RETRAINED_AT))) as session:
            session.retrain(company.LEARN_FROM + DAY, RETRAINED_AT)
            session.catch_up(SCORED_TO, lambda _: None)
        yield cluster


@pytest.fixture
def cluster(made: MemoryCluster) -> FragileCluster:
    return parts.fragile(made)


def state_of(cluster: MemoryCluster) -> JobState:
    state = StateStore(cluster).read("signins")
    assert state is not None
    return state


def networks(cluster: MemoryCluster) -> list[str]:
    found = ClusterBlobs(cluster).list("signins", "network")
    return [info.id for info in sorted(found, key=lambda info: str(info.attributes["trained_to"]))]


def reverted(cluster: MemoryCluster, snapshot_id: str, *, time: int = parts.NOW, **how: Any) -> Reversion:
    work = JobResources(cluster, JOB, clock=parts.TestClock(time))
    with open_session(work) as session:
        to = plan_revert(work, snapshot_id)
        revert(session, to, **how)
    return to


def caught_up(cluster: MemoryCluster, time: int = parts.NOW + DAY) -> None:
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(time))) as session:
        session.catch_up(SCORED_TO, lambda _: None)


@pytest.mark.parametrize("delete_results", [False, True])
def test_going_back_to_the_snapshot_in_use_and_on_again_gives_the_same(
    cluster: FragileCluster, delete_results: bool
) -> None:
    expected = parts.results(cluster, JOB)
    to = reverted(cluster, networks(cluster)[1], delete_results=delete_results)
    assert to.checkpoint == state_of(cluster).checkpoint == RETRAINED_AT
    assert to.quantiles_id == state_of(cluster).quantiles_id == "20250902T000000Z"
    caught_up(cluster)
    after = parts.results(cluster, JOB)
    assert after.keys() == expected.keys()
    unlike = {
        place: found for place, found in after.items() if without_scores(found) != without_scores(expected[place])
    }
    assert unlike == {}, "renormalization apart, which came at other times"


def without_scores(source: dict[str, Any]) -> dict[str, Any]:
    volatile = ("score", "explanation", "quantiles_id", "bucket_influencers", "processing")
    return {name: value for name, value in source.items() if not any(part in name for part in volatile)}


def test_all_four_go_back_together(cluster: FragileCluster) -> None:
    first = networks(cluster)[0]
    to = reverted(cluster, first)
    state = state_of(cluster)
    assert (state.snapshot_id, state.checkpoint, state.quantiles_id) == (first, SCORED_FROM, None)
    assert state.history_id == f"history-{first}+{SCORED_FROM // DAY}"
    assert to.results > 100
    assert state.details.reverted_from == SCORED_TO
    assert not state.renormalize_due


def test_buckets_are_read_again_by_what_is_scored_since(cluster: FragileCluster) -> None:
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW))) as session:
        rescore_late(session, parts.NOW)
    reread = state_of(cluster).details.reread
    assert reread is not None
    assert reread.counted_to == SCORED_TO
    reverted(cluster, networks(cluster)[0])
    assert state_of(cluster).details.reread is None


def test_later_results_are_deleted_only_when_told(cluster: FragileCluster) -> None:
    before = parts.results(cluster, JOB)
    reverted(cluster, networks(cluster)[1])
    later = {place for place, each in before.items() if each.get("annotation_type") == "warm_up"}
    later = {place for place in later if before[place]["timestamp"] > RETRAINED_AT * 1_000}
    assert len(later) == 1, "on the way its history grew long enough; that is said again when it is scored again"
    assert parts.results(cluster, JOB).keys() == before.keys() - later
    reverted(cluster, networks(cluster)[1], delete_results=True)
    left = parts.results(cluster, JOB)
    said = {place for place, each in before.items() if each["result_type"] == "annotation"}
    assert max(left[place]["timestamp"] for place in left.keys() - said) < RETRAINED_AT * 1_000
    earlier = {place for place, each in before.items() if each["timestamp"] < RETRAINED_AT * 1_000}
    assert left.keys() == earlier | (said - later), (
        "all of it tells of times up to the snapshot's end, and of this snapshot"
    )


def annotated(cluster: MemoryCluster) -> list[tuple[str, int]]:
    """(type, start) of all that is said."""
    found = [each for each in parts.results(cluster, JOB).values() if each["result_type"] == "annotation"]
    return sorted((each["annotation_type"], each["timestamp"] // 1_000) for each in found)


@pytest.mark.parametrize("delete_results", [False, True])
def test_what_was_said_of_later_snapshots_goes_and_what_people_said_stays(
    cluster: FragileCluster, delete_results: bool
) -> None:
    said: list[AnnotationType] = ["blind", "delayed_data", "user", "verdict"]
    times = [SCORED_FROM - JOB.bucket_span, SCORED_FROM, RETRAINED_AT]
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW))) as session:
        session.annotate(Annotation(kind, time, time + JOB.bucket_span, "so") for kind in said for time in times)
    of_snapshots = [each for each in annotated(cluster) if each[0] not in said]
    assert ("model_snapshot", RETRAINED_AT) in of_snapshots
    reverted(cluster, networks(cluster)[0], delete_results=delete_results)
    left = annotated(cluster)
    assert [each for each in left if each[0] not in said] == [each for each in of_snapshots if each[1] <= SCORED_FROM]
    assert (
        [time for kind, time in left if kind == "user"] == [time for kind, time in left if kind == "verdict"] == times
    )
    for kind in ("blind", "delayed_data"):
        assert [time for each, time in left if each == kind] == (times[:1] if delete_results else times)


def test_what_another_network_found_vanishes_when_it_is_scored_again(cluster: FragileCluster) -> None:
    first = networks(cluster)[0]
    expected = parts.fragile(cluster)
    reverted(expected, first, delete_results=True)
    caught_up(expected)
    reverted(cluster, first)
    caught_up(cluster)
    assert parts.results(cluster, JOB) == parts.results(expected, JOB)


def test_killed_at_any_write_it_ends_the_same(cluster: FragileCluster) -> None:
    first = networks(cluster)[0]
    whole = parts.fragile(cluster)
    reverted(whole, first, delete_results=True)
    writes = whole.writes
    caught_up(whole)
    for number in range(1, writes + 1):
        dying = parts.fragile(cluster)
        dying.dies_at = number
        with pytest.raises(Killed):
            reverted(dying, first, delete_results=True)
        after = parts.revived(dying)
        reverted(after, first, time=parts.NOW + 3_600, delete_results=True)
        caught_up(after)
        assert parts.results(after, JOB) == parts.results(whole, JOB), f"killed at write {number} of {writes}"


def test_damaged_or_missing_parts_are_found_before_anything_changes(cluster: FragileCluster) -> None:
    first, before = networks(cluster)[0], state_of(cluster)
    with pytest.raises(SnapshotMissing):
        reverted(cluster, "20200101T000000Z-12345678")
    info = ClusterBlobs(cluster).info("signins", f"history-{first}")
    cluster.delete("ipi-es-snapshots", f"chunk:signins:history-{first}:{info.sha256[:16]}:1:0")
    with pytest.raises(SnapshotDamaged):
        reverted(cluster, first)
    after = state_of(cluster)
    assert (after.snapshot_id, after.checkpoint) == (before.snapshot_id, before.checkpoint)


def test_cleaning_leaves_the_quantiles_to_go_back_with(cluster: FragileCluster) -> None:
    before = plan_revert(JobResources(cluster, JOB), networks(cluster)[1])
    work = JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW))
    with open_session(work) as session:
        clean(session, parts.NOW)
    assert plan_revert(JobResources(cluster, JOB), networks(cluster)[1]) == before
