"""Injected attacks: whose addresses, and where random ones lie."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from evaluation_events import DAY, events_of
from mmdb_file import mmdb

from ipi_es.addresses import canonical, is_private, is_v4, parse
from ipi_es.errors import UsageError
from ipi_es.evaluation.announced import Announced
from ipi_es.evaluation.attacks import KINDS, AttackSources, injected, labelled, neighbours, organisations
from ipi_es.evaluation.evaluation_events import NO_GROUP, EvaluationEvents, prepared
from ipi_es.evaluation.protocol import EvaluationWindow, parts
from ipi_es.ipinsights.address_context import AddressContext

WINDOW = EvaluationWindow(3, 10, 20, 22, 25)
HOMES = {"ann": "192.0.2.1", "bob": "198.51.100.1", "cid": "203.0.113.1", "dot": "203.0.113.2"}


def company() -> EvaluationEvents:
    """Ann and Bob share a group; Ann, Cid and Dot a country; Cid and Dot an operator. Dot isn't in the test."""
    rows = [(day * DAY, name, home) for name, home in HOMES.items() for day in (10, 12, 14, 16, 18, 22)]
    rows = [row for row in rows if row[1] != "dot" or row[0] < 22 * DAY]
    return prepared(events_of(rows, groups={"ann": 0, "bob": 0, "cid": 1}))


def sources(events: EvaluationEvents, *, context: bool = True, attackers: bool = True) -> AttackSources:
    who = [canonical(bytes(address)) for address in events.addresses]
    operator = {"192.0.2.1": 1, "198.51.100.1": 2, "203.0.113.1": 3, "203.0.113.2": 3}
    country = {"192.0.2.1": 7, "198.51.100.1": 0, "203.0.113.1": 7, "203.0.113.2": 7}
    known = AddressContext(
        np.array([operator[each] for each in who], dtype=np.uint32),
        np.array([country[each] for each in who], dtype=np.uint16),
    )
    return AttackSources(
        announced=Announced.of_observed(events.addresses),
        attackers=parse(["8.8.8.8"])[0] if attackers else None,
        context=known if context else None,
    )


def drawn(events: EvaluationEvents, given: AttackSources) -> dict[str, dict[str, str]]:
    """Kind → whose row → the attack's address."""
    cut = parts(events, WINDOW)
    found = injected(events, WINDOW, cut, given)
    return {
        kind: {
            events.entities[events.entity[row]]: canonical(bytes(address))
            for row, address in zip(each.row, each.addresses, strict=True)
        }
        for kind, each in found.items()
    }


def test_each_normal_row_has_one_attack_of_each_kind_in_the_protocols_order() -> None:
    events = company()
    found = drawn(events, sources(events))
    assert tuple(found) == KINDS
    for kind in ("random", "shuffled", "attacker", "neighbour"):
        assert set(found[kind]) == {"ann", "bob", "cid"}
    assert set(found["attacker"].values()) == {"8.8.8.8"}


def test_shared_kinds_come_from_another_entity_of_the_same_kind_or_are_left_out() -> None:
    events = company()
    found = drawn(events, sources(events))
    assert found["group"] == {"ann": HOMES["bob"], "bob": HOMES["ann"]}
    assert found["country"] == {"ann": HOMES["cid"], "cid": HOMES["ann"]}  # in the test; bob's country isn't known
    assert found["asn"] == {"cid": HOMES["dot"]}  # nobody in the test: from the train and calibration rows


def test_what_is_not_known_leaves_its_kinds_out() -> None:
    events = company()
    assert tuple(drawn(events, sources(events, context=False, attackers=False))) == (
        "random",
        "shuffled",
        "group",
        "neighbour",
    )


def test_nobody_is_attacked_from_a_row_of_his_own() -> None:
    rows = [(day * DAY, f"p{who}", f"192.0.2.{who}") for who in range(1, 9) for day in (10, 12, 14, 16, 18, 22, 23)]
    events = prepared(events_of(rows))
    cut = parts(events, WINDOW)
    found = injected(events, WINDOW, cut, sources_without(events))["shuffled"]
    assert len(found.row) == len(cut.normal) == 16
    own = events.addresses[events.ip[found.row]]
    assert (found.addresses != own).any(axis=1).all()


def sources_without(events: EvaluationEvents) -> AttackSources:
    return AttackSources(Announced.of_observed(events.addresses), None, None)


def test_the_same_events_have_the_same_attacks_and_another_window_has_others() -> None:
    events = company()
    cut = parts(events, WINDOW)
    once, again = (injected(events, WINDOW, cut, sources(events)) for _ in range(2))
    for kind in KINDS:
        assert np.array_equal(once[kind].addresses, again[kind].addresses)
    other = injected(events, EvaluationWindow(4, *(10, 20, 22, 25)), cut, sources(events))
    assert not np.array_equal(once["random"].addresses, other["random"].addresses)


def test_a_group_is_an_organisation_from_two_to_a_hundred_entities() -> None:
    rows = [(0, f"e{who}", "192.0.2.1") for who in range(104)]
    groups = {f"e{who}": 0 if who < 101 else 1 for who in range(103)} | {"e103": 2}
    found = organisations(events_of(rows, groups=groups))
    assert sorted(found.tolist()) == [NO_GROUP] * 102 + [1, 1]


def test_labelled_attacks_are_taken_by_their_label() -> None:
    rows = [(day * DAY, "a", "192.0.2.1") for day in (10, 22, 23, 24)]
    events = prepared(events_of(rows, labels=[0, 1, 2, 2]))
    found = labelled(events, parts(events, WINDOW))
    assert {kind: len(each.row) for kind, each in found.items()} == {"kind1": 1, "kind2": 2}


def test_a_neighbour_keeps_the_16_or_32_and_leaves_the_24_or_48() -> None:
    observed, _ = parse(["192.0.2.1", "2001:db8:77::1"] * 500)
    found = neighbours(observed, np.random.default_rng(0))
    v4 = is_v4(observed)
    assert np.array_equal(found[v4, :14], observed[v4, :14])
    assert (found[v4, 14] != observed[v4, 14]).all()
    assert len(np.unique(found[v4, 14])) > 200
    assert np.array_equal(found[~v4, :4], observed[~v4, :4])
    assert (found[~v4, 4:6] != observed[~v4, 4:6]).any(axis=1).all()


TABLE = (
    "prefix,asn\n9.0.0.0/30,1\n9.0.0.0/31,2\n9.0.0.8/32,3\n2001:db8::/32,4\n2001:db9::/64,5\n2001:dba::/65,6\nodd,7\n"
)


def test_random_addresses_lie_in_announced_space_uniform_by_address_or_by_prefix(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(TABLE.encode()))
    announced = Announced.of([path], parse([])[0])
    v4 = np.arange(4_000) % 2 == 0
    found = announced.draw(v4, np.random.default_rng(0))
    texts, counts = np.unique([canonical(bytes(each)) for each in found[v4]], return_counts=True)
    # nested prefixes count once: five addresses, each a fifth
    assert texts.tolist() == ["9.0.0.0", "9.0.0.1", "9.0.0.2", "9.0.0.3", "9.0.0.8"]
    assert counts.min() > 330
    heads = [bytes(each[:4]).hex() for each in found[~v4]]
    assert set(heads) == {"20010db8", "20010db9"}  # longer than /64 is left out
    assert 850 < heads.count("20010db8") < 1_150
    assert (found[~v4][[head == "20010db9" for head in heads], 4:8] == 0).all()


def test_without_a_table_random_addresses_are_public_unicast_and_in_observed_32s() -> None:
    observed, _ = parse(["192.0.2.1", "2001:db8:1::1"])
    found = Announced.of([], observed).draw(np.arange(2_000) % 2 == 0, np.random.default_rng(1))
    v4 = is_v4(found)
    assert v4.sum() == 1_000
    assert not is_private(found).any()
    assert (found[v4, 12] >= 1).all()
    assert (found[v4, 12] < 224).all()
    assert {bytes(each[:4]).hex() for each in found[~v4]} == {"20010db8"}


def test_a_table_of_private_networks_only_is_drawn_from_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("prefix,asn\n10.0.0.0/8,64496\n")
    found = Announced.of([path], parse([])[0]).draw(np.ones(50, dtype=np.bool_), np.random.default_rng(1))
    assert (found[:, 12] == 10).all()


def test_a_table_without_a_prefix_column_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("asn\n1\n")
    with pytest.raises(UsageError, match="names no prefix"):
        Announced.of_file(path)


def test_only_a_table_of_operators_or_countries_says_what_is_announced(tmp_path: Path) -> None:
    samples = Path(__file__).parents[1] / "samples" / "networks"
    (tmp_path / "asn.mmdb").write_bytes(mmdb({"192.0.2.0/24": {"asn": 64496}}))
    (tmp_path / "own.csv").write_text("prefix,asn\n198.51.100.0/24,64496\n")
    files = [samples / "tor-bulk-exit-list.txt", samples / "geoip2-anonymous-ip-blocks.csv", tmp_path / "asn.mmdb"]
    nothing, v4 = parse([])[0], np.ones(50, dtype=np.bool_)
    found = Announced.of([*files, tmp_path / "own.csv"], nothing).draw(v4, np.random.default_rng(1))
    assert (found[:, 12:15] == (198, 51, 100)).all()
    found = Announced.of(files, nothing).draw(v4, np.random.default_rng(1))
    assert len(np.unique(found[:, 12])) > 10
