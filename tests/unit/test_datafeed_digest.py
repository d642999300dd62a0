"""The digest of an event bucket's rows: of what was read, in whatever order it came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipi_es.cluster.port import Json, Put
from ipi_es.config.entity_names import EntitySource
from ipi_es.datafeed.event_bucket import NO_ROWS_DIGEST
from ipi_es.datafeed.normalize import Normalizer
from ipi_es.datafeed.reader import Datafeed
from ipi_es.datafeed.searches.pages import Rows
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import RequestRejected
from ipi_es.testing.memory_cluster import MemoryCluster

START, SPAN = 1_772_323_200, 3_600
Row = tuple[str, str, str, int]
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["alice", "bob", "çelik", "svc$"]),
        st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
        st.sampled_from(["success", "failure"]),
        st.integers(1, 9),
    ),
    unique_by=lambda row: row[:3],
    max_size=12,
)


def digest(rows: list[Row], operators: list[int] | None = None) -> str:
    entities, ips, outcomes, counts = ([row[column] for row in rows] for column in range(4))
    made = Rows(entities, ips, outcomes, np.array(counts, dtype=np.int64), operators=operators)
    return Normalizer().bucket(START, SPAN, made).digest()


@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_the_rows_does_not_matter(rows: list[Row], random: Any) -> None:
    other = list(rows)
    random.shuffle(other)
    assert digest(rows) == digest(other)


@given(ROWS, ROWS)
def test_other_rows_have_another_digest(one: list[Row], other: list[Row]) -> None:
    assert (digest(one) == digest(other)) == (set(one) == set(other))


def test_it_is_the_same_everywhere() -> None:
    assert digest([]) == NO_ROWS_DIGEST
    rows = [("alice", "192.0.2.1", "success", 2), ("bob", "2001:db8::1", "failure", 1)]
    assert digest(rows) == "1b2a3fae57cc15d5"


def test_spellings_that_become_one_name_are_one_row() -> None:
    apart = digest([("alice", "192.0.2.1", "success", 2), ("alice", "::ffff:192.0.2.1", "success", 1)])
    assert apart == digest([("alice", "192.0.2.1", "success", 3)])


def test_another_operator_of_an_address_is_another_digest() -> None:
    rows: list[Row] = [("alice", "192.0.2.1", "success", 2)]
    assert len({digest(rows, operators) for operators in (None, [64_500], [64_501])}) == 3
    assert digest(rows, [0]) == digest(rows)


class WithoutSequenceNumbers(MemoryCluster):
    """A server that aggregates no field of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0

    def search(self, index: Any, body: Mapping[str, Any], **how: Any) -> Json:
        if "_seq_no" in str(body):
            self.refused += 1
            raise RequestRejected("Fielddata is not supported on field [_seq_no]", status=400)
        return super().search(index, body, **how)


def test_where_sequence_numbers_are_refused_counts_come_without_them() -> None:
    cluster = WithoutSequenceNumbers()
    source = {"@timestamp": START * 1_000, "user.name": "alice", "source.ip": "192.0.2.1"}
    cluster.bulk([Put("events", "1", source)], refresh=True)
    entity = EntitySource.parse("user.name.keyword")
    feed = Datafeed(cluster, FeedSpec(("events",), entity_sources=(entity,), ip_field="source.ip.keyword"))
    for _ in range(2):
        (bucket,) = feed.read(START, START + SPAN, SPAN)
        assert (bucket.event_count, bucket.seq_no) == (1, None)
    assert cluster.refused == 1


def test_request_that_is_refused_for_another_reason_says_so() -> None:
    def refuse(_operation: str, _index: str) -> None:
        raise RequestRejected("something else", status=400)

    cluster = MemoryCluster(before=refuse)
    with pytest.raises(RequestRejected, match="something else"):
        Datafeed(cluster, FeedSpec(("events",))).counted(START, START + SPAN, SPAN)
