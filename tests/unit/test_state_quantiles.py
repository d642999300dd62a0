"""Arrays in documents, and the quantiles of a job."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ipi_es.errors import LostJob, SnapshotDamaged, SnapshotForeign, SnapshotMissing
from ipi_es.setup import setup_plan
from ipi_es.state import array_encoding
from ipi_es.state.job_state import STATE_INDEX
from ipi_es.state.quantiles_store import QuantilesStore, SavedQuantiles
from ipi_es.testing.memory_cluster import MemoryCluster

numbers = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.bool_]), hnp.array_shapes(min_side=0, max_dims=3)
)


def cluster() -> MemoryCluster:
    made = MemoryCluster()
    setup_plan.apply(made, setup_plan.plan(made))
    return made


def saved(quantiles_id: str = "q-1") -> SavedQuantiles:
    return SavedQuantiles(quantiles_id, 1_777_593_600, {"record": np.arange(802.0), "bucket_time": np.zeros(802)})


@given(numbers)
def test_array_goes_there_and_back_exactly(array: np.ndarray[Any, Any]) -> None:
    body = json.loads(json.dumps(array_encoding.encode(array)))
    assert body.keys() == {"dtype", "shape", "data"}
    found = array_encoding.decode(body)
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()
    assert found.flags.writeable


def test_array_of_another_byte_order_comes_back_in_ours() -> None:
    found = array_encoding.decode(array_encoding.encode(np.arange(3, dtype=">i4")))
    assert found.dtype == np.dtype("int32")
    assert found.tolist() == [0, 1, 2]


def test_array_of_objects_is_refused() -> None:
    with pytest.raises(ValueError, match="can't be stored"):
        array_encoding.encode(np.array([object()]))


@pytest.mark.parametrize(
    "damage",
    [{"data": "AAAA"}, {"data": "not base64!"}, {"shape": [7]}, {"dtype": "<what"}, {"dtype": "|O"}, {"shape": None}],
)
def test_damaged_array_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(SnapshotDamaged):
        array_encoding.decode({**array_encoding.encode(np.arange(5.0)), **damage})


def test_empty_histogram_is_small() -> None:
    assert len(array_encoding.encode(np.zeros(802))["data"]) < 100


def test_quantiles_go_there_and_back() -> None:
    store = QuantilesStore(cluster(), "logins")
    store.save(saved(), version=5)
    found = store.read("q-1")
    assert (found.id, found.time, set(found.levels)) == ("q-1", 1_777_593_600, {"record", "bucket_time"})
    assert found.levels["record"].tolist() == list(range(802))


def test_same_batch_run_again_writes_the_same_document() -> None:
    made = cluster()
    store = QuantilesStore(made, "logins")
    store.save(saved(), version=5)
    before = made.get(STATE_INDEX, "quantiles:logins:q-1")
    store.save(saved(), version=6)
    after = made.get(STATE_INDEX, "quantiles:logins:q-1")
    assert before is not None
    assert after is not None
    assert before.source == after.source
    assert store.ids() == ["q-1"]


def test_replaced_worker_cannot_write_or_sweep() -> None:
    store = QuantilesStore(cluster(), "logins")
    store.save(saved(), version=5)
    with pytest.raises(LostJob):
        store.save(saved(), version=4)
    with pytest.raises(LostJob):
        store.sweep([], version=4)
    assert store.ids() == ["q-1"]


def test_sweep_keeps_what_a_state_points_to_and_other_jobs() -> None:
    made = cluster()
    store, other = QuantilesStore(made, "logins"), QuantilesStore(made, "logins-2")
    for number in range(3):
        store.save(saved(f"q-{number}"), version=number)
    other.save(saved("q-0"), version=1)
    assert store.sweep({"q-1"}, version=9) == 2
    assert store.ids() == ["q-1"]
    assert other.ids() == ["q-0"]
    assert store.sweep({"q-1"}, version=9) == 0
    assert store.sweep_after("q-1", version=9) == 0
    assert store.sweep_after("q-0", version=9) == 1
    assert store.ids() == []


def test_missing_quantiles_say_what_to_do() -> None:
    with pytest.raises(SnapshotMissing, match="has no quantiles q-9"):
        QuantilesStore(cluster(), "logins").read("q-9")


def test_foreign_and_damaged_quantiles_are_refused() -> None:
    made = cluster()
    store = QuantilesStore(made, "logins")
    store.save(saved(), version=5)
    document = made.get(STATE_INDEX, "quantiles:logins:q-1")
    assert document is not None
    for change, error in (
        ({"job_id": "other"}, SnapshotForeign),
        ({"format": 99}, SnapshotForeign),
        ({"levels": {"record": {"dtype": "<f8", "shape": [1], "data": "AA=="}}}, SnapshotDamaged),
        ({"levels": None}, SnapshotDamaged),
    ):
        made.put(STATE_INDEX, document.id, {**document.source, **change})
        with pytest.raises(error):
            store.read("q-1")
