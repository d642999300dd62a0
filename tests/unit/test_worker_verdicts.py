"""Verdicts at work: marks on results, what is learned, and what is endangered, with a live job in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import worker_parts as parts
from late_parts import add_events, count_in, delta_of
from live_parts import Worker, live_job
from verdict_parts import said
from worker_company import DAY, HOUR, SCORED_FROM

from ipi_es.addresses import parse
from ipi_es.cluster.port import Document
from ipi_es.config.given_verdict import COMPROMISED, DISMISSED, SAFE, Verdict
from ipi_es.config.rules.allow_list import Matchable
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.history.deltas import DayDelta
from ipi_es.ipinsights.history.history import History
from ipi_es.results.store import ResultStore
from ipi_es.state.verdict_store import VerdictStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import day_of
from ipi_es.worker.history.history_keeper import HistoryId
from ipi_es.worker.verdicts.endangered_pairs import with_new_networks
from ipi_es.worker.verdicts.known_verdicts import KnownVerdicts

JOB = live_job(hold_probability=0.035, renormalization_window_days=1)
THIEF, NETWORK, VICTIM, OTHER = "85.11.9.7", "85.11.9.0/24", "person03", "person08"


@pytest.fixture(scope="module")
def trained() -> MemoryCluster:
    """The company; the victim's account is used from the thief's address at 3 h, another's at 9 h."""
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
    add_events(cluster, [(SCORED_FROM + 3 * HOUR, VICTIM, THIEF), (SCORED_FROM + 9 * HOUR, OTHER, THIEF)])
    return cluster


@pytest.fixture
def cluster(trained: MemoryCluster) -> MemoryCluster:
    return parts.copy_of(trained, own_events=True)


def give(cluster: MemoryCluster, *verdicts: Verdict) -> list[Verdict]:
    return [VerdictStore(cluster, JOB.job_id).add_verdict(each) for each in verdicts]


def verdict(word: Any = SAFE, hours: float = 6, entity: str = VICTIM) -> Verdict:
    return said(entity, THIEF, word, time=SCORED_FROM + int(hours * HOUR), since=SCORED_FROM)


def marks(cluster: MemoryCluster) -> dict[tuple[str, str, int], str]:
    """The verdicts on results: by type, name and hour."""
    found = {}
    for each in parts.results(cluster, JOB).values():
        if "verdict" in each:
            name = each.get("partition_field_value") or each.get("influencer_field_value") or ""
            hour = (each["timestamp"] // 1_000 - SCORED_FROM) // HOUR
            found[each["result_type"], name, hour] = each["verdict"]
    return found


def record(cluster: MemoryCluster, entity: str) -> dict[str, Any]:
    (found,) = [
        each
        for each in parts.of_kind(parts.results(cluster, JOB), "record")
        if (each["partition_field_value"], each["by_field_value"]) == (entity, THIEF)
    ]
    return found


def annotations(cluster: MemoryCluster) -> list[str]:
    store = ResultStore(cluster, JOB.job_id)
    store.show()
    return sorted(each.source["annotation"] for each in store.annotations(types=["verdict"]))


def test_results_are_marked_at_the_next_tick_and_again_when_it_is_revoked(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    worker.tick(SCORED_FROM + 6 * HOUR)
    (given,) = give(cluster, verdict(DISMISSED))
    worker.tick(SCORED_FROM + 6 * HOUR)  # no bucket is due
    marked = marks(cluster)
    assert marked["record", VICTIM, 3] == DISMISSED
    assert marked["influencer", VICTIM, 3] == marked["influencer", THIEF, 3] == DISMISSED
    assert {(name, hour) for _, name, hour in marked} <= {(VICTIM, 3), (THIEF, 3), ("", 3)}
    assert annotations(cluster) == [f"ann dismisses the findings on {VICTIM} from {NETWORK}."]
    before = parts.results(cluster, JOB, volatile=True)
    worker.tick(SCORED_FROM + 6 * HOUR)
    assert parts.results(cluster, JOB, volatile=True) == before, "nothing is written a second time"
    VerdictStore(cluster, JOB.job_id).revoke_verdict(given, SCORED_FROM + 6 * HOUR, "bob")
    Worker(cluster, JOB, owner="two:1:1", dead={"one:1:1"}).tick(SCORED_FROM + 6 * HOUR)
    assert marks(cluster) == {}
    assert annotations(cluster)[0].endswith("Revoked at 2025-08-30T06:00:00Z by bob.")


def test_marks_stay_when_buckets_are_rescored_and_come_again_with_a_backfill(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    worker.tick(SCORED_FROM + 6 * HOUR)
    give(cluster, verdict(SAFE))
    worker.tick(SCORED_FROM + 7 * HOUR)
    marked = marks(cluster)
    assert ("record", VICTIM, 3) in marked
    add_events(cluster, [(SCORED_FROM + 3 * HOUR + 60, "person05", "198.51.100.77")])  # late
    worker.tick(SCORED_FROM + 8 * HOUR)
    rescored = record(cluster, VICTIM)
    assert rescored["revision"] == 1
    assert marks(cluster)["record", VICTIM, 3] == SAFE
    parts.backfill(cluster, JOB, end=SCORED_FROM + 8 * HOUR, again=True)
    assert marks(cluster)["record", VICTIM, 3] == SAFE


def learned(cluster: MemoryCluster, *verdicts: Verdict, entity: str = VICTIM) -> int:
    """Events of the thief's address that the day's delta has of an account, and one for each safe pair."""
    worker = Worker(cluster, JOB)
    worker.tick(SCORED_FROM + 6 * HOUR)
    give(cluster, *verdicts)
    worker.tick(SCORED_FROM + 7 * HOUR)
    worker.tick(SCORED_FROM + DAY + HOUR)
    return count_in(delta_of(cluster, JOB, day_of(SCORED_FROM)), entity, THIEF)


def test_safe_teaches_what_was_held_and_the_pair_itself(cluster: MemoryCluster) -> None:
    assert learned(cluster, verdict(SAFE)) == 2


@pytest.mark.parametrize("word", [None, DISMISSED, COMPROMISED])
def test_without_it_the_pair_is_held_and_another_verdict_teaches_nothing(cluster: MemoryCluster, word: Any) -> None:
    assert learned(cluster, *([] if word is None else [verdict(word)])) == 0


def test_what_is_compromised_is_not_learned_when_its_hold_is_over(cluster: MemoryCluster) -> None:
    job = live_job(hold_probability=0.0)
    worker = Worker(cluster, job)
    worker.tick(SCORED_FROM + 2 * HOUR)
    give(cluster, verdict(COMPROMISED))
    worker.tick(SCORED_FROM + DAY + HOUR)
    delta = delta_of(cluster, JOB, day_of(SCORED_FROM))
    assert count_in(delta, VICTIM, THIEF) == 0
    assert count_in(delta, OTHER, THIEF) == 1


def scored(cluster: MemoryCluster, *verdicts: Verdict) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """The other account's record at 9 h, and the job's quantiles after that."""
    worker = Worker(cluster, JOB)
    worker.tick(SCORED_FROM + 6 * HOUR)
    give(cluster, *verdicts)
    worker.tick(SCORED_FROM + 12 * HOUR)
    saved = worker.resources.stores.quantiles.read(str(worker.state.quantiles_id))
    return record(cluster, OTHER), {name: level.tolist() for name, level in saved.levels.items()}


def test_another_account_at_the_address_is_endangered_and_its_record_says_so(trained: MemoryCluster) -> None:
    plain, quantiles = scored(parts.copy_of(trained, own_events=True))
    found, same = scored(parts.copy_of(trained, own_events=True), verdict(COMPROMISED))
    before = plain["probability"]
    assert found["probability"] == pytest.approx(max(before**2, before / 1_000))
    assert found["record_score"] >= plain["record_score"]
    why = found["anomaly_score_explanation"]["endangered_by"]
    assert (why["entity"], why["source"]) == (VICTIM, THIEF)
    assert why["probability_before"] == pytest.approx(before)
    assert f"{VICTIM} was compromised from {THIEF} (verdict of" in found["reason"]
    assert "endangered_by" not in plain["anomaly_score_explanation"]
    assert quantiles == same, "what is usual for others stays"


def test_a_revoked_verdict_gives_the_scores_of_a_job_without_it(trained: MemoryCluster) -> None:
    plain, _ = scored(parts.copy_of(trained, own_events=True))
    other = verdict(COMPROMISED)
    cluster = parts.copy_of(trained, own_events=True)
    store = VerdictStore(cluster, JOB.job_id)
    store.revoke_verdict(store.add_verdict(other), SCORED_FROM, "bob")
    found, _ = scored(cluster)
    assert (found["probability"], found["record_score"]) == (plain["probability"], plain["record_score"])


def test_an_account_that_has_always_used_the_address_is_not_endangered(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    worker.tick(SCORED_FROM + 6 * HOUR)
    found = next(iter(worker.resources.read(SCORED_FROM + 6 * HOUR, SCORED_FROM + 9 * HOUR)))
    person, home = found.entities[int(found.entity[0])], found.ips[int(found.ip[0])]
    give(cluster, said(VICTIM, home, COMPROMISED, time=SCORED_FROM, since=SCORED_FROM))
    near = worker.resources.verdicts().endangering(found.matchable, found.entity, found.ip)
    assert person in {found.entities[found.entity[row]] for row in near}
    history = worker.resources.keeper(HistoryId.parse(str(worker.state.history_id))).history
    new = with_new_networks(near, history, found.matchable, found.entity, found.ip)
    assert person not in {found.entities[found.entity[row]] for row in new}


@pytest.mark.parametrize(("users", "endangered"), [(6, True), (7, False)])
@pytest.mark.parametrize("host", [7, 99], ids=["same address", "same network"])
def test_nobody_is_endangered_where_a_group_signs_in(users: int, endangered: bool, host: int) -> None:
    """A newcomer to an office, whose gateway an account was taken over from."""
    names, day = [f"person{place}" for place in range(users)], SCORED_FROM // 86_400
    history = History.empty(day - 1, pair_keys=1 << 16, network_keys=1 << 16)
    gateway = parse(["192.0.2.7"] * users)[0]
    history.apply(DayDelta.of(day - 1, entity_hashes(names), gateway, np.ones(users, dtype=np.int64)))
    known = KnownVerdicts.of(JOB, [said(names[0], "192.0.2.7", COMPROMISED, time=SCORED_FROM - 1)], SCORED_FROM)
    found = Matchable(["newcomer"], parse([f"192.0.2.{host}"])[0], {}, None, None, None, SCORED_FROM)
    row = np.zeros(1, dtype=np.int32)
    near = known.endangering(found, row, row)
    assert len(near) == 1
    assert bool(with_new_networks(near, history, found, row, row)) == endangered


def test_an_influencer_with_more_accounts_is_closed_by_its_own_id(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    worker.tick(SCORED_FROM + 6 * HOUR)
    ((index, place), source), *_ = [
        (where, each)
        for where, each in parts.results(cluster, JOB, volatile=True).items()
        if each.get("influencer_field_value") == THIEF and each["timestamp"] == (SCORED_FROM + 3 * HOUR) * 1_000
    ]
    tried = Document(place, index, {**source, "unlearned_entity_count": 50})
    ResultStore(cluster, JOB.job_id).rewrite([tried], worker.state.external_version)
    give(cluster, verdict(DISMISSED))
    worker.tick(SCORED_FROM + 6 * HOUR)
    assert ("record", VICTIM, 3) in marks(cluster)
    assert ("influencer", THIEF, 3) not in marks(cluster)
    give(cluster, replace(verdict(DISMISSED), result=place))
    worker.tick(SCORED_FROM + 6 * HOUR)
    assert marks(cluster)["influencer", THIEF, 3] == DISMISSED
