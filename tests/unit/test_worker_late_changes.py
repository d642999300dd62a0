"""Events that change after their bucket was scored, whatever their number: found, scored again, told."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from late_parts import add_events, change_events, everything, ids_between, live, remove_events
from worker_company import DAY, HOUR

from ipi_es.cluster.port import Json
from ipi_es.datafeed.event_bucket import NO_ROWS_DIGEST
from ipi_es.results.reading.result_reader import FinalBucket
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.details import SavedRereadBudget
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.late.event_changes import ChangedBucket, RereadBudget
from ipi_es.worker.late.late_rescoring import RescoredBucket, rescore_late
from ipi_es.worker.late.late_warnings import vanished

JOB = company.make_job(hold_probability=0.03, renormalization_window_days=1)
SPAN = JOB.bucket_span
MIDDAY = company.SCORED_FROM + DAY + 12 * HOUR
TODAY, YESTERDAY = MIDDAY - 2 * SPAN, company.SCORED_FROM + 18 * HOUR
SPRAYED = MIDDAY - SPAN
"""In it the spraying and the takeover are found."""
LATER = parts.NOW + 7_200
STRANGER = "85.11.9.7"


class Counting(MemoryCluster):
    """Counts the events that are read row by row, and may give no sequence numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.rows_of = 0
        self.hides_seq_no = False

    def search(self, index: Any, body: Mapping[str, Any], **how: Any) -> Json:
        found = super().search(index, body, **how)
        if "pairs" in body.get("aggs", {}):
            self.rows_of += sum(each["doc_count"] for each in found["aggregations"]["pairs"]["buckets"])
        if self.hides_seq_no:
            for each in found.get("aggregations", {}).get("buckets", {}).get("buckets", ()):
                each.pop("numbers", None)
        return found


@pytest.fixture(scope="module")
def before() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
        with live(cluster, JOB) as session:
            session.catch_up(MIDDAY, lambda _: None)
        yield cluster


@pytest.fixture
def cluster(before: MemoryCluster) -> Counting:
    made = Counting()
    parts.copy_into(made, before, own_events=True)
    return made


def mend(cluster: MemoryCluster, time: int = LATER, job: Any = JOB) -> list[RescoredBucket]:
    with live(cluster, job, time) as session:
        return rescore_late(session, time)


def of_bucket(cluster: MemoryCluster, start: int, kind: str) -> list[dict[str, Any]]:
    found = parts.results(cluster, JOB, volatile=True).values()
    return [each for each in found if each["result_type"] == kind and each["timestamp"] == start * 1_000]


def bucket_at(cluster: MemoryCluster, start: int) -> dict[str, Any]:
    (found,) = of_bucket(cluster, start, "bucket")
    return found


def said_at(cluster: MemoryCluster, start: int) -> list[str]:
    return [each["annotation"] for each in of_bucket(cluster, start, "annotation")]


def pairs_at(cluster: MemoryCluster, start: int) -> set[tuple[str, str]]:
    found = of_bucket(cluster, start, "record")
    return {(each["partition_field_value"], each["by_field_value"]) for each in found}


def untouched(cluster: MemoryCluster, *starts: int) -> dict[tuple[str, str], dict[str, Any]]:
    found = parts.results(cluster, JOB, volatile=True)
    return {place: each for place, each in found.items() if each["timestamp"] // 1_000 not in starts}


@pytest.mark.parametrize(
    "changes", [{"ip": STRANGER}, {"who": "person59", "ip": STRANGER}, {"outcome": "failure"}], ids=str
)
@pytest.mark.parametrize("start", [TODAY, YESTERDAY])
def test_event_that_is_enriched_after_scoring_mends_its_bucket(
    cluster: Counting, start: int, changes: dict[str, str]
) -> None:
    others, known = untouched(cluster, start), bucket_at(cluster, start)
    (changed, *_) = ids_between(cluster, start, start + SPAN)
    change_events(cluster, [changed], **changes)
    (done,) = mend(cluster)
    after = bucket_at(cluster, start)
    assert (done.start, done.late_events, done.revision) == (start, 0, 1)
    assert untouched(cluster, start) == others
    assert after["event_count"] == known["event_count"]
    assert after["events_digest"] != known["events_digest"]
    assert after["events_seq_no"] != known["events_seq_no"]
    (said,) = said_at(cluster, start)
    assert said.startswith(f"the {known['event_count']} events were changed after the bucket was scored; scored again")
    if "ip" in changes:
        assert STRANGER in {ip for _, ip in pairs_at(cluster, start)}
    assert mend(cluster) == []


@pytest.mark.parametrize("added", [4, 5, 6])
def test_five_events_deleted_and_others_added_are_seen_whatever_their_number(cluster: Counting, added: int) -> None:
    known = bucket_at(cluster, TODAY)
    remove_events(cluster, ids_between(cluster, TODAY, TODAY + SPAN)[:5])
    add_events(cluster, [(TODAY + 60 + n, f"person4{n}", STRANGER) for n in range(added)])
    (done,) = mend(cluster)
    assert (done.start, done.late_events) == (TODAY, added - 5)
    assert {(f"person4{n}", STRANGER) for n in range(added)} <= pairs_at(cluster, TODAY)
    after = bucket_at(cluster, TODAY)
    assert after["event_count"] == known["event_count"] + added - 5
    assert after["record_count"] == len(of_bucket(cluster, TODAY, "record"))
    assert after["influencer_count"] == len(of_bucket(cluster, TODAY, "influencer"))
    assert mend(cluster) == []


def test_findings_outlive_their_events_and_their_deletion_is_told(cluster: Counting, caplog: Any) -> None:
    known, records = bucket_at(cluster, SPRAYED), of_bucket(cluster, SPRAYED, "record")
    influencers = of_bucket(cluster, SPRAYED, "influencer")
    assert known["anomaly_score"] > 10
    remove_events(cluster, ids_between(cluster, SPRAYED, SPRAYED + SPAN))
    (done,) = mend(cluster)
    after = bucket_at(cluster, SPRAYED)
    assert of_bucket(cluster, SPRAYED, "record") == records
    assert of_bucket(cluster, SPRAYED, "influencer") == influencers
    for name in ("anomaly_score", "initial_anomaly_score", "record_count", "new_record_count", "event.ingested"):
        assert after[name] == known[name], name
    assert (after["event_count"], after["events_digest"], after["revision"]) == (0, NO_ROWS_DIGEST, 1)
    (said,) = said_at(cluster, SPRAYED)
    assert said.startswith(f"{known['event_count']} of {known['event_count']} events vanished")
    assert said.endswith("what had been found stays")
    assert "vanished" in caplog.text
    assert done.new_records == 0
    writes_nothing(cluster)


def test_events_that_come_back_alert_nobody_anew(cluster: Counting) -> None:
    before = {place: each["event.ingested"] for place, each in parts.results(cluster, JOB, volatile=True).items()}
    stored = cluster._indices[company.EVENTS]
    emptied = copy.deepcopy(stored)
    for each in ids_between(cluster, SPRAYED, SPRAYED + SPAN):
        emptied.remove(each)
    emptied.refresh()
    cluster._indices[company.EVENTS] = emptied
    assert [each.start for each in mend(cluster)] == [SPRAYED]
    cluster._indices[company.EVENTS] = stored
    (done,) = mend(cluster, LATER + 600)
    assert (done.start, done.new_records, done.revision) == (SPRAYED, 0, 2)
    after = parts.results(cluster, JOB, volatile=True)
    assert {place: after[place]["event.ingested"] for place in before} == before
    assert bucket_at(cluster, SPRAYED)["event_count"] == len(ids_between(cluster, SPRAYED, SPRAYED + SPAN))


def writes_nothing(cluster: Counting, time: int = LATER + 600) -> None:
    states = everything(cluster, JOB)
    assert mend(cluster, time) == []
    assert everything(cluster, JOB) == states


def test_event_that_is_written_again_unchanged_is_read_once_and_no_more(cluster: Counting) -> None:
    mend(cluster)  # the budget is there from now on, and the oldest bucket was looked at
    known = bucket_at(cluster, TODAY)
    change_events(cluster, ids_between(cluster, TODAY, TODAY + SPAN)[:3])
    for expected in (known["event_count"], 0):
        with live(cluster, JOB, LATER) as session:
            session.loaded_scoring()
            cluster.rows_of = 0
            assert rescore_late(session, LATER) == []
            assert cluster.rows_of == expected
    after = bucket_at(cluster, TODAY)
    assert after["events_seq_no"] != known["events_seq_no"]
    assert {**after, "events_seq_no": ""} == {**known, "events_seq_no": ""}


def test_bucket_of_an_earlier_version_goes_by_its_count(cluster: Counting) -> None:
    for index in cluster.indices("*"):
        if index.startswith("ipi-es-anomalies"):
            cluster.refresh(index)
            for each in cluster.scan(index, {"term": {"result_type": "bucket"}}):
                kept = {name: value for name, value in each.source.items() if not name.startswith("events_")}
                cluster.put(index, each.id, kept)
            cluster.refresh(index)
    change_events(cluster, ids_between(cluster, TODAY, TODAY + SPAN)[:1], ip=STRANGER)
    assert mend(cluster) == []
    add_events(cluster, [(TODAY + 60, "person03", STRANGER)])
    assert [each.start for each in mend(cluster)] == [TODAY]
    change_events(cluster, ids_between(cluster, TODAY, TODAY + SPAN)[:1], ip="85.11.9.8")
    assert [each.start for each in mend(cluster)] == [TODAY]


def test_without_sequence_numbers_a_bucket_is_read_again_before_it_leaves_the_window(cluster: Counting) -> None:
    cluster.hides_seq_no = True
    oldest = MIDDAY - JOB.late_window_seconds()
    assert bucket_at(cluster, oldest)["event_count"] > 5
    change_events(cluster, ids_between(cluster, oldest, oldest + SPAN)[:1], ip=STRANGER)
    change_events(cluster, ids_between(cluster, TODAY, TODAY + SPAN)[:1], ip=STRANGER)
    assert [each.start for each in mend(cluster)] == [oldest]
    assert mend(cluster) == []


@pytest.mark.parametrize("hidden", [False, True])
def test_reading_grows_by_at_most_a_half(cluster: Counting, hidden: bool) -> None:
    """Also where every event is written again after its bucket was scored."""
    job = company.make_job(hold_probability=0, renormalization_window_days=1, late_window="24h")
    scored = read_again = 0
    for step in range(24):
        end = MIDDAY + (step + 1) * SPAN
        with live(cluster, job, LATER + step * SPAN) as session:
            session.catch_up(end, lambda _: None)
            cluster.hides_seq_no = hidden
            scored += len(ids_between(cluster, end - SPAN, end))
            cluster.rows_of = 0
            assert rescore_late(session, LATER + step * SPAN) == []
            read_again += cluster.rows_of
        change_events(cluster, ids_between(cluster, end - SPAN, end))
    window = sum(len(ids_between(cluster, MIDDAY + n * SPAN, MIDDAY + (n + 1) * SPAN)) for n in range(-8, 0))
    assert read_again > 0
    saved_up = window / 2 + 60
    """Before the first look, once; and the last bucket may cost more than what is left."""
    assert read_again <= scored / 2 + saved_up


def a_look(place: int, known: int, now: int, *, rewritten: bool = False) -> ChangedBucket:
    found = FinalBucket(place * SPAN, SPAN, known, "s", 0, "00", "1-1")
    return ChangedBucket(found, now, "2-2" if rewritten else "1-1")


def test_budget_is_half_of_what_is_scored_and_the_oldest_go_first() -> None:
    window = [a_look(n, 100, 100, rewritten=True) for n in range(8)]
    budget = RereadBudget.of(None, 8 * SPAN, window)
    assert (budget.left, budget.most) == (400, 400)
    assert [each.found.start for each in budget.rewritten(window)] == [n * SPAN for n in range(4)]
    assert budget.rewritten(window) == []
    later = [*window[1:], a_look(8, 100, 100)]
    budget = RereadBudget.of(budget.saved(), 9 * SPAN, later)
    assert (budget.left, budget.counted_to) == (50, 9 * SPAN)
    assert len(budget.rewritten(later[4:])) == 1
    assert budget.left == -50


def test_sweep_leaves_the_reserve_and_takes_each_second_bucket() -> None:
    saved: SavedRereadBudget | None = None
    read = []
    for end in range(8, 48):
        window = [a_look(n, 100, 100) for n in range(end - 8, end)]
        budget = RereadBudget.of(saved, end * SPAN, window)
        read += [each.found.start // SPAN for each in budget.swept(window, (end - 7) * SPAN)]
        assert budget.swept(window, (end - 7) * SPAN) == []
        assert budget.left >= 100
        saved = budget.saved()
    assert len(read) == len(set(read))
    assert {later - earlier for earlier, later in pairwise(read[3:])} == {2}


def test_what_a_retention_of_the_events_deletes_did_not_vanish() -> None:
    gone = [a_look(n, 10, 0) for n in range(5)] + [a_look(5, 0, 0), a_look(6, 10, 4)]
    intact = [a_look(n, 10, 10) for n in range(7, 10)]
    assert vanished([*gone, *intact]) == []
    assert vanished(gone) == []
    holes = [a_look(10, 10, 9), a_look(11, 10, 12), a_look(12, 10, 0)]
    assert vanished([*gone, *intact, *holes]) == [holes[0], holes[2]]


def test_events_that_vanish_later_than_the_window_are_told_once(cluster: Counting, caplog: Any) -> None:
    short = company.make_job(hold_probability=0.03, late_window="6h")
    results = parts.results(cluster, JOB, volatile=True)
    remove_events(cluster, ids_between(cluster, YESTERDAY, YESTERDAY + SPAN)[:4])
    assert mend(cluster, job=short) == []
    after = parts.results(cluster, JOB, volatile=True)
    assert {place: after[place] for place in results} == results
    (said,) = (each for place, each in after.items() if place not in results)
    assert said["annotation"].startswith("4 events of this day, in 1 of its buckets, vanished after they were scored")
    assert said["timestamp"] == company.SCORED_FROM * 1_000
    assert caplog.text.count("vanished") == 1
    mend(cluster, LATER + 3_700, short)
    assert parts.results(cluster, JOB, volatile=True) == after


def test_events_that_change_later_than_the_window_are_told_once(cluster: Counting) -> None:
    short = company.make_job(hold_probability=0.03, late_window="6h")
    results = parts.results(cluster, JOB)
    change_events(cluster, ids_between(cluster, YESTERDAY, YESTERDAY + SPAN)[:1], ip=STRANGER)
    assert mend(cluster, job=short) == []
    after = parts.results(cluster, JOB)
    assert {place: after[place] for place in results} == results
    (said,) = (each for place, each in after.items() if place not in results)
    assert "were changed later than late_window (6h)" in said["annotation"]
    assert said["timestamp"] == YESTERDAY * 1_000
    with live(cluster, short, LATER + 3_700) as session:
        session.loaded_scoring()
        cluster.rows_of = 0
        rescore_late(session, LATER + 3_700)
        assert cluster.rows_of == 0
    assert parts.results(cluster, JOB) == after


def test_changed_bucket_whose_snapshot_is_gone_is_told_once(cluster: Counting) -> None:
    with live(cluster, JOB, LATER) as session:
        session.retrain(company.LEARN_FROM, company.SCORED_FROM + DAY)
        session.catch_up(MIDDAY + SPAN, lambda _: None)
    old = bucket_at(cluster, TODAY)["snapshot_id"]
    ClusterBlobs(cluster).delete(JOB.job_id, old)
    change_events(cluster, ids_between(cluster, TODAY, TODAY + SPAN)[:1], ip=STRANGER)
    (done,) = mend(cluster)
    assert old in str(done.unable)
    (said,) = said_at(cluster, TODAY)
    assert "were changed" in said
    assert "not scored again" in said
    assert mend(cluster) == []
