from __future__ import annotations

import time
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.addresses import parse
from ipi_es.config import NO_RULE, AllowList, check_job
from ipi_es.config.rules.allow_list import Matchable, TimedRule
from ipi_es.config.rules.allow_rule import AllowRule, check_together
from ipi_es.errors import ConfigError
from ipi_es.networks.network_values import country_number

ENTITIES = ["alice", "bob", "svc-backup", "svc-mail", "Svc-x", "[odd]"]
IPS = ["10.1.2.3", "10.1.2.4", "192.0.2.1", "2001:db8::1", "2001:db9::1", "::ffff:10.9.9.9"]
PATTERNS = [
    "alice",
    "bob",
    "svc-*",
    "?ob",
    "*-mail",
    "[ab]*",
    "carol",
    "SVC-*",
    "svc-[bm]*p",
    "s*[!l]",
    "[[]odd]",
    "[o*",
]
CIDRS = ["10.0.0.0/8", "10.1.2.3", "2001:db8::/32", "192.0.2.0/30", "0.0.0.0/1", "10.1.2.2/31"]


def match(rules: list[dict[str, str]], pairs: list[tuple[int, int]], normalize: tuple[str, ...] = ()) -> list[int]:
    job: dict[str, Any] = {
        "job_id": "x",
        "datafeed_config": {"indices": "a", "entity_normalize": list(normalize)},
        "allow_list": rules,
    }
    addresses, valid = parse(IPS)
    assert valid.all()
    rows = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    found = AllowList.of(check_job(job)).match(Matchable(ENTITIES, addresses), rows[:, 0], rows[:, 1])
    assert found.dtype == np.int32
    return found.tolist()


def refused(*rules: dict[str, Any], normalize: tuple[str, ...] = ()) -> str:
    """What the job's reader says of the rules; empty if it takes them."""
    job = {
        "job_id": "x",
        "datafeed_config": {"indices": "a", "entity_normalize": list(normalize)},
        "allow_list": list(rules),
    }
    try:
        check_job(job)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "rules",
    [
        [{"cidr": "0.0.0.0/1"}, {"cidr": "128.0.0.0/1"}],
        [{"cidr": "0.0.0.0/1"}, {"cidr": "128.0.0.0/2"}],
        [{"cidr": f"{16 * block}.0.0.0/4"} for block in range(12)],
        [{"cidr": str(ip_network("::ffff:0:0/97"))}, {"cidr": "128.0.0.0/1"}],  # 3.13 writes it ::ffff:0.0.0.0/97
        [{"cidr": "2000::/3"}],
        [{"cidr": "::/1"}, {"cidr": "8000::/1"}],
        [{"cidr": "2000::/4"}, {"cidr": "3000::/4"}],
        [{"entity": "[!_]*"}],
        [{"entity": "*[a-z]*"}],
        [{"entity": "*@*"}],
        [{"entity": "[a-m]*"}, {"entity": "[n-z]*"}],
        [{"entity": "[a-m]*"}, {"entity": "[n-z]*", "cidr": "0.0.0.0/1"}, {"entity": "*", "cidr": "128.0.0.0/1"}],
        [{"entity": "[!_]*", "cidr": "0.0.0.0/1"}, {"entity": "*[a-z0-9]*", "cidr": "128.0.0.0/1"}],
    ],
)
def test_rules_that_together_cover_nearly_everything_are_refused_by_name(rules: list[dict[str, str]]) -> None:
    said = refused(*rules, {"entity": "svc-*", "id": "services"})
    assert "would allow" in said
    assert "services" not in said
    named = rules[0].get("entity") or rules[0]["cidr"]
    assert named in said


@pytest.mark.parametrize(
    "rules",
    [
        [{"cidr": net} for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")],
        [{"cidr": "0.0.0.0/1"}],
        [{"cidr": "2000::/4"}],
        [{"entity": "svc-*"}, {"entity": "*-svc"}, {"entity": "*$"}, {"entity": "root"}],
        [{"entity": "[a-m]*"}],
        [{"entity": "*@partner.example"}, {"entity": "*.admin@*"}],
        [{"entity": "svc-*"}, {"cidr": "0.0.0.0/2"}, {"entity": "*", "cidr": "192.0.2.0/24"}],
        [{"entity": "*[a-z]*", "cidr": "10.0.0.0/8"}, {"entity": "backup"}],
        [{"cidr": f"{block}.0.0.0/8"} for block in range(1, 100) if block != 10],
    ],
)
def test_rules_that_a_person_writes_are_taken(rules: list[dict[str, str]]) -> None:
    assert refused(*rules) == ""


def test_many_rules_are_judged_within_a_second() -> None:
    rules = [{"cidr": f"{1 + number // 256}.{number % 256}.0.0/16"} for number in range(2_000)]
    before = time.perf_counter()
    assert refused(*rules) == ""
    assert time.perf_counter() - before < 2.0


def test_many_patterns_beside_a_wide_rule_are_judged_and_matched_within_seconds() -> None:
    patterns = [AllowRule(entity=f"svc-{number:06d}-*", id=f"{number}") for number in range(50_000)]
    ends = [AllowRule(entity=f"*-{number:06d}", cidr="10.0.0.0/8", id=f"e{number}") for number in range(50_000)]
    wide = [AllowRule(entity="*", cidr="10.0.0.0/8", id="wide"), AllowRule(cidr="11.0.0.0/8", id="block")]
    rules = [*patterns, *ends, *wide]
    before = time.perf_counter()
    check_together(rules, ("lowercase",))
    allow = AllowList(tuple(map(TimedRule, rules)), ("lowercase",))
    names = Matchable(["svc-000007-x", "a-000009", *(f"person{number}" for number in range(3_000))], parse(IPS)[0])
    found = allow.match(names, np.array([0, 1, 1, 2, 2], np.int32), np.array([2, 0, 2, 0, 2], np.int32))
    assert [None if each == NO_RULE else allow.name(each) for each in found] == ["7", "e9", None, "wide", None]
    assert time.perf_counter() - before < 10.0


def test_what_normalization_makes_of_names_counts() -> None:
    assert refused({"entity": "*\\*"}) != ""
    assert "would allow" in refused({"entity": "[a-z]*"}, normalize=("lowercase", "strip_domain"))


RULES = st.tuples(st.none() | st.sampled_from(PATTERNS), st.none() | st.sampled_from(CIDRS)).filter(any)


@settings(max_examples=100)
@given(
    st.lists(RULES, max_size=4, unique=True),
    st.lists(st.tuples(st.integers(0, len(ENTITIES) - 1), st.integers(0, len(IPS) - 1)), max_size=12),
)
def test_the_first_rule_that_names_the_pair_is_given(
    rules: list[tuple[str | None, str | None]], pairs: list[tuple[int, int]]
) -> None:
    def names(rule: tuple[str | None, str | None], entity: str, ip: str) -> bool:
        pattern, cidr = rule
        address = ip_address(ip.removeprefix("::ffff:"))
        network = ip_network(cidr) if cidr else None
        fits = network is None or (network.version == address.version and address in network)
        return fits and (pattern is None or fnmatchcase(entity, pattern))

    expected = [
        next((index for index, rule in enumerate(rules) if names(rule, ENTITIES[entity], IPS[ip])), NO_RULE)
        for entity, ip in pairs
    ]
    given_rules = [{key: value for key, value in zip(("entity", "cidr"), rule, strict=True) if value} for rule in rules]
    assert match(given_rules, pairs) == expected


def test_without_rules_nothing_matches() -> None:
    assert match([], [(0, 0), (1, 1)]) == [NO_RULE, NO_RULE]


def test_without_rows_nothing_matches() -> None:
    assert match([{"entity": "alice"}], []) == []


def test_a_rule_with_both_matches_only_both() -> None:
    assert match([{"entity": "alice", "cidr": "10.0.0.0/8"}], [(0, 0), (0, 2), (1, 0)]) == [0, NO_RULE, NO_RULE]


def test_an_allowed_entity_says_nothing_of_others_from_the_same_address() -> None:
    assert match([{"entity": "alice"}], [(0, 0), (1, 0)]) == [0, NO_RULE]


def test_a_mapped_address_is_the_ipv4_address() -> None:
    assert match([{"cidr": "10.9.0.0/16"}], [(0, 5)]) == [0]


def test_rules_are_spelled_as_the_events_are() -> None:
    assert match([{"entity": "CORP\\Alice"}], [(0, 0)], ("lowercase", "strip_domain")) == [0]
    assert match([{"entity": "CORP\\Alice"}], [(0, 0)]) == [NO_RULE]


def test_a_name_without_wildcards_is_exact_in_case() -> None:
    assert match([{"entity": "svc-x"}], [(4, 0)]) == [NO_RULE]


def test_names_of_rules_stay_when_rules_move() -> None:
    job = {"job_id": "x", "datafeed_config": {"indices": "a"}, "allow_list": [{"entity": "b"}, {"entity": "a"}]}
    rules = AllowList.of(check_job(job))
    assert (rules.name(0), rules.name(1)) == ("entity:b", "entity:a")


KNOWN = Matchable(
    ENTITIES,
    parse(IPS)[0],
    operator=np.array([64496, 64496, 64497, 0, 64496, 0], dtype=np.uint32),
    country=np.array([country_number(code) for code in ("AT", "DE", "AT", "", "AT", "")], dtype=np.uint16),
    network_types=np.array([0, 2, 6, 0, 1, 0], dtype=np.uint8),
)
EVERY_PAIR = np.array([(entity, ip) for entity in range(2) for ip in range(6)], dtype=np.int32)


@pytest.mark.parametrize(
    ("rule", "allowed", "name"),
    [
        ({"operator": "AS64496"}, [0, 1, 4], "operator:64496"),
        ({"operator": 64497, "country": "at"}, [2], "operator:64497 country:AT"),
        ({"operator": 64496, "cidr": "10.0.0.0/8"}, [0, 1], "cidr:10.0.0.0/8 operator:64496"),
        ({"network_type": "vpn"}, [1, 2], "network_type:vpn"),
        ({"network_type": "hosting", "country": "AT"}, [4], "country:AT network_type:hosting"),
        ({"network_type": "tor"}, [], "network_type:tor"),
    ],
)
def test_a_rule_asks_what_is_known_of_the_network(rule: dict[str, Any], allowed: list[int], name: str) -> None:
    def matched(data: dict[str, Any], names: Matchable) -> list[tuple[int, int]]:
        rules = AllowList.of(check_job({"job_id": "x", "datafeed_config": {"indices": "a"}, "allow_list": [data]}))
        assert rules.name(0) == data.get("id", name)
        found = rules.match(names, EVERY_PAIR[:, 0], EVERY_PAIR[:, 1]) != NO_RULE
        return [(entity, ip) for entity, ip in EVERY_PAIR[found].tolist()]

    assert matched(rule, KNOWN) == [(entity, ip) for entity in range(2) for ip in allowed]
    assert matched({**rule, "entity": "bob", "id": "bob"}, KNOWN) == [(1, ip) for ip in allowed]
    assert matched(rule, Matchable(ENTITIES, KNOWN.addresses)) == []


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"operator": "AS"}, "“AS” is no number of an autonomous system: write 64496 or AS64496"),
        ({"operator": 0}, "“0” is no number of an autonomous system"),
        ({"country": "Austria"}, "“Austria” is no country: write its two letters, as AT"),
        ({"country": "AT"}, "would allow everybody from a whole country"),
        ({"country": "AT", "entity": "*"}, "would allow everybody from a whole country"),
        ({"network_type": "office"}, "network_type"),
        ({}, "needs entity, group, cidr, operator, country or network_type"),
    ],
)
def test_a_rule_with_a_wrong_network_is_refused(rule: dict[str, Any], said: str) -> None:
    assert said in refused(rule)
