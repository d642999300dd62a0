"""Operators and countries from the events' fields and from files of networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ipi_es.cluster.port import ServerInfo
from ipi_es.config.job_config import Job
from ipi_es.datafeed.bucket_context import context_of_ips, networks_of
from ipi_es.datafeed.numbering import MALFORMED
from ipi_es.datafeed.reader import Datafeed
from ipi_es.datafeed.searches.requests import page_body
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import UsageError
from ipi_es.networks.network_table import NetworkTable
from ipi_es.networks.network_values import country_text
from ipi_es.setup.checks.check_fields import FieldFacts, field_names, judge_fields
from ipi_es.testing.memory_cluster import MemoryCluster

START, SPAN = 1_700_000_400 // 3_600 * 3_600, 3_600


def event(user: str, ip: str, operator: Any = None, country: str | None = None) -> dict[str, Any]:
    source: dict[str, Any] = {"ip": ip}
    if operator is not None:
        source["as"] = {"number": operator}
    if country is not None:
        source["geo"] = {"country_iso_code": country}
    return {"@timestamp": START * 1_000, "user": {"name": user}, "source": source, "event": {"outcome": "success"}}


def cluster_of(
    events: list[dict[str, Any]], *, operator_type: str | None = "long", server: ServerInfo | None = None
) -> MemoryCluster:
    cluster = MemoryCluster(info=server)
    properties: dict[str, Any] = {
        "@timestamp": {"type": "date"},
        "user.name": {"type": "keyword"},
        "source.ip": {"type": "ip"},
        "event.outcome": {"type": "keyword"},
    }
    if operator_type:
        properties |= {"source.as.number": {"type": operator_type}, "source.geo.country_iso_code": {"type": "keyword"}}
    cluster.create_index("logs", {"mappings": {"properties": properties}})
    for place, each in enumerate(events):
        cluster.put("logs", str(place), each)
    cluster.refresh("logs")
    return cluster


def read(cluster: MemoryCluster, **changes: Any) -> Any:
    networks = changes.pop("networks", None)
    spec = FeedSpec(
        ("logs",), operator_field="source.as.number", country_field="source.geo.country_iso_code", **changes
    )
    (bucket,) = Datafeed(cluster, spec, networks=networks).read(START, START + SPAN, SPAN)
    return bucket


def known(bucket: Any) -> dict[str, tuple[int, str | None]]:
    context = bucket.context
    return {ip: (int(context.operator[i]), country_text(int(context.country[i]))) for i, ip in enumerate(bucket.ips)}


EVENTS = [
    event("a", "192.0.2.1", 64_496, "DE"),
    event("b", "192.0.2.1", 64_496, "DE"),
    event("b", "198.51.100.1", None, "FR"),
    event("c", "203.0.113.1"),
]


def test_an_event_bucket_carries_what_the_fields_say_of_its_addresses() -> None:
    bucket = read(cluster_of(EVENTS))
    assert known(bucket) == {"192.0.2.1": (64_496, "DE"), "198.51.100.1": (0, "FR"), "203.0.113.1": (0, None)}
    assert len(bucket.entity) == 4


def test_fields_that_the_indices_lack_are_not_asked_for() -> None:
    bucket = read(cluster_of([event("a", "192.0.2.1")], operator_type=None))
    assert bucket.context is None
    spec = FeedSpec(("logs",), operator_field="source.as.number", country_field="x")
    assert spec.with_fields_of({}).context_fields == ()
    plain = page_body(FeedSpec(("logs",)), START, START + SPAN, span=None)
    assert page_body(spec.with_fields_of({}), START, START + SPAN, span=None) == plain


@pytest.mark.parametrize(("types", "used"), [({"long"}, True), ({"text"}, False), ({"long", "keyword"}, False)])
def test_fields_of_a_type_that_can_not_be_grouped_are_not_asked_for(types, used) -> None:
    spec = FeedSpec(("logs",), operator_field="as").with_fields_of({"as": {kind: ["logs"] for kind in types}})
    assert (spec.operator_field is not None) is used


def test_an_address_whose_operator_changed_within_the_bucket_is_still_one_row() -> None:
    bucket = read(cluster_of([event("a", "192.0.2.1", 64_496, "DE"), event("a", "192.0.2.1", 64_497), *EVENTS[2:]]))
    assert known(bucket)["192.0.2.1"] == (64_497, "DE")
    row = [i for i, ip in enumerate(bucket.ip) if bucket.ips[ip] == "192.0.2.1"]
    assert len(row) == 1
    assert bucket.count[row].tolist() == [2]


def test_operators_may_be_texts() -> None:
    bucket = read(cluster_of([event("a", "192.0.2.1", "AS64496", "de")], operator_type="keyword"))
    assert known(bucket) == {"192.0.2.1": (64_496, "DE")}


def test_files_go_before_fields_and_fields_fill_what_files_do_not_know(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("prefix,asn,country\n192.0.2.0/24,64510,\n203.0.113.0/24,64511,NL\n")
    bucket = read(cluster_of(EVENTS), networks=NetworkTable.load(tmp_path / "n.csv"))
    assert known(bucket) == {"192.0.2.1": (64_510, "DE"), "198.51.100.1": (0, "FR"), "203.0.113.1": (64_511, "NL")}


def test_malformed_addresses_have_no_context() -> None:
    ip = np.array([0, MALFORMED, 1], dtype=np.int32)
    context, changing = context_of_ips(2, ip, [1, 2, None], None)
    assert context is not None
    assert (context.operator.tolist(), context.country.tolist(), changing) == ([1, 0], [0, 0], False)
    assert context_of_ips(2, ip, None, None) == (None, False)


def job(**feed: Any) -> Job:
    return Job.model_validate(
        {
            "job_id": "j",
            "analysis_config": {
                "bucket_span": "1h",
                "detectors": [{"function": "rare", "by_field_name": "client.ip", "partition_field_name": "user.name"}],
            },
            "datafeed_config": {"indices": ["logs"], **feed},
        }
    )


def test_the_usual_fields_lie_beside_the_address() -> None:
    spec = FeedSpec.from_job(job())
    assert spec.context_fields == ("client.as.number", "client.geo.country_iso_code")
    assert FeedSpec.from_job(job(operator_field=None, country_field="cc")).context_fields == ("cc",)


def test_files_that_are_none_are_told_of_and_none_named_is_none() -> None:
    assert networks_of(job()) is None
    with pytest.raises(UsageError, match="there is no file"):
        networks_of(job(networks_files=["/nowhere/asn.mmdb"]))


def test_a_runtime_field_serves_as_any_other() -> None:
    runtime = {"who": {"type": "long", "script": {"source": "emit(1)"}}}
    cluster = cluster_of(EVENTS, operator_type=None, server=ServerInfo("elasticsearch", (9, 5, 3), "memory", "memory:"))
    for mappings, used in (({}, None), (runtime, "who")):
        feed = Datafeed(cluster, FeedSpec(("logs",), operator_field="who", runtime_mappings=mappings))
        feed.read(START, START + SPAN, SPAN)
        assert feed.spec.operator_field == used


@pytest.mark.parametrize(
    ("feed", "types", "said"),
    [
        ({}, {}, []),
        ({}, {"client.as.number": "long"}, [("operator field", "ok")]),
        ({"operator_field": "asn"}, {}, [("operator field", "warning")]),
        ({"country_field": "cc"}, {"cc": "text"}, [("country field", "warning")]),
        ({"operator_field": None, "country_field": None}, {"client.as.number": "long"}, []),
    ],
)
def test_check_tells_of_fields_that_are_read_and_of_named_ones_that_can_not_be(feed, types, said) -> None:
    facts = FieldFacts(("logs",), {name: {kind: ["logs"]} for name, kind in types.items()})
    found = [(finding.check, finding.level) for finding in judge_fields(job(**feed), facts)]
    assert [each for each in found if each[0] in {"operator field", "country field"}] == said
    assert {"client.as.number", "client.geo.country_iso_code"} <= set(field_names(job()))
