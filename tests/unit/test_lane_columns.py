"""The columns of swim-lanes are those that all results give, without what people expected and verdicts closed."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
import worker_company as company
from explorer_parts import JOB, scored_copy

from ipi_es.cluster.port import Put
from ipi_es.results.reading.incident_list import IncidentFilter, read_incidents
from ipi_es.results.reading.incidents_there import incident_rows, stored_incidents
from ipi_es.results.reading.lane_columns import (
    bucket_columns,
    leading_names,
    name_columns,
    pair_columns,
    record_columns,
)
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.results.reading.result_reader import ResultReader
from ipi_es.results.words import ALIAS, is_settled
from ipi_es.serve.explorer.lane_rows import aligned
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import from_ms

START, END = company.SCORED_FROM, company.SCORED_TO
STEP = 6 * 3_600


@pytest.fixture(scope="module")
def cluster() -> MemoryCluster:
    """The company's results, every third of them closed, and every fifth allowed."""
    made = scored_copy()
    found = sorted(ResultReader(made, JOB.job_id).scan_window(START, END), key=lambda each: each.id)
    puts = []
    for number, each in enumerate(found):
        more: dict[str, Any] = {"verdict": "safe"} if number % 3 == 0 else {}
        more |= {"suppressed_by": "office"} if number % 5 == 0 else {}
        puts.append(Put(each.index, each.id, {**each.source, **more}))
    made.bulk(puts)
    made.refresh(ALIAS)
    return made


def of_kind(cluster: MemoryCluster, kind: str) -> list[dict[str, Any]]:
    found = ResultReader(cluster, JOB.job_id).scan_window(START, END)
    return [each.source for each in found if each.source["result_type"] == kind]


def test_buckets(cluster: MemoryCluster) -> None:
    wanted: dict[int, list[float]] = {}
    for each in of_kind(cluster, "bucket"):
        column = wanted.setdefault(each["timestamp"] // (STEP * 1_000) * STEP * 1_000, [0.0, 0.0])
        column[0] += each["event_count"]
        column[1] = max(column[1], 0.0 if is_settled(each) else each["anomaly_score"])
    found = bucket_columns(cluster, JOB.job_id, START, END, STEP)
    assert {each["timestamp"]: [each["event_count"], each["anomaly_score"]] for each in found} == wanted


def test_names_are_the_worst_ones_with_their_columns(cluster: MemoryCluster) -> None:
    scores: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for each in of_kind(cluster, "influencer"):
        if each["influencer_field_name"] == JOB.ip_field and each["influencer_score"] >= 1.0 and not is_settled(each):
            columns = scores[each["influencer_field_value"]]
            start = from_ms(each["timestamp"]) // STEP * STEP
            columns[start] = max(columns[start], each["influencer_score"])
    order = sorted(scores, key=lambda name: (-max(scores[name].values()), name))
    assert len(order) > 5
    where = ResultFilter(START, END, min_score=1.0)
    found = leading_names(cluster, JOB.job_id, JOB.ip_field, where, 5)
    assert [(each.value, each.worst) for each in found] == [(name, max(scores[name].values())) for name in order[:5]]
    columns_of = name_columns(cluster, JOB.job_id, JOB.ip_field, order[:5], where, STEP)
    assert {name: dict(points) for name, points in columns_of.items()} == {
        name: dict(scores[name]) for name in order[:5]
    }
    assert name_columns(cluster, JOB.job_id, JOB.ip_field, [], where, STEP) == {}


def test_pairs_of_an_address(cluster: MemoryCluster) -> None:
    records = [each for each in of_kind(cluster, "record") if each["by_field_value"] == company.SPRAYER]
    found = pair_columns(
        cluster, JOB.job_id, ResultFilter(START, END, ip=company.SPRAYER), "partition_field_value", 100, STEP
    )
    assert found.keys() == {each["partition_field_value"] for each in records}
    wanted: dict[int, float] = defaultdict(float)
    for each in records:
        start = from_ms(each["timestamp"]) // STEP * STEP
        wanted[start] = max(wanted[start], each["record_score"])
    of_address = ResultFilter(START, END, ip=company.SPRAYER)
    assert record_columns(cluster, JOB.job_id, of_address, STEP) == sorted(wanted.items())


def test_nothing_is_found_before_the_first_result() -> None:
    empty = MemoryCluster()
    assert bucket_columns(empty, "none", 0, 10, 1) == []
    assert leading_names(empty, "none", "user.name", ResultFilter(), 5) == []
    assert read_incidents(empty, "none", IncidentFilter(), size=5) == ([], 0)


@pytest.mark.parametrize(("start", "length"), [(START + 1, 3_600), (START + 7, 86_400), (START, 400 * 86_400)])
def test_columns_of_an_axis_are_whole_multiples_of_their_width(start: int, length: int) -> None:
    axis = aligned(start, start + length, 3_600)
    assert axis.start % axis.step == 0
    assert axis.start <= start < start + length <= axis.end
    assert axis.columns <= 121


def test_pages_of_incidents_are_the_whole_list_cut(cluster: MemoryCluster) -> None:
    rows = incident_rows((each.source for each in stored_incidents(cluster, JOB.job_id)), closed=False)
    pages = [read_incidents(cluster, JOB.job_id, IncidentFilter(), first=first, size=2) for first in range(0, 99, 2)]
    assert [each["incident_id"] for page in pages for each in page.rows] == [each["incident_id"] for each in rows][:100]
    assert {page.total for page in pages} == {len(rows)}


def test_states_that_are_newer_than_the_stored_ones_count(cluster: MemoryCluster) -> None:
    rows = incident_rows(each.source for each in stored_incidents(cluster, JOB.job_id))
    states = {rows[0]["incident_id"]: "safe", rows[1]["incident_id"]: "compromised"}
    closed = read_incidents(cluster, JOB.job_id, IncidentFilter(answered="closed"), size=50, states=states)
    assert [(each["incident_id"], each["state"]) for each in closed.rows] == [(rows[0]["incident_id"], "safe")]
    still = read_incidents(cluster, JOB.job_id, IncidentFilter(), size=500, states=states)
    assert still.total == len(rows) - 1
    assert "compromised" in {each["state"] for each in still.rows}
