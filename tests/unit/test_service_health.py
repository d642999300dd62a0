"""What keeps a worker from being ready, as those who do the work tell it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from service_parts import DELAY, NOW, SPAN, a_job

from ipi_es.config import BadFile, Job
from ipi_es.datafeed.bucket_counts import BucketCounts
from ipi_es.datafeed.event_bucket import Dropped
from ipi_es.errors import ClusterUnreachable, ConfigError, FieldMissing, NotEnoughHistory
from ipi_es.service.blindness.blind_change import BlindState
from ipi_es.service.health.health import FAILING_AFTER, Fleet, JobHealth
from ipi_es.service.health.job_report import JobActivity, NotReadyReason
from ipi_es.state.details import LastError

AWAY = ClusterUnreachable("no connection to http://127.0.0.1:9200", hint="start it")


def working(job: Job | None = None) -> JobHealth:
    health = JobHealth(job or a_job())
    health.tick_began(NOW)
    health.lease_acquired(NOW, NOW - SPAN)
    health.batch_written(NOW, NOW)
    health.tick_ended(NOW)
    return health


def troubles(health: JobHealth, now: int = NOW) -> list[NotReadyReason]:
    return [reason.trouble for reason in health.reasons(now)]


def test_a_job_that_works_is_ready() -> None:
    assert NOW % SPAN == 0
    assert working().reasons(NOW) == []


def test_a_job_that_nobody_looked_at_yet_is_not() -> None:
    health = JobHealth(a_job())
    assert troubles(health) == [NotReadyReason.STARTING]
    health.tick_began(NOW)
    assert troubles(health) == []


def test_a_bucket_counts_as_lag_once_its_delay_is_over() -> None:
    health = working()
    assert health.lag_buckets(NOW + SPAN + DELAY - 1) == 0
    assert health.lag_buckets(NOW + SPAN + DELAY) == 1
    report = health.report(NOW + SPAN + DELAY + 30)
    assert (report.lag_buckets, report.lag_seconds) == (1, 30)


def test_lag_of_more_than_max_lag_buckets_fails() -> None:
    health = working(a_job(max_lag=2))
    assert troubles(health, NOW + 2 * SPAN + DELAY) == []
    (reason,) = health.reasons(NOW + 3 * SPAN + DELAY)
    assert reason.trouble is NotReadyReason.LAGGING
    assert "3 complete buckets" in reason.text


def test_a_frequency_longer_than_the_span_is_no_lag() -> None:
    rare = {"indices": ["logs"], "query_delay": "60s", "frequency": "2h"}
    health = working(a_job(max_lag=1, datafeed_config=rare))
    assert troubles(health, NOW + 8 * SPAN + DELAY) == []
    assert troubles(health, NOW + 9 * SPAN + DELAY) == [NotReadyReason.LAGGING]


def test_a_clock_that_steps_back_is_no_lag() -> None:
    assert working().lag_buckets(NOW - 3_600) == 0


def test_a_cluster_that_is_away_fails_until_something_succeeds() -> None:
    health = working()
    health.failed(NOW, AWAY)
    (reason,) = health.reasons(NOW)
    assert reason.trouble is NotReadyReason.CLUSTER_AWAY
    assert reason.text == "ClusterUnreachable: no connection to http://127.0.0.1:9200"
    health.tick_ended(NOW + 60)
    assert troubles(health) == []
    assert health.report(NOW).last_error == LastError(NOW, "ClusterUnreachable", AWAY.message)


def test_other_errors_fail_when_they_come_again() -> None:
    health = working()
    for _ in range(FAILING_AFTER - 1):
        health.failed(NOW, FieldMissing("user.name is in no mapping"))
    assert troubles(health) == []
    health.failed(NOW, FieldMissing("user.name is in no mapping"))
    assert troubles(health) == [NotReadyReason.FAILING]
    health.batch_written(NOW, NOW)
    assert troubles(health) == []
    assert health.report(NOW).errors == {"FieldMissing": FAILING_AFTER}


def test_a_training_that_failed_fails_until_one_succeeds() -> None:
    health = working()
    health.training_failed(NOW, NotEnoughHistory("3 events"))
    health.tick_ended(NOW)
    health.batch_written(NOW, NOW)
    assert troubles(health) == [NotReadyReason.TRAINING_FAILED]
    health.trained(NOW, "20260501T000000Z-1f3a9c0b", {"discriminator_auc": 0.9, "network_of": "x"}, NOW - 3_600)
    report = health.report(NOW)
    assert troubles(health) == []
    assert report.training_metrics == {"discriminator_auc": 0.9}
    assert (report.snapshot_id, report.trained_to) == ("20260501T000000Z-1f3a9c0b", NOW - 3_600)


def test_a_training_by_hand_ends_the_failure_too() -> None:
    health = working()
    health.uses("first", NOW - 86_400)
    health.training_failed(NOW, NotEnoughHistory("3 events"))
    health.uses("first", NOW - 86_400)
    assert troubles(health) == [NotReadyReason.TRAINING_FAILED]
    health.uses("second", NOW)
    assert troubles(health) == []


def test_blindness_is_said_once_and_fails_until_events_come() -> None:
    health = working()
    week = 7 * 86_400
    usual, none = BucketCounts(10, outcomes={"success": 10}), BucketCounts(0)
    health.recall((NOW - 2 * week + (at + 1) * SPAN, usual) for at in range(2 * week // SPAN))
    assert health.scored(NOW + SPAN, none, {}) is None
    change = health.scored(NOW + 2 * SPAN, none, {})
    assert change is not None
    assert (change.state, change.start, change.end) == (BlindState.BLIND, NOW, NOW + 2 * SPAN)
    (reason,) = health.reasons(NOW)
    assert reason.trouble is NotReadyReason.BLIND
    assert reason.text.startswith("No events from 2026-05-28T20:30:00Z on, so far, although")
    assert health.scored(NOW + 3 * SPAN, none, {}) is None
    back = health.scored(NOW + 4 * SPAN, usual, {"critical": 1})
    assert back is not None
    assert back.state is BlindState.ENDED
    assert troubles(health) == []
    assert health.report(NOW).records == {"critical": 1}


RESTS: dict[str, tuple[Callable[[JobHealth], None], JobActivity]] = {
    "standing by": (lambda health: health.stands_by(NOW, "other:1:2"), JobActivity.STANDING_BY),
    "waiting": (lambda health: health.waits(NOW, "7d of events; there are 3d"), JobActivity.WAITING),
    "paused": (lambda health: health.paused(NOW), JobActivity.PAUSED),
}


@pytest.mark.parametrize("name", RESTS)
def test_a_job_that_rests_is_no_reason(name: str) -> None:
    health = JobHealth(a_job())
    rest, doing = RESTS[name]
    health.tick_began(NOW)
    rest(health)
    assert troubles(health, NOW + 86_400) == []
    assert health.report(NOW).doing is doing
    assert not health.report(NOW).lease_held


def test_the_lag_of_a_job_that_another_worker_holds_is_not_ours_to_tell() -> None:
    health = working()
    health.stands_by(NOW, "other:1:2")
    later = health.report(NOW + 86_400)
    assert (later.lag_buckets, later.lag_seconds, later.holder) == (None, None, "other:1:2")
    health.lease_acquired(NOW + 86_400, NOW + 86_400 - SPAN)
    later = health.report(NOW + 86_400)
    assert (later.lag_buckets, later.holder, later.doing) == (0, None, JobActivity.RUNNING)


def test_what_another_worker_has_scored_in_the_meantime_is_no_lag() -> None:
    health = working()
    later = NOW + 8 * SPAN
    assert troubles(health, later) == [NotReadyReason.LAGGING]
    health.nothing_due(later, later - SPAN)
    assert troubles(health, later) == []
    assert health.lag_buckets(later) == 0


def test_a_job_that_goes_on_after_a_pause_runs_again() -> None:
    health = working()
    health.paused(NOW)
    assert health.report(NOW).checkpoint is None
    health.nothing_due(NOW, NOW)
    assert health.report(NOW).doing is JobActivity.RUNNING


def test_unparsable_is_what_lacks_an_entity_or_an_address_and_not_what_was_left_out_on_purpose() -> None:
    health = working()
    health.read(50, Dropped(missing_entity=2, malformed_ip=3, private_ip=20))
    health.read(50, Dropped())
    report = health.report(NOW)
    assert report.unparsable_share == pytest.approx(0.05)
    assert report.events == 100
    assert report.dropped == {"missing_entity": 2, "malformed_ip": 3, "private_ip": 20}
    assert JobHealth(a_job()).report(NOW).unparsable_share is None


def test_the_share_of_unparsable_events_never_exceeds_one() -> None:
    health = working()
    health.read(10, Dropped(missing_entity=10, missing_ip=10))
    assert health.report(NOW).unparsable_share == 1.0


def test_refused_documents_are_counted() -> None:
    health = working()
    health.bulk_rejected("busy", 3)
    health.bulk_rejected("busy", 2)
    health.bulk_rejected("refused", 1)
    assert health.report(NOW).bulk_rejections == {"busy": 5, "refused": 1}


def test_a_report_is_a_copy() -> None:
    health = working()
    before = health.report(NOW)
    health.took("score", 0.5)
    health.took("score", 1.0)
    assert before.steps == {}
    assert health.report(NOW).steps == {"score": (2, 1.5)}


def test_a_fleet_has_each_job_once_and_a_changed_one_anew() -> None:
    fleet = Fleet([a_job("b"), a_job("a")])
    assert [report.job_id for report in fleet.reports(NOW)] == ["a", "b"]
    kept = fleet["a"]
    assert fleet.add(a_job("a")) is kept
    assert fleet.add(a_job("a", max_lag=9)) is not kept
    fleet.remove("b")
    fleet.remove("b")
    assert [reason.job_id for reason in fleet.reasons(NOW)] == ["a"]


def test_many_threads_lose_no_count() -> None:
    health = working()

    def work() -> None:
        for _ in range(500):
            health.read(1, Dropped(private_ip=1))
            health.took("read", 1.0)
            health.report(NOW)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = health.report(NOW)
    assert (report.events, report.dropped["private_ip"], report.steps["read"]) == (2_000, 2_000, (2_000, 2_000.0))


def test_a_bad_job_file_is_a_reason_by_its_name() -> None:
    error = ConfigError("datafeed_config is missing", place="jobs/vpn.yml")
    fleet = Fleet([], [BadFile(Path("jobs/vpn.yml"), error)])
    (reason,) = fleet.reasons(NOW)
    assert (reason.job_id, str(reason.trouble)) == ("vpn.yml", "bad_file")
    assert reason.text == "jobs/vpn.yml: datafeed_config is missing"
