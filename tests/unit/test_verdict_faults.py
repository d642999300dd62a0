"""Faults of verdicts, one test each: what an attacker, a careless analyst or a tool makes of them."""

from __future__ import annotations

from typing import Any

import pytest
import worker_parts as parts
from late_parts import add_events, ids_between
from live_parts import Worker, live_job
from verdict_parts import said
from worker_company import DAY, HOUR, SCORED_FROM

from ipi_es.alerts.found_alerts import find
from ipi_es.config.given_verdict import COMPROMISED, DISMISSED, SAFE, Verdict
from ipi_es.results.documents.verdict_marks import verdicts_of
from ipi_es.results.words import ALIAS
from ipi_es.service.tick_outcome import TickResult
from ipi_es.state.verdict_store import VERDICTS_INDEX, VerdictStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import from_ms, to_ms
from ipi_es.worker.changed_settings import OnChange
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.verdicts.known_verdicts import KnownVerdicts
from ipi_es.worker.verdicts.result_marks import mark_results

JOB = live_job(hold_probability=0.035, renormalization_window_days=1)
THIEF, NETWORK, VICTIM, OTHER = "85.11.9.7", "85.11.9.0/24", "person03", "person08"
SECOND = "85.11.9.200"
"""Another address of the thief's network."""
ELSEWHERE = "91.7.3.9"
NOW = 1_780_000_000


@pytest.fixture(scope="module")
def trained() -> MemoryCluster:
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
    add_events(
        cluster,
        [
            (SCORED_FROM + 3 * HOUR, VICTIM, THIEF),
            (SCORED_FROM + 3 * HOUR, OTHER, ELSEWHERE),
            (SCORED_FROM + 7 * HOUR, VICTIM, SECOND),
            (SCORED_FROM + 13 * HOUR, VICTIM, SECOND),
        ],
    )
    return cluster


@pytest.fixture
def cluster(trained: MemoryCluster) -> MemoryCluster:
    return parts.copy_of(trained, own_events=True)


def give(cluster: MemoryCluster, *verdicts: Verdict) -> list[Verdict]:
    return [VerdictStore(cluster, JOB.job_id).add_verdict(each) for each in verdicts]


def verdict(word: Any = SAFE, hours: float = 6, entity: str = VICTIM, ip: str = THIEF, since: float = 0) -> Verdict:
    at = SCORED_FROM + int(hours * HOUR)
    return said(entity, ip, word, time=at, since=SCORED_FROM + int(since * HOUR))


def records(cluster: MemoryCluster, entity: str = VICTIM, *, interim: bool = False) -> dict[int, Any]:
    """The verdicts on an account's records in the thief's network, by the hour of their bucket."""
    return {
        (from_ms(each["timestamp"]) - SCORED_FROM) // HOUR: each.get("verdict")
        for each in parts.of_kind(parts.results(cluster, JOB), "record")
        if each["partition_field_value"] == entity
        and each["by_field_value"] in (THIEF, SECOND)
        and (interim or not each["is_interim"])
    }


def whole(cluster: MemoryCluster, hour: int) -> dict[str, Any]:
    """The bucket of an hour."""
    (found,) = [
        each
        for each in parts.of_kind(parts.results(cluster, JOB), "bucket")
        if from_ms(each["timestamp"]) == SCORED_FROM + hour * HOUR
    ]
    return found


def test_a_verdict_with_a_future_time_closes_nothing_that_is_done_after_it_was_written(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    worker.tick(SCORED_FROM + 6 * HOUR)
    give(cluster, verdict(DISMISSED, hours=24 * 365))  # a tool's clock is wrong, or it means to
    worker.tick(SCORED_FROM + 18 * HOUR)
    assert records(cluster) == {3: None, 6: None, 12: None}, "it has no effect yet"


def test_nobody_can_call_safe_what_somebody_else_called_compromised(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    worker.tick(SCORED_FROM + 6 * HOUR)
    give(cluster, verdict(COMPROMISED, hours=5))
    worker.tick(SCORED_FROM + 12 * HOUR)
    give(cluster, verdict(SAFE, hours=12))  # a tool's document: no command refuses it
    worker.tick(SCORED_FROM + 12 * HOUR)
    assert records(cluster) == {3: COMPROMISED, 6: None}, "the attacker's later records stay open"


def test_what_is_done_after_the_verdict_in_the_same_bucket_stays_open(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    worker.tick(SCORED_FROM + 6 * HOUR)
    give(cluster, verdict(DISMISSED, hours=6.1))  # the account is used again at 7 h, in the bucket of 6 h to 9 h
    worker.tick(SCORED_FROM + 9 * HOUR)
    assert records(cluster) == {3: DISMISSED, 6: None}


def test_a_bucket_with_a_repeat_of_an_attack_is_compromised_though_its_only_alarm_was_dismissed() -> None:
    names = {"partition_field_name": "user.name", "by_field_name": "source.ip", "by_field_value": THIEF, "timestamp": 0}
    alarm = {**names, "result_type": "record", "partition_field_value": "alice"}
    repeat = {**names, "result_type": "record", "partition_field_value": "bob", "repeat_of": "earlier"}
    given = {"alice": DISMISSED, "bob": COMPROMISED}
    results = [("a", alarm), ("b", repeat), ("whole", {"result_type": "bucket", "timestamp": 0})]
    assert verdicts_of(results, lambda entity, *_: given[entity])["whole"] == COMPROMISED


def test_a_bucket_with_records_that_were_not_written_is_not_closed() -> None:
    names = {"partition_field_name": "user.name", "by_field_name": "source.ip", "timestamp": 0}
    record = {**names, "result_type": "record", "partition_field_value": "alice", "by_field_value": THIEF}
    bucket = {"result_type": "bucket", "timestamp": 0, "omitted_record_count": 40}
    found = verdicts_of([("r", record), ("b", bucket)], lambda *_: DISMISSED)
    assert found["b"] is None


def test_an_address_with_many_accounts_is_not_closed_with_the_only_one_that_has_a_record() -> None:
    names = {"partition_field_name": "user.name", "by_field_name": "source.ip", "timestamp": 0}
    record = {**names, "result_type": "record", "partition_field_value": "alice", "by_field_value": THIEF}
    sprayer = {
        "result_type": "influencer", "timestamp": 0, "influencer_field_name": "source.ip",
        "influencer_field_value": THIEF, "entity_count": 50,
    }  # fmt: skip
    found = verdicts_of([("r", record), ("i", sprayer)], lambda *_: DISMISSED)
    assert found["i"] is None


def test_results_in_an_index_of_an_earlier_name_that_is_read_only_do_not_stop_the_job(cluster: MemoryCluster) -> None:
    Worker(cluster, JOB).tick(SCORED_FROM + 4 * DAY)
    august = min(cluster.indices(ALIAS))
    cluster.admin.set(august, {"index.blocks.write": True})
    job = live_job(hold_probability=0.035, renormalization_window_days=1, results_index_name="renamed")
    give(cluster, verdict(DISMISSED, hours=4 * 24))
    worker = Worker(cluster, job, owner="two:1:1", dead={"one:1:1"})
    done = worker.tick(SCORED_FROM + 4 * DAY + 6 * HOUR)
    assert (done.did, worker.state.checkpoint) == (TickResult.WORKED, SCORED_FROM + 4 * DAY + 6 * HOUR), done.text


@pytest.mark.parametrize("at", [5 * DAY, 4_102_444_000])
def test_a_verdict_of_another_century_makes_no_index(cluster: MemoryCluster, at: int) -> None:
    worker = Worker(cluster, JOB)
    worker.tick(SCORED_FROM + 6 * HOUR)
    before = set(cluster.indices(ALIAS))
    give(cluster, said(VICTIM, THIEF, time=at))
    worker.tick(SCORED_FROM + 6 * HOUR)
    assert set(cluster.indices(ALIAS)) == before


def test_a_bucket_that_lost_events_is_not_closed_while_what_stays_in_it_is_open(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    worker.tick(SCORED_FROM + 6 * HOUR)
    give(cluster, verdict(DISMISSED))
    worker.tick(SCORED_FROM + 6 * HOUR)
    open_ = [
        each
        for each in parts.of_kind(parts.results(cluster, JOB), "record")
        if each["timestamp"] == to_ms(SCORED_FROM + 3 * HOUR) and "verdict" not in each
    ]
    assert OTHER in {each["partition_field_value"] for each in open_}
    assert "verdict" not in whole(cluster, 3)
    for each in ids_between(cluster, SCORED_FROM + 3 * HOUR, SCORED_FROM + 6 * HOUR):
        stored = cluster.get("test-signins", each)
        if stored is not None and stored.source["source"]["ip"] != THIEF:
            cluster.delete("test-signins", each)
    cluster.refresh("test-signins")
    worker.tick(SCORED_FROM + 9 * HOUR)
    kept = [
        each
        for each in parts.of_kind(parts.results(cluster, JOB), "record")
        if each["timestamp"] == to_ms(SCORED_FROM + 3 * HOUR) and "verdict" not in each
    ]
    assert whole(cluster, 3)["revision"] == 1
    assert OTHER in {each["partition_field_value"] for each in kept}, "what had been found stays"
    assert "verdict" not in whole(cluster, 3)


def test_a_verdict_that_arrives_while_a_tick_begins_is_marked_on_all_results(cluster: MemoryCluster) -> None:
    worker = Worker(cluster, JOB)
    worker.tick(SCORED_FROM + 6 * HOUR)
    worker.tick(SCORED_FROM + 6 * HOUR)
    asked = 0

    def before(operation: str, index: str) -> None:
        nonlocal asked
        if (operation, index) == ("search", VERDICTS_INDEX):
            asked += 1
            if asked == 3:  # after the tick looked whether anything is due, and took its scoring state
                cluster.before = lambda _operation, _index: None
                give(cluster, verdict(DISMISSED, hours=9))

    cluster.before = before
    worker.tick(SCORED_FROM + 9 * HOUR)
    worker.tick(SCORED_FROM + 9 * HOUR)
    worker.tick(SCORED_FROM + 12 * HOUR)
    assert asked == 3
    assert records(cluster) == {3: DISMISSED, 6: DISMISSED}


def test_a_verdict_of_an_earlier_version_takes_its_marks_along_when_it_is_revoked(cluster: MemoryCluster) -> None:
    old = {
        "type": "verdict", "job_id": JOB.job_id, "verdict": "confirmed", "entity": VICTIM, "ip": THIEF, "by": "ann",
        "time": to_ms(SCORED_FROM + 6 * HOUR),
    }  # fmt: skip
    cluster.put("ipi-es-state", "old-verdict", old, refresh=True)
    worker = Worker(cluster, JOB)
    worker.tick(SCORED_FROM + 6 * HOUR)
    worker.tick(SCORED_FROM + 6 * HOUR)
    assert records(cluster)[3] == SAFE
    store = VerdictStore(cluster, JOB.job_id)
    (found,) = store.all().verdicts
    assert store.revoke_verdict(found, SCORED_FROM + 6 * HOUR, "bob")
    worker.tick(SCORED_FROM + 6 * HOUR)
    assert records(cluster)[3] is None


def test_seconds_given_as_milliseconds_are_named() -> None:
    cluster = MemoryCluster()
    source = {"job_id": "signins", "verdict": "safe", "entity": "a", "ip": THIEF, "by": "t", "time": NOW}
    cluster.put(VERDICTS_INDEX, "x", source, refresh=True)
    assert VerdictStore(cluster, "signins").all().damaged


def test_a_verdict_that_begins_after_its_own_time_is_named() -> None:
    cluster = MemoryCluster()
    source = {"job_id": "signins", "verdict": "safe", "entity": "a", "ip": THIEF, "by": "t"}
    cluster.put(VERDICTS_INDEX, "x", {**source, "time": to_ms(NOW), "since": to_ms(NOW + 1)}, refresh=True)
    assert VerdictStore(cluster, "signins").all().damaged


def test_only_results_of_one_bucket_are_combined_where_bucket_span_was_changed(cluster: MemoryCluster) -> None:
    Worker(cluster, JOB).tick(SCORED_FROM + 9 * HOUR)
    give(cluster, *(verdict(DISMISSED, 6, name, ip, since=3) for name, ip in ((VICTIM, THIEF), (OTHER, ELSEWHERE))))
    longer = live_job(hold_probability=0.035, analysis_config={"bucket_span": "6h"})
    resources = JobResources(cluster, longer, clock=parts.TestClock(SCORED_FROM + 9 * HOUR))
    with open_session(resources, lambda _: False, on_change=OnChange.IGNORE) as session:
        mark_results(session)
    assert records(cluster) == {3: DISMISSED, 6: None}
    assert whole(cluster, 3)["verdict"] == DISMISSED


def test_a_later_closing_verdict_does_not_close_what_a_compromised_account_does() -> None:
    attack = said("a", THIEF, COMPROMISED, time=NOW, since=NOW - DAY)
    known = KnownVerdicts((attack, said("a", THIEF, SAFE, time=NOW + DAY, since=0)))
    assert [known.mark("a", THIEF, at) for at in (NOW - 2 * DAY, NOW, NOW + 10)] == [SAFE, COMPROMISED, None]


def other_from_the_thief(trained: MemoryCluster) -> MemoryCluster:
    """The company, with another account at the thief's address at 9 h."""
    made = parts.copy_of(trained, own_events=True)
    add_events(made, [(SCORED_FROM + 9 * HOUR, OTHER, THIEF)])
    return made


def test_a_finding_that_was_closed_at_once_alerts_when_that_verdict_is_revoked(cluster: MemoryCluster) -> None:
    job = live_job(hold_probability=0.035, renormalization_window_days=1, alerts={"on": ["records"], "threshold": 1})
    worker = Worker(cluster, job, clock=parts.TestClock(SCORED_FROM))
    worker.tick(SCORED_FROM + 3 * HOUR)
    (given,) = give(cluster, verdict(DISMISSED, hours=5.5, since=3))  # before the bucket of 3 h is scored
    worker.tick(SCORED_FROM + 6 * HOUR)

    def alerts(since: float, until: float) -> set[str]:
        begin, end = (SCORED_FROM + int(hours * HOUR) for hours in (since, until))
        found = {str(each.message) for each in find(cluster, job, to_ms(begin), end)}
        return {text for text in found if VICTIM in text}

    assert not alerts(0, 6.5), "the verdict closed it"
    VerdictStore(cluster, job.job_id).revoke_verdict(given, SCORED_FROM + 7 * HOUR, "bob")
    worker.tick(SCORED_FROM + 7 * HOUR)
    assert alerts(0, 8), "it is high enough for an alert"
    assert alerts(6.5, 8), "the look-back of the next alert"


def test_verdicts_of_an_index_that_was_made_anew_are_marked_however_many_there_are(cluster: MemoryCluster) -> None:
    give(cluster, *(verdict(COMPROMISED, entity=f"nobody{i}") for i in range(3)))
    worker = Worker(cluster, JOB)
    worker.tick(SCORED_FROM + 6 * HOUR)
    cluster.delete_index(VERDICTS_INDEX)
    give(cluster, verdict(DISMISSED), *(verdict(COMPROMISED, entity=f"nobody{i}") for i in range(3)))
    worker.tick(SCORED_FROM + 6 * HOUR)
    assert records(cluster)[3] == DISMISSED
