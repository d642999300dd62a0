"""The documents: valid ECS, all sign-ins among them, and the noise that the query and the datafeed must cope with."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ipi_es.demo.company import Simulation, simulate
from ipi_es.demo.event_documents import INDEX, documents, index_template, sources

END = 1_790_000_000


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return simulate(3, end=END, people=200, days=14)


@pytest.fixture(scope="module")
def made(simulation: Simulation) -> list[dict[str, Any]]:
    return list(documents(simulation))


def usable(document: dict[str, Any]) -> bool:
    """What a job's query keeps, and what its datafeed can use."""
    event = document["event"]
    return (
        "authentication" in event["category"]
        and event["outcome"] in ("success", "failure")
        and "ip" in document.get("source", {})
        and "name" in document.get("user", {})
    )


def first_address(document: dict[str, Any]) -> str:
    ip = document["source"]["ip"]
    return (ip[0] if isinstance(ip, list) else ip).removeprefix("::ffff:")


def entity(name: str) -> str:
    return name.rpartition("\\")[2].partition("@")[0].lower()


def test_the_usable_ones_are_the_sign_ins_and_few_duplicates(
    simulation: Simulation, made: list[dict[str, Any]]
) -> None:
    kept = Counter(
        (d["@timestamp"], entity(d["user"]["name"]), first_address(d), d["event"]["outcome"]) for d in made if usable(d)
    )
    total = sum(kept.values())
    assert len(simulation) < total < len(simulation) * 1.005
    assert len(kept) == len(
        set(zip(simulation.time_ms, simulation.user, simulation.ip, simulation.outcome, strict=True))
    )


def test_they_are_in_the_order_of_time_and_within_the_range(made: list[dict[str, Any]], simulation: Simulation) -> None:
    times = [d["@timestamp"] for d in made]
    assert times == sorted(times)
    assert all(time.endswith("Z") and len(time) == 24 for time in times)


def test_other_categories_and_incomplete_documents_are_among_them(made: list[dict[str, Any]]) -> None:
    categories = Counter(d["event"]["category"][0] for d in made)
    assert set(categories) == {"authentication", "process", "network", "iam", "session"}
    assert 0.05 < 1 - categories["authentication"] / len(made) < 0.2
    signed = [d for d in made if d["event"]["category"] == ["authentication"]]
    assert any("user" not in d for d in signed)
    assert any("source" not in d for d in signed)
    assert any(d["event"]["outcome"] == "unknown" for d in signed)


def test_one_person_has_several_spellings_and_services_have_one(made: list[dict[str, Any]]) -> None:
    spelt: dict[str, set[str]] = {}
    for d in made:
        if usable(d):
            spelt.setdefault(entity(d["user"]["name"]), set()).add(d["user"]["name"])
    assert max(len(names) for names in spelt.values()) == 4
    assert all(len(names) == 1 for name, names in spelt.items() if name.startswith("svc-"))


def test_some_addresses_are_mapped_and_a_few_documents_have_two(made: list[dict[str, Any]]) -> None:
    ips = [d["source"]["ip"] for d in made if usable(d)]
    assert 0.001 < sum(str(ip).startswith("::ffff:") for ip in ips) / len(ips) < 0.01
    two = [ip for ip in ips if isinstance(ip, list)]
    assert 0 < len(two) < 0.002 * len(ips)
    assert len({ip[1] for ip in two}) == 1


def test_nothing_in_a_document_marks_an_incident(made: list[dict[str, Any]], simulation: Simulation) -> None:
    text = b"\n".join(sources(simulation)).lower()
    assert b"incident" not in text
    assert b"attack" not in text
    shape = {
        frozenset(d) | frozenset(d["source"])
        for d in made
        if usable(d) and d["user"]["name"] in simulation.incidents[2].entities
    }
    assert len(shape) == 1


def test_the_documents_repeat_with_the_seed(simulation: Simulation) -> None:
    assert list(sources(simulation)) == list(sources(simulation))


def test_the_template_maps_every_field_that_documents_have(made: list[dict[str, Any]]) -> None:
    template = index_template()
    assert template["index_patterns"] == [INDEX]
    properties = template["template"]["mappings"]["properties"]
    for document in made[::50]:
        unmapped(document, properties)
    assert properties["source"]["properties"]["ip"] == {"type": "ip"}
    assert properties["@timestamp"] == {"type": "date"}
    assert properties["user"]["properties"]["name"]["type"] == "keyword"


def unmapped(document: dict[str, Any], properties: dict[str, Any]) -> None:
    for key, value in document.items():
        assert key in properties
        if isinstance(value, dict):
            unmapped(value, properties[key]["properties"])
