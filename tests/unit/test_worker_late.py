"""Late events mend the bucket that they belong to, and only that one, as it would have been scored in time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from late_parts import add_events, everything, live, remove_events
from worker_company import DAY, HOUR

from ipi_es.errors import LostJob
from ipi_es.results.store import ResultStore
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.late.late_rescoring import RescoredBucket, rescore_late

JOB = company.make_job(hold_probability=0.03, renormalization_window_days=1)
SPAN = JOB.bucket_span
MIDDAY = company.SCORED_FROM + DAY + 12 * HOUR
"""Where the worker stands: in the middle of the second scored day; its window goes back to noon of the first."""
TODAY = MIDDAY - 2 * SPAN
YESTERDAY = company.SCORED_FROM + 18 * HOUR
LATER = parts.NOW + 7_200
STRANGER = "85.11.9.7"
"""Nobody was ever there."""


@pytest.fixture(scope="module")
def before() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
        with live(cluster, JOB) as session:
            session.catch_up(MIDDAY, lambda _: None)
        yield cluster


def own(cluster: MemoryCluster) -> MemoryCluster:
    """A copy with events of its own."""
    return parts.fragile(cluster, own_events=True)


@pytest.fixture
def cluster(before: MemoryCluster) -> MemoryCluster:
    return own(before)


def in_time(before: MemoryCluster, found: list[tuple[int, str, str]], end: int = MIDDAY) -> MemoryCluster:
    """The same days with these events there from the beginning."""
    cluster = own(before)
    add_events(cluster, found)
    with live(cluster, JOB) as session:
        session.backfill(session.plan(company.SCORED_FROM, end, again=True), lambda _: None, again=True)
    return cluster


def mend(cluster: MemoryCluster, job: Any = JOB, time: int = LATER) -> list[RescoredBucket]:
    with live(cluster, job, time) as session:
        return rescore_late(session, time)


def at(cluster: MemoryCluster, start: int) -> dict[str, dict[str, Any]]:
    found = parts.results(cluster, JOB, volatile=True)
    return {
        place: source
        for (_, place), source in found.items()
        if source["timestamp"] == start * 1_000 and source["result_type"] != "incident"
    }


def elsewhere(cluster: MemoryCluster, *starts: int) -> dict[tuple[str, str], dict[str, Any]]:
    found = parts.results(cluster, JOB, volatile=True)
    return {place: each for place, each in found.items() if each["timestamp"] // 1_000 not in starts}


def bucket_at(cluster: MemoryCluster, start: int) -> dict[str, Any]:
    (found,) = (each for each in at(cluster, start).values() if each["result_type"] == "bucket")
    return found


def records_of(cluster: MemoryCluster, start: int) -> dict[str, dict[str, Any]]:
    return {place: each for place, each in at(cluster, start).items() if each["result_type"] == "record"}


def test_where_nothing_is_late_nothing_is_written(cluster: MemoryCluster) -> None:
    with live(cluster, JOB) as session:
        writes = cluster.writes
        assert rescore_late(session, LATER) == []
        assert cluster.writes == writes


@pytest.mark.parametrize("start", [TODAY, YESTERDAY])
def test_the_late_event_mends_its_bucket_and_only_that_one(cluster: MemoryCluster, start: int) -> None:
    others = elsewhere(cluster, start)
    events = bucket_at(cluster, start)["event_count"]
    add_events(cluster, [(start + 60, "person03", STRANGER)])
    (done,) = mend(cluster)
    assert (done.start, done.late_events, done.event_count) == (start, 1, events + 1)
    assert done.new_records >= 1
    assert elsewhere(cluster, start) == others
    bucket = bucket_at(cluster, start)
    assert (bucket["event_count"], bucket["revision"], bucket["rescored_at"]) == (events + 1, 1, LATER * 1_000)
    assert (STRANGER, "person03") in {
        (each["by_field_value"], each["partition_field_value"]) for each in records_of(cluster, start).values()
    }


@pytest.mark.parametrize("start", [TODAY, YESTERDAY])
def test_it_is_scored_with_the_history_that_it_had(before: MemoryCluster, start: int) -> None:
    found = [(start + n, f"person{n:02d}", STRANGER) for n in range(8)]
    cluster, wanted = own(before), in_time(before, found)
    add_events(cluster, found)
    mend(cluster)
    mended, expected = at(cluster, start), at(wanted, start)
    mended = {place: each for place, each in mended.items() if each["result_type"] != "annotation"}
    assert mended.keys() == expected.keys()
    for place, each in expected.items():
        same = {"probability", "actual", "typical", "event_count", "held_until", "repeat_of", "snapshot_id"}
        for name in same & (each.keys() | mended[place].keys()):
            assert mended[place].get(name) == each.get(name), (place, name)


def test_levels_of_now_score_it_and_take_nothing_from_it(cluster: MemoryCluster) -> None:
    quantiles, state = parts.stored_quantiles(cluster, JOB), everything(cluster, JOB)["state"]
    add_events(cluster, [(YESTERDAY + 60, "person03", STRANGER)])
    mend(cluster)
    assert parts.stored_quantiles(cluster, JOB) == quantiles
    after = everything(cluster, JOB)["state"]
    assert {**after, "details": None} == {**state, "details": None}
    assert {each["quantiles_id"] for each in at(cluster, YESTERDAY).values()} == {state["quantiles_id"]}


def test_mended_again_it_writes_nothing(cluster: MemoryCluster) -> None:
    add_events(cluster, [(TODAY + 60, "person03", STRANGER), (YESTERDAY + 60, "person03", STRANGER)])
    assert len(mend(cluster)) == 2
    with live(cluster, JOB, LATER + 600) as session:
        writes = cluster.writes
        assert rescore_late(session, LATER + 600) == []
        assert cluster.writes == writes


def test_initial_scores_are_set_anew_and_the_revision_counts(cluster: MemoryCluster) -> None:
    for number in (1, 2):
        add_events(cluster, [(TODAY + number, f"person{10 * number}", STRANGER)])
        (done,) = mend(cluster)
        assert done.revision == number
        found = at(cluster, TODAY)
        assert {each["revision"] for each in found.values() if each["result_type"] != "annotation"} == {number}
        bucket = bucket_at(cluster, TODAY)
        assert bucket["anomaly_score"] == bucket["initial_anomaly_score"] == done.anomaly_score
        assert all(each["initial_record_score"] == each["record_score"] for each in records_of(cluster, TODAY).values())


def test_what_is_newly_anomalous_is_news_and_the_rest_keeps_its_moment(cluster: MemoryCluster) -> None:
    earlier = at(cluster, TODAY)
    assert any(each["result_type"] == "record" for each in earlier.values())
    add_events(cluster, [(TODAY + 60, "person03", STRANGER)])
    mend(cluster)
    for place, each in at(cluster, TODAY).items():
        if place not in earlier:
            assert each["event.ingested"] > LATER * 1_000
        elif each["result_type"] == "record":
            assert each["event.ingested"] == earlier[place]["event.ingested"]
    assert at(cluster, TODAY).keys() - earlier.keys()


def test_what_is_not_produced_again_is_deleted(cluster: MemoryCluster) -> None:
    (first, _) = add_events(cluster, [(TODAY + 60, "person03", STRANGER), (TODAY + 61, "person04", STRANGER)])
    mend(cluster)
    then = records_of(cluster, TODAY)
    remove_events(cluster, [first])
    add_events(cluster, [(TODAY + 62 + n, "person04", STRANGER) for n in range(2)])
    mend(cluster)
    gone = then.keys() - records_of(cluster, TODAY).keys()
    assert {then[place]["partition_field_value"] for place in gone} == {"person03"}


def test_an_annotation_tells_of_it_once_a_bucket(cluster: MemoryCluster) -> None:
    for number in (1, 2):
        add_events(cluster, [(TODAY + number, "person03", STRANGER)])
        mend(cluster)
    cluster.refresh("ipi-es-anomalies")
    (said,) = ResultStore(cluster, JOB.job_id).annotations(types=["delayed_data"])
    assert (said.source["timestamp"], said.source["end_timestamp"]) == (TODAY * 1_000, (TODAY + SPAN) * 1_000)
    events = bucket_at(cluster, TODAY)["event_count"]
    assert said.source["annotation"].startswith(f"1 of {events} events came late; scored again (revision 2)")


def test_only_buckets_of_the_late_window_are_looked_at(cluster: MemoryCluster) -> None:
    short = company.make_job(hold_probability=0.03, late_window="6h")
    add_events(cluster, [(MIDDAY - 2 * SPAN - 1, "person03", STRANGER)])
    assert mend(cluster, short) == []
    add_events(cluster, [(MIDDAY - 2 * SPAN, "person03", STRANGER)])
    assert [each.start for each in mend(cluster, short)] == [MIDDAY - 2 * SPAN]
    off = company.make_job(hold_probability=0.03, late_window="0s")
    add_events(cluster, [(MIDDAY - 1, "person03", STRANGER)])
    assert mend(cluster, off) == []


def test_of_events_later_than_the_window_somebody_is_told_once(cluster: MemoryCluster) -> None:
    short = company.make_job(hold_probability=0.03, late_window="6h")
    before = parts.results(cluster, JOB, volatile=True)
    add_events(cluster, [(YESTERDAY + n, "person03", STRANGER) for n in range(3)])
    assert mend(cluster, short) == []
    after = parts.results(cluster, JOB, volatile=True)
    assert {place: after[place] for place in before} == before
    (said,) = (each for place, each in after.items() if place not in before)
    assert said["annotation"].startswith("3 events of this day, in 1 of its buckets, came later than late_window (6h)")
    assert said["timestamp"] == company.SCORED_FROM * 1_000
    add_events(cluster, [(YESTERDAY + 9, "person03", STRANGER)])
    mend(cluster, short, LATER + 60)
    assert parts.results(cluster, JOB, volatile=True) == after  # it is looked at once an hour
    mend(cluster, short, LATER + 3_700)
    (said,) = (each for place, each in parts.results(cluster, JOB).items() if place not in before)
    assert said["annotation"].startswith("4 events of this day")
    writes = cluster.writes
    with live(cluster, short, LATER + 9_000) as session:
        rescore_late(session, LATER + 9_000)
        assert cluster.writes == writes + 1  # the claim's


def test_events_after_the_checkpoint_are_not_late(cluster: MemoryCluster) -> None:
    add_events(cluster, [(MIDDAY, "person03", STRANGER)])
    assert mend(cluster) == []


def test_a_bucket_with_fewer_events_than_it_had_keeps_what_was_found(cluster: MemoryCluster) -> None:
    (gone,) = add_events(cluster, [(TODAY + 1, "person03", STRANGER)])
    mend(cluster)
    records = records_of(cluster, TODAY)
    remove_events(cluster, [gone])
    assert [(each.start, each.late_events) for each in mend(cluster)] == [(TODAY, -1)]
    assert bucket_at(cluster, TODAY)["revision"] == 2
    assert records_of(cluster, TODAY) == records


def test_stopping_ends_it_after_the_bucket_in_hand_and_the_next_call_goes_on(cluster: MemoryCluster) -> None:
    add_events(cluster, [(start + 60, "person03", STRANGER) for start in (YESTERDAY, TODAY)])
    asked = chain([False, False], repeat(True))  # the oldest bucket is read again to be sure
    with live(cluster, JOB, LATER) as session:
        assert [each.start for each in rescore_late(session, LATER, lambda: next(asked))] == [YESTERDAY]
        assert [each.start for each in rescore_late(session, LATER)] == [TODAY]


def test_a_record_of_a_mended_bucket_is_repeated_by_a_later_mended_one(cluster: MemoryCluster) -> None:
    starts = (TODAY - SPAN, TODAY)
    add_events(cluster, [(start + 60, "person03", STRANGER) for start in starts])
    mend(cluster)
    first, second = (
        next((p, e) for p, e in records_of(cluster, start).items() if e["by_field_value"] == STRANGER)
        for start in starts
    )
    assert second[1]["repeat_of"] == first[0]


def test_the_next_batches_know_of_the_mended_records(cluster: MemoryCluster) -> None:
    add_events(cluster, [(TODAY + 60, "person03", STRANGER)])
    with live(cluster, JOB, LATER) as session:
        rescore_late(session, LATER)
        add_events(cluster, [(MIDDAY + 60, "person03", STRANGER)])
        session.catch_up(MIDDAY + SPAN, lambda _: None)
    (first,) = (p for p, e in records_of(cluster, TODAY).items() if e["by_field_value"] == STRANGER)
    (again,) = (e for e in records_of(cluster, MIDDAY).values() if e["by_field_value"] == STRANGER)
    assert again["repeat_of"] == first


def test_a_snapshot_that_is_gone_is_told_of_once(cluster: MemoryCluster) -> None:
    with live(cluster, JOB, LATER) as session:
        session.retrain(company.LEARN_FROM, company.SCORED_FROM + DAY)
        session.catch_up(MIDDAY + SPAN, lambda _: None)
        old = bucket_at(cluster, TODAY)["snapshot_id"]
        assert old != session.state.snapshot_id
    ClusterBlobs(cluster).delete(JOB.job_id, old)
    add_events(cluster, [(TODAY + 60, "person03", STRANGER)])
    before = at(cluster, TODAY)
    (done,) = mend(cluster)
    assert old in str(done.unable)
    (said,) = (each for each in at(cluster, TODAY).values() if each["result_type"] == "annotation")
    assert "not scored again" in said["annotation"]
    assert {p: e for p, e in at(cluster, TODAY).items() if e is not said and p in before} == before
    with live(cluster, JOB, LATER) as session:
        writes = cluster.writes
        (done,) = rescore_late(session, LATER)
        assert done.unable
        assert cluster.writes == writes


def test_a_worker_that_lost_the_job_mends_nothing(cluster: MemoryCluster) -> None:
    add_events(cluster, [(TODAY + 60, "person03", STRANGER)])
    with live(cluster, JOB, LATER) as ours:
        ours.loaded_scoring()
        cluster_now = JOB, LATER + 3_600
        with live(cluster, *cluster_now) as theirs:
            rescore_late(theirs, LATER + 3_600)
            after = at(cluster, TODAY)
            add_events(cluster, [(TODAY + 61, "person04", STRANGER)])
            with pytest.raises(LostJob):
                rescore_late(ours, LATER)
            assert {p: e for p, e in at(cluster, TODAY).items() if p in after} == after
