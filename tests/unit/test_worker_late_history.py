"""What late events teach, and mending that is killed: nothing is lost, nothing is taken in twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import worker_company as company
import worker_parts as parts
from late_parts import add_events, count_in, delta_of, everything, late_blob, live, parts_of, remove_events
from worker_company import DAY, HOUR
from worker_parts import FragileCluster, Killed

from ipi_es.errors import SnapshotDamaged, SnapshotForeign
from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.ipinsights.trained_network import pack
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.history.late_rows import LateRows
from ipi_es.worker.late.late_rescoring import rescore_late
from ipi_es.worker.scoring.renormalization import ResultWindow

JOB = company.make_job(hold_probability=0, late_window="2d")
SPAN = JOB.bucket_span
MIDNIGHT = company.SCORED_FROM + DAY
MORNING = MIDNIGHT + 6 * HOUR
TODAY, YESTERDAY = MIDNIGHT + 3 * HOUR, MIDNIGHT - 6 * HOUR
DAY_0 = company.SCORED_FROM // DAY
"""The day of YESTERDAY, since the epoch; TODAY's is the next."""
LATER = parts.NOW + 7_200
STRANGER, OTHER = "85.11.9.7", "85.44.3.1"


@pytest.fixture(scope="module")
def before() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
        with live(cluster, JOB) as session:
            session.catch_up(MORNING, lambda _: None)
        yield cluster


@pytest.fixture
def cluster(before: MemoryCluster) -> FragileCluster:
    return own(before)


def own(cluster: MemoryCluster) -> FragileCluster:
    return parts.fragile(cluster, own_events=True)


def mend(cluster: MemoryCluster, time: int = LATER, *, until: int | None = None, job: Any = JOB) -> list[int]:
    with live(cluster, job, time) as session:
        mended = rescore_late(session, time)
        if until is not None:
            session.catch_up(until, lambda _: None)
    return [each.start for each in mended]


def blobs_of(cluster: MemoryCluster, *, late: bool = False) -> dict[str, str]:
    found = ClusterBlobs(cluster).list(JOB.job_id)
    return {each.id: each.sha256 for each in found if (each.kind == "history_late") == late}


@pytest.mark.parametrize("hold", [0, 0.03])
def test_what_stands_is_as_if_it_were_loaded_after_the_mending(cluster: FragileCluster, hold: float) -> None:
    job = company.make_job(hold_probability=hold, late_window="2d")
    add_events(cluster, [(start + n, f"person2{n}", OTHER) for start in (YESTERDAY, TODAY) for n in range(4)])
    with live(cluster, job, LATER) as session:
        before = session.loaded_scoring()
        before.sink.window()  # loaded before the rescoring
        assert len(rescore_late(session, LATER)) == 2
        kept = session.scoring.loaded
        assert (kept is None) == (hold > 0)  # what holds something anew is loaded again
        session.scoring.invalidate()
        loaded = session.loaded_scoring()
        if kept is not None:
            session.scoring.keep(kept)
            assert kept is before
            assert kept.pipeline.scorer.repeats == loaded.pipeline.scorer.repeats
            assert kept.pipeline.scorer.holds == loaded.pipeline.scorer.holds
            assert contents(kept.sink.window()) == contents(loaded.sink.window())
        quiet = parts.fragile(cluster)
        session.catch_up(MIDNIGHT + DAY + SPAN, lambda _: None)
    with live(quiet, job, LATER + 3_600) as session:
        session.catch_up(MIDNIGHT + DAY + SPAN, lambda _: None)
    assert everything(cluster, job) == everything(quiet, job)


def contents(window: ResultWindow) -> dict[str, Any]:
    """What a renormalization looks at, in no order."""
    columns = {
        level: sorted(zip(*(getattr(column, name) for name in column.__slots__), strict=True))
        for level, column in window.columns.items()
    }
    return {"columns": {level: rows for level, rows in columns.items() if rows}, "largest": window.max_record_score}


@pytest.mark.parametrize("same_process", [True, False])
def test_a_pair_of_today_is_in_the_delta_of_today(cluster: FragileCluster, same_process: bool) -> None:
    add_events(cluster, [(TODAY + n, "person03", STRANGER) for n in range(3)])
    mend(cluster, until=MIDNIGHT + DAY + SPAN if same_process else None)
    if not same_process:
        mend(cluster, until=MIDNIGHT + DAY + SPAN)
    assert count_in(delta_of(cluster, JOB, DAY_0 + 1), "person03", STRANGER) == 3
    assert late_blob(cluster, JOB) is None


@pytest.mark.parametrize("same_process", [True, False])
def test_a_pair_whose_day_is_over_is_in_the_next_delta(cluster: FragileCluster, same_process: bool) -> None:
    deltas = blobs_of(cluster)
    add_events(cluster, [(YESTERDAY + n, "person03", STRANGER) for n in range(3)])
    mend(cluster, until=MIDNIGHT + DAY + SPAN if same_process else None)
    if not same_process:
        assert late_blob(cluster, JOB) in blobs_of(cluster, late=True)
        mend(cluster, until=MIDNIGHT + DAY + SPAN)
    assert {name: blobs_of(cluster)[name] for name in deltas} == deltas
    assert count_in(delta_of(cluster, JOB, DAY_0), "person03", STRANGER) == 0
    assert count_in(delta_of(cluster, JOB, DAY_0 + 1), "person03", STRANGER) == 3
    mend(cluster, until=MIDNIGHT + 2 * DAY + SPAN)
    assert count_in(delta_of(cluster, JOB, DAY_0 + 2), "person03", STRANGER) == 0


def test_a_bucket_mended_on_two_days_teaches_once(cluster: FragileCluster) -> None:
    add_events(cluster, [(YESTERDAY + 1, "person03", STRANGER)])
    mend(cluster)
    add_events(cluster, [(YESTERDAY + 2, "person04", STRANGER)])
    mend(cluster, until=MIDNIGHT + DAY + SPAN)
    today = delta_of(cluster, JOB, DAY_0 + 1)
    assert (count_in(today, "person03", STRANGER), count_in(today, "person04", STRANGER)) == (1, 1)
    add_events(cluster, [(YESTERDAY + 3, "person05", STRANGER)])
    assert mend(cluster, until=MIDNIGHT + 2 * DAY + SPAN) == [YESTERDAY]
    tomorrow = delta_of(cluster, JOB, DAY_0 + 2)
    assert [count_in(tomorrow, f"person0{n}", STRANGER) for n in (3, 4, 5)] == [0, 0, 1]


def test_two_late_buckets_of_a_pair_teach_both(cluster: FragileCluster) -> None:
    add_events(cluster, [(YESTERDAY + 1, "person03", STRANGER), (YESTERDAY + SPAN + 1, "person03", STRANGER)])
    assert mend(cluster, until=MIDNIGHT + DAY + SPAN) == [YESTERDAY, YESTERDAY + SPAN]
    assert count_in(delta_of(cluster, JOB, DAY_0 + 1), "person03", STRANGER) == 2


def test_a_pair_that_its_day_has_already_is_not_taken_in_again(cluster: FragileCluster) -> None:
    at = next(time for time, who, ip, _ in company.events() if (time // SPAN * SPAN, who) == (YESTERDAY, "person07"))
    known = next((who, ip) for time, who, ip, outcome in company.events() if time == at and outcome == "success")
    assert count_in(delta_of(cluster, JOB, DAY_0), *known)
    add_events(cluster, [(at + 1, *known)])
    assert mend(cluster, until=MIDNIGHT + DAY + SPAN) == [YESTERDAY]
    on_time = own_without(cluster)
    assert count_in(delta_of(cluster, JOB, DAY_0 + 1), *known) == count_in(delta_of(on_time, JOB, DAY_0 + 1), *known)


def own_without(cluster: MemoryCluster) -> MemoryCluster:
    """The same, scored again from its events, with nothing late."""
    made = own(cluster)
    with live(made, JOB) as session:
        planned = session.plan(company.SCORED_FROM, MIDNIGHT + DAY + SPAN, again=True)
        session.backfill(planned, lambda _: None, again=True)
    return made


def test_what_is_held_is_not_learned_late_either(cluster: FragileCluster) -> None:
    holding = company.make_job(hold_probability=0.035, late_window="2d")
    add_events(cluster, [(YESTERDAY + 1, "person03", STRANGER)])
    mend(cluster, until=MIDNIGHT + DAY + SPAN, job=holding)
    records = [each for each in parts.results(cluster, JOB).values() if each.get("by_field_value") == STRANGER]
    assert [each["timestamp"] // 1_000 for each in records if "held_until" in each] == [YESTERDAY]
    assert count_in(delta_of(cluster, JOB, DAY_0 + 1), "person03", STRANGER) == 0


def test_only_the_newest_late_rows_are_kept_and_a_new_start_forgets_them(cluster: FragileCluster) -> None:
    for number in range(3):
        add_events(cluster, [(YESTERDAY + number, f"person1{number}", STRANGER)])
        mend(cluster)
        assert list(blobs_of(cluster, late=True)) == [late_blob(cluster, JOB)]
    with live(cluster, JOB) as session:
        planned = session.plan(company.SCORED_FROM, MIDNIGHT + DAY + SPAN, again=True)
        session.backfill(planned, lambda _: None, again=True)
    assert late_blob(cluster, JOB) is None
    assert count_in(delta_of(cluster, JOB, DAY_0), "person10", STRANGER) == 1
    assert count_in(delta_of(cluster, JOB, DAY_0 + 1), "person10", STRANGER) == 0


def test_what_came_after_a_training_is_in_its_next_delta_and_what_it_read_is_not(cluster: FragileCluster) -> None:
    add_events(cluster, [(YESTERDAY + 1, "person03", STRANGER)])  # the training reads it
    with live(cluster, JOB, LATER) as session:
        session.retrain(company.LEARN_FROM, MIDNIGHT)
        session.catch_up(MORNING + SPAN, lambda _: None)
        add_events(cluster, [(YESTERDAY + 2, "person04", OTHER)])
        (mended,) = rescore_late(session, LATER)
        assert mended.start == YESTERDAY
        session.catch_up(MIDNIGHT + DAY + SPAN, lambda _: None)
    today = delta_of(cluster, JOB, DAY_0 + 1)
    assert (count_in(today, "person03", STRANGER), count_in(today, "person04", OTHER)) == (0, 1)


def test_late_rows_that_are_lost_do_not_stop_the_job(cluster: FragileCluster, caplog: Any) -> None:
    add_events(cluster, [(YESTERDAY + 1, "person03", STRANGER)])
    mend(cluster)
    ClusterBlobs(cluster).delete(JOB.job_id, str(late_blob(cluster, JOB)))
    mend(cluster, until=MORNING + SPAN)
    assert "before the next training" in caplog.text


def some_rows(bucket: int, into: int, *ips: str) -> LateRows:
    n = len(ips)
    context = AddressContext(np.arange(1, n + 1, dtype=np.uint32), np.full(n, 17_742, dtype=np.uint16))
    return LateRows.of((np.arange(n, dtype=np.uint64), packed_all(ips), np.full(n, 2), context), into, bucket)


def packed_all(ips: tuple[str, ...]) -> Any:
    return np.stack([parts_of(ip) for ip in ips])


@pytest.mark.parametrize("rows", [LateRows.none(), some_rows(YESTERDAY, DAY_0 + 1, STRANGER, "2001:db8::1")])
def test_late_rows_go_there_and_back(rows: LateRows) -> None:
    back = LateRows.from_bytes(rows.to_bytes())
    assert back.to_bytes() == rows.to_bytes()
    assert len(back) == len(rows)
    assert [(each.dtype, each.shape) for each in back.rows()[:3]] == [(e.dtype, e.shape) for e in rows.rows()[:3]]


def test_late_rows_of_a_bucket_replace_its_own_and_old_ones_are_dropped_with_their_window() -> None:
    one, two = some_rows(100, 5, "192.0.2.1"), some_rows(200, 5, "192.0.2.2")
    both = one.replaced(two, 5, 200, keep_from=0)
    assert both.bucket.tolist() == [100, 200]
    again = both.replaced(some_rows(100, 5, "192.0.2.3", "192.0.2.4"), 5, 100, keep_from=0)
    assert again.bucket.tolist() == [200, 100, 100]
    # a day later the one of 100 is out of the window, and both were taken in
    later = again.replaced(some_rows(200, 6, "192.0.2.5"), 6, 200, keep_from=200)
    assert list(zip(later.bucket.tolist(), later.into.tolist(), strict=True)) == [(200, 5), (200, 6)]


def test_late_rows_of_another_kind_are_refused() -> None:
    with pytest.raises(SnapshotForeign):
        LateRows.from_bytes(pack({"kind": "history"}, {}))
    with pytest.raises(SnapshotDamaged):
        LateRows.from_bytes(pack({"kind": "late rows"}, {}))


@pytest.fixture(scope="module")
def outgrown(before: MemoryCluster) -> FragileCluster:
    """Mended once, and outgrown again: with a record that will vanish, new ones, and rows for the next delta."""
    cluster = own(before)
    gone = add_events(cluster, [(YESTERDAY + 1, "person03", STRANGER), (TODAY + 1, "person03", STRANGER)])
    mend(cluster)
    remove_events(cluster, gone)
    add_events(cluster, [(start + n, f"person2{n}", OTHER) for start in (YESTERDAY, TODAY) for n in range(4)])
    return cluster


@pytest.fixture(scope="module")
def mended(outgrown: FragileCluster) -> FragileCluster:
    cluster = parts.fragile(outgrown)
    cluster.moments = []
    assert mend(cluster, LATER + 600) == [YESTERDAY, TODAY]
    return cluster


def kept(cluster: MemoryCluster) -> dict[str, Any]:
    """Everything; of late rows only those that count: a killed write may leave some that nobody knows of."""
    found = everything(cluster, JOB)
    names = {late_blob(cluster, JOB), *blobs_of(cluster)}
    return {**found, "blobs": [each for each in found["blobs"] if each[0] in names]}


def test_the_mending_holds_what_could_go_wrong(outgrown: FragileCluster, mended: FragileCluster) -> None:
    assert late_blob(outgrown, JOB) != late_blob(mended, JOB)
    before, after = (parts.results(each, JOB) for each in (outgrown, mended))
    assert before.keys() - after.keys()
    assert after.keys() - before.keys()


def test_killed_at_any_write_and_run_again_gives_the_same(mended: FragileCluster) -> None:
    expected = kept(mended)
    assert mended.moments is not None
    assert len(mended.moments) > 15
    for name, cluster in mended.moments:
        mend(cluster, LATER + 7_200)
        assert kept(cluster) == expected, f"killed after {name}"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_again_and_again_gives_the_same(outgrown: FragileCluster, mended: FragileCluster, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cluster, time, kills = parts.fragile(outgrown), LATER, 0
    while True:
        cluster.dies_at, cluster.share = int(rng.integers(1, 12)), float(rng.choice([0.0, 0.3, 0.7, 1.0]))
        time += 7_200
        try:
            mend(cluster, time)
        except Killed:
            kills += 1
            cluster = parts.revived(cluster)
        else:
            break
    assert kills > 1
    cluster = parts.revived(cluster)
    assert kept(cluster) == kept(mended)


def test_a_killed_mending_and_the_day_that_ends_after_it_take_nothing_in_twice(mended: FragileCluster) -> None:
    """Killed after its late rows are in the state; then the day ends before the bucket is mended."""
    assert mended.moments is not None
    for name, cluster in mended.moments[3:12:2]:  # before, and after the state knows of the rows
        with live(cluster, JOB, LATER + 7_200) as session:
            session.catch_up(MIDNIGHT + DAY + SPAN, lambda _: None)
            rescore_late(session, LATER + 7_200)
            session.catch_up(MIDNIGHT + 2 * DAY + SPAN, lambda _: None)
        counts = [count_in(delta_of(cluster, JOB, DAY_0 + n), "person20", OTHER) for n in (0, 1, 2)]
        # of yesterday's bucket in the day after or the one after that, and today's own
        assert counts in ([0, 2, 0], [0, 1, 1]), name
