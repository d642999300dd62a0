"""Which index a result goes to, and which fields a job may add to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipi_es.results.index_mapping import (
    can_be_flat,
    flat_fields,
    flat_mapping,
    index_for,
    mapped_type,
    missing_fields,
    month_end,
)
from ipi_es.times import iso, parse_time

NOW = parse_time("2026-05-31T23:59:59Z", now=0)


def test_index_follows_from_the_results_month() -> None:
    assert index_for(NOW) == "ipi-es-anomalies-shared-2026.05"
    assert index_for(NOW + 1) == "ipi-es-anomalies-shared-2026.06"
    assert index_for(NOW, "soc") == "ipi-es-anomalies-soc-2026.05"
    assert index_for(NOW, None) == index_for(NOW, "shared")


def test_month_end_is_exclusive_and_crosses_the_year() -> None:
    assert month_end(NOW) == NOW + 1
    assert iso(month_end(parse_time("2026-12-01", now=0))) == "2027-01-01T00:00:00Z"


@given(st.integers(0, 2**33))
def test_month_end_lies_within_31_days_and_in_the_next_index(time: int) -> None:
    end = month_end(time)
    assert time < end <= time + 31 * 86_400
    assert index_for(end) != index_for(time) == index_for(end - 1)


@pytest.mark.parametrize("field", ["user.name", "source.ip", "client.ip", "user", "winlog.event_data.IpAddress", "src"])
def test_fields_of_events_are_flat(field: str) -> None:
    assert can_be_flat(field)


@pytest.mark.parametrize(
    "field",
    ["source", "source.as", "source.as.number", "source.as.number.x", "event", "event.ingested", "timestamp", "typical",
     "influencers.x"],
)  # fmt: skip
def test_fields_with_a_name_of_ours_are_not_flat(field: str) -> None:
    assert not can_be_flat(field)
    assert field not in flat_fields(field, "source.ip")


def test_flat_mapping_turns_dots_into_objects() -> None:
    mapping = flat_mapping(flat_fields("user.name", "source.ip"))
    assert mapping["properties"]["source"] == {"properties": {"ip": {"type": "ip"}}}
    assert mapped_type("user.name", mapping) == "keyword"
    assert mapped_type("user", mapping) == "object"
    assert missing_fields(["user.name", "user.id"], mapping) == ["user.id"]
    assert flat_mapping({}) == {}
