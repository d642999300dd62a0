"""The pairs of an event bucket: one for each account and address, over the outcomes that a job scores."""

from __future__ import annotations

import numpy as np
import pytest

from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.worker.scoring.scored_pairs import have_outcome, unique_pairs

BUCKET = EventBucket(
    start=0,
    span=3_600,
    entities=["ann", "bob"],
    ips=["192.0.2.1", "192.0.2.2", "192.0.2.3"],
    addresses=np.zeros((3, 16), dtype=np.uint8),
    outcomes=["success", "failure", "unknown"],
    entity=np.array([1, 0, 1, 0, 0], dtype=np.int32),
    ip=np.array([2, 0, 2, 1, 2], dtype=np.int32),
    outcome=np.array([0, 1, 1, 0, 2], dtype=np.int8),
    count=np.array([3, 5, 4, 1, 9]),
    event_count=22,
)


@pytest.mark.parametrize(
    ("outcomes", "pairs"),
    [
        (("success",), [(1, 2, 3), (0, 1, 1)]),
        (("success", "failure"), [(0, 0, 5), (0, 1, 1), (1, 2, 7)]),
        (("other",), []),
    ],
)
def test_a_pair_counts_its_documents_of_all_scored_outcomes(
    outcomes: tuple[str, ...], pairs: list[tuple[int, int, int]]
) -> None:
    found = unique_pairs(BUCKET, outcomes)
    assert list(zip(*(each.tolist() for each in found), strict=True)) == pairs
    assert [each.dtype for each in found] == [np.int32, np.int32, np.int64]


def test_pairs_that_only_failed_have_no_success() -> None:
    entity, ip, _ = unique_pairs(BUCKET, ("success", "failure"))
    assert have_outcome(BUCKET, ("success",), entity, ip).tolist() == [False, True, True]
