"""The child that every influencer gets: the least probable pair of its group."""

from __future__ import annotations

import numpy as np
import pytest

from ipi_es.worker.scoring.record_selection import least_of_groups


def test_smallest_value_of_each_wanted_group_is_chosen_in_order_of_groups() -> None:
    codes, values = np.array([2, 0, 1, 0, 2], dtype=np.int32), np.array([-2.0, -1.0, -9.0, -3.0, -1.0])
    assert least_of_groups(codes, values, np.array([True, False, True, True])).tolist() == [3, 0]


@pytest.mark.parametrize("groups", [0, 3])
def test_nothing_is_chosen_where_no_pair_takes_part(groups: int) -> None:
    found = least_of_groups(np.zeros(0, dtype=np.int32), np.zeros(0), np.ones(groups, dtype=np.bool_))
    assert found.tolist() == []
    assert found.dtype == np.int64
