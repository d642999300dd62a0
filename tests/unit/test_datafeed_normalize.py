from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.addresses import packed
from ipi_es.datafeed.event_bucket import Dropped, EventBucket
from ipi_es.datafeed.normalize import Normalizer
from ipi_es.datafeed.searches.pages import Rows
from ipi_es.errors import FieldTypeWrong

BOTH = ("lowercase", "strip_domain")


def bucket(*rows: tuple[Any, Any, Any, int], **settings: Any) -> EventBucket:
    entities, ips, outcomes, counts = (list(column) for column in zip(*rows, strict=True))
    return Normalizer(**settings).bucket(0, 60, Rows(entities, ips, outcomes, np.array(counts, dtype=np.int64)))


def rows(found: EventBucket) -> list[tuple[str, str, str, int]]:
    columns = (found.entity.tolist(), found.ip.tolist(), found.outcome.tolist(), found.count.tolist())
    return [
        (found.entities[entity], found.ips[ip], found.outcomes[outcome], count)
        for entity, ip, outcome, count in zip(*columns, strict=True)
    ]


class TestAddresses:
    @pytest.mark.parametrize(
        ("spelled", "canonical"),
        [
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::FFFF:C000:0201", "192.0.2.1"),
            (" 192.0.2.1 ", "192.0.2.1"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("192.0.2.1:443", "192.0.2.1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[fe80::1%eth0]:22", "fe80::1"),
        ],
    )
    def test_spellings_become_canonical(self, spelled: str, canonical: str) -> None:
        found = bucket(("a", spelled, "success", 1), ("a", "203.0.113.9", "success", 1))
        assert found.ips == [canonical, "203.0.113.9"]
        assert found.addresses[0].tobytes() == packed(canonical)

    @pytest.mark.parametrize(
        ("text", "first", "last", "public"),
        [
            ("203.0.113.9, 198.51.100.7, 10.0.0.1", "203.0.113.9", "10.0.0.1", "198.51.100.7"),
            ("10.0.0.1,203.0.113.9:443", "10.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("10.0.0.2 10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.1"),
            ("unknown, 203.0.113.9, [2001:db8::1]:5", "203.0.113.9", "2001:db8::1", "2001:db8::1"),
            ("203.0.113.9", "203.0.113.9", "203.0.113.9", "203.0.113.9"),
        ],
    )
    def test_one_address_of_a_list_counts(self, text: str, first: str, last: str, public: str) -> None:
        for pick, expected in (("first", first), ("last", last), ("public", public)):
            assert rows(bucket(("a", text, "success", 2), ip_pick=pick)) == [("a", expected, "success", 2)]

    def test_a_list_of_addresses_is_malformed_unless_one_is_picked(self) -> None:
        assert bucket(("a", "203.0.113.9, 10.0.0.1", "success", 2)).dropped == Dropped(malformed_ip=2)
        assert bucket(("a", "unknown, -", "success", 2), ip_pick="public").dropped == Dropped(malformed_ip=2)

    def test_spellings_of_one_address_are_one_row(self) -> None:
        found = bucket(("a", "192.0.2.1", "success", 2), ("a", "::ffff:192.0.2.1", "success", 3))
        assert rows(found) == [("a", "192.0.2.1", "success", 5)]
        assert found.addresses.shape == (1, 16)

    @pytest.mark.parametrize(
        "text", ["", "alice", "192.0.2.256", "192.0.2", "010.0.0.1", "192.0.2.1:", "192.0.2.1:http", "::g", 7, True]
    )
    def test_malformed_address_is_dropped_and_counted(self, text: Any) -> None:
        found = bucket(("a", text, "success", 4), ("b", "192.0.2.1", "success", 1))
        assert rows(found) == [("b", "192.0.2.1", "success", 1)]
        assert found.entities == ["b"]
        assert found.dropped == Dropped(malformed_ip=4)

    def test_only_malformed_addresses_leave_an_empty_bucket(self) -> None:
        found = bucket(("a", "nonsense", "success", 4))
        assert (found.entities, found.ips, found.outcomes, rows(found)) == ([], [], [], [])
        assert found.addresses.shape == (0, 16)

    def test_private_addresses_stay_unless_told_otherwise(self) -> None:
        assert len(rows(bucket(("a", "10.0.0.1", "success", 1)))) == 1

    def test_excluded_entities_are_dropped_and_counted(self) -> None:
        found = bucket(
            ("WEB-01$", "192.0.2.1", "success", 3),
            ("CORP\\Svc-Backup", "192.0.2.1", "success", 4),
            ("alice", "192.0.2.1", "success", 5),
            exclude_entities=("*$", "corp\\SVC-*"),
            entity_normalize=("lowercase",),
        )
        assert rows(found) == [("alice", "192.0.2.1", "success", 5)]
        assert found.dropped == Dropped(excluded_entity=7)
        assert found.dropped.unparsable == 0

    def test_private_addresses_are_dropped_and_counted_when_ignored(self) -> None:
        found = bucket(
            ("a", "10.0.0.1", "success", 2), ("a", "8.8.8.8", "success", 1), ("a", "fd00::1", "success", 3),
            ignore_private=True,
        )  # fmt: skip
        assert found.ips == ["8.8.8.8"]
        assert found.dropped == Dropped(private_ip=5)


class TestEntities:
    def test_spellings_are_kept_apart_without_normalization(self) -> None:
        assert len(rows(bucket(("Alice", "192.0.2.1", "success", 1), ("alice", "192.0.2.1", "success", 1)))) == 2

    def test_spellings_are_one_with_both_steps(self) -> None:
        names = ["CORP\\alice", "alice@corp", "Alice", "bob"]
        found = bucket(*((name, "192.0.2.1", "success", 1) for name in names), entity_normalize=BOTH)
        assert rows(found) == [("alice", "192.0.2.1", "success", 3), ("bob", "192.0.2.1", "success", 1)]

    def test_numbers_and_booleans_are_spelled_as_the_cluster_does(self) -> None:
        found = bucket((1001, "192.0.2.1", True, 1), (1002, "192.0.2.1", False, 1))
        assert (found.entities, found.outcomes) == (["1001", "1002"], ["true", "false"])

    def test_empty_name_counts_as_missing(self) -> None:
        found = bucket(("", "192.0.2.1", "success", 2), ("a", "192.0.2.1", "success", 1))
        assert found.dropped == Dropped(missing_entity=2)
        assert found.entities == ["a"]


class TestOutcomes:
    def test_absent_outcome_is_unknown(self) -> None:
        found = bucket(("a", "192.0.2.1", None, 2), ("a", "192.0.2.1", "unknown", 1))
        assert rows(found) == [("a", "192.0.2.1", "unknown", 3)]

    def test_too_many_outcomes_are_refused(self) -> None:
        with pytest.raises(FieldTypeWrong, match="distinct values"):
            bucket(*(("a", "192.0.2.1", f"o{n}", 1) for n in range(128)))


NAMES = st.sampled_from(["a", "A", "X\\a", "a@x", "b", "@", "\\", ""])
IPS = st.sampled_from(["192.0.2.1", "::ffff:192.0.2.1", "10.1.1.1", "2001:db8::1", "2001:DB8::1", "x", "::1"])


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(NAMES, IPS, st.sampled_from([None, "success", "failure"]), st.integers(1, 5)),
        min_size=1,
        unique_by=lambda row: row[:3],
    ),
    st.booleans(),
    st.sampled_from([(), BOTH]),
)
def test_no_document_is_lost_and_no_row_comes_twice(drawn: list[Any], ignore: bool, steps: Any) -> None:
    found = bucket(*drawn, ignore_private=ignore, entity_normalize=steps)
    keys = Counter(row[:3] for row in rows(found))
    assert not keys or max(keys.values()) == 1
    unusable = sum(count for name, ip, _, count in drawn if name == "" or ip == "x" or (ignore and private(ip)))
    assert found.count.sum() == sum(row[3] for row in drawn) - unusable
    assert found.entities == list(dict.fromkeys(row[0] for row in rows(found)))
    assert found.ips == list(dict.fromkeys(row[1] for row in rows(found)))
    assert [address.tobytes() for address in found.addresses] == [packed(ip) for ip in found.ips]


def private(ip: str) -> bool:
    return ip in {"10.1.1.1", "::1"}


@settings(max_examples=50)
@given(
    st.lists(st.tuples(NAMES, IPS, st.just("success"), st.integers(1, 5)), min_size=1, unique_by=lambda row: row[:2]),
    st.randoms(),
)
def test_order_of_rows_changes_no_count(drawn: list[Any], random: Any) -> None:
    shuffled = random.sample(drawn, len(drawn))
    one, other = (bucket(*order, entity_normalize=BOTH, ignore_private=True) for order in (drawn, shuffled))
    assert set(rows(one)) == set(rows(other))
    assert one.dropped == other.dropped
