"""Repeats: within the window of the first record, known from the run itself or read back."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import worker_company as company
import worker_parts as parts

from ipi_es.config.rules.allow_list import NO_RULE
from ipi_es.results.reading.reported import Extent, First, ReportedIp, ReportedPair
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.repeats.earlier_findings import Repeats
from ipi_es.worker.repeats.repeat_decision import KnownFindings, MutedFindings, OpenQuestion, takes_part
from ipi_es.worker.scoring.scored_pairs import ScoredPairs

WINDOW = 100


def pair(time: int, entity: str = "alice", ip: str = "192.0.2.1", **more: object) -> ReportedPair:
    return ReportedPair(entity, ip, time, f"r{time}", **more)  # type: ignore[arg-type]


def address(time: int, ip: str = "192.0.2.1", **more: object) -> ReportedIp:
    return ReportedIp(ip, time, f"i{time}", **more)  # type: ignore[arg-type]


def test_window_counts_from_the_last_finding_that_repeats_nothing() -> None:
    repeats = Repeats(WINDOW)
    repeats.add_pair(pair(0))
    assert repeats.of_pair("alice", "192.0.2.1", 99) == First(0, "r0")
    assert repeats.of_pair("alice", "192.0.2.1", 100) is None
    repeats.add_pair(pair(60, extent=Extent(90.0, 4, 1, 1)))  # more than was reported: news
    assert repeats.of_pair("alice", "192.0.2.1", 159) == First(60, "r60", Extent(90.0, 4, 1, 1))


def test_window_end_is_exclusive_and_its_begin_is_no_repeat_of_itself() -> None:
    repeats = Repeats(WINDOW)
    repeats.add_ip(address(50))
    first = First(50, "i50")
    assert [repeats.of_ip("192.0.2.1", time) for time in (50, 51, 149, 150)] == [None, first, first, None]
    assert repeats.of_ip("192.0.2.2", 51) is None


def test_success_never_repeats_what_only_failed() -> None:
    repeats = Repeats(WINDOW)
    repeats.load([pair(0, failures_only=True)], [address(0, failures_only=True)])
    assert repeats.of_pair("alice", "192.0.2.1", 50) is None
    assert repeats.of_ip("192.0.2.1", 50) is None
    assert repeats.of_pair("alice", "192.0.2.1", 50, failures_only=True) == First(0, "r0")
    repeats.load([pair(10)], [address(10)])
    assert repeats.of_pair("alice", "192.0.2.1", 50, failures_only=True) == First(10, "r10")
    assert repeats.of_ip("192.0.2.1", 50, failures_only=True) == First(10, "i10")


def test_window_of_zero_turns_repeats_off() -> None:
    repeats = Repeats(0)
    repeats.add_pair(pair(0))
    repeats.add_ip(address(0))
    assert repeats.pairs == repeats.ips == {}


def test_reading_back_is_free_of_order() -> None:
    rows, ips = [pair(time) for time in (30, 0, 99)], [address(time) for time in (30, 0)]
    for order in (1, -1):
        repeats = Repeats(WINDOW)
        repeats.load(rows[::order], ips[::order])
        assert repeats.pairs == {("alice", "192.0.2.1", False): First(99, "r99")}
        assert repeats.ips == {("192.0.2.1", False): First(30, "i30")}


def test_what_can_not_be_repeated_any_more_is_forgotten() -> None:
    repeats = Repeats(WINDOW)
    repeats.load([pair(0), pair(50, "bob")], [address(0), address(1, "192.0.2.2")])
    repeats.forget_before(100)
    assert repeats.pairs == {("bob", "192.0.2.1", False): First(50, "r50")}
    assert repeats.ips == {("192.0.2.2", False): First(1, "i1")}


@pytest.mark.parametrize("usual", [0.035, 1e-9], ids=["as scored", "all records are children"])
def test_a_run_knows_what_it_would_read_back(monkeypatch: pytest.MonkeyPatch, usual: float) -> None:
    # records above the bound are written as children of influencers only: they must not look like first records
    monkeypatch.setattr("ipi_es.worker.scoring.bucket_scorer.LN_TAKES_PART", math.log(usual))
    parts.critical_from(monkeypatch, 15.0)
    parts.batch_limits(monkeypatch, MAX_BUCKETS=1)
    job = company.make_job(repeat_window="10h")  # ends between buckets: some first records are out, their repeats in
    cluster = parts.trained_cluster(job, monkeypatch, company.with_moved_office(company.events()))
    store = JobResources(cluster, job).stores.results
    forget, known = Repeats.forget_before, []

    def forgotten(repeats: Repeats, end: int) -> None:
        forget(repeats, end)
        known.append((end, dict(repeats.pairs), dict(repeats.ips), dict(repeats.moves)))

    with monkeypatch.context() as patch:
        patch.setattr(Repeats, "forget_before", forgotten)
        parts.backfill(cluster, job)
    assert len(known) > 10
    for end, *remembered in known:
        stored = Repeats.of(job)
        stored.load(*stored.read(store, end, job.ip_field))
        stored.forget_before(end)
        assert [stored.pairs, stored.ips, stored.moves] == remembered
    assert max(len(pairs) for _, pairs, _, _ in known) > 2
    assert max(len(ips) for _, _, ips, _ in known) > 0
    assert max(len(moves) for _, _, _, moves in known) > 0


def test_a_pair_is_looked_up_once_in_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    job = company.make_job(repeat_window="10h")
    cluster = parts.trained_cluster(job, monkeypatch)
    of_pair, asked = Repeats.of_pair, Counter[tuple[str, str, int]]()

    def counted(repeats: Repeats, entity: str, ip: str, time: int, *, failures_only: bool = False) -> First | None:
        asked[entity, ip, time] += 1
        return of_pair(repeats, entity, ip, time, failures_only=failures_only)

    monkeypatch.setattr(Repeats, "of_pair", counted)
    parts.backfill(cluster, job)
    assert any("repeat_of" in each for each in parts.of_kind(parts.results(cluster, job), "record"))
    assert set(asked.values()) == {1}


def test_an_allowed_pair_does_not_decide_whether_another_of_its_entity_repeats() -> None:
    """What was reported never includes an allowed pair's score: each bucket would exceed it."""
    pairs = ScoredPairs(
        entity=np.array([0, 0], dtype=np.int32),
        ip=np.array([0, 1], dtype=np.int32),
        count=np.ones(2, dtype=np.int64),
        compatibility=np.zeros(2),
        history_class=np.full(2, 3, dtype=np.int8),
        prior_events=np.full(2, 100.0),
        ln_p=np.array([-6.0, -40.0]),
        plain_ln_p=np.array([-6.0, -40.0]),
        calibrated_ln_p=np.array([-6.0, -40.0]),
        extrapolated=np.zeros(2, dtype=np.bool_),
        rule=np.array([NO_RULE, 0], dtype=np.int32),
        failures_only=np.zeros(2, dtype=np.bool_),
    )
    known = KnownFindings({0: First(0, "first", Extent(60.0, 1, 1, 1))}, {})
    asked = OpenQuestion.of(pairs, takes_part(pairs, known, MutedFindings.nothing(1, 2)), known)
    assert asked.pairs.ln_p.tolist() == [-6.0]
    assert (asked.entities.tolist(), asked.ips.tolist()) == ([0], [0])
