"""Rows + counted drops = events, event bucket by event bucket: nothing else becomes an event bucket."""

from __future__ import annotations

import copy
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from feed_cluster import FeedCluster, ServedDatafeed
from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.datafeed.reader import READERS
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import AnswerIncomplete

SPAN = 3_600
START = 1_772_323_200  # a multiple of SPAN
HOURS = 6
Answer = dict[str, Any]
Alter = Callable[[Any, Answer], Answer]


def event(seconds: float, entity: Any = "alice", ip: Any = "192.0.2.1", outcome: Any = "success") -> dict[str, Any]:
    fields = {"user.name": entity, "source.ip": ip, "event.outcome": outcome}
    return {"@timestamp": round((START + seconds) * 1_000)} | {key: value for key, value in fields.items() if value}


EVENTS = [event(hour * SPAN + n, entity=f"u{n}", ip=f"192.0.2.{n}") for hour in range(HOURS) for n in range(5)]


def feed(
    events: list[dict[str, Any]], altered: Alter | None = None, *, readers: int = READERS, **changes: Any
) -> ServedDatafeed:
    cluster = FeedCluster(events)
    if altered is not None:
        cluster.altered = altered
    return ServedDatafeed(cluster, FeedSpec(("logs",), **changes), readers=readers)


def rows(bucket: EventBucket) -> Counter[tuple[str, str, str]]:
    columns = (bucket.entity.tolist(), bucket.ip.tolist(), bucket.outcome.tolist(), bucket.count.tolist())
    found: Counter[tuple[str, str, str]] = Counter()
    for entity, ip, outcome, count in zip(*columns, strict=True):
        found[bucket.entities[entity], bucket.ips[ip], bucket.outcomes[outcome]] += count
    return found


def read(source: ServedDatafeed) -> list[tuple[int, Any, Counter[tuple[str, str, str]]]]:
    buckets = source.read(START, START + HOURS * SPAN, SPAN)
    return [(bucket.event_count, bucket.dropped, rows(bucket)) for bucket in buckets]


def is_page(body: Any) -> bool:
    return "pairs" in body["aggs"] and "aggs" not in body["aggs"]["pairs"]


def is_timed(body: Any) -> bool:
    return is_page(body) and "t" in body["aggs"]["pairs"]["composite"]["sources"][0]


def only(times: int, alter: Alter) -> Alter:
    """Altered so many times, then as it is."""
    left = [times]

    def altered(body: Any, answer: Answer) -> Answer:
        if left[0] and is_page(body):
            left[0] -= 1
            return alter(body, answer)
        return answer

    return altered


def half(_body: Any, answer: Answer) -> Answer:
    pairs = answer["aggregations"]["pairs"]
    pairs["buckets"] = pairs["buckets"][: len(pairs["buckets"]) // 2]
    if pairs["buckets"]:
        pairs["after_key"] = pairs["buckets"][-1]["key"]
    return answer


def empty(_body: Any, answer: Answer) -> Answer:
    answer["aggregations"]["pairs"] = {"buckets": []}
    return answer


@pytest.mark.parametrize("alter", [half, empty])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_short_page_is_read_again(alter: Alter, times: int) -> None:
    assert read(feed(EVENTS, only(times, alter))) == read(feed(EVENTS))


@pytest.mark.parametrize("alter", [half, empty])
def test_pages_that_stay_short_are_an_error_that_names_the_bucket_and_both_counts(alter: Alter) -> None:
    source = feed(EVENTS, only(1_000, alter))
    with pytest.raises(
        AnswerIncomplete, match=r"2026-03-01T0[03]:00:00Z.* rows of [02] documents.* 5 were counted"
    ) as caught:
        read(source)
    assert caught.value.retryable
    assert caught.value.hint


def test_half_of_a_single_bucket_is_an_error_too() -> None:
    with pytest.raises(AnswerIncomplete, match="rows of 2 documents"):
        read(feed(EVENTS[:5], only(1_000, half)))


def test_a_server_without_rows_by_time_is_read_bucket_by_bucket_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = feed(EVENTS, lambda body, answer: empty(body, answer) if is_timed(body) else answer)
    with caplog.at_level(logging.WARNING):
        assert read(source) == read(feed(EVENTS))
        assert read(source) == read(feed(EVENTS))
    (said,) = caplog.records
    assert said.getMessage() == (
        "OpenSearch 3.8.0 left out rows of events that were asked for together with their time; they were read again, "
        "each bucket by itself"
    )


def test_after_two_stretches_without_rows_none_is_asked_for_with_the_time_again() -> None:
    source = feed(EVENTS, lambda body, answer: empty(body, answer) if is_timed(body) else answer)
    for _ in range(4):
        read(source)
    assert sum(map(is_timed, source.served.bodies)) == 2


def test_fields_with_several_values_are_no_contradiction() -> None:
    events = [event(n, entity=["a", "b"], ip="192.0.2.1") for n in range(3)] + [event(9), event(10, ip=["192.0.2.1"])]
    (found, *_) = read(feed(events))
    assert found[0] == 5
    assert found[2].total() == 8


def test_several_values_in_two_fields_multiply_and_are_proven_by_their_combinations() -> None:
    both = {"entity": ["a", "b"], "ip": ["192.0.2.1", "192.0.2.2", "2001:db8::1"]}
    events = [event(1, **both), event(2, **both), event(3, entity=["a", "c"]), event(4)]
    (found, *_) = read(feed(events, page_size=2))
    assert found[2].total() == 2 * 6 + 2 + 1
    with pytest.raises(AnswerIncomplete):
        read(feed(events, only(1_000, half)))


def test_many_readings_of_several_values_ask_for_the_values_at_once() -> None:
    source = feed([event(hour * SPAN, ip=["192.0.2.1", "192.0.2.2"]) for hour in range(HOURS)])
    read(source)
    before = len(source.served.bodies)
    read(source)
    assert len(source.served.bodies) == before + 2


def arriving(source: ServedDatafeed, late: Iterator[dict[str, Any]]) -> None:
    """With each request another event comes, before it is answered."""

    def before(_body: Any) -> None:
        if (one := next(late, None)) is not None:
            source.served.events.append(one)

    source.served.before = before


def test_an_event_that_arrives_between_counting_and_reading_is_counted_and_read() -> None:
    late = event(2 * SPAN + 100, entity="late")
    source = feed(EVENTS)
    source.served.before = lambda body: (
        source.served.events.append(late) if is_page(body) and late not in source.served.events else None
    )
    assert read(source) == read(feed([*EVENTS, late]))


def test_where_events_keep_arriving_the_count_is_too_small_for_late_detection_to_find_them() -> None:
    source = feed(EVENTS[:5])
    arriving(source, (event(100 + n, entity=f"late{n}") for n in range(1_000)))
    (first, *_) = read(source)
    documents = first[2].total()
    now = source.event_counts(START, START + SPAN, SPAN)[START]
    assert 5 <= first[0] < documents <= now


def test_an_event_that_vanishes_between_counting_and_reading_is_neither_counted_nor_read() -> None:
    source = feed(list(EVENTS))
    gone = [EVENTS[7]]

    def before(body: Any) -> None:
        if is_page(body) and gone:
            source.served.events.remove(gone.pop())

    source.served.before = before
    assert read(source) == read(feed([one for one in EVENTS if one != EVENTS[7]]))


def without(*path: Any) -> Alter:
    """The answer without what lies at the path."""

    def alter(_body: Any, answer: Answer) -> Answer:
        at: Any = answer
        for name in path[:-1]:
            at = at[name]
        del at[path[-1]]
        return answer

    return alter


COUNTS = {
    "no buckets": without("aggregations", "buckets"),
    "a bucket less": without("aggregations", "buckets", "buckets", 0),
    "no key": without("aggregations", "buckets", "buckets", 0, "key"),
    "no missing entities": without("aggregations", "unreadable", "missing_entity"),
    "no missing addresses": without("aggregations", "unreadable", "missing_ip", "buckets"),
    "no unreadable events": without("aggregations", "unreadable"),
    "a bucket of unreadable events less": without("aggregations", "unreadable", "buckets", "buckets", 0),
    "no aggregations": without("aggregations"),
    "no total": without("hits", "total"),
    "no hits": without("hits"),
}


@pytest.mark.parametrize("alter", COUNTS.values(), ids=COUNTS)
def test_a_count_that_lacks_something_is_an_error(alter: Alter) -> None:
    events = [*EVENTS, event(3, ip=None)]
    source = feed(events, lambda body, answer: answer if is_page(body) else alter(body, answer))
    with pytest.raises(AnswerIncomplete):
        read(source)


def test_events_that_lack_what_they_are_counted_to_have_are_an_error() -> None:
    def alter(body: Any, answer: Answer) -> Answer:
        if not is_page(body):
            answer["aggregations"]["unreadable"]["missing_ip"]["buckets"]["buckets"] = [
                {"key": START * 1_000, "doc_count": 3}
            ]
        return answer

    with pytest.raises(AnswerIncomplete, match="3 the IP, but 5 can be read"):
        read(feed(EVENTS, alter))


def cached(source: ServedDatafeed, chosen: Callable[[Any], bool]) -> None:
    """A proxy that knows an answer by its path alone: all chosen requests get what the first of them got."""
    kept: list[Answer] = []

    def altered(body: Any, answer: Answer) -> Answer:
        if not chosen(body):
            return answer
        kept.append(answer)
        return copy.deepcopy(kept[0])

    source.served.altered = altered


@pytest.mark.parametrize("hours", [1, HOURS])
def test_a_page_that_is_given_again_and_again_ends_in_an_error(hours: int) -> None:
    source = feed(EVENTS[: 5 * hours], page_size=2)
    cached(source, is_page)
    with pytest.raises(AnswerIncomplete, match="go on where the one before ended"):
        read(source)


def test_combinations_that_are_given_again_and_again_end_in_an_error() -> None:
    both = {"entity": ["a", "b"], "ip": ["192.0.2.1", "192.0.2.2"]}
    source = feed([event(1, **both), event(2, entity=["c", "d"], ip="192.0.2.3"), event(3)], page_size=2)
    cached(source, lambda body: "aggs" in body["aggs"].get("pairs", {}))
    with pytest.raises(AnswerIncomplete):
        read(source)


def moved(seconds: float) -> Alter:
    """All counts as of a later time."""

    def alter(body: Any, answer: Answer) -> Answer:
        if not is_page(body):
            parts = answer["aggregations"]
            for part in [parts, *(parts[name] for name in parts if name != "buckets")]:
                for bucket in part["buckets"]["buckets"]:
                    bucket["key"] += int(seconds * 1_000)
        return answer

    return alter


@pytest.mark.parametrize("seconds", [1, -SPAN, SPAN, SPAN / 2, HOURS * SPAN, -100 * SPAN])
def test_counts_of_other_times_than_asked_for_are_an_error(seconds: float) -> None:
    with pytest.raises(AnswerIncomplete):
        read(feed(EVENTS, moved(seconds)))
    with pytest.raises(AnswerIncomplete):
        feed(EVENTS, moved(HOURS * SPAN)).event_counts(START, START + HOURS * SPAN, SPAN)


def test_a_document_with_several_times_is_in_each_bucket_that_was_asked_for() -> None:
    several = [START + each for each in (-SPAN, 10, SPAN + 10, 100 * SPAN)]
    odd = {**event(0, entity="odd"), "@timestamp": [each * 1_000 for each in several]}
    found = read(feed([*EVENTS, odd], page_size=3))
    assert [events for events, _, _ in found] == [6, 6, 5, 5, 5, 5]
    assert [bucket["odd", "192.0.2.1", "success"] for _, _, bucket in found] == [1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("part", ["missing_entity", "missing_ip", "outcome_0"])
def test_what_was_usual_is_proven_too(part: str) -> None:
    events = [event(1), event(2, entity=None), event(3, ip=None)]
    source = feed(events, without("aggregations", part, "buckets", "buckets", 0))
    with pytest.raises(AnswerIncomplete, match=part):
        source.recalled(START, START + SPAN, SPAN)


DRAWN = st.lists(
    st.tuples(
        st.integers(0, HOURS * SPAN * 1_000 - 1),
        st.sampled_from([None, "a", "b", "c", ["a", "c"]]),
        st.sampled_from([None, "192.0.2.1", "192.0.2.2", "2001:db8::1", ["192.0.2.1", "192.0.2.9"]]),
        st.sampled_from([None, "success", "failure"]),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(
    DRAWN,
    st.integers(0, 1 << 32),
    st.sampled_from([1, 2, 1_000]),
    st.integers(2, 9),
    st.sampled_from([(), ("success",), ("failure", "unknown")]),
)
def test_no_part_of_an_answer_becomes_an_event_bucket_with_other_rows(
    drawn: list[Any], seed: int, times: int, page_size: int, outcomes: tuple[str, ...]
) -> None:
    events = [{**event(0, *rest), "@timestamp": START * 1_000 + ms} for ms, *rest in drawn]
    whole = read(feed(events, page_size=page_size, outcomes=outcomes))
    rng = random.Random(seed)

    def alter(_body: Any, answer: Answer) -> Answer:
        nonlocal times
        if not times:
            return answer
        answer = copy.deepcopy(answer)
        places = list(removable(answer["aggregations"]))
        if places:
            times -= 1
            part, key = rng.choice(places)
            if not isinstance(key, slice):
                del part[key]
            elif rng.random() < 0.5:
                part[key] = []
            else:
                part[key] = 2 * part[key]
        return answer

    source = feed(events, alter, readers=1, page_size=page_size, outcomes=outcomes)
    try:
        found = read(source)
    except AnswerIncomplete:
        return
    assert found == whole


def removable(part: Any) -> Iterator[tuple[Any, Any]]:
    """Everything in an answer that can be left out: keys of objects, ends of lists (which may also come twice)."""
    if isinstance(part, dict):
        for key, inner in part.items():
            yield part, key
            yield from removable(inner)
    elif isinstance(part, list):
        for place, inner in enumerate(part):
            yield part, slice(place, None)
            yield from removable(inner)
