"""Holds: what was very improbable teaches nothing for a while, whoever asks and however often the run was killed."""

from __future__ import annotations

import numpy as np
import pytest
import worker_company as company
import worker_parts as parts
from verdict_parts import said
from worker_company import DAY, HOUR, SCORED_FROM

from ipi_es.addresses import parse
from ipi_es.cluster.port import Put
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.hashing import joined
from ipi_es.ipinsights.prefixes import ADDRESS, prefix_keys
from ipi_es.ipinsights.training.training import Trained
from ipi_es.ipinsights.training.training_events import TrainingEvents
from ipi_es.results.reading.reported import BucketEntity, Extent, First, HeldRecord
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.history.history_keeper import HistoryId
from ipi_es.worker.history.holds import EVERYBODY, HeldPair, Holds
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.scoring.dry_run import count_alerts
from ipi_es.worker.scoring.scored_bucket import ScoredBucket
from ipi_es.worker.training.job_training import TrainingCallbacks
from ipi_es.worker.verdicts.known_verdicts import KnownVerdicts

HOLD = 7 * DAY
THIEF, VICTIM = "198.51.100.66", "person20"
JOB = company.make_job(hold_probability=0.035, hold_days=2)


def holds(**more: object) -> Holds:
    return Holds(probability=0.01, length=HOLD, **more)  # type: ignore[arg-type]


def bucket(start: int, pairs: list[tuple[str, str]]) -> EventBucket:
    entities, ips = (list(dict.fromkeys(column)) for column in zip(*pairs, strict=True))
    return EventBucket(
        start=start,
        span=HOUR,
        entities=entities,
        ips=ips,
        addresses=parse(ips)[0],
        outcomes=["success"],
        entity=np.array([entities.index(entity) for entity, _ in pairs], dtype=np.int32),
        ip=np.array([ips.index(ip) for _, ip in pairs], dtype=np.int32),
        outcome=np.zeros(len(pairs), dtype=np.int8),
        count=np.ones(len(pairs), dtype=np.int64),
        event_count=len(pairs),
    )


def begun(of: Holds, entity: str, ip: str, time: int, record: str) -> int | None:
    until = of.until(entity, ip, time)
    if until is not None:
        of.begin(HeldRecord(entity, ip, time, until, record))
    return until


def held(of: Holds, time: int, *pairs: tuple[str, str]) -> list[bool]:
    rows = bucket(time, list(pairs))
    return of.of_rows(rows, rows.entity, rows.ip).tolist()


def test_hold_counts_from_its_first_record_and_does_not_slide() -> None:
    made = holds()
    assert begun(made, "alice", "192.0.2.1", 0, "r0") == HOLD
    assert begun(made, "alice", "192.0.2.1", HOLD - 1, "r1") == HOLD
    assert made.pairs == {"192.0.2.1": {"alice": [HeldPair(0, HOLD)]}}


def test_hold_end_is_exclusive() -> None:
    made = holds()
    begun(made, "alice", "192.0.2.1", DAY, "r")
    pair = ("alice", "192.0.2.1")
    assert [held(made, time, pair) for time in (DAY - 1, DAY, DAY + HOLD - 1, DAY + HOLD)] == [
        [False],
        [True],
        [True],
        [False],
    ]
    assert held(made, DAY, ("bob", "192.0.2.1"), ("alice", "192.0.2.9")) == [False, False]


def test_after_a_hold_it_may_teach_for_as_long_and_is_then_held_anew() -> None:
    made = holds()
    begun(made, "alice", "192.0.2.1", 0, "r0")
    assert begun(made, "alice", "192.0.2.1", HOLD, "r1") is None
    assert begun(made, "alice", "192.0.2.1", 2 * HOLD - 1, "r2") is None
    assert begun(made, "alice", "192.0.2.1", 2 * HOLD, "r3") == 3 * HOLD


def test_addresses_of_one_network_have_one_hold() -> None:
    made = holds()
    begun(made, "alice", "2001:db8:0:1::1", 0, "r0")
    assert begun(made, "alice", "2001:db8:0:1::2", DAY, "r1") == HOLD  # tomorrow's address of the same line
    assert begun(made, "alice", "2001:db8:0:1::2", HOLD, "r2") is None
    assert made.first_of("alice", "2001:db8:0:1::3", DAY) == First(0, "r0")
    assert made.first_of("alice", "2001:db8:0:1::3", 0) is None  # no repeat of itself
    assert made.first_of("alice", "2001:db8:0:1::3", HOLD) is None
    assert made.first_of("bob", "2001:db8:0:1::3", DAY) is None


def test_confirmed_network_is_never_held() -> None:
    made = holds(verdicts=KnownVerdicts((said("alice", "192.0.2.1"),)))
    assert begun(made, "alice", "192.0.2.9", 0, "r") is None
    made.load([HeldRecord("alice", "192.0.2.1", 0, HOLD, "r")])
    assert made.pairs == {}
    assert begun(made, "bob", "192.0.2.1", 0, "r") == HOLD


def test_probability_of_zero_holds_nothing_that_was_held() -> None:
    made = Holds(probability=0.0, length=HOLD)
    made.load([HeldRecord("alice", "192.0.2.1", 0, HOLD, "r")])
    assert made.pairs == {}


def test_reading_back_is_free_of_order_and_gives_what_the_run_knew() -> None:
    times = (0, DAY, HOLD, 2 * HOLD, 2 * HOLD + DAY)
    ran, written = holds(), []
    for ip in ("192.0.2.7", "192.0.2.2"):
        for time in times:
            until = begun(ran, "alice", ip, time, f"{ip}@{time}")
            if until is not None:
                written.append(HeldRecord("alice", ip, time, until, f"{ip}@{time}"))
    for rows in (written, written[::-1]):
        loaded = holds()
        loaded.load(rows)
        assert loaded == ran


def test_hold_knows_the_most_that_was_reported_of_it() -> None:
    one, many = Extent(30.0, 1, 1, 1), Extent(80.0, 4, 2, 1)
    rows = [
        HeldRecord("alice", "192.0.2.1", 0, HOLD, "r0", one),
        HeldRecord("alice", "192.0.2.1", 60, HOLD, "r1"),  # a repeat: it reports nothing
        HeldRecord("alice", "192.0.2.2", 60, HOLD, "r2", many),
    ]
    for order in (1, -1):
        made = holds()
        made.load(rows[::order])
        assert made.first_of("alice", "192.0.2.9", DAY) == First(0, "r0", Extent(80.0, 4, 2, 1))


def test_nothing_is_learned_of_whom_the_records_do_not_show_whole() -> None:
    made = holds()
    made.load([], [BucketEntity(DAY, "alice"), BucketEntity(DAY + HOUR, EVERYBODY)])
    pairs = ("alice", "192.0.2.1"), ("bob", "192.0.2.1")
    assert [held(made, time, *pairs) for time in (0, DAY, DAY + HOUR)] == [[False] * 2, [True, False], [True] * 2]
    made.forget_before(2 * DAY)
    assert held(made, DAY, *pairs) == [False] * 2


def test_what_is_over_is_forgotten() -> None:
    made = holds()
    begun(made, "alice", "192.0.2.1", 0, "r")
    made.forget_before(HOLD)
    assert made.pairs == {}
    assert len(made.networks) == 1  # it may teach now, and must not be held anew
    made.forget_before(2 * HOLD)
    assert made.networks == {}


@pytest.fixture(scope="module")
def attacked() -> MemoryCluster:
    """The company, with somebody in one account every three hours of the first scored day."""
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
    times = [SCORED_FROM + hour * HOUR for hour in range(0, 24, 3)]
    events = [(time, VICTIM, THIEF, "success") for time in times]
    cluster.bulk(Put(company.EVENTS, f"thief-{e[0]}", company.document(e)) for e in events)
    cluster.refresh(company.EVENTS)
    return cluster


def learned_from(cluster: MemoryCluster, *, off: bool = False, days: int = 1) -> int:
    """Events of the thief's address that the victim's history has after some scored days."""
    job = company.make_job(hold_probability=0) if off else JOB
    parts.backfill(cluster, job, end=SCORED_FROM + days * DAY)
    state = StateStore(cluster).read(job.job_id)
    assert state is not None
    history = JobResources(cluster, job).keeper(HistoryId.parse(str(state.history_id))).history
    key = joined(entity_hashes([VICTIM])[:, None], prefix_keys(parse([THIEF])[0]))
    return round(float(history.pairs.read_count(history.pairs.cells(key))[0, ADDRESS]))


def test_attacker_teaches_nothing_by_his_own_events(attacked: MemoryCluster) -> None:
    cluster = parts.copy_of(attacked)
    assert learned_from(cluster) == 0
    (first, *others) = [
        each
        for each in parts.of_kind(parts.results(cluster, JOB), "record")
        if each["partition_field_value"] == VICTIM and each["by_field_value"] == THIEF
    ]
    assert first["held_until"] == (SCORED_FROM + 2 * DAY) * 1_000
    assert "repeat_of" not in first
    assert {each["held_until"] for each in others} == {first["held_until"]}
    assert all("repeat_of" in each for each in others)


def test_without_holds_he_becomes_usual(attacked: MemoryCluster) -> None:
    assert learned_from(parts.copy_of(attacked), off=True) > 0


def test_confirmed_by_a_person_it_teaches(attacked: MemoryCluster) -> None:
    cluster = parts.copy_of(attacked)
    store = JobResources(cluster, JOB).stores.verdicts
    stored = store.add_verdict(said(VICTIM, THIEF, time=SCORED_FROM, comment="asked her"))
    assert store.all().verdicts == (stored,)
    assert learned_from(cluster) > 0
    assert store.revoke_verdict(stored, SCORED_FROM, "bob")
    assert not JobResources(cluster, JOB).verdicts().verdicts


@pytest.mark.parametrize("confirmed", [False, True])
def test_dry_run_that_trains_holds_and_confirms_as_a_backfill_does(
    attacked: MemoryCluster, monkeypatch: pytest.MonkeyPatch, *, confirmed: bool
) -> None:
    cluster = parts.copy_of(attacked)
    resources = JobResources(cluster, company.make_job("reset", hold_probability=0.035, hold_days=2))
    if confirmed:  # a reset keeps the verdicts
        resources.stores.verdicts.add_verdict(said(VICTIM, THIEF, time=SCORED_FROM))
    parts.train_by(monkeypatch)
    seen: list[ScoredBucket] = []
    count_alerts(resources, SCORED_FROM, SCORED_FROM + DAY, seen.append, TrainingCallbacks())
    of_the_thief = [
        bucket.bucket.start
        for bucket in seen
        for row in bucket.held_until
        if bucket.bucket.ips[bucket.pairs.ip[row]] == THIEF
    ]
    assert bool(of_the_thief) is not confirmed


def test_dry_run_that_trains_leaves_out_what_is_held(attacked: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = parts.copy_of(attacked)
    parts.backfill(cluster, JOB, end=SCORED_FROM + DAY)
    StateStore(cluster).delete(JOB.job_id)  # its results stay
    learned: list[bool] = []

    def watched(events: TrainingEvents, *args: object, **how: object) -> Trained:
        rows = (events.addresses[events.ip] == parse([THIEF])[0]).all(axis=1)
        learned.extend(events.learns[rows].tolist())
        return parts.made_training(events, *args, **how)  # type: ignore[arg-type]

    parts.train_by(monkeypatch, watched)
    count_alerts(JobResources(cluster, JOB), SCORED_FROM + DAY, SCORED_FROM + 2 * DAY, str, TrainingCallbacks())
    assert learned == [False] * 8


def test_confirmed_in_the_middle_of_a_day_the_whole_day_teaches(attacked: MemoryCluster) -> None:
    cluster = parts.copy_of(attacked)
    parts.backfill(cluster, JOB, end=SCORED_FROM + 12 * HOUR)
    JobResources(cluster, JOB).stores.verdicts.add_verdict(said(VICTIM, THIEF, time=SCORED_FROM))
    assert learned_from(cluster) > 0


def test_run_that_goes_on_in_the_middle_of_a_day_holds_what_was_held_before(attacked: MemoryCluster) -> None:
    cluster = parts.copy_of(attacked)
    parts.backfill(cluster, JOB, end=SCORED_FROM + 12 * HOUR)
    assert learned_from(cluster) == 0


def test_later_training_leaves_out_what_is_held_but_calibrates_with_it(
    attacked: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = parts.copy_of(attacked)
    parts.backfill(cluster, JOB, end=SCORED_FROM + DAY)
    parts.train_by(monkeypatch)
    work = JobResources(cluster, JOB)
    with open_session(work) as session:
        learned = session.train(company.LEARN_FROM, SCORED_FROM + DAY)
    events = learned.collected.events(SCORED_FROM + DAY)
    thief = [ip for ip in range(len(events.addresses)) if (events.addresses[ip] == parse([THIEF])[0]).all()]
    rows = np.isin(events.ip, thief)
    assert rows.sum() == 8
    assert not events.learns[rows].any()
    assert events.calibrates[rows].all()
    off = company.make_job(hold_probability=0)
    assert not JobResources(cluster, off).holds(company.LEARN_FROM, SCORED_FROM + DAY).pairs
