from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ipi_es.index_pairs import packed_pairs, unpacked_pairs

INDEX = st.integers(0, 2**31 - 1)


@given(st.lists(st.tuples(INDEX, INDEX)), st.integers(0, 1))
def test_pairs_come_back_from_their_codes_and_keep_their_order(pairs: list[tuple[int, int]], spare: int) -> None:
    first, second = (np.array([pair[side] for pair in pairs], dtype=np.int32) for side in (0, 1))
    width = int(second.max(initial=-1)) + 1 + spare
    codes = packed_pairs(first, second, width)
    assert codes.dtype == np.int64
    assert [tuple(map(int, pair)) for pair in zip(*unpacked_pairs(codes, width), strict=True)] == pairs
    assert [pairs[i] for i in np.argsort(codes, kind="stable")] == sorted(pairs)


def test_one_second_index_goes_with_all_first_ones() -> None:
    assert packed_pairs(np.arange(3), 1, 2).tolist() == [1, 3, 5]
