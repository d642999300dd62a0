"""A stored document with an impossible value ends in an error that names it, and in no other."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verdict_parts import said

from ipi_es.alerts.delivery_state import DeliveryState, DeliveryStateStore
from ipi_es.cluster.port import Document
from ipi_es.errors import IpiEsError, RequestRejected, SnapshotDamaged, StateDamaged
from ipi_es.setup import setup_plan
from ipi_es.state.blobs import BlobInfo
from ipi_es.state.details import JobDetails, LastError, SavedRereadBudget
from ipi_es.state.job_state import STATE_INDEX, JobState, StateStore, state_id
from ipi_es.state.quantiles_store import QuantilesStore, SavedQuantiles
from ipi_es.state.verdict_store import VERDICTS_INDEX, VerdictStore
from ipi_es.testing.memory_cluster import MemoryCluster

NOW = 1_777_593_600
STATE = JobState(
    "logins",
    checkpoint=NOW,
    snapshot_id="s-1",
    history_id="h-1",
    quantiles_id="q-1",
    renormalized_to=NOW,
    lease_epoch=200_000_000,
    version=7,
    lease_owner="a:1:1",
    lease_expires=NOW + 60,
    lease_for="training",
    lease_since=NOW,
    details=JobDetails(
        made_with={"a": 1},
        scored_from=NOW,
        largest={"record": 4.5},
        not_renormalized=("ipi-es-anomalies-shared-2026.05",),
        reread=SavedRereadBudget(NOW, -1, 0.5),
        missing_results="one day",
        cleaned_at=NOW,
        last_worker="a:1:1",
        last_error=LastError(NOW, "ClusterBusy", "it is busy"),
        other={"other": [1, {"a": None}]},
    ),
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=9)
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
)


def cluster() -> MemoryCluster:
    made = MemoryCluster()
    setup_plan.apply(made, setup_plan.plan(made))
    return made


def loaded(source: dict[str, Any]) -> JobState:
    return JobState.from_document(Document(state_id("logins"), STATE_INDEX, source))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("checkpoint", 99_999_999_999_000),
        ("checkpoint", -1_000),
        ("checkpoint", NOW * 1_000 + 1),
        ("checkpoint", "2026-05-01"),
        ("checkpoint", True),
        ("details", []),
        ("details", "none"),
        ("lease_epoch", 1 << 40),
        ("lease_epoch", 1 << 31),
        ("lease_epoch", None),
        ("version", 1 << 32),
        ("version", -1),
        ("version", 1.0),
        ("paused", "no"),
        ("renormalize_due", 1),
        ("snapshot_id", 7),
        ("lease_owner", ["a"]),
        ("job_id", "another"),
        ("format", "1"),
    ],
)
def test_an_odd_state_is_an_error_that_names_job_field_and_value(field: str, value: Any) -> None:
    with pytest.raises(StateDamaged) as caught:
        loaded({**STATE.to_source(), field: value})
    assert "job logins" in caught.value.message
    assert f"“{field}”" in caught.value.message
    shown = json.dumps(value) if value is not None else "missing or null"
    assert f"“{field}” is {shown}, not " in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cleaned_at", "yesterday"),
        ("too_late_looked_at", 1 << 40),
        ("worker", 3),
        ("largest", {"record": "much"}),
        ("last_error", {"at": NOW}),
        ("last_error", [1]),
        ("scored_from", None),
        ("scored_from", "2026"),
        ("missing_results", 1),
        ("not_renormalized", "ipi-es-anomalies-shared-2026.05"),
        ("not_renormalized", [1]),
        ("made_with", ["a"]),
        ("reread", [1]),
        ("reread", {"counted_to": NOW}),
        ("reread", {"counted_to": NOW, "swept_to": None, "left": 1.0}),
        ("reread", {"counted_to": NOW, "swept_to": -1, "left": float("nan")}),
    ],
)
def test_odd_details_are_an_error_that_names_them(name: str, value: Any) -> None:
    with pytest.raises(StateDamaged, match=name) as caught:
        loaded({**STATE.to_source(), "details": {name: value}})
    assert "job logins" in caught.value.message


def mutated(source: dict[str, Any], path: list[int], value: Any, *, gone: bool) -> dict[str, Any]:
    """``value`` in some place of the document, or that place gone."""
    source = copy.deepcopy(source)
    place, key = source, ""
    at: Any = source
    for step in path:
        place, keys = at, sorted(at)
        key = keys[step % len(keys)]
        at = at[key]
        if not isinstance(at, dict) or not at:
            break
    if gone:
        del place[key]
    else:
        place[key] = value
    return source


EMPTY = dict.fromkeys(replace(STATE.details, other={}).to_mapping()) | {
    "not_renormalized": [],
    "reread": {},
    "last_error": {},
}
"""The keys of details with their empty values, beside null."""


def written(details: dict[str, Any]) -> dict[str, Any]:
    """The details as they are written again: without empty values, and with the start of a bucket in whole seconds."""
    kept = {name: value for name, value in details.items() if name not in EMPTY or value not in (None, EMPTY[name])}
    if "reread" in kept:
        kept["reread"] = {**kept["reread"], "swept_to": int(kept["reread"]["swept_to"])}
    return kept


@settings(max_examples=500)
@given(st.lists(st.integers(0, 99), min_size=1, max_size=3), VALUES, st.booleans())
def test_any_mutation_of_a_state_loads_equal_or_is_an_error_of_ours(path: list[int], value: Any, gone: bool) -> None:
    source = mutated(STATE.to_source(), path, value, gone=gone)
    try:
        found = loaded(source)
    except IpiEsError:
        return
    optional = {"format": 1, "type": "job_state", "renormalize_due": False, "paused": False}
    expected = {**dict.fromkeys(STATE.to_source()), **optional, **source}
    again = found.to_source()
    assert {**again, "details": None} == {**expected, "details": None, "type": "job_state", "format": 1}
    assert repr(again["details"]) == repr(written(expected["details"] or {}))
    assert 0 <= found.external_version < 2**63


def test_a_damaged_state_stops_its_own_job_alone() -> None:
    made = cluster()
    states = StateStore(made)
    for name in ("logins", "mails"):
        states.acquire_lease(name, "a:1:1", NOW, 60, alive=lambda _: True)
    source = {**STATE.to_source(), "checkpoint": 99_999_999_999_000}
    made.put(STATE_INDEX, state_id("logins"), source, refresh=True)
    assert [state.job_id for state in states.all()] == ["mails"]
    assert states.others_from("mails") == 0
    assert states.others_from("logins") is None
    with pytest.raises(StateDamaged, match="checkpoint"):
        states.acquire_lease("logins", "b:1:1", NOW, 60, alive=lambda _: True)


def quantiles() -> tuple[MemoryCluster, QuantilesStore, str, dict[str, Any]]:
    made = cluster()
    store = QuantilesStore(made, "logins")
    store.save(SavedQuantiles("q-1", NOW, {"record": np.arange(8.0), "bucket_time": np.zeros(8)}), 1)
    place = "quantiles:logins:q-1"
    document = made.get(STATE_INDEX, place)
    assert document is not None
    return made, store, place, document.source


@pytest.mark.parametrize(
    ("field", "value"),
    [("time", 1 << 60), ("time", 1.5), ("levels", []), ("levels", {"record": 3}), ("levels", {}), ("levels", None)],
)
def test_odd_quantiles_are_an_error_that_names_job_field_and_value(field: str, value: Any) -> None:
    made, store, place, source = quantiles()
    made.put(STATE_INDEX, place, {**source, field: value}, refresh=True)
    with pytest.raises(SnapshotDamaged, match=rf"q-1 of job logins.*{field}"):
        store.read("q-1")
    if field == "time":
        with pytest.raises(SnapshotDamaged, match=re.escape(json.dumps(value))):
            store.times()


def is_ours(load: Callable[[], Any]) -> bool:
    """Whether it fails, and as it should."""
    try:
        load()
    except IpiEsError:
        return True
    return False


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 99), min_size=1, max_size=3), VALUES, st.booleans())
def test_any_mutation_of_quantiles_loads_equal_or_is_an_error_of_ours(path: list[int], value: Any, gone: bool) -> None:
    made, store, place, source = quantiles()
    whole = store.read("q-1")
    changed = mutated(source, path, value, gone=gone)
    document = Document(place, STATE_INDEX, changed)
    made.get = lambda _index, _id: document  # type: ignore[method-assign]
    if not is_ours(lambda: store.read("q-1")):
        found = store.read("q-1")
        assert found.time * 1_000 == changed["time"]
        assert {name: array.tolist() for name, array in found.levels.items()}.keys() == changed["levels"].keys()
        same = [name for name in found.levels if changed["levels"].get(name) == source["levels"].get(name)]
        assert all((found.levels[name] == whole.levels[name]).all() for name in same)


@settings(max_examples=300)
@given(st.lists(st.integers(0, 99), min_size=1, max_size=2), VALUES, st.booleans())
def test_any_mutation_of_a_manifest_loads_equal_or_is_an_error_of_ours(path: list[int], value: Any, gone: bool) -> None:
    info = BlobInfo("logins", "n-1", "network", NOW, 25, "0" * 64, 3, {"day": 7})
    changed = mutated(info.to_source(), path, value, gone=gone)
    if not is_ours(lambda: BlobInfo.from_source(changed, "logins", "n-1")):
        found = BlobInfo.from_source(changed, "logins", "n-1").to_source()
        for name in set(found) - {"type", "format", "attributes"}:
            assert found[name] == changed[name]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 99), min_size=1, max_size=1), VALUES, st.booleans())
def test_any_mutation_of_a_verdict_loads_equal_or_is_named_as_damaged(path: list[int], value: Any, gone: bool) -> None:
    made = cluster()
    store = VerdictStore(made, "logins")
    store.add_verdict(said("ann", "192.0.2.1"))
    (document,) = made.scan(VERDICTS_INDEX, {"match_all": {}})
    changed = mutated(document.source, path, value, gone=gone)
    with suppress(RequestRejected):  # the index refuses it already
        made.put(VERDICTS_INDEX, document.id, {**changed, "job_id": "logins"}, refresh=True)
    stored = store.all()
    assert len(stored.verdicts) + len(stored.damaged) == 1
    for found in stored.verdicts:
        assert (found.entity, found.ip) in [("ann", "192.0.2.1"), (changed.get("entity"), changed.get("ip"))]


SENT = DeliveryState(
    "logins",
    "ops",
    NOW * 1_000,
    ids={"a": NOW * 1_000},
    times=(NOW, NOW + 1),
    failures=2,
    retry_at=NOW,
    waiting={"b": NOW},
    refused={"c": (2, NOW)},
    failing_since=NOW,
    error="it is away",
)


def sent() -> tuple[MemoryCluster, DeliveryStateStore, Document]:
    made = cluster()
    store = DeliveryStateStore(made, "logins", "ops")
    return made, store, store.save(SENT).stored or Document("", "", {})


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("since", 99_999_999_999_000_000, "“since” is 99999999999000000"),
        ("ids", [], "“ids” is []"),
        ("ids", {"a": "x"}, 'in its ids: its field “a” is "x"'),
        ("times", [NOW, None], "“times” is missing or null"),
        ("refused", {"c": [1]}, "in its refused: its field “c” is [1]"),
        ("owner", 3, "“owner” is 3"),
        ("owned_until", None, "“owned_until” is missing or null"),
    ],
)
def test_odd_notes_of_what_was_sent_are_an_error_that_names_them(field: str, value: Any, named: str) -> None:
    made, store, document = sent()
    details = {**document.source["details"], field: value}
    made.put(STATE_INDEX, document.id, {**document.source, "details": details})
    with pytest.raises(StateDamaged, match=re.escape(named)) as caught:
        store.acquire_lease("one", NOW)
    assert "alerts:logins:ops" in caught.value.message
    assert caught.value.hint


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 99), min_size=1, max_size=3), VALUES, st.booleans())
def test_any_mutation_of_what_was_sent_loads_or_is_an_error_of_ours(path: list[int], value: Any, gone: bool) -> None:
    made, store, document = sent()
    changed = Document(document.id, STATE_INDEX, mutated(document.source, path, value, gone=gone), 0, 1)
    made.get = lambda _index, _id: changed  # type: ignore[method-assign]
    made.put = lambda *_args, **_how: changed  # type: ignore[method-assign]
    is_ours(lambda: store.acquire_lease("one", NOW))
