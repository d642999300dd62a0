"""The events of one name in columns: every spelling that the job takes for the name, and a bounded number of rows."""

from __future__ import annotations

from typing import Any

import pytest
import worker_company as company

from ipi_es.config.job_config import Job
from ipi_es.datafeed.named_events import NamedEvents, ip_types, read_named
from ipi_es.datafeed.searches.name_queries import address_query, entity_query
from ipi_es.errors import UsageError
from ipi_es.testing.memory_cluster import MemoryCluster

DAY = 86_400
START = 20_000 * DAY
SPELLED = ["ALICE", "alice", "CORP\\Alice", "alice@corp.example", " alice ", "corp/alice", "alice2", "malice", "bob"]


def filled(values: list[Any]) -> MemoryCluster:
    """A cluster with an event a day of each name, the last one on the last day."""
    cluster = MemoryCluster()
    found = [(START + place * DAY + 60, "x", "203.0.113.7", "success") for place in range(len(values))]
    company.fill(cluster, found=found)
    keywords = {name: {"type": "keyword"} for name in ("domain", "id")}
    cluster.put_mapping(company.EVENTS, {"properties": {"user": {"properties": keywords}}})
    for place, value in enumerate(values):
        source = company.document(found[place]) | {"user": value if isinstance(value, dict) else {"name": value}}
        cluster.put(company.EVENTS, str(place), source)
    cluster.refresh(company.EVENTS)
    return cluster


def job_of(**feed: Any) -> Job:
    data = company.job_data()
    return Job.model_validate(data | {"datafeed_config": data["datafeed_config"] | feed})


def days_of(cluster: MemoryCluster, job: Job, name: str, days: int = 20) -> list[int]:
    """The days on which the name has events."""
    found = read_named(cluster, job, entity_query(job, name), START, START + days * DAY, DAY)
    return [(each.start - START) // DAY for each in found.columns if name in each.entities]


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ((), [1]),
        (("lowercase",), [0, 1]),
        (("trim",), [1, 4]),
        (("strip_domain",), [1, 3]),
        (("strip_slash_domain",), [1, 5]),
        (("lowercase", "strip_domain"), [0, 1, 2, 3]),
        (("lowercase", "strip_domain", "strip_slash_domain", "trim", "nfc"), [0, 1, 2, 3, 4, 5]),
    ],
)
def test_each_spelling_that_the_job_takes_for_the_name_is_found(steps: tuple[str, ...], wanted: list[int]) -> None:
    assert days_of(filled(SPELLED), job_of(entity_normalize=list(steps)), "alice") == wanted


def test_capitals_beyond_ascii_and_composed_letters_are_found() -> None:
    job = job_of(entity_normalize=["lowercase", "nfc"])
    names = ["j\u00f6rg", "J\u00d6RG", "J\u00f6rg", "jo\u0308rg", "JO\u0308RG", "jorg"]
    assert days_of(filled(names), job, "j\u00f6rg") == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["a*", "a?c", "a\\b", "*"])
def test_a_name_with_characters_of_patterns_is_that_name(name: str) -> None:
    cluster = filled([name, "abc", "a"])
    assert days_of(cluster, job_of(), name) == [0]
    assert days_of(cluster, job_of(entity_normalize=["trim"]), name) == [0]


def test_a_name_made_of_two_fields_is_found_by_both() -> None:
    job = job_of(entity_fields=["{user.domain}\\{user.name}", "user.id"])
    cluster = filled(
        [{"domain": "corp", "name": "ann"}, {"id": "ann"}, {"domain": "corp", "name": "bob"}, {"id": "x\\y"}]
    )
    assert days_of(cluster, job, "corp\\ann") == [0]
    assert days_of(cluster, job, "ann") == [1]
    assert days_of(cluster, job, "x\\y") == [3]


def test_a_name_that_no_query_finds_is_said_and_not_taken_for_nothing() -> None:
    with pytest.raises(UsageError, match="can't be searched by"):
        entity_query(job_of(entity_fields=["{user.domain}{user.name}"]), "corpann")


def test_too_many_rows_shorten_the_time_and_the_latest_are_read() -> None:
    cluster, job = filled(["ann"] * 16), job_of()

    def read(most: int) -> NamedEvents:
        query = address_query(job, "203.0.113.7", ip_types(cluster, job))
        return read_named(cluster, job, query, START, START + 16 * DAY, DAY, most)

    whole, part = read(17), read(6)
    assert (whole.start, len(whole.columns)) == (START, 16)
    assert (part.start, [each.start for each in part.columns]) == (
        START + 12 * DAY,
        [START + place * DAY for place in range(12, 16)],
    )
    with pytest.raises(UsageError, match="more than 1 different sign-ins"):
        read(1)


@pytest.mark.parametrize(
    ("pick", "wanted"), [(None, [0, 1, 2]), ("last", [0, 1, 2, 3])]
)  # a list of addresses is malformed unless one is picked
def test_an_address_in_a_text_is_found_in_each_spelling(pick: str | None, wanted: list[int]) -> None:
    texts = [
        "203.0.113.7",
        "203.0.113.7:443",
        "::FFFF:203.0.113.7",
        "10.0.0.1, 203.0.113.7",
        "1203.0.113.7",
        "10.0.0.1",
    ]
    cluster = filled([{"name": "ann", "id": text} for text in texts])
    data = company.job_data() | {"analysis_config": {"bucket_span": "3h", "detectors": [{"by_field_name": "user.id"}]}}
    job = Job.model_validate(data | {"datafeed_config": data["datafeed_config"] | {"ip_pick": pick}})
    types = ip_types(cluster, job)
    assert types == {"keyword"}
    found = read_named(cluster, job, address_query(job, "203.0.113.7", types), START, START + 6 * DAY, DAY)
    assert [(each.start - START) // DAY for each in found.columns if "203.0.113.7" in each.ips] == wanted


def test_an_ipv6_address_in_a_text_is_found_in_full_and_in_capitals() -> None:
    cluster = filled(
        [{"name": "ann", "id": text} for text in ("2001:db8::1", "2001:DB8::1", f"2001:0db8:{'0000:' * 5}0001")]
    )
    data = company.job_data() | {"analysis_config": {"bucket_span": "3h", "detectors": [{"by_field_name": "user.id"}]}}
    job = Job.model_validate(data)
    query = address_query(job, "2001:db8::1", ip_types(cluster, job))
    assert len(read_named(cluster, job, query, START, START + 3 * DAY, DAY).columns) == 3
