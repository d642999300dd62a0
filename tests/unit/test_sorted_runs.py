from __future__ import annotations

from itertools import groupby

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ipi_es.sorted_runs import ranks_in_runs, run_starts


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3))))
def test_runs_are_those_of_groupby(rows: list[tuple[int, int]]) -> None:
    rows = sorted(rows)
    first, second = (np.array([row[side] for row in rows], dtype=np.int64) for side in (0, 1))
    for columns, key in (((first,), lambda row: row[0]), ((first, second), lambda row: row)):
        runs = [list(run) for _, run in groupby(rows, key)]
        starts = run_starts(*columns)
        assert starts.tolist() == [place == 0 for run in runs for place in range(len(run))]
        assert ranks_in_runs(starts).tolist() == [place for run in runs for place in range(len(run))]
