"""The details of a job's state: read, changed and written back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipi_es.errors import FieldMissing, StateDamaged
from ipi_es.state.details import LONGEST_TEXT, IncidentsState, JobDetails, LastError, SavedRereadBudget
from ipi_es.state.fields import LATEST, Fields

NOW = 1_777_593_600
STORED: dict[str, Any] = {
    "made_with": {"analysis_config.bucket_span": "15m"},
    "scored_from": NOW - 9,
    "reverted_from": NOW - 8,
    "largest": {"record": 4.5, "bucket_time": 7},
    "not_renormalized": ["ipi-es-anomalies-shared-2026.04"],
    "late_rows": "history-s-1-late-00",
    "reread": {"counted_to": NOW - 7, "swept_to": -1, "left": -2.5},
    "too_late_looked_at": NOW - 6,
    "missing_results": "results are missing on 1 days",
    "cleaned_at": NOW - 5,
    "worker": "a:1:1",
    "last_error": {"at": NOW - 4, "kind": "ClusterBusy", "text": "it is busy"},
    "waits_for": "7d of events",
}
"""As versions before the details had types stored them."""

times = st.none() | st.integers(0, LATEST)
texts = st.none() | st.text(max_size=9)
reals = st.floats(allow_nan=False, allow_infinity=False)
others = st.dictionaries(st.text(max_size=1), st.none() | st.integers() | st.lists(st.booleans()), max_size=2)
made = st.builds(
    JobDetails,
    made_with=st.none() | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    scored_from=times,
    reverted_from=times,
    largest=st.none() | st.dictionaries(st.text(max_size=3), reals, max_size=2),
    not_renormalized=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    late_rows=texts,
    reread=st.none()
    | st.builds(SavedRereadBudget, st.integers(0, LATEST), st.integers(-1, LATEST), reals, other=others),
    late_checked_at=times,
    missing_results=texts,
    cleaned_at=times,
    last_worker=texts,
    last_error=st.none()
    | st.builds(LastError, st.integers(0, LATEST), st.text(min_size=1), st.text(min_size=1), other=others),
    waits_for=texts,
    incidents=st.none()
    | st.builds(IncidentsState, st.integers(1, LATEST), *[st.integers(0, LATEST)] * 4, other=others),
    other=others,
)


def read(stored: dict[str, Any]) -> JobDetails:
    return JobDetails.from_mapping(Fields(stored, "the details", "put them right"))


def test_details_of_earlier_versions_are_read_and_written_as_they_were() -> None:
    found = read(STORED)
    assert (found.late_checked_at, found.last_worker, found.other) == (NOW - 6, "a:1:1", {})
    assert found.last_error == LastError(NOW - 4, "ClusterBusy", "it is busy")
    assert found.reread == SavedRereadBudget(NOW - 7, -1, -2.5)
    assert repr(found.to_mapping()) == repr(STORED)


@given(made)
def test_details_go_there_and_back(details: JobDetails) -> None:
    assert read(details.to_mapping()) == details


@pytest.mark.parametrize("name", STORED)
def test_a_key_that_is_not_there_stays_absent(name: str) -> None:
    assert read({name: STORED[name]}).to_mapping() == {name: STORED[name]}
    rest = {each: value for each, value in STORED.items() if each != name}
    assert read(rest).to_mapping() == rest
    assert JobDetails().to_mapping() == {}


def test_keys_of_a_newer_version_are_kept() -> None:
    newer = STORED | {
        "other": {"a": [None]},
        "nothing": None,
        "last_error": {**STORED["last_error"], "hint": "wait"},
        "reread": {**STORED["reread"], "other": 1},
    }
    found = read(newer)
    assert found.other == {"other": {"a": [None]}, "nothing": None}
    assert found.to_mapping() == newer
    assert replace(found, cleaned_at=NOW).to_mapping() == newer | {"cleaned_at": NOW}
    assert found.restarted().other == found.other


@pytest.mark.parametrize(
    ("stored", "named"),
    [
        ({"reread": {"counted_to": NOW}}, "in its reread: its field “swept_to” is missing or null"),
        ({"last_error": {"at": -1, "kind": "A", "text": "b"}}, "in its last_error: its field “at” is -1"),
        ({"largest": {"record": None}}, "in its largest: its field “record” is missing or null"),
        ({"cleaned_at": None}, "its field “cleaned_at” is missing or null"),
    ],
)
def test_an_impossible_value_is_an_error_that_names_it(stored: dict[str, Any], named: str) -> None:
    with pytest.raises(StateDamaged, match=named):
        read(stored)


def test_a_restart_forgets_what_belongs_to_the_events_that_are_read_again() -> None:
    kept = {name: value for name, value in STORED.items() if name not in {"largest", "late_rows", "reread"}}
    assert read(STORED).restarted().to_mapping() == kept


def test_what_is_kept_of_an_error_is_one_short_line_that_a_state_can_hold() -> None:
    mistake = LastError.of(NOW, FieldMissing("user.name\n  is " + "x" * 1_000, hint="not this"))
    assert len(mistake.text) == LONGEST_TEXT
    assert mistake.text.startswith("user.name is x")
    assert LastError.of(NOW, KeyError()).text == "KeyError"
