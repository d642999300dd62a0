"""Overall buckets, on the table of Elastic's own test: three jobs with spans of 60, 30 and 17 minutes."""

from __future__ import annotations

from typing import Any

import pytest

from ipi_es.cluster.port import Put
from ipi_es.errors import UsageError
from ipi_es.results.reading.overall import OverallFilter, overall
from ipi_es.results.words import ALIAS
from ipi_es.setup import setup_plan
from ipi_es.testing.memory_cluster import MemoryCluster

MINUTE, HOUR = 60, 3_600
START = 1_464_739_200  # 2016-06-01T00:00:00Z
JOBS = {"job-60": 60 * MINUTE, "job-30": 30 * MINUTE, "job-17": 17 * MINUTE}
TABLE = [
    ("job-60", 0, 30.0, False), ("job-60", 60, 0.0, False), ("job-60", 120, 20.0, False),
    ("job-30", 60, 0.0, False), ("job-30", 120, 10.0, False), ("job-30", 150, 40.0, False),
    ("job-17", 60, 0.0, False), ("job-17", 128, 1.0, False), ("job-17", 145, 0.0, False), ("job-17", 162, 60.0, True),
]  # fmt: skip
"""Job, minute, score, interim."""


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    setup_plan.apply(made, setup_plan.plan(made), force=True)
    made.bulk(
        Put(
            f"{ALIAS}-shared-2016.06",
            f"{job}-{minute}",
            {
                "job_id": job,
                "result_type": "bucket",
                "timestamp": (START + minute * MINUTE) * 1_000,
                "bucket_span": JOBS[job],
                "anomaly_score": score,
                "is_interim": interim,
            },
        )
        for job, minute, score, interim in TABLE
    )
    made.refresh(ALIAS)
    return made


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, [(0, 30.0), (1, 0.0), (2, 60.0)]),
        ({"top_n": 2}, [(0, 30.0), (1, 0.0), (2, 50.0)]),
        ({"top_n": 3}, [(0, 30.0), (1, 0.0), (2, 40.0)]),
        ({"top_n": 333}, [(0, 30.0), (1, 0.0), (2, 40.0)]),
        ({"min_score": 41.0}, [(2, 60.0)]),
        ({"min_score": 30.0}, [(0, 30.0), (2, 60.0)]),
        ({"interim": False}, [(0, 30.0), (1, 0.0), (2, 40.0)]),
        ({"bucket_span": 2 * HOUR}, [(0, 30.0), (2, 60.0)]),
        ({"bucket_span": 2 * HOUR, "top_n": 2}, [(0, 30.0), (2, 50.0)]),
        ({"start": START + 30 * MINUTE, "end": START + 150 * MINUTE}, [(1, 0.0)]),
        ({"start": START + HOUR}, [(1, 0.0), (2, 60.0)]),
        ({"end": START + 2 * HOUR}, [(0, 30.0), (1, 0.0)]),
        ({"start": START + 10 * MINUTE, "end": START + 50 * MINUTE}, []),
        ({"start": START + HOUR, "bucket_span": 2 * HOUR}, [(2, 60.0)]),
    ],
)
def test_the_scores_are_elastics(cluster: MemoryCluster, where: dict[str, Any], expected: list[Any]) -> None:
    rows = overall(cluster, JOBS, OverallFilter(**where))
    assert [((row["timestamp"] // 1_000 - START) // HOUR, row["overall_score"]) for row in rows] == expected


def test_a_row_names_its_jobs_in_order_and_whether_it_is_interim(cluster: MemoryCluster) -> None:
    first, second, third = overall(cluster, JOBS)
    assert first == {
        "result_type": "overall_bucket",
        "timestamp": START * 1_000,
        "bucket_span": HOUR,
        "overall_score": 30.0,
        "jobs": [{"job_id": "job-60", "max_anomaly_score": 30.0}],
        "is_interim": False,
    }
    assert [each["job_id"] for each in second["jobs"]] == ["job-17", "job-30", "job-60"]
    assert [each["max_anomaly_score"] for each in third["jobs"]] == [60.0, 40.0, 20.0]
    assert third["is_interim"] is True


def test_without_interim_buckets_their_jobs_score_is_that_of_the_rest(cluster: MemoryCluster) -> None:
    last = overall(cluster, JOBS, OverallFilter(interim=False))[-1]
    assert [each["max_anomaly_score"] for each in last["jobs"]] == [1.0, 40.0, 20.0]
    assert last["is_interim"] is False


@pytest.mark.parametrize("top_n", [0, -1])
def test_top_n_must_be_positive(cluster: MemoryCluster, top_n: int) -> None:
    with pytest.raises(UsageError, match=rf"\[topN\] parameter must be positive, found \[{top_n}\]"):
        overall(cluster, JOBS, OverallFilter(top_n=top_n))


def test_the_span_is_not_shorter_than_the_longest_of_the_jobs(cluster: MemoryCluster) -> None:
    with pytest.raises(UsageError, match=r"greater or equal to the max bucket_span \[1h\]"):
        overall(cluster, JOBS, OverallFilter(bucket_span=59 * MINUTE))


def test_no_job_has_no_overall_bucket(cluster: MemoryCluster) -> None:
    assert overall(cluster, {}) == []
