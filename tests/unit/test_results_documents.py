"""Result documents: every field, and every field in the template."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, get_args

import pytest

from ipi_es.results.documents.explanation import ScoreExplanation, sentence
from ipi_es.results.documents.members import Members, Unusual
from ipi_es.results.documents.result_documents import (
    Bucket,
    BucketInfluencer,
    Influencer,
    Record,
    ResultContext,
    ResultDocument,
    Stamp,
    annotation,
)
from ipi_es.results.index_mapping import ECS_LEAVES, FIXED_FIELDS, flat_mapping, mapped_type
from ipi_es.results.words import BUCKET_TIME, AnnotationType
from ipi_es.setup import templates

START = 1_777_593_600
CONTEXT = ResultContext("logins", 3_600, "user.name", "source.ip", ("user.name", "source.ip"))
STAMP = Stamp("snap-1", "q-1", ingested=START + 7_200, rescored_at=START + 9_000, revision=2)
EXPLANATION = ScoreExplanation(
    history_class="31–200 events",
    prior_events=120,
    calibration_size=9_999,
    probability_extrapolated=True,
    c1=88.0,
    c2=100.0,
    c3=91.5,
    bound="rank",
    first_occurrence=True,
    relative_rarity=1.0,
    typical=(("192.0.2.0/24", 100, 0.8333), ("203.0.113.0/24", 20, 0.1667)),
    longest_shared_prefix=3,
    network="198.51.100.0/24",
    network_new_to_everybody=True,
    entities_sharing_ip=2,
)


def a_record(**changes: Any) -> ResultDocument:
    fields: dict[str, Any] = {
        "start": START,
        "entity": "alice",
        "ip": "198.51.100.7",
        "probability": 1e-5,
        "record_score": 91.5,
        "actual": -7.5,
        "typical": 4.25,
        "event_count": 3,
        "explanation": EXPLANATION,
        "suppressed_by": "vpn",
        "repeat_of": "some-id",
        "enrichment": {"source.as.number": 64_500, "source.as.organization.name": "Example", "source.ip": "x"},
    }
    return Record(**(fields | changes)).document(CONTEXT, STAMP)


def a_bucket(**changes: Any) -> ResultDocument:
    fields: dict[str, Any] = {
        "start": START,
        "event_count": 500,
        "processing_time_ms": 12,
        "influencers": [
            BucketInfluencer(BUCKET_TIME, 40.0, 3.5, 1e-6),
            BucketInfluencer("source.ip", 60.0, 4.5, 1e-7),
        ],
        "top_entities": ["alice"],
        "top_ips": ["198.51.100.7"],
        "max_record_score": 91.5,
        "record_count": 3,
        "new_record_count": 1,
        "omitted_record_count": 0,
    }
    return Bucket(**(fields | changes)).document(CONTEXT, STAMP)


def an_influencer() -> ResultDocument:
    return Influencer(
        start=START, field="source.ip", value="198.51.100.7", probability=1e-9, influencer_score=80
    ).document(CONTEXT, STAMP)


def an_annotation() -> ResultDocument:
    return annotation(
        CONTEXT, STAMP, start=START, end=START + 3_600, annotation_type="blind", text="no events for an hour"
    )


MEMBERS = Members(
    count=45,
    unlearned=41,
    repeats=2,
    allowed=1,
    names=("a", "b", "c", "d", "e", "f"),
    event_count=61,
    outcomes=(("failure", 58), ("success", 3)),
    operators=(64_500,),
    organizations=("Example",),
    countries=("SG",),
)
TRIED = Influencer(
    start=START,
    field="source.ip",
    value="203.0.113.9",
    probability=0.00018,
    influencer_score=80,
    members=MEMBERS,
).document(CONTEXT, STAMP)
TAKEN = Influencer(
    start=START,
    field="user.name",
    value="alice",
    probability=0.00018,
    influencer_score=80,
    members=replace(MEMBERS, count=2, unlearned=2, repeats=0, allowed=0, names=("192.0.2.1", "192.0.2.2"), outcomes=()),
).document(CONTEXT, STAMP)
UNUSUAL = a_bucket(unusual=Unusual(pairs=7, entities=6, ips=1, unlearned=5))
ALL = [
    a_record(outcomes=(("failure", 2), ("success", 1))), an_influencer(), a_bucket(), an_annotation(),
    TRIED, TAKEN, UNUSUAL,
]  # fmt: skip


@pytest.mark.parametrize("document", ALL, ids=lambda each: each.source["result_type"])
def test_what_all_results_have(document: ResultDocument) -> None:
    assert document.index == "ipi-es-anomalies-shared-2026.05"
    assert document.id.startswith(f"logins_{document.source['result_type']}_{START * 1_000}_3600_")
    expected = {
        "job_id": "logins",
        "timestamp": START * 1_000,
        "bucket_span": 3_600,
        "is_interim": False,
        "event.ingested": (START + 7_200) * 1_000,
        "snapshot_id": "snap-1",
        "quantiles_id": "q-1",
        "revision": 2,
        "rescored_at": (START + 9_000) * 1_000,
    }
    assert expected.items() <= document.source.items()


@pytest.mark.parametrize("document", ALL, ids=lambda each: each.source["result_type"])
def test_every_field_is_in_the_mapping(document: ResultDocument) -> None:
    (shipped,) = (each for each in templates.load() if each.name == "ipi-es-results")
    mapping = templates._overlay(shipped.mappings, flat_mapping(CONTEXT.flat_fields))
    for field in leaves(document.source):
        assert mapped_type(field, mapping) not in (None, "object", "nested"), field


def leaves(value: Any, path: str = "") -> set[str]:
    if isinstance(value, dict):
        return {leaf for key, below in value.items() for leaf in leaves(below, f"{path}.{key}" if path else key)}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {leaf for each in value for leaf in leaves(each, path)}
    return {path}


def test_template_and_reserved_names_are_the_same_set() -> None:
    (shipped,) = (each for each in templates.load() if each.name == "ipi-es-results")
    objects = {leaf.partition(".")[0] for leaf in ECS_LEAVES}
    assert set(shipped.mappings["properties"]) - objects == FIXED_FIELDS
    assert all(mapped_type(leaf, shipped.mappings) not in (None, "object") for leaf in ECS_LEAVES)


def test_record_has_elastics_fields() -> None:
    source = a_record().source
    expected = {
        "record_score": 91.5,
        "initial_record_score": 91.5,
        "probability": 1e-5,
        "actual": [-7.5],
        "typical": [4.25],
        "detector_index": 0,
        "function": "rare",
        "function_description": "rare",
        "by_field_name": "source.ip",
        "by_field_value": "198.51.100.7",
        "partition_field_name": "user.name",
        "partition_field_value": "alice",
        "event_count": 3,
        "influencers": [
            {"influencer_field_name": "user.name", "influencer_field_values": ["alice"]},
            {"influencer_field_name": "source.ip", "influencer_field_values": ["198.51.100.7"]},
        ],
        "suppressed_by": "vpn",
        "repeat_of": "some-id",
    }
    assert expected.items() <= source.items()


def test_entity_and_ip_are_flat_under_the_events_names() -> None:
    source = a_record().source
    assert (source["user.name"], source["source.ip"]) == (["alice"], ["198.51.100.7"])
    assert source["source.as.number"] == 64_500
    assert an_influencer().source["source.ip"] == ["198.51.100.7"]
    assert "user.name" not in an_influencer().source


def test_record_names_the_sources_of_its_entity_where_it_has_several() -> None:
    several = replace(CONTEXT, entity_sources=("user.email", "user.name"))
    fields = {"start": START, "entity": "alice", "ip": "198.51.100.7", "probability": 1e-5, "record_score": 91.5}
    one = Record(**fields, actual=-7.5, typical=4.25, event_count=3)
    assert one.document(several, STAMP).source["entity_sources"] == ["user.email", "user.name"]
    assert "entity_sources" not in one.document(CONTEXT, STAMP).source


def test_optional_fields_are_left_out_when_there_is_nothing_to_say() -> None:
    source = a_record(suppressed_by=None, repeat_of=None, enrichment=None, explanation=None).source
    assert not {"suppressed_by", "repeat_of", "source.as.number", "anomaly_score_explanation"} & set(source)


def test_record_says_why_in_a_sentence() -> None:
    source = a_record(suppressed_by=None).source
    assert source["reason"] == sentence(source)
    assert source["reason"].startswith("alice used 198.51.100.7 (3 events). In what was learned before 2026-05-01, ")


def test_bucket_counts_what_could_not_be_read() -> None:
    assert a_bucket().source["unparsable_count"] == 0
    assert a_bucket(unparsable_count=7).source["unparsable_count"] == 7


def test_an_entity_as_a_whole_is_found_by_the_same_field_as_its_records() -> None:
    whole = (
        Influencer(start=START, field="user.name", value="alice", probability=1e-5, influencer_score=80.0)
        .document(CONTEXT, STAMP)
        .source
    )
    assert (whole["partition_field_name"], whole["partition_field_value"]) == ("user.name", "alice")
    address = (
        Influencer(start=START, field="source.ip", value="192.0.2.1", probability=1e-5, influencer_score=80.0)
        .document(CONTEXT, STAMP)
        .source
    )
    assert "partition_field_value" not in address


def test_bucket_score_is_the_largest_of_its_bucket_influencers() -> None:
    source = a_bucket().source
    assert (source["anomaly_score"], source["initial_anomaly_score"]) == (60.0, 60.0)
    nested = source["bucket_influencers"][1]
    assert nested == {
        "result_type": "bucket_influencer",
        "job_id": "logins",
        "timestamp": START * 1_000,
        "bucket_span": 3_600,
        "is_interim": False,
        "influencer_field_name": "source.ip",
        "anomaly_score": 60.0,
        "initial_anomaly_score": 60.0,
        "raw_anomaly_score": 4.5,
        "probability": 1e-7,
    }


def test_empty_bucket_scores_nothing() -> None:
    source = Bucket(start=START, event_count=0, processing_time_ms=0).document(CONTEXT, STAMP).source
    assert (source["anomaly_score"], source["record_count"], source["bucket_influencers"]) == (0.0, 0, [])


def test_annotation_knows_its_end_and_its_type() -> None:
    source = an_annotation().source
    assert source["end_timestamp"] == (START + 3_600) * 1_000
    assert source["annotation_type"] in get_args(AnnotationType)


def test_smallest_probability_is_written_as_a_normal_number() -> None:
    assert a_record(probability=0.0).source["probability"] == 2.2250738585072014e-308


@pytest.mark.parametrize(
    "wrong",
    [{"record_score": 100.5}, {"record_score": -1}, {"probability": 1.5}, {"record_score": math.nan},
     {"actual": math.inf}, {"probability": math.nan}],
)  # fmt: skip
def test_impossible_numbers_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"0–100|0–1|no number"):
        a_record(**wrong)


def test_same_input_gives_the_same_document() -> None:
    assert a_record() == a_record()
    assert a_record().id != a_record(entity="bob").id


def test_influencer_that_is_an_address_says_with_whom_and_how_many() -> None:
    source = TRIED.source
    assert (source["entity_count"], source["unlearned_entity_count"], source["event_count"]) == (45, 41, 61)
    assert source["top_entities"] == list("abcdef")
    assert source["reason"] == (
        "203.0.113.9 was used by 45 user.name values (61 events: 58 failure, 3 success): a, b, c, d, e and 40 more. "
        "In what was learned before 2026-05-01, 41 of them never used it. Of them 2 repeat earlier findings and "
        "1 is allowed. Operator AS64500; country SG. 1 source.ip value in 5,600 is as unusual as this."
    )


def test_influencer_that_is_an_entity_says_from_where() -> None:
    source = TAKEN.source
    assert (source["ip_count"], source["unlearned_ip_count"]) == (2, 2)
    assert source["top_ips"] == ["192.0.2.1", "192.0.2.2"]
    assert source["reason"] == (
        "alice used 2 source.ip values (61 events): 192.0.2.1, 192.0.2.2. In what was learned before 2026-05-01, "
        "alice never used any of them. Operator AS64500; country SG. 1 user.name value in 5,600 is as unusual as this."
    )


def test_bucket_says_what_is_unusual_in_it() -> None:
    assert UNUSUAL.source["reason"] == (
        "7 unusual pairs of 6 user.name values and 1 source.ip value: alice and 5 more; from 198.51.100.7. "
        "In what was learned before 2026-05-01, 5 of these pairs never occurred."
    )
    assert "reason" not in a_bucket(unusual=Unusual(0, 0, 0, 0)).source
