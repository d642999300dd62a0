from __future__ import annotations

from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.addresses import parse
from ipi_es.config import NO_RULE, AllowList, check_job

ENTITIES = ["alice", "bob", "svc-backup", "svc-mail", "Svc-x", "[odd]"]
IPS = ["10.1.2.3", "10.1.2.4", "192.0.2.1", "2001:db8::1", "2001:db9::1", "::ffff:10.9.9.9"]
PATTERNS = ["alice", "bob", "svc-*", "?ob", "*-mail", "[ab]*", "carol", "SVC-*"]
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
    found = AllowList.of(check_job(job)).match(ENTITIES, addresses, rows[:, 0], rows[:, 1])
    assert found.dtype == np.int32
    return found.tolist()


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
    assert AllowList.of(check_job(job)).names == ("entity:b", "entity:a")
