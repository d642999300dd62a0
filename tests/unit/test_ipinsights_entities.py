from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.ipinsights.entity_hashing import entity_hashes, hashed_rows
from ipi_es.ipinsights.key_index import KeyIndex, found_in


def test_hashes_are_the_same_for_ever() -> None:
    # saved histories and snapshots hold these hashes
    assert [f"{int(value):016x}" for value in entity_hashes(["", "alice", "Ünïcode"])] == GOLDEN


@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=50)))
def test_any_text_is_an_entity(names: list[str]) -> None:
    assert entity_hashes(names).shape == (len(names),)
    assert (entity_hashes(names) == entity_hashes(names)).all()


def test_long_names_and_lone_surrogates_are_entities() -> None:
    assert len(np.unique(entity_hashes(["x" * 10_000, "x" * 10_001, "\ud800", ""]))) == 4


def test_rows_leave_the_unknown_row_free() -> None:
    rows = hashed_rows(entity_hashes([f"user{i}" for i in range(1000)]), 7)
    assert rows.min() == 1
    assert rows.max() == 7


def test_found_in_tells_absent_keys() -> None:
    keys = np.array([2, 5, 9], dtype=np.uint64)
    position, found = found_in(keys, np.array([5, 1, 10, 9], dtype=np.uint64))
    assert found.tolist() == [True, False, False, True]
    assert position.tolist() == [1, 0, 0, 2]
    assert not found_in(keys[:0], keys)[1].any()


GOLDEN = ["2d06800538d394c2", "4da10dd61a0116b0", "ecd2f4accd33db30"]


@settings(max_examples=100, deadline=None)
@given(
    st.sets(st.integers(0, 2**64 - 1), min_size=1, max_size=60),
    st.lists(st.integers(0, 2**64 - 1), max_size=60),
    st.booleans(),
)
def test_an_index_finds_what_halving_finds(known: set[int], others: list[int], crowded: bool) -> None:
    """Also where all keys begin with the same bits, or are the largest there is."""
    spread = 2**64 - 1 if not crowded else 2**20
    keys = np.unique(np.array([key % spread for key in known] + [2**64 - 1], dtype=np.uint64))
    asked = np.array([*others, *keys.tolist(), 0, 2**64 - 1], dtype=np.uint64)
    place, there = KeyIndex(keys).find(asked)
    assert there.tolist() == np.isin(asked, keys).tolist()
    assert (keys[place[there]] == asked[there]).all()
    assert (place[~there] == 0).all()
    halved, also = found_in(keys, asked[:1])
    assert halved[0] == place[0]
    assert also[0] == there[0]
