"""Results of a network or an operator: records, influencers and incidents, also interim ones and those of IPv6."""

from __future__ import annotations

from typing import Any

import pytest
from incident_parts import CONTEXT, HOUR, JOB, START, change, influencer, ready, session_on
from service_parts import a_job

from ipi_es.errors import UsageError
from ipi_es.results.documents.result_documents import Record, ResultDocument, Stamp
from ipi_es.results.reading.incident_list import IncidentFilter, read_incidents
from ipi_es.results.reading.network_filter import NetworkFilter
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.results.reading.result_reader import ResultReader
from ipi_es.results.words import ALIAS
from ipi_es.testing.memory_cluster import MemoryCluster

FOUND = [
    ("ann", "203.0.113.7", 64500, "Example Mobile (South)"),
    ("bob", "203.0.113.200", 64501, "Other"),
    ("cat", "203.0.0.9", 64500, "Example Mobile (South)"),
    ("dan", "2001:db8:1:2::5", 64502, "Example? Fixed"),
    ("eve", "2001:db8:1::5", 64502, "Example? Fixed"),
    ("fay", "2001:db8:ff00::5", 0, None),
]


def a_record(place: int, entity: str, ip: str, operator: int, name: str | None, interim: bool) -> ResultDocument:
    made = Record(
        start=START + place * 10 * HOUR,
        entity=entity,
        ip=ip,
        probability=1e-6,
        record_score=80.0,
        actual=-3.0,
        typical=4.0,
        event_count=1,
        enrichment={"source.as.number": operator or None, "source.as.organization.name": name},
    )
    return made.document(CONTEXT, Stamp("s", "q", START, is_interim=interim))


@pytest.fixture(scope="module")
def cluster() -> MemoryCluster:
    made = ready(MemoryCluster())
    with session_on(made) as session:
        change(session, [a_record(place, *each, interim=False) for place, each in enumerate(FOUND)])
        change(session, [influencer(0, "203.0.113.7")])
        session.update_incidents()
        session.writer.write([a_record(len(FOUND), "guy", "203.0.113.8", 64500, None, interim=True)])
    made.refresh(ALIAS)
    return made


CASES: list[tuple[str, str, str]] = [
    ("203.0.113.0/24", "203.0.113.0/24", "ann bob"),
    ("203.0.113.77/24", "203.0.113.0/24", "ann bob"),
    ("203.0.113.128/25", "203.0.113.128/25", "bob"),
    ("203.0.0.0/16", "203.0.0.0/16", "ann bob cat"),
    ("::ffff:203.0.113.0/120", "203.0.113.0/24", "ann bob"),
    ("203.0.113.7", "203.0.113.7/32", "ann"),
    ("::/0", "::/0", "dan eve fay"),
    ("0.0.0.0/0", "0.0.0.0/0", "ann bob cat"),
    ("2001:db8:1::/48", "2001:db8:1::/48", "dan eve"),
    ("2001:db8:1:2::/64", "2001:db8:1:2::/64", "dan"),
    ("2001:DB8::/32", "2001:db8::/32", "dan eve fay"),
    ("2001:db8:f000::/36", "2001:db8:f000::/36", "fay"),
    ("2001:db8::/48", "2001:db8::/48", ""),
    ("as64500", "AS64500", "ann cat"),
    ("AS64509", "AS64509", ""),
    ("example mobile", "example mobile", "ann cat"),
    ("EXAMPLE*south", "EXAMPLE*south", "ann cat"),
    ("example?", "example?", "dan eve"),
    ("exampl?", "exampl?", ""),
]


@pytest.mark.parametrize(("text", "shown", "wanted"), CASES)
def test_records_of_a_network_or_an_operator_are_found(
    cluster: MemoryCluster, text: str, shown: str, wanted: str
) -> None:
    network = NetworkFilter.of(text)
    assert network.text == shown
    where = ResultFilter(network=network.query(JOB), interim=False)
    found = ResultReader(cluster, JOB.job_id).read("record", where)
    assert sorted(each.source["partition_field_value"] for each in found) == wanted.split()


@pytest.mark.parametrize(("text", "_shown", "wanted"), CASES)
def test_incidents_of_a_network_or_an_operator_are_found(
    cluster: MemoryCluster, text: str, _shown: str, wanted: str
) -> None:
    names = NetworkFilter.of(text).of_incidents(cluster, JOB, None, None)
    everything = read_incidents(cluster, JOB.job_id, IncidentFilter(), size=100).rows
    page = read_incidents(cluster, JOB.job_id, IncidentFilter(network=names.query), size=100)
    assert page.rows == names.select(everything)
    named = {entity for row in page.rows for entity in row["entities"]}
    assert named >= set(wanted.split())
    assert bool(named) == bool(wanted)


def test_interim_records_and_influencers_of_addresses_have_the_network_too(cluster: MemoryCluster) -> None:
    query = NetworkFilter.of("203.0.113.0/28").query(JOB)
    read = ResultReader(cluster, JOB.job_id).read
    interim = [each.source["partition_field_value"] for each in read("record", ResultFilter(network=query))]
    assert sorted(interim) == ["ann", "guy"]
    found = read("influencer", ResultFilter(network=query))
    assert [each.source["influencer_field_value"] for each in found] == ["203.0.113.7"]


@pytest.mark.parametrize("text", ["", "203.0.113.0/33", "203.0.113.0/x", "AS0", "AS4294967296", "a*" * 11])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as error:
        NetworkFilter.of(text)
    assert error.value.hint


def test_a_job_whose_address_is_in_a_field_of_ours_has_no_networks() -> None:
    job = a_job("logins", analysis_config={"detectors": [detector("networks")]})
    with pytest.raises(UsageError, match="can't be searched by a network"):
        NetworkFilter.of("203.0.113.0/24").query(job)
    assert NetworkFilter.of("AS64500").query(job)


def detector(ip_field: str) -> dict[str, Any]:
    return {"function": "rare", "by_field_name": ip_field, "partition_field_name": "user.name"}


def test_more_names_than_a_search_returns_are_refused_and_not_left_out(cluster: MemoryCluster) -> None:
    wide = NetworkFilter.of("203.0.0.0/16")
    with pytest.raises(UsageError, match="too many addresses"):
        wide.of_incidents(cluster, JOB, None, None, 2)
    assert wide.of_incidents(cluster, JOB, START, START + HOUR, 2).values == {"203.0.113.0/24"}
