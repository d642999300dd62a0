from __future__ import annotations

from itertools import pairwise

import pytest

from ipi_es.config.job_config import Job
from ipi_es.datafeed.searches.read_plan import CountedBucket, Pace, stretches, whole_buckets
from ipi_es.datafeed.searches.requests import page_body, plan_body, window
from ipi_es.datafeed.spec import MAX_PAGE_SIZE, FeedSpec
from ipi_es.errors import ConfigError

START, SPAN = 1_772_323_200, 3_600
WITHIN = {"range": {"@timestamp": {"gte": START * 1_000, "lt": (START + SPAN) * 1_000, "format": "epoch_millis"}}}


def sources(spec: FeedSpec, span: int | None = None) -> list[str]:
    body = page_body(spec, START, START + SPAN, span=span)
    return [next(iter(source)) for source in body["aggs"]["pairs"]["composite"]["sources"]]


def test_bare_range_where_all_documents_are_wanted() -> None:
    assert window(FeedSpec(("logs",)), START, START + SPAN) == WITHIN


def test_query_of_the_job_is_joined_by_and() -> None:
    query = {"term": {"event.category": "authentication"}}
    assert window(FeedSpec(("logs",), query=query), START, START + SPAN) == {"bool": {"filter": [WITHIN, query]}}


def test_rows_carry_time_only_where_several_buckets_are_read() -> None:
    spec = FeedSpec(("logs",))
    assert sources(spec) == ["e", "i", "o"]
    assert sources(spec, SPAN) == ["t", "e", "i", "o"]


def test_single_outcome_is_queried_and_not_carried() -> None:
    spec = FeedSpec(("logs",), outcomes=("success",))
    assert sources(spec) == ["e", "i"]
    body = page_body(spec, START, START + SPAN, span=None)
    assert body["query"] == {"bool": {"filter": [WITHIN, {"terms": {"event.outcome": ["success"]}}]}}


def test_several_outcomes_are_carried() -> None:
    assert sources(FeedSpec(("logs",), outcomes=("success", "failure"))) == ["e", "i", "o"]


def test_unknown_outcome_also_means_events_without_the_field() -> None:
    spec = FeedSpec(("logs",), outcomes=("unknown",))
    chosen = page_body(spec, START, START + SPAN, span=None)["query"]["bool"]["filter"][1]
    assert {"bool": {"must_not": [{"exists": {"field": "event.outcome"}}]}} in chosen["bool"]["should"]


def test_event_count_is_of_all_outcomes() -> None:
    assert plan_body(FeedSpec(("logs",), outcomes=("success",)), START, START + SPAN, SPAN)["query"] == WITHIN


def test_no_outcome_field_asks_for_none() -> None:
    spec = FeedSpec(("logs",), outcome_field=None, outcomes=("success",))
    assert sources(spec) == ["e", "i"]
    assert page_body(spec, START, START + SPAN, span=None)["query"] == WITHIN


def test_runtime_mappings_are_passed_on() -> None:
    mappings = {"user": {"type": "keyword"}}
    spec = FeedSpec(("logs",), runtime_mappings=mappings)
    for body in (plan_body(spec, START, START + SPAN, SPAN), page_body(spec, START, START + SPAN, span=None)):
        assert body["runtime_mappings"] == mappings


@pytest.mark.parametrize("size", [0, MAX_PAGE_SIZE + 1])
def test_page_size_out_of_range_is_refused(size: int) -> None:
    with pytest.raises(ConfigError, match="out of range"):
        FeedSpec(("logs",), page_size=size)


def test_no_index_is_refused() -> None:
    with pytest.raises(ConfigError, match="no index"):
        FeedSpec(())


def test_unknown_normalization_is_refused() -> None:
    with pytest.raises(ConfigError, match="uppercase"):
        FeedSpec(("logs",), entity_normalize=("uppercase",))  # type: ignore[arg-type]


def test_whole_buckets_round_the_start_down_and_leave_a_cut_end_out() -> None:
    assert whole_buckets(START + 1, START + 2 * SPAN + 1, SPAN) == (START, START + 2 * SPAN)
    assert whole_buckets(START, START, SPAN) == (START, START)


def test_stretches_cover_everything_once() -> None:
    counted = {START + hour * SPAN: CountedBucket(hour + 1) for hour in range(0, 20, 3)}
    found = list(stretches(START, START + 24 * SPAN, counted, pace=Pace(), page_size=20))
    assert found[0].start == START
    assert found[-1].end == START + 24 * SPAN
    assert all(one.end == other.start for one, other in pairwise(found))
    assert sum(one.events for one in found) == sum(one.events for one in counted.values())
    assert all(one.events <= 16 or len(one.counted) == 1 for one in found)


def test_pace_lengthens_stretches_where_pairs_repeat() -> None:
    pace = Pace()
    before = pace.events_a_stretch(1_000)
    for _ in range(20):
        pace.learn(rows=100, events=1_000)
    assert before == 800
    assert pace.events_a_stretch(1_000) == pytest.approx(8_000, rel=0.01)


def test_pace_shortens_at_once() -> None:
    pace = Pace(rows_per_event=0.1)
    pace.learn(rows=1_000, events=1_000)
    assert pace.events_a_stretch(1_000) == 800


def test_spec_of_a_job_takes_its_fields() -> None:
    job = Job.model_validate(
        {
            "job_id": "logins",
            "analysis_config": {"detectors": [{"by_field_name": "client.ip", "partition_field_name": "user.email"}]},
            "data_description": {"time_field": "event.created"},
            "datafeed_config": {"indices": ["auth-*"], "learn_outcomes": ["success"], "score_outcomes": ["failure"]},
        }
    )
    spec = FeedSpec.from_job(job)
    assert (spec.indices, spec.entity_fields, spec.ip_field) == (("auth-*",), ("user.email",), "client.ip")
    assert (spec.time_field, spec.outcome_field, spec.outcomes) == (
        "event.created",
        "event.outcome",
        ("failure", "success"),
    )
    assert spec.options.expand_wildcards == "open"
