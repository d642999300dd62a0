from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest
from feed_cluster import FeedCluster, ServedDatafeed
from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.datafeed.event_bucket import Dropped, EventBucket
from ipi_es.datafeed.reader import Datafeed
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import ClusterUnreachable, ConfigError, UsageError

SPAN = 3_600
START = 1_772_323_200  # a multiple of SPAN


def event(seconds: float, entity: Any = "alice", ip: Any = "192.0.2.1", outcome: Any = "success") -> dict[str, Any]:
    fields = {"user.name": entity, "source.ip": ip, "event.outcome": outcome}
    present = {name: value for name, value in fields.items() if value is not None}
    return {"@timestamp": round((START + seconds) * 1_000), **present}


def feed(events: list[dict[str, Any]], **changes: Any) -> ServedDatafeed:
    return ServedDatafeed(FeedCluster(events), FeedSpec(("logs",), **changes))


def rows(bucket: EventBucket) -> Counter[tuple[str, str, str]]:
    found: Counter[tuple[str, str, str]] = Counter()
    for entity, ip, outcome, count in zip(bucket.entity, bucket.ip, bucket.outcome, bucket.count, strict=True):
        key = (bucket.entities[entity], bucket.ips[ip], bucket.outcomes[outcome])
        assert key not in found, "a row came twice"
        found[key] = int(count)
    return found


def read(source: Datafeed, start: int = START, end: int = START + SPAN, span: int = SPAN) -> list[EventBucket]:
    return list(source.read(start, end, span))


class TestEdges:
    def test_bucket_start_is_inclusive(self) -> None:
        (bucket,) = read(feed([event(0)]))
        assert bucket.event_count == 1

    def test_bucket_end_is_exclusive(self) -> None:
        first, second = read(feed([event(SPAN)]), end=START + 2 * SPAN)
        assert (first.event_count, second.event_count) == (0, 1)

    def test_last_millisecond_belongs_to_the_bucket(self) -> None:
        first, second = read(feed([event(SPAN - 0.001)]), end=START + 2 * SPAN)
        assert rows(first) == {("alice", "192.0.2.1", "success"): 1}
        assert rows(second) == {}

    def test_events_outside_the_interval_are_not_read(self) -> None:
        (bucket,) = read(feed([event(-0.001), event(1), event(SPAN)]))
        assert bucket.event_count == 1
        assert rows(bucket).total() == 1

    def test_start_is_rounded_down_to_a_whole_bucket(self) -> None:
        buckets = read(feed([event(1)]), start=START + 1_800)
        assert [(bucket.start, bucket.event_count) for bucket in buckets] == [(START, 1)]

    def test_bucket_cut_by_the_end_is_left_out(self) -> None:
        assert [bucket.start for bucket in read(feed([]), end=START + 2 * SPAN - 1)] == [START]

    def test_empty_interval_has_no_buckets(self) -> None:
        assert read(feed([event(0)]), end=START) == []

    def test_buckets_are_multiples_of_the_span_across_a_change_to_summer_time(self) -> None:
        begin = 1_774_742_400  # 2026-03-29T00:00Z; clocks in Europe change at 01:00Z
        starts = [bucket.start for bucket in read(feed([]), begin, begin + 4 * SPAN)]
        assert starts == [begin + hour * SPAN for hour in range(4)]

    def test_span_of_zero_is_refused(self) -> None:
        with pytest.raises(UsageError, match="span"):
            feed([]).read(START, START + 1, 0)

    def test_end_before_start_is_refused(self) -> None:
        with pytest.raises(UsageError, match="before the start"):
            feed([]).read(START, START - 1, SPAN)


class TestContents:
    def test_equal_pairs_become_one_row_with_their_count(self) -> None:
        (bucket,) = read(feed([event(1), event(2), event(3, ip="2001:db8::1"), event(4, outcome="failure")]))
        assert rows(bucket) == {
            ("alice", "192.0.2.1", "success"): 2,
            ("alice", "2001:db8::1", "success"): 1,
            ("alice", "192.0.2.1", "failure"): 1,
        }
        assert bucket.addresses.shape == (2, 16)
        assert (bucket.entity.dtype, bucket.outcome.dtype, bucket.count.dtype) == (np.int32, np.int8, np.int64)

    def test_missing_fields_are_counted_and_missing_outcome_is_unknown(self) -> None:
        events = [event(1, entity=None), event(2, ip=None), event(3, entity=None, ip=None), event(4, outcome=None)]
        (bucket,) = read(feed(events))
        assert bucket.event_count == 4
        assert bucket.dropped == Dropped(missing_entity=2, missing_ip=2)
        assert rows(bucket) == {("alice", "192.0.2.1", "unknown"): 1}

    def test_without_an_outcome_field_everything_is_a_success(self) -> None:
        (bucket,) = read(feed([event(1, outcome="failure"), event(2)], outcome_field=None))
        assert rows(bucket) == {("alice", "192.0.2.1", "success"): 2}

    def test_multi_valued_fields_give_every_combination(self) -> None:
        (bucket,) = read(feed([event(1, entity=["a", "b"], ip=["192.0.2.1", "192.0.2.2"])]))
        assert bucket.event_count == 1
        assert len(rows(bucket)) == 4

    def test_only_events_of_the_query_are_read(self) -> None:
        events = [event(1), {**event(2), "event.category": "authentication"}]
        (bucket,) = read(feed(events, query={"term": {"event.category": "authentication"}}))
        assert bucket.event_count == 1

    def test_spellings_of_one_entity_are_merged(self) -> None:
        events = [event(1, "CORP\\alice"), event(2, "alice@corp"), event(3, "Alice"), event(4, "bob")]
        (bucket,) = read(feed(events, entity_normalize=("lowercase", "strip_domain")))
        assert rows(bucket) == {("alice", "192.0.2.1", "success"): 3, ("bob", "192.0.2.1", "success"): 1}


class TestStretches:
    def test_many_small_buckets_are_read_by_one_search(self) -> None:
        source = feed([event(hour * SPAN, entity=f"u{hour % 3}") for hour in range(0, 500, 2)])
        buckets = read(source, end=START + 500 * SPAN)
        assert [bucket.event_count for bucket in buckets] == [1, 0] * 250
        assert source.served.pages == 1

    def test_ten_thousand_empty_buckets_cost_no_reading(self) -> None:
        source = feed([])
        buckets = read(source, end=START + 10_000 * SPAN)
        assert len(buckets) == 10_000
        assert not any(bucket.event_count for bucket in buckets)
        assert len(source.served.bodies) == 5

    def test_bucket_larger_than_a_page_is_read_to_its_end(self) -> None:
        source = feed([event(n, entity=f"u{n}") for n in range(50)], page_size=7)
        (bucket,) = read(source)
        assert len(rows(bucket)) == 50

    def test_later_pages_do_not_look_at_what_was_read(self) -> None:
        events = [event(hour * SPAN, entity=[f"u{n}" for n in range(20)]) for hour in range(10)]
        source = feed(events, page_size=20)
        assert all(len(rows(bucket)) == 20 for bucket in read(source, end=START + 10 * SPAN))
        later = [body for body in source.served.bodies if "after" in body["aggs"].get("pairs", {}).get("composite", {})]
        for body in later:
            composite = body["aggs"]["pairs"]["composite"]
            if "t" in composite["after"]:
                assert body["query"]["range"]["@timestamp"]["gte"] == composite["after"]["t"]

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.integers(-2_000, 14 * SPAN * 1_000),
                st.sampled_from([None, "a", "b", "c", ["a", "c"]]),
                st.sampled_from([None, "192.0.2.1", "192.0.2.2", "2001:db8::1", ["192.0.2.1", "192.0.2.9"]]),
                st.sampled_from([None, "success", "failure"]),
            ),
            max_size=60,
        ),
        st.integers(1, 9),
        st.integers(1, 3),
        st.sampled_from([SPAN, 900, 7_200]),
    )
    def test_reading_in_stretches_equals_grouping_by_hand(
        self, drawn: list[Any], page_size: int, readers: int, span: int
    ) -> None:
        events = [{**event(ms / 1_000, *rest), "@timestamp": START * 1_000 + ms} for ms, *rest in drawn]
        source = Datafeed(FeedCluster(events), FeedSpec(("logs",), page_size=page_size), readers=readers)  # type: ignore[arg-type]
        buckets = read(source, end=START + 12 * SPAN, span=span)
        assert [bucket.start for bucket in buckets] == list(range(START, START + 12 * SPAN, span))
        for bucket in buckets:
            mine = [one for one in events if bucket.start * 1_000 <= one["@timestamp"] < bucket.end * 1_000]
            assert bucket.event_count == len(mine)
            assert bucket.dropped.missing_entity == sum("user.name" not in one for one in mine)
            assert bucket.dropped.missing_ip == sum("source.ip" not in one for one in mine)
            assert rows(bucket) == group(mine)


def group(events: list[dict[str, Any]]) -> Counter[tuple[str, str, str]]:
    found: Counter[tuple[str, str, str]] = Counter()
    for one in events:
        entities, ips = (
            value if isinstance(value, list) else [value]
            for value in (one.get("user.name", []), one.get("source.ip", []))
        )
        found.update((entity, ip, one.get("event.outcome", "unknown")) for entity in entities for ip in ips)
    return found


class TestReadingAhead:
    def test_reading_goes_on_while_the_consumer_works(self) -> None:
        events = [event(hour * SPAN + n, entity=f"u{n}") for hour in range(8) for n in range(5)]
        source = feed(events, page_size=6)
        iterator = source.read(START, START + 8 * SPAN, SPAN)
        next(iterator)
        until = time.monotonic() + 5
        while source.served.pages < 4 and time.monotonic() < until:
            time.sleep(0.005)
        assert source.served.pages >= 4
        assert len(list(iterator)) == 7

    def test_reading_ahead_is_bounded(self) -> None:
        events = [event(hour * SPAN + n, entity=f"u{n}") for hour in range(60) for n in range(5)]
        source = feed(events, page_size=6)
        iterator = source.read(START, START + 60 * SPAN, SPAN)
        next(iterator)
        time.sleep(0.2)
        assert source.served.pages <= 6
        iterator.close()  # type: ignore[attr-defined]

    def test_error_in_the_background_is_raised_at_its_bucket(self) -> None:
        events = [event(hour * SPAN + n, entity=f"u{n}") for hour in range(8) for n in range(5)]
        source = feed(events, page_size=6)

        def fail(body: Any) -> None:
            limits = body["query"]["range"]["@timestamp"]
            if "pairs" in body["aggs"] and limits["gte"] >= (START + 4 * SPAN) * 1_000:
                raise ClusterUnreachable("gone in the middle")

        source.served.before = fail
        seen = []
        with pytest.raises(ClusterUnreachable, match="gone in the middle"):  # noqa: PT012
            for bucket in source.read(START, START + 8 * SPAN, SPAN):
                seen.append(bucket.start)  # noqa: PERF401
        assert seen == [START + hour * SPAN for hour in range(4)]

    def test_abandoned_iterator_leaves_no_thread(self) -> None:
        source = feed([event(hour * SPAN + n, entity=f"u{n}") for hour in range(60) for n in range(5)], page_size=6)
        iterator = source.read(START, START + 60 * SPAN, SPAN)
        next(iterator)
        iterator.close()  # type: ignore[attr-defined]
        until = time.monotonic() + 5
        while running() and time.monotonic() < until:
            time.sleep(0.005)
        assert not running()
        pages = source.served.pages
        time.sleep(0.05)
        assert source.served.pages == pages

    def test_nothing_is_read_before_the_first_bucket_is_asked_for(self) -> None:
        source = feed([event(0)])
        source.read(START, START + SPAN, SPAN)
        assert source.served.bodies == []


def running() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ipi-es-datafeed")]


class TestHelpers:
    def test_time_range_ends_behind_the_last_event(self) -> None:
        assert feed([event(5), event(99.5)]).time_range() == (START + 5, START + 100)

    def test_time_range_of_nothing_is_none(self) -> None:
        assert feed([]).time_range() is None

    def test_event_counts_are_those_of_the_buckets(self) -> None:
        source = feed([event(1), event(2), event(2 * SPAN)])
        assert source.event_counts(START, START + 3 * SPAN, SPAN) == {START: 2, START + 2 * SPAN: 1}

    def test_runtime_mappings_are_refused_on_opensearch(self) -> None:
        with pytest.raises(ConfigError, match="runtime_mappings"):
            feed([], runtime_mappings={"user": {"type": "keyword"}})
