from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from ipinsights_events import small_company
from ipinsights_parts import a_history, a_snapshot

from ipi_es.errors import SnapshotDamaged, SnapshotForeign
from ipi_es.ipinsights.scorer import Scorer
from ipi_es.ipinsights.storage import (
    delta_from_bytes,
    history_from_bytes,
    history_to_bytes,
    snapshot_from_bytes,
    snapshot_to_bytes,
)
from ipi_es.ipinsights.trained_network import pack, unpack

GOLDEN = Path(__file__).parent.parent / "golden"
ARRAYS = st.dictionaries(
    st.text(max_size=5),
    st.sampled_from(["u1", "?", "<u2", "<u4", "<u8", "<i4", "<i8", "<f4", "<f8", ">u4"]).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    ),
    max_size=3,
)
SOME = pack({"kind": "test"}, {"a": np.arange(50), "b": np.zeros((3, 4), dtype=np.float32)})


@given(ARRAYS)
@settings(max_examples=60, deadline=None)
def test_arrays_come_back_bit_for_bit(arrays) -> None:
    manifest, back = unpack(pack({"x": 1}, arrays))
    assert manifest == {"x": 1}
    assert set(back) == set(arrays)
    for name, array in arrays.items():
        assert back[name].shape == array.shape
        little = array.astype(array.dtype.newbyteorder("<"))
        assert back[name].tobytes() == little.tobytes()


def test_equal_contents_give_equal_bytes() -> None:
    one = pack({"a": 1, "b": 2}, {"x": np.arange(3), "y": np.arange(4)})
    assert one == pack({"b": 2, "a": 1}, {"y": np.arange(4), "x": np.arange(3)})


def test_every_flipped_byte_is_noticed() -> None:
    for place in range(len(SOME)):
        changed = bytearray(SOME)
        changed[place] ^= 0x41
        with pytest.raises((SnapshotDamaged, SnapshotForeign)):
            unpack(bytes(changed))


def test_every_truncation_is_noticed() -> None:
    for length in range(len(SOME)):
        with pytest.raises(SnapshotDamaged):
            unpack(SOME[:length])
    with pytest.raises(SnapshotDamaged):
        unpack(SOME + b"\0")


def test_a_later_version_is_foreign() -> None:
    later = bytearray(pack({}, {}))
    later[8:12] = (2).to_bytes(4, "little")  # after the eight bytes that every snapshot begins with
    with pytest.raises(SnapshotForeign, match="version 2"):
        unpack(bytes(later))


def test_objects_are_refused() -> None:
    with pytest.raises(TypeError):
        pack({}, {"x": np.array([object()])})


def test_one_kind_is_not_read_as_another() -> None:
    history = history_to_bytes(a_history(small_company(seed=4)))
    for reader in (snapshot_from_bytes, delta_from_bytes):
        with pytest.raises(SnapshotForeign, match="history"):
            reader(history)


def test_a_snapshot_of_features_that_are_gone_is_refused() -> None:
    manifest, arrays = unpack(snapshot_to_bytes(a_snapshot(1, small_company(seed=4))))
    manifest["features"][0] = "gone"
    with pytest.raises(SnapshotForeign, match="features"):
        snapshot_from_bytes(pack(manifest, arrays))


def test_a_snapshot_that_lacks_an_array_is_damaged() -> None:
    manifest, arrays = unpack(snapshot_to_bytes(a_snapshot(1, small_company(seed=4))))
    del arrays["network.layers"]
    with pytest.raises(SnapshotDamaged, match="layers"):
        snapshot_from_bytes(pack(manifest, arrays))


def test_a_saved_snapshot_scores_as_before() -> None:
    events = small_company(seed=4)
    snapshot, history = a_snapshot(1, events), a_history(events)
    before = Scorer(snapshot, history).score(events.entities, events.addresses, events.entity, events.ip)
    blob = snapshot_to_bytes(snapshot, {"job_id": "j"})
    assert unpack(blob)[0]["extra"] == {"job_id": "j"}
    again = Scorer(snapshot_from_bytes(blob), history_from_bytes(history_to_bytes(history)))
    after = again.score(events.entities, events.addresses, events.entity, events.ip)
    assert (before.log_odds == after.log_odds).all()
    assert snapshot_to_bytes(again.snapshot, {"job_id": "j"}) == blob


def test_the_golden_snapshot_of_version_1_loads_for_ever() -> None:
    """Made by ``tests/golden/make_ipinsights_v1.py``; the files never change again."""
    snapshot = snapshot_from_bytes((GOLDEN / "ipinsights_snapshot_v1.bin").read_bytes())
    history = history_from_bytes((GOLDEN / "ipinsights_history_v1.bin").read_bytes())
    history.apply(delta_from_bytes((GOLDEN / "ipinsights_delta_v1.bin").read_bytes()))
    _, expected = unpack((GOLDEN / "ipinsights_scores_v1.bin").read_bytes())
    names = [f"user{i}" for i in range(30)] + ["nobody"]
    result = Scorer(snapshot, history).score(names, expected["address"], expected["entity"], expected["ip"])
    np.testing.assert_allclose(result.log_odds, expected["log_odds"], atol=1e-5)
    np.testing.assert_array_equal(result.prior_events, expected["prior_events"])
