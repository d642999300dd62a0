"""Results that somebody deletes are noticed at the next nightly cleaning, and what the text says restores them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from worker_company import DAY, HOUR, SCORED_FROM, SCORED_TO

from ipi_es.cluster.port import Drop
from ipi_es.results.reading.day_counts import DayCounts
from ipi_es.results.words import RESULT_KINDS
from ipi_es.state.details import JobDetails
from ipi_es.state.job_state import JobState, StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.upkeep.cleanup import clean
from ipi_es.worker.upkeep.missing_results import missing

JOB = company.make_job(hold_probability=0.03)
SPAN = JOB.bucket_span
AUGUST = "ipi-es-anomalies-signins-2025.08"


@pytest.fixture(scope="module")
def scored() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
        parts.backfill(cluster, JOB)
        yield cluster


@pytest.fixture
def cluster(scored: MemoryCluster) -> MemoryCluster:
    return parts.copy_of(scored)


def night(cluster: MemoryCluster, job: Any = JOB, now: int = parts.NOW) -> dict[int, str]:
    """``{day: what is said to be missing of it}`` after a cleaning."""
    work = JobResources(cluster, job, clock=parts.TestClock(now))
    with open_session(work) as session:
        clean(session, now)
    found = parts.results(cluster, job).values()
    said = [each for each in found if each.get("annotation_type") == "results_missing"]
    return {(each["timestamp"] // 1_000 - SCORED_FROM) // DAY: each["annotation"] for each in said}


def state_of(cluster: MemoryCluster) -> JobState:
    state = StateStore(cluster).read(JOB.job_id)
    assert state is not None
    return state


def details(cluster: MemoryCluster) -> JobDetails:
    return state_of(cluster).details


def delete(cluster: MemoryCluster, wanted: Callable[[dict[str, Any]], bool]) -> int:
    """Somebody deletes results."""
    gone = [place for place, each in parts.results(cluster, JOB).items() if wanted(each)]
    cluster.bulk([Drop(*place) for place in gone], refresh=True)
    return len(gone)


def of(kind: str, start: int, end: int) -> Callable[[dict[str, Any]], bool]:
    return lambda each: each["result_type"] == kind and start <= each["timestamp"] // 1_000 < end


def test_where_all_is_there_nothing_is_said(cluster: MemoryCluster) -> None:
    assert night(cluster) == {}
    assert details(cluster).missing_results is None
    assert details(cluster).scored_from == SCORED_FROM


def test_deleted_buckets_records_and_influencers_are_told_once_with_their_number(
    cluster: MemoryCluster, caplog: Any
) -> None:
    day = SCORED_FROM + DAY
    delete(cluster, of("bucket", day + 6 * HOUR, day + 12 * HOUR))
    records = delete(cluster, of("record", day + 12 * HOUR, day + 18 * HOUR))
    influencers = delete(cluster, of("influencer", day + 3 * DAY, day + 4 * DAY))
    assert records > 0 < influencers
    said = night(cluster)
    assert said.keys() == {1, 4}
    assert said[1].startswith("results of this day are missing: 2 buckets")
    assert said[4].startswith(f"results of this day are missing: {influencers} influencers. They were deleted;")
    assert details(cluster).missing_results == "results are missing on 2 days, the first is 2025-08-31"
    warned = caplog.text.count("results are missing on 2 days")
    assert warned == 1
    assert night(cluster, now=parts.NOW + DAY) == said
    assert caplog.text.count("results are missing on 2 days") == 1


def test_deleted_index_of_a_month_is_noticed_also_when_it_was_the_only_one(cluster: MemoryCluster) -> None:
    cluster.delete_index(AUGUST)
    assert night(cluster).keys() == {0, 1}
    for index in cluster.indices("ipi-es-anomalies-*"):
        cluster.delete_index(index)
    assert night(cluster).keys() == {0, 1, 2, 3, 4}


def test_what_the_text_says_restores_them_and_then_nothing_is_said(cluster: MemoryCluster) -> None:
    def kept(found: dict[Any, dict[str, Any]]) -> dict[Any, dict[str, Any]]:
        return {place: each for place, each in found.items() if each["result_type"] in RESULT_KINDS}

    before = kept(parts.results(cluster, JOB))
    delete(cluster, of("record", SCORED_FROM + DAY, SCORED_TO))
    delete(cluster, of("bucket", SCORED_FROM + 2 * DAY, SCORED_FROM + 3 * DAY))
    said = night(cluster)
    assert "`ipi-es backfill signins --start 2025-08-31T00:00:00Z --end 2025-09-04T00:00:00Z --again`" in said[1]
    parts.backfill(cluster, JOB, SCORED_FROM + DAY, SCORED_TO, again=True, time=parts.NOW + HOUR)
    assert kept(parts.results(cluster, JOB)).keys() == before.keys()
    assert night(cluster, now=parts.NOW + DAY) == {}
    assert details(cluster).missing_results is None
    assert details(cluster).scored_from == SCORED_FROM


def test_what_was_trained_on_since_needs_a_backup_or_an_earlier_snapshot(cluster: MemoryCluster) -> None:
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW))) as session:
        session.retrain(company.LEARN_FROM, SCORED_FROM + 2 * DAY)
    delete(cluster, of("bucket", SCORED_FROM, SCORED_FROM + 12 * HOUR))
    assert "restore the index from a backup" in night(cluster)[0]
    assert "`ipi-es snapshots revert signins SNAPSHOT`" in night(cluster)[0]


def test_what_retention_deletes_is_not_missing(cluster: MemoryCluster) -> None:
    job = company.make_job(hold_probability=0.0, results_retention_days=2)
    assert night(cluster, job) == {}
    assert details(cluster).scored_from == SCORED_TO - 2 * DAY
    kept_longer = company.make_job(hold_probability=0.0, results_retention_days=30)
    assert night(cluster, kept_longer, parts.NOW + DAY) == {}


def test_gap_that_nobody_scored_is_not_missing(cluster: MemoryCluster) -> None:
    parts.backfill(cluster, JOB, SCORED_TO + DAY, SCORED_TO + 2 * DAY, time=parts.NOW + HOUR)
    assert night(cluster) == {}
    assert details(cluster).scored_from == SCORED_TO + DAY
    delete(cluster, of("bucket", SCORED_TO + DAY, SCORED_TO + DAY + HOUR))
    assert night(cluster).keys() == {6}


def test_gap_that_nobody_scored_is_not_missing_after_a_kill_either(cluster: MemoryCluster) -> None:
    killed = parts.fragile(cluster)
    killed.moments = []
    parts.backfill(killed, JOB, SCORED_TO + DAY, SCORED_TO + 3 * DAY, time=parts.NOW + HOUR)
    amid = [moment for _, moment in killed.moments if state_of(moment).checkpoint == SCORED_TO + 2 * DAY]
    assert amid
    for moment in amid:
        assert details(moment).scored_from == SCORED_TO + DAY


def test_job_of_an_earlier_version_is_watched_from_now_on(cluster: MemoryCluster) -> None:
    delete(cluster, of("bucket", SCORED_FROM, SCORED_FROM + DAY))
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW))) as session:
        session.note(scored_from=None)
    assert night(cluster) == {}
    assert details(cluster).scored_from == SCORED_TO


def test_days_are_counted_to_the_second() -> None:
    day, whole = SCORED_FROM // DAY, DayCounts(DAY, 5, 5, 2, 2)
    days = {day: whole, day + 1: DayCounts(DAY // 2, 0, 0, 0, 0)}
    assert missing(days, SCORED_FROM, SCORED_FROM + DAY + DAY // 2, SPAN) == []
    assert [str(each) for each in missing(days, SCORED_FROM, SCORED_FROM + 2 * DAY, SPAN)] == ["4 buckets"]
    assert missing({day: DayCounts(DAY // 2)}, SCORED_FROM + DAY // 2, SCORED_FROM + DAY, SPAN) == []
    assert [str(each) for each in missing({}, SCORED_FROM, SCORED_FROM + DAY, SPAN)] == ["8 buckets"]
