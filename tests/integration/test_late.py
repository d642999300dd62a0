"""Late events and interim results on real servers: the bucket is mended, alone, and what was interim is replaced."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from late_parts import (
    add_events,
    change_events,
    count_in,
    delta_of,
    ids_between,
    late_blob,
    live,
    remove_events,
)
from worker_company import DAY, HOUR

from ipi_es.cluster.port import Cluster, Drop
from ipi_es.config.job_config import Job
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.results.store import ResultStore
from ipi_es.results.words import ALIAS
from ipi_es.worker.late.late_rescoring import rescore_late
from ipi_es.worker.scoring.interim_results import write_interim
from ipi_es.worker.upkeep.missing_results import warn_of_missing

MIDNIGHT = company.SCORED_FROM + DAY
MORNING = MIDNIGHT + 9 * HOUR
TODAY, YESTERDAY = MIDNIGHT + 6 * HOUR, MIDNIGHT - 6 * HOUR
STRANGER = "85.11.9.7"
LATER = parts.NOW + 7_200


@pytest.fixture
def job(cluster: Cluster, index: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """A job of its own, trained, with two days of events to score."""
    name = f"late-{uuid.uuid4().hex[:8]}"
    made = company.make_job(name, index, hold_probability=0)
    company.fill(cluster, index, score_days=3)
    parts.train_by(monkeypatch)
    with live(cluster, made, parts.NOW - 3_600) as session:
        session.train(company.LEARN_FROM, company.SCORED_FROM)
    yield made
    parts.remove(cluster, name)


def of_others(cluster: Cluster, job: Job, *starts: int) -> dict[tuple[str, str], dict[str, Any]]:
    found = parts.results(cluster, job, volatile=True)
    return {place: each for place, each in found.items() if each["timestamp"] // 1_000 not in starts}


def test_late_events_mend_their_buckets_alone_and_are_learned(cluster: Cluster, index: str, job: Job) -> None:
    with live(cluster, job) as session:
        session.catch_up(MORNING, lambda _: None)
        assert rescore_late(session, LATER) == []
    others = of_others(cluster, job, TODAY, YESTERDAY)
    add_events(cluster, [(TODAY + 60, "person03", STRANGER), (YESTERDAY + 60, "person04", STRANGER)], index)
    with live(cluster, job, LATER) as session:
        mended = rescore_late(session, LATER)
        assert [(each.start, each.late_events, each.revision) for each in mended] == [(YESTERDAY, 1, 1), (TODAY, 1, 1)]
        assert rescore_late(session, LATER) == []
        assert late_blob(cluster, job) is not None
        assert of_others(cluster, job, TODAY, YESTERDAY) == others
        session.catch_up(MIDNIGHT + DAY + job.bucket_span, lambda _: None)
    today = delta_of(cluster, job, MIDNIGHT // DAY)
    assert [count_in(today, f"person0{n}", STRANGER) for n in (3, 4)] == [1, 1]
    store = ResultStore(cluster, job.job_id)
    said = store.annotations(TODAY, TODAY + job.bucket_span, ["delayed_data"])
    assert [each.source["timestamp"] for each in said] == [TODAY * 1_000]
    news = [
        each
        for each in store.read("record", ResultFilter(ip=STRANGER))
        if each.source["event.ingested"] > LATER * 1_000
    ]
    assert {each.source["partition_field_value"] for each in news} == {"person03", "person04"}


def test_interim_results_are_replaced_and_leave_nothing(cluster: Cluster, index: str, job: Job) -> None:
    begin = MIDNIGHT + 9 * HOUR
    with live(cluster, job) as session:
        session.catch_up(begin, lambda _: None)
        add_events(cluster, [(begin + n, f"person{n:02d}", STRANGER) for n in range(3)], index)
        assert write_interim(session, begin + HOUR)
        assert write_interim(session, begin + HOUR + 60) == 0
        cluster.refresh(ALIAS)
        found = of_others(cluster, job)
        interim = {place: each for place, each in found.items() if each["is_interim"]}
        assert {each["timestamp"] for each in interim.values()} == {begin * 1_000}
        assert ResultStore(cluster, job.job_id).read("record", ResultFilter(begin, interim=False)) == []
        add_events(cluster, [(begin + 120, "person31", STRANGER)], index)
        session.catch_up(begin + job.bucket_span, lambda _: None)
    final = of_others(cluster, job)
    assert not [each for each in final.values() if each["is_interim"]]
    assert interim.keys() - {place for place, each in final.items()} == set()
    assert {place for place, each in final.items() if each["timestamp"] == begin * 1_000} > interim.keys()


def test_changed_and_vanished_events_are_found_by_content(cluster: Cluster, index: str, job: Job) -> None:
    with live(cluster, job) as session:
        session.catch_up(MORNING, lambda _: None)
        assert rescore_late(session, LATER) == []
    span = job.bucket_span
    others = of_others(cluster, job, TODAY, YESTERDAY)
    change_events(cluster, ids_between(cluster, TODAY, TODAY + span, index)[:1], index, ip=STRANGER)
    remove_events(cluster, ids_between(cluster, YESTERDAY, YESTERDAY + span, index)[:5], index)
    add_events(cluster, [(YESTERDAY + 60 + n, f"person4{n}", STRANGER) for n in range(4)], index)
    with live(cluster, job, LATER) as session:
        mended = rescore_late(session, LATER)
        assert [(each.start, each.late_events, each.revision) for each in mended] == [
            (YESTERDAY, -1, 1),
            (TODAY, 0, 1),
        ]
        assert rescore_late(session, LATER) == []
    assert of_others(cluster, job, TODAY, YESTERDAY) == others
    found = ResultStore(cluster, job.job_id).read("record", ResultFilter(ip=STRANGER))
    assert {each.source["timestamp"] // 1_000 for each in found} == {TODAY, YESTERDAY}
    assert {f"person4{n}" for n in range(4)} <= {each.source["partition_field_value"] for each in found}


def test_deleted_results_are_counted(cluster: Cluster, index: str, job: Job) -> None:
    with live(cluster, job) as session:
        session.catch_up(MORNING, lambda _: None)
    with live(cluster, job, LATER) as session:
        assert warn_of_missing(session, None) == []
    found = parts.results(cluster, job)
    gone = [place for place, each in found.items() if each["result_type"] == "record"][:3]
    gone += [
        place for place, each in found.items() if (each["result_type"], each["timestamp"]) == ("bucket", TODAY * 1_000)
    ]
    cluster.bulk([Drop(*place) for place in gone], refresh=True)
    with live(cluster, job, LATER) as session:
        missing = warn_of_missing(session, None)
    assert sum(each.buckets for each in missing) == 1
    cluster.refresh(ALIAS)
    said = ResultStore(cluster, job.job_id).annotations(types=["results_missing"])
    assert len(said) == len(missing) >= 1
